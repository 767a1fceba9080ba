"""An external event starts one run of a policy that expects it, within budget, cool-down and concurrency."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ratoon.events.cloudevents import Event
from ratoon.ingestion.v1.ingestion_events_pb2 import (
    ConnectionEvent,
    ConnectionRead,
    CrawlCompleted,
    CrawlEvent,
    CrawlFailed,
    StreamEvent,
    StreamSealed,
)
from ratoon.operations.operations import Claim, Operations, Step
from ratoon.process.errors import AlreadyExists
from ratoon.service.compute import JobDevices
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store, codec_of
from ratoon.tasks.classify import Classify
from ratoon.tasks.votes import Votes
from ratoon.testkit.clock import FakeClock
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.adapters.retention import retentions
from ratoon_flywheel.adapters.runs import RunTables
from ratoon_flywheel.application.commands import ReceiveEvent
from ratoon_flywheel.application.external_events import (
    EventCounts,
    receive_event,
    receive_for_all,
    waiting_events,
)
from ratoon_flywheel.application.procedures import PolicyObservation, PolicyProcedure
from ratoon_flywheel.domain.errors import (
    BadEvent,
    BadPolicy,
    EventIdReused,
    EventNotExpected,
    TooManyEvents,
)
from ratoon_flywheel.domain.pipelines.budget import Rates
from ratoon_flywheel.domain.pipelines.external_events import (
    MAX_WAITING,
    WAIT,
    EventFilter,
    EventState,
    ExternalEvent,
    event_name,
)
from ratoon_flywheel.domain.pipelines.policies import (
    Divergence,
    History,
    Policy,
    Signals,
    Verb,
    checked,
    decide,
    history_of,
    sources_of,
)
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, State, Trigger
from ratoon_flywheel.domain.project_settings import Budget
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.entrypoints.events import COLLECTING, on_reading
from ratoon_flywheel.settings import Settings

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SETTINGS = Settings()
PROJECT = "projects/mail"
SOURCE = f"{PROJECT}/sources/new"
FILTER = EventFilter("com.example.object.created", "/buckets/*")
POLICY = Policy(
    f"{PROJECT}/policies/data",
    NOW - timedelta(days=30),
    NOW,
    schedule_seconds=0.0,
    event_filters=(FILTER,),
    sources=(SOURCE,),
)
ENOUGH = Signals(
    "projects/mail/models/mail/versions/v1.0",
    10,
    500,
    Votes(),
    NOW - timedelta(hours=1),
    examples=Votes(297, 3),
)


def event(id: str = "e-1", **fields: object) -> ExternalEvent:
    values = {"source": "/buckets/mail", "type": "com.example.object.created", "event_time": NOW} | fields
    return ExternalEvent(event_name(PROJECT, str(values["source"]), id), NOW, NOW, id, **values)


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (EventFilter("com.example.object.created"), True),
        (EventFilter("com.example.*"), True),
        (EventFilter("com.example.object"), False),
        (EventFilter("com.example.object.created", "/buckets/mail", "inbox/*"), True),
        (EventFilter("com.example.object.created", "/buckets/mail", "outbox/*"), False),
        (EventFilter(source="/buckets/*"), True),
        (EventFilter("*"), True),
        (EventFilter("com.example.object.created*", "/Buckets/mail"), False),
    ],
)
def test_a_filter_compares_whole_texts_or_beginnings(filter, expected):
    assert filter.matches(event(subject="inbox/7.eml")) is expected


def test_an_event_starts_a_run_from_the_sources_without_feedback():
    decision = decide(POLICY, Signals(events=(event(), event("e-2"))), History(), NOW)
    assert (decision.verb, decision.trigger, decision.takes_events) == (Verb.START, Trigger.EVENT, True)
    assert "com.example.object.created e-1 of /buckets/mail (2026-06-01T12:00:00+00:00)" in decision.reason
    assert "and 1 more" in decision.reason


def test_without_sources_the_run_waits_for_labels():
    policy = replace(POLICY, sources=())
    decision = decide(policy, Signals(events=(event(),)), History(), NOW)
    assert (decision.verb, decision.trigger) == (Verb.WAIT, Trigger.EVENT)
    assert "200 corrected or confirmed answers, 0 so far" in decision.reason
    decision = decide(policy, replace(ENOUGH, events=(event(),)), History(), NOW)
    assert (decision.verb, decision.trigger) == (Verb.START, Trigger.EVENT)


@pytest.mark.parametrize(
    ("policy", "history", "message"),
    [
        (replace(POLICY, paused=True), History(), "paused"),
        (replace(POLICY, dry_run=True), History(), "Dry run: would have started"),
        (POLICY, History(open_run="projects/mail/pipelineRuns/r"), "under way"),
        (POLICY, History(last_retraining="r", last_end=NOW - timedelta(minutes=59)), "Cooling down"),
        (POLICY, History(started_recently=30), "budget of 30 runs"),
        (
            POLICY,
            History(budget_spent="the project's budget of 2 runs in 30 days is spent"),
            "budget of 2 runs",
        ),
    ],
)
def test_an_event_waits_for_concurrency_cool_down_and_budget(policy, history, message):
    decision = decide(policy, Signals(events=(event(),)), history, NOW)
    assert decision.verb is Verb.NOTHING
    assert message in decision.reason


def test_events_name_the_sources_that_a_run_builds_from():
    named = [event(f"e-{n}", subject=f"{PROJECT}/sources/day-{n}") for n in (1, 2, 1)]
    assert sources_of(POLICY, named) == (SOURCE, f"{PROJECT}/sources/day-1", f"{PROJECT}/sources/day-2")
    alone = replace(POLICY, sources=())
    assert sources_of(alone, named[:1]) == (f"{PROJECT}/sources/day-1",)
    decision = decide(alone, Signals(events=tuple(named)), History(), NOW)
    assert (decision.verb, decision.trigger) == (Verb.START, Trigger.EVENT)


@pytest.mark.parametrize(
    "subject",
    [
        "projects/other/sources/s",
        f"{PROJECT}/sources/",
        f"{PROJECT}/sources/a/b",
        f"{PROJECT}/sources/A",
        "sources/s",
    ],
)
def test_other_subjects_name_no_source(subject):
    assert sources_of(replace(POLICY, sources=()), [event(subject=subject)]) == ()


def test_no_event_is_expected_without_a_filter():
    assert not replace(POLICY, event_filters=()).expects(event())


@pytest.mark.parametrize("filters", [(EventFilter(),), (EventFilter(subject="a"),), (FILTER,) * 51])
def test_bad_filters_are_refused(filters):
    with pytest.raises(BadPolicy) as refusal:
        checked(replace(POLICY, event_filters=filters))
    assert refusal.value.field == "event_filters"


def test_the_etag_of_a_policy_without_events_is_that_of_earlier_releases():
    """The value was computed by the release before external events."""
    assert Policy("projects/mail/policies/p", NOW, NOW).etag == "a3165a9f6fcb6c45"
    assert POLICY.etag != replace(POLICY, sources=()).etag


def test_policies_and_runs_of_earlier_releases_are_read():
    policies = codec_of(Policy, tables.RESOURCES[Policy])
    stored = policies.dump(replace(POLICY, event_filters=(), sources=()))
    older = stored.replace('"event_filters":[],', "").replace(',"event_filters":[]', "")
    older = older.replace('"sources":[],', "").replace(',"sources":[]', "")
    assert "event_filters" not in older
    assert policies.load(older) == replace(POLICY, event_filters=(), sources=())


def test_a_run_of_a_policy_counts_for_the_cool_down_and_one_by_hand_does_not():
    project = Project(PROJECT, NOW, NOW, Classify(("ham", "spam")))
    run = PipelineRun(
        f"{PROJECT}/pipelineRuns/r", NOW, NOW, project, (SOURCE,), state=State.SUCCEEDED, end_time=NOW
    )
    assert history_of([run], NOW).last_end is None
    assert history_of([replace(run, policy=POLICY.name)], NOW).last_end == NOW


class NoTraffic:
    """Reads no signals."""

    def of_window(self, *_window: object) -> Signals:
        return Signals()


class Flywheel:
    """Policies of a project, the operations of its runs, and events that arrive."""

    def __init__(self, database: Database) -> None:
        self.clock, self.counts = FakeClock(), EventCounts()
        with database.write() as connection:
            tables.METADATA.create_all(connection)
        self.store = Store(
            database, tables.RESOURCES, mapping.event, lambda *_: None, PageTokens(b"s"), self.clock
        )
        self.operations = Operations(self.store, tables.METADATA.tables["operations"], [], self.clock)
        self.procedure = PolicyProcedure(
            self.store,
            RunTables(),
            NoTraffic(),
            self.operations,
            JobDevices(is_local=False),
            Rates(),
            self.clock,
        )
        with self.store.write() as tx:
            tx.create(Project(PROJECT, NOW, NOW, Classify(("ham", "spam"))))
            tx.create(POLICY)

    def receive(self, one: ExternalEvent) -> ExternalEvent:
        return receive_event(ReceiveEvent(PROJECT, one), self.store, self.operations, self.counts, self.clock)

    def observed(self) -> PolicyObservation:
        return self.procedure.observe(self.policy(), claim=None)

    def policy(self) -> Policy:
        return self.store.get(Policy, POLICY.name)

    def decide(self) -> list[PipelineRun]:
        """Observe, decide and act once; return all runs."""
        step = self.procedure.step(self.policy(), self.observed(), self.clock.now())
        for action in step.actions:
            self.procedure.act(step.resource, action, Claim(POLICY.name, 1))
        return self.runs()

    def runs(self) -> list[PipelineRun]:
        with self.store.read() as tx:
            return tx.all(PipelineRun, PROJECT)

    def events(self) -> list[ExternalEvent]:
        with self.store.read() as tx:
            return tx.all(ExternalEvent, PROJECT)

    def end(self, run: PipelineRun) -> None:
        with self.store.write() as tx:
            tx.save(replace(run, state=State.SUCCEEDED, end_time=self.clock.now()))


@pytest.fixture
def flywheel() -> Iterator[Flywheel]:
    running = Flywheel(Database("sqlite://"))
    yield running
    running.store.database.close()


def test_one_run_takes_all_waiting_events_and_says_which_began_it(flywheel):
    first = flywheel.receive(event("e-1"))
    flywheel.clock.advance(1.0)
    flywheel.receive(event("e-2"))
    (run,) = flywheel.decide()
    assert (run.trigger, run.sources, run.window, run.policy) == (Trigger.EVENT, (SOURCE,), None, POLICY.name)
    assert (run.event_count, run.starting_event.external_event) == (2, first.name)
    assert (run.starting_event.source, run.starting_event.event_id) == ("/buckets/mail", "e-1")
    assert run.starting_event.time == NOW
    assert {(each.state, each.pipeline_run) for each in flywheel.events()} == {(EventState.ENDED, run.name)}
    seen = mapping.run(run)
    assert (seen.starting_event.type, seen.event_count) == ("com.example.object.created", 2)
    assert mapping.external_event(flywheel.events()[0]).state == 2


def test_d39_the_same_event_starts_one_run_however_often_it_arrives(flywheel):
    for _ in range(3):
        flywheel.receive(event())
    assert len(flywheel.decide()) == 1
    flywheel.receive(event())
    flywheel.end(flywheel.runs()[0])
    flywheel.clock.advance(3601.0)
    flywheel.receive(event())
    assert len(flywheel.decide()) == 1
    assert flywheel.counts.totals() == {("", "accepted"): 1, ("", "repeated"): 4}


def test_d39_events_of_the_same_id_and_different_sources_are_different(flywheel):
    flywheel.receive(event())
    flywheel.receive(event(source="/buckets/other"))
    assert len(flywheel.events()) == 2


def test_d39_another_event_with_the_id_of_a_known_one_is_refused(flywheel):
    flywheel.receive(event())
    with pytest.raises(EventIdReused):
        flywheel.receive(event(subject="another"))
    assert flywheel.counts.totals()["", "event_id_reused"] == 1


def test_an_event_during_a_run_waits_for_its_end_and_the_cool_down(flywheel):
    flywheel.receive(event("e-1"))
    (run,) = flywheel.decide()
    flywheel.receive(event("e-2"))
    assert len(flywheel.decide()) == 1
    flywheel.end(run)
    flywheel.clock.advance(3599.0)
    assert len(flywheel.decide()) == 1
    flywheel.clock.advance(2.0)
    _, second = flywheel.decide()
    assert second.starting_event.event_id == "e-2"


def test_a_second_replica_that_decided_alike_starts_nothing(flywheel):
    flywheel.receive(event())
    steps = [flywheel.procedure.step(flywheel.policy(), flywheel.observed(), NOW) for _ in range(2)]
    for step in steps:
        for action in step.actions:
            flywheel.procedure.act(step.resource, action, Claim(POLICY.name, 1))
    assert len(flywheel.runs()) == 1


def test_d39_a_crash_before_the_commit_of_the_run_loses_no_event(flywheel, monkeypatch):
    flywheel.receive(event())
    with monkeypatch.context() as patch:
        patch.setattr(flywheel.operations, "begin", _crash)
        with pytest.raises(Crash):
            flywheel.decide()
    assert flywheel.runs() == []
    (run,) = flywheel.decide()
    assert run.event_count == 1


class Crash(BaseException):
    """End of the process."""


def _crash(*_arguments: object) -> None:
    raise Crash


def test_an_event_that_no_policy_expects_is_refused_and_not_stored(flywheel):
    with pytest.raises(EventNotExpected, match="event_filters"):
        flywheel.receive(event(type="com.example.object.deleted"))
    assert flywheel.events() == []
    assert flywheel.counts.totals() == {("", "event_not_expected"): 1}


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"source": ""}, "source"), ({"type": "x" * 257}, "type"), ({"subject": "a\x00b"}, "subject")],
)
def test_a_bad_event_is_refused_by_its_field(flywheel, fields, field):
    with pytest.raises(BadEvent) as refusal:
        flywheel.receive(event(**fields))
    assert refusal.value.field == f"external_event.{field}"


def test_a_flood_is_refused_until_a_run_takes_what_waits(flywheel):
    for number in range(MAX_WAITING):
        flywheel.receive(event(f"e-{number}"))
    with pytest.raises(TooManyEvents):
        flywheel.receive(event("one-more"))
    flywheel.receive(event("e-0"))
    assert len(flywheel.decide()) == 1
    flywheel.receive(event("one-more"))
    assert flywheel.counts.totals()["", "too_many_events"] == 1


def test_an_event_waits_for_seven_days(flywheel):
    flywheel.receive(event())
    flywheel.clock.advance(WAIT.total_seconds() - 1.0)
    with flywheel.store.read() as tx:
        assert len(waiting_events(tx, POLICY, flywheel.clock.now())) == 1
    flywheel.clock.advance(2.0)
    assert flywheel.decide() == []
    flywheel.receive(event("e-2"))
    expired, waiting = flywheel.events()
    assert mapping.external_event(expired).state == 3
    assert waiting.state is EventState.WAITING


def test_an_event_that_was_deleted_with_its_retention_starts_nothing_again(flywheel):
    flywheel.receive(event(topic="lake"))
    (retention,) = [each for each in retentions(SETTINGS) if each.kind is ExternalEvent]
    assert retention.days == 60.0
    with flywheel.store.write() as tx:
        (stored,) = tx.all(ExternalEvent, PROJECT)
        assert retention.ended(stored)
        tx.retire(stored)
        receive_for_all([event(topic="lake")], tx, flywheel.operations, flywheel.counts, NOW)
    with pytest.raises(AlreadyExists):
        flywheel.receive(event())
    assert flywheel.events() == []
    assert flywheel.counts.totals() == {
        ("", "accepted"): 1,
        ("lake", "external_event_deleted"): 1,
        ("", "external_event_deleted"): 1,
    }


@pytest.mark.parametrize("days", [7.0, 0.5])
def test_events_are_kept_for_longer_than_they_wait(days):
    with pytest.raises(ValueError, match="more than 7"):
        Settings(external_event_days=days)


def test_an_event_of_a_topic_goes_to_each_project_that_expects_it(flywheel):
    other = replace(POLICY, name="projects/other/policies/p")
    with flywheel.store.write() as tx:
        tx.create(Project("projects/other", NOW, NOW, Classify(("ham", "spam"))))
        tx.create(other)
        batch = [event(topic="lake"), event(topic="lake"), event(topic="lake", type="unknown")]
        receive_for_all(batch, tx, flywheel.operations, flywheel.counts, NOW)
    with flywheel.store.read() as tx:
        names = [each.name.rpartition("/externalEvents/")[0] for each in tx.every(ExternalEvent)]
    assert names == [PROJECT, "projects/other"]
    assert flywheel.counts.totals() == {
        ("lake", "accepted"): 2,
        ("lake", "repeated"): 2,
        ("lake", "event_not_expected"): 1,
    }


def test_the_budget_of_the_project_holds_for_events(flywheel):
    with flywheel.store.write() as tx:
        project = tx.get(Project, PROJECT)
        tx.save(replace(project, budget=Budget(max_runs=1)))
    flywheel.receive(event("e-1"))
    flywheel.end(flywheel.decide()[0])
    flywheel.clock.advance(3601.0)
    flywheel.receive(event("e-2"))
    assert len(flywheel.decide()) == 1
    assert "budget of 1 runs" in decide(flywheel.policy(), *_decision_of(flywheel)).reason


def _decision_of(flywheel):
    observed = flywheel.observed()
    return observed.signals, observed.history, flywheel.clock.now()


class Events(RuleBasedStateMachine):
    """Events arrive, again and in any order; replicas decide by what they observed earlier, and some of them crash."""

    def __init__(self) -> None:
        super().__init__()
        self.flywheel = Flywheel(Database("sqlite://"))
        self.policy = replace(self.flywheel.policy(), cooldown_seconds=60.0, budget_runs=3)
        with self.flywheel.store.write() as tx:
            tx.save(self.policy)
        self.steps: list[Step[Policy]] = []
        self.accepted: set[str] = set()

    @rule(number=st.integers(0, 9))
    def receive(self, number):
        self.accepted.add(self.flywheel.receive(event(f"e-{number}")).name)

    @rule()
    def observe(self):
        flywheel = self.flywheel
        self.steps.append(
            flywheel.procedure.step(flywheel.policy(), flywheel.observed(), flywheel.clock.now())
        )

    @precondition(lambda self: self.steps)
    @rule(data=st.data(), crashes=st.booleans())
    def act(self, data, crashes):
        """Act by one of the observations, however old; a crash undoes the transaction."""
        step = data.draw(st.sampled_from(self.steps))
        begin = self.flywheel.operations.begin
        if crashes:
            self.flywheel.operations.begin = _crash
        for action in step.actions:
            with suppress(Crash):
                self.flywheel.procedure.act(step.resource, action, Claim(POLICY.name, 1))
        self.flywheel.operations.begin = begin

    @rule(seconds=st.sampled_from([1, 30, 61, 86_400]))
    def wait(self, seconds):
        self.flywheel.clock.advance(float(seconds))

    @rule(state=st.sampled_from([State.SUCCEEDED, State.FAILED, State.CANCELLED, State.REFUSED]))
    def end_runs(self, state):
        with self.flywheel.store.write() as tx:
            for run in tx.all(PipelineRun, PROJECT):
                if not run.state.ended:
                    tx.save(replace(run, state=state, end_time=self.flywheel.clock.now()))

    @invariant()
    def every_event_is_stored_once_and_taken_once(self):
        events = self.flywheel.events()
        assert {each.name for each in events} == self.accepted
        taken = Counter(each.pipeline_run for each in events if each.pipeline_run)
        assert taken == {run.name: run.event_count for run in self.flywheel.runs()}

    @invariant()
    def runs_follow_each_other_within_the_rules(self):
        runs = self.flywheel.runs()
        assert sum(not run.state.ended for run in runs) <= 1
        assert len(runs) <= self.policy.budget_runs
        for before, after in pairwise(runs):
            assert (after.create_time - before.end_time).total_seconds() >= self.policy.cooldown_seconds

    def teardown(self):
        self.flywheel.store.database.close()


TestEvents = Events.TestCase
TestEvents.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)


def test_a_run_that_drift_starts_leaves_events_that_name_sources(flywheel):
    alone = replace(flywheel.policy(), sources=())
    with flywheel.store.write() as tx:
        tx.save(alone)
    flywheel.receive(event("e-1"))
    drifted = replace(ENOUGH, answers=600, divergences=(Divergence("tokens", 1.0, 0.01),))
    observed = replace(flywheel.observed(), signals=replace(drifted, events=(event("e-1"),)))
    flywheel.receive(event("e-2", subject=f"{PROJECT}/sources/new"))
    step = flywheel.procedure.step(flywheel.policy(), observed, NOW)
    flywheel.procedure.act(step.resource, step.actions[0], Claim(POLICY.name, 1))
    (run,) = flywheel.runs()
    assert (run.trigger, run.sources, run.starting_event.event_id) == (Trigger.DRIFT, (), "e-1")
    states = {each.event_id: each.state for each in flywheel.events()}
    assert states == {"e-1": EventState.ENDED, "e-2": EventState.WAITING}


def was_read(*record_counts: int, start: int = 0, project: str = PROJECT) -> Event:
    """Return the event of a reading of a connection, a source for each count."""
    sources = [f"{project}/sources/lake-{start + number}" for number in range(len(record_counts))]
    read = ConnectionRead(sources=sources, record_count=sum(record_counts), record_counts=record_counts)
    message = ConnectionEvent(name=f"{project}/connections/lake", revision=3, read=read)
    kind = "ratoon.ingestion.v1.ConnectionRead"
    return Event(COLLECTING[0], kind, "ingestion", message.name, NOW, message.SerializeToString(), 3)


def consume(flywheel: Flywheel, happened: Event) -> None:
    handler = on_reading(flywheel.store, flywheel.operations, flywheel.counts)
    with flywheel.store.database.write() as connection:
        handler(happened, connection)


def count_new_data(flywheel: Flywheel, **settings: object) -> None:
    with flywheel.store.write() as tx:
        changes = {"event_filters": (), "sources": (), "new_data_count": 100, **settings}
        tx.save(replace(tx.get(Policy, POLICY.name), **changes))


def test_enough_new_records_of_connections_start_a_run_from_their_sources(flywheel):
    count_new_data(flywheel)
    consume(flywheel, was_read(40, 30))
    assert flywheel.decide() == []
    assert (
        "70 of 100 new records"
        in flywheel.procedure.step(flywheel.policy(), flywheel.observed(), NOW).resource.last_decision
    )
    consume(flywheel, was_read(40, 30))
    assert len(flywheel.events()) == 2
    flywheel.clock.advance(30 * 86_400.0)
    consume(flywheel, was_read(30, start=2))
    (run,) = flywheel.decide()
    assert (run.trigger, run.window, run.event_count) == (Trigger.NEW_DATA, None, 3)
    assert set(run.sources) == {f"{PROJECT}/sources/lake-{number}" for number in range(3)}
    assert "100 records were read from 1 connection in 3 sources (threshold 100)" in run.trigger_reason
    assert {each.pipeline_run for each in flywheel.events()} == {run.name}
    assert sum(mapping.external_event(each).record_count for each in flywheel.events()) == 100
    flywheel.end(run)
    flywheel.clock.advance(3601.0)
    consume(flywheel, was_read(30, start=2))
    assert len(flywheel.decide()) == 1


def test_sealed_streams_and_crawls_are_new_data_too(flywheel):
    count_new_data(flywheel)
    sealed = StreamSealed(source=f"{PROJECT}/sources/tickets-000001", record_count=60)
    stream = StreamEvent(name=f"{PROJECT}/streams/tickets", revision=3, sealed=sealed)
    pages = CrawlCompleted(source=f"{PROJECT}/sources/guide-pages", record_count=40)
    crawl = CrawlEvent(name=f"{PROJECT}/crawls/guide", revision=4, completed=pages)
    nothing = CrawlEvent(name=f"{PROJECT}/crawls/again", revision=4, completed=CrawlCompleted())
    failed = CrawlEvent(name=f"{PROJECT}/crawls/broken", revision=4, failed=CrawlFailed(reason="X"))
    for topic, message, kind in (
        (COLLECTING[1], stream, "StreamSealed"),
        (COLLECTING[2], nothing, "CrawlCompleted"),
        (COLLECTING[2], failed, "CrawlFailed"),
        (COLLECTING[2], crawl, "CrawlCompleted"),
    ):
        assert flywheel.decide() == []
        happened = Event(
            topic,
            f"ratoon.ingestion.v1.{kind}",
            "ingestion",
            message.name,
            NOW,
            message.SerializeToString(),
            3,
        )
        consume(flywheel, happened)
    (run,) = flywheel.decide()
    assert set(run.sources) == {sealed.source, pages.source}
    assert "100 records were read from 2 places in 2 sources (threshold 100)" in run.trigger_reason


def test_readings_count_for_policies_that_count_new_data_only(flywheel):
    consume(flywheel, was_read(500))
    assert flywheel.events() == []
    count_new_data(flywheel)
    consume(flywheel, was_read(500, project="projects/other"))
    assert flywheel.events() == []


def test_a_policy_can_name_readings_by_a_filter(flywheel):
    reading_filter = EventFilter("ratoon.ingestion.v1.ConnectionRead", f"{PROJECT}/connections/*")
    count_new_data(flywheel, event_filters=(reading_filter,), new_data_count=0)
    consume(flywheel, was_read(1))
    (run,) = flywheel.decide()
    assert (run.trigger, run.sources) == (Trigger.EVENT, (f"{PROJECT}/sources/lake-0",))


def test_as_many_readings_as_a_run_has_sources_suffice(flywheel):
    count_new_data(flywheel, new_data_count=1_000_000)
    consume(flywheel, was_read(*[1] * 99))
    assert flywheel.decide() == []
    consume(flywheel, was_read(1, start=99))
    assert len(flywheel.decide()) == 1


def test_readings_that_do_not_suffice_hide_no_other_event(flywheel):
    count_new_data(flywheel, event_filters=(FILTER,), sources=(SOURCE,))
    consume(flywheel, was_read(5))
    flywheel.receive(event())
    (run,) = flywheel.decide()
    assert (run.trigger, run.sources, run.event_count) == (Trigger.EVENT, (SOURCE,), 1)
    assert [each.state for each in flywheel.events() if each.record_count] == [EventState.WAITING]
