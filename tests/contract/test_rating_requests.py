"""Evaluation asks people through labeling: labeling accepts its tasks, and evaluation reads what comes back."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from ratoon.ingestion.v1 import dataset_pb2 as ingestion_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.process.errors import FailedPrecondition, NotFound
from ratoon.storage.listing import filtered_fields
from ratoon.tasks.generate import Form, Generate
from ratoon.tasks.judges import JudgeKind
from ratoon.tasks.kind import Record, Turn
from ratoon.testkit.clock import FakeClock
from ratoon_evaluation.adapters.people import LabelingPeople, LabelingTasks
from ratoon_evaluation.application.ports import RatingTask
from ratoon_evaluation.domain.human import HumanRatings, verdicts_of
from ratoon_evaluation.domain.judging import Choice
from ratoon_ingestion.example_messages import example_message
from ratoon_labeling import mapping
from ratoon_labeling.application import handlers
from ratoon_labeling.domain.ratings import Preference
from ratoon_labeling.domain.tasks import Answer, TaskState, with_answer

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NEW, OLD = "a" * 64, "b" * 64
PAIR = RatingTask(
    "0" * 64, "projects/p/datasets/d/versions/v1", Generate(Form.CHAT), ("x", "y"), (OLD, NEW), 2
)
ONE = replace(PAIR, answers=("x",), origins=(NEW,), scales=("tone",))


@dataclass
class Labeling:
    """A channel to labeling's handlers, with a store that holds its tasks."""

    def __post_init__(self) -> None:
        self.tasks: list[Any] = []
        self.request_ids: list[str] = []
        self.sizes: list[int] = []

    def unary_unary(self, method: str, **_: object) -> Callable[[Any], Any]:
        known: dict[str, Callable[[Any], Any]] = {"BatchCreateTasks": self._create, "ListTasks": self._list}
        return known.get(method.rpartition("/")[2], lambda _: None)

    unary_stream = unary_unary

    def _create(self, request: pb.BatchCreateTasksRequest) -> pb.BatchCreateTasksResponse:
        self.sizes.append(request.ByteSize())
        names = handlers.create_tasks(mapping.create_tasks(request), cast(Any, self), FakeClock())
        return pb.BatchCreateTasksResponse(names=names)

    def _list(self, request: pb.ListTasksRequest) -> pb.ListTasksResponse:
        assert request.filter == "state = DONE"
        assert filtered_fields(request.filter, handlers.TASK_FIELDS)
        start, done = int(request.page_token or 0), [t for t in self.tasks if t.state is TaskState.DONE]
        page = done[::-1][start : start + 2]
        token = str(start + 2) if start + 2 < len(done) else ""
        return pb.ListTasksResponse(tasks=map(mapping.task, page), next_page_token=token)

    def write(self) -> "Labeling":
        return self

    def __enter__(self) -> "Labeling":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def create(self, task: Any, request_id: str) -> tuple[Any, bool]:
        self.request_ids.append(request_id)
        self.tasks.append(task)
        return task, True


@pytest.fixture
def labeling() -> Labeling:
    return Labeling()


def test_labeling_accepts_tasks_of_both_works_and_evaluation_reads_the_answers(labeling: Labeling) -> None:
    LabelingTasks(cast(Any, labeling)).create("projects/p", [PAIR, ONE], "r")
    pair, one = labeling.tasks
    for number, preference in enumerate((Preference.SECOND, Preference.TIE)):
        pair = with_answer(pair, Answer(f"person-{number}", "", preference=preference), NOW)
        one = with_answer(one, Answer(f"person-{number}", "", ratings={"tone": 4 + number}), NOW)
    labeling.tasks = [pair, one, pair, pair]
    people = LabelingPeople(cast(Any, labeling), cast(Any, labeling))
    compared = list(people.tasks("projects/p", JudgeKind.PAIRWISE))
    (rated,) = people.tasks("projects/p", JudgeKind.RUBRIC)
    assert len(compared) == 3
    assert compared[0].choices == (Choice.SECOND, Choice.TIE)
    assert (compared[0].answers, compared[0].dataset_version) == (PAIR.answers, PAIR.dataset_version)
    known = verdicts_of([compared[0], rated], HumanRatings(NEW, OLD))
    assert known.comparisons == (("0" * 64, ("CANDIDATE", "TIE")),)
    assert known.ratings == (("0" * 64, "candidate", {"tone": (4, 5)}),)


CONVERSATION = Record(
    (
        Turn("system", "Be short."),
        Turn("user", "What is the weather?"),
        Turn(
            "assistant",
            "",
            '[{"function":{"arguments":"{}","name":"w"},"id":"1","type":"function"}]',
            reasoning="Look.",
        ),
        Turn("tool", "sunny", tool_call_id="1", name="w"),
    ),
    ("Sunny.",),
)


@pytest.mark.parametrize(
    ("sent", "turns"),
    [
        (ingestion_pb2.Record(text="?", example=example_message(CONVERSATION)), CONVERSATION.turns),
        (ingestion_pb2.Record(text="Plain"), (Turn("user", "Plain"),)),
        (ingestion_pb2.Record(), None),
        (NotFound("It was erased."), None),
        (FailedPrecondition("The version is not ready."), None),
    ],
)
def test_a_judge_gets_the_conversation_that_people_saw(sent: Any, turns: Any) -> None:
    class Ingestion:
        def unary_unary(self, *_: object, **__: object) -> Callable[[Any], Any]:
            def call(request: Any) -> Any:
                assert (request.parent, request.record_id) == ("v", "r")
                if isinstance(sent, Exception):
                    raise sent
                return sent

            return call

        unary_stream = unary_unary

    people = LabelingPeople(cast(Any, Ingestion()), cast(Any, Ingestion()))
    record = people.record("v", "r")
    assert (record.turns if record else None) == turns


def test_tasks_are_created_in_messages_of_bounded_size_with_an_id_each(labeling: Labeling) -> None:
    long = replace(PAIR, answers=("文" * 65_000, "字" * 65_000))
    LabelingTasks(cast(Any, labeling)).create("projects/p", [long] * 11 + [PAIR] * 1200, "r")
    assert len(labeling.tasks) == 1211
    assert max(labeling.sizes) < 4 << 20
    assert len(set(labeling.request_ids)) == 1211
