"""Many annotators at one queue, on threads with connections of their own: no item is shared, none is lost."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ratoon.process.errors import Aborted
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.migrations import migrate
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.tasks.classify import Classify
from ratoon.testkit.clock import FakeClock
from ratoon_labeling import mapping
from ratoon_labeling.adapters import tables
from ratoon_labeling.adapters.task_queue import SqlTaskQueue
from ratoon_labeling.application.commands import ClaimTask, CompleteTask
from ratoon_labeling.application.handlers import claim_task, complete_task
from ratoon_labeling.domain.annotations import Annotation
from ratoon_labeling.domain.errors import TaskClaimed
from ratoon_labeling.domain.queues import Queue, moved
from ratoon_labeling.domain.tasks import LEASE, Reason, Task, TaskState

PROJECT = "projects/crowd"
QUEUE = f"{PROJECT}/queues/q"
SPEC = Classify(("ham", "spam"))
TASKS = 40


class Stack:
    """A queue with tasks in a database, and annotators who work on it."""

    def __init__(self, database: Database, overlap: int) -> None:
        self.clock = FakeClock()
        self.store = Store(
            database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"s"), self.clock
        )
        self.tasks = SqlTaskQueue(database)
        now, version = self.clock.now(), f"{PROJECT}/datasets/d/versions/v1"
        queue = Queue(QUEUE, now, now, version, f"{PROJECT}/guidelines/g", SPEC, overlap=overlap)
        with self.store.write() as tx:
            for number in range(TASKS):
                task = Task(
                    f"{PROJECT}/tasks/t{number}", now, now, f"r{number}", "", version, SPEC, "", Reason.QUEUE,
                    overlap=overlap, queue=QUEUE,
                )  # fmt: skip
                queue = moved(queue, None, tx.create(task)[0])
            tx.create(queue)

    def claim(self, who: str, in_work: frozenset[str] = frozenset()) -> Task | None:
        command = ClaimTask(PROJECT, "", who, QUEUE, other_than=in_work)
        return self.retried(lambda: claim_task(command, self.store, self.clock, self.tasks))

    def complete(self, who: str, name: str, label: str = "ham") -> Task:
        command = CompleteTask(name, label, who)
        return self.retried(
            lambda: complete_task(command, self.store, None, None, self.tasks, self.clock)  # type: ignore[arg-type]
        )

    @staticmethod
    def retried(call):
        """Repeat a call that another one overtook, as clients do."""
        while True:
            try:
                return call()
            except Aborted:
                continue

    def tasks_of(self, state: TaskState) -> list[Task]:
        with self.store.read() as tx:
            return [each for each in tx.all(Task, PROJECT) if each.state is state]


@pytest.fixture(params=[1, 2], ids=["one each", "two each"])
def stack(request, databases, tmp_path: Path):
    url = databases.url(f"labeling-crowd-{request.param}", tmp_path) or f"sqlite:///{tmp_path}/labeling.db"
    migrate("labeling", url)
    database = Database(url)
    yield Stack(database, request.param)
    database.close()


@pytest.mark.parametrize("count", [10, pytest.param(50, marks=pytest.mark.thorough)])
def test_no_item_is_held_by_two_annotators_at_once_and_no_answer_is_lost(stack, count):
    held: dict[str, str] = {}
    guard = threading.Lock()
    given = Counter[str]()

    def work(who: str) -> None:
        in_work: list[str] = []
        while True:
            while len(in_work) < 2 and (task := stack.claim(who, frozenset(in_work))):
                with guard:
                    assert held.setdefault(task.name, who) == who
                in_work.append(task.name)
            if not in_work:
                if not stack.tasks_of(TaskState.OPEN) or _answered_all(stack, who):
                    return
                continue
            name = in_work.pop(0)
            with guard:
                held.pop(name)
                given[name] += 1
            stack.complete(who, name)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, [f"projects/-/apiKeys/a{number}" for number in range(count)]))
    done = stack.tasks_of(TaskState.DONE)
    overlap = done[0].overlap
    assert len(done) == TASKS
    assert set(given.values()) == {overlap}
    assert all(len({each.annotator for each in task.answers}) == overlap for task in done)
    with stack.store.read() as tx:
        queue, annotations = tx.get(Queue, QUEUE), tx.all(Annotation, PROJECT)
    assert (queue.open_count, queue.done_count) == (0, TASKS)
    assert Counter(each.record_id for each in annotations) == {f"r{n}": overlap for n in range(TASKS)}


def _answered_all(stack: Stack, who: str) -> bool:
    return all(each.answer_of(who) for each in stack.tasks_of(TaskState.OPEN))


def test_a_lease_that_expires_gives_the_item_back_and_a_late_answer_is_refused_by_name(stack):
    ann, bob = "projects/-/apiKeys/ann", "projects/-/apiKeys/bob"
    first = stack.claim(ann)
    assert stack.claim(bob).name != first.name
    stack.clock.advance(LEASE.total_seconds() - 1)
    assert stack.claim(bob, frozenset()).name != first.name
    stack.clock.advance(2)
    assert stack.claim(bob).name == first.name
    with pytest.raises(TaskClaimed, match=r"is claimed by .*bob until"):
        stack.complete(ann, first.name)
    answered = stack.complete(bob, first.name, "spam")
    assert [(each.annotator, each.label) for each in answered.answers] == [(bob, "spam")]
    assert stack.complete(bob, first.name, "spam") == answered
