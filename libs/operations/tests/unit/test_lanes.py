"""The fair order of waiting jobs over lanes."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ratoon.operations.lanes import MAX_WAIT_S, Queue, Ticket, lane
from ratoon.process.identity import ProcessIdentity

MARK = ProcessIdentity.current()
LONG_AGO, NOW = 100.0, 1000.0


def ticket(name: str, tenant: str, since: float = LONG_AGO) -> Ticket:
    return Ticket(name, tenant, since, MARK.pid, MARK.start_ticks)


def test_the_tenant_that_was_served_longest_ago_is_next():
    a, b, c = ticket("1", "a", 1), ticket("2", "b", 2), ticket("3", "c", 3)
    queue = Queue([a, b, c], {}, {"a": 900.0, "b": 800.0})
    assert [queue.lane_for(each, 1, NOW) for each in (a, b, c)] == [None, None, 0]
    queue.start(c, 0, NOW)
    assert [queue.lane_for(each, 1, NOW) for each in (a, b)] == [None, None]
    del queue.running[0]
    assert [queue.lane_for(each, 1, NOW) for each in (a, b)] == [None, 0]


def test_jobs_of_one_tenant_run_in_their_order_one_at_a_time():
    first, second = ticket("1", "a", 1), ticket("2", "a", 2)
    queue = Queue([second, first])
    assert [queue.lane_for(each, 3, NOW) for each in (second, first)] == [None, 0]
    queue.start(first, 0, NOW)
    assert queue.lane_for(second, 3, NOW) is None


def test_a_further_lane_opens_for_another_tenant_that_has_waited():
    queue = Queue([ticket("2", "a"), ticket("3", "b", NOW - MAX_WAIT_S / 2)], {0: ticket("1", "a")})
    fresh = queue.waiting[1]
    assert queue.lane_for(fresh, 2, NOW) is None
    assert queue.lane_for(fresh, 2, NOW + MAX_WAIT_S) == 1
    assert queue.lane_for(fresh, 1, NOW + MAX_WAIT_S) is None


def test_jobs_whose_process_is_gone_are_forgotten():
    gone = Ticket("1", "a", LONG_AGO, MARK.pid, MARK.start_ticks + 1)
    queue = Queue([gone, ticket("2", "b")], {0: gone})
    queue.forget_the_dead()
    assert [each.id for each in queue.waiting] == ["2"]
    assert queue.running == {}


def test_a_queue_of_another_version_is_replaced(tmp_path: Path):
    (tmp_path / "queue.json").write_text('{"waiting": [{"other": 1}]}')
    with lane(tmp_path, "a", 1, lambda _: None) as taken:
        assert taken == 0
    with lane(tmp_path, "a", 2, lambda _: None) as first, lane(tmp_path, "b", 2, lambda _: None, 0) as second:
        assert (first, second) == (0, 1)


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=30), st.integers(1, 4))
def test_no_tenant_waits_for_more_than_one_job_of_each_other(tenants, lanes):
    queue = Queue([ticket(str(n), tenant, float(n)) for n, tenant in enumerate(tenants)])
    now, started = NOW, []
    while queue.waiting:
        now += 1
        chosen = next((each for each in queue.waiting if queue.lane_for(each, lanes, now) is not None), None)
        if chosen is None:
            queue.running.pop(min(queue.running))
            continue
        taken = queue.lane_for(chosen, lanes, now)
        assert taken is not None
        queue.start(chosen, taken, now)
        started.append(chosen.tenant)
    for tenant in set(tenants):
        before_first = started[: started.index(tenant)]
        assert all(before_first.count(other) <= 1 for other in set(tenants))
