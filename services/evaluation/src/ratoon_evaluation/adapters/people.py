"""Human ratings over labeling's gRPC API, and the records that they are about over ingestion's."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count

import grpc

from ratoon.ingestion.v1.ingestion_service_pb2 import GetRecordRequest
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.labeling.v1 import annotation_pb2 as pb
from ratoon.labeling.v1.labeling_service_pb2 import BatchCreateTasksRequest, ListTasksRequest
from ratoon.labeling.v1.labeling_service_pb2_grpc import LabelingServiceStub
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.service.tasks import message_of
from ratoon.tasks.judges import JudgeKind
from ratoon.tasks.kind import Record, Turn
from ratoon.tasks.records import record_of
from ratoon_evaluation.application.ports import RatingTask
from ratoon_evaluation.domain.human import HumanTask
from ratoon_evaluation.domain.judging import Choice

_PURPOSE = "Judges are compared with ratings of people"
_PAGE, _MAX_PAGES = 500, 100
"""Tasks of a page, and pages that are read at most: the newest 50,000 tasks."""
_BATCH, _BATCH_CHARS = 500, 700_000
"""Tasks of a request at most, and characters of their answers: it stays under a message's 4 MiB in any script."""
_WORK: Mapping[JudgeKind, "pb.Task.Work.ValueType"] = {
    JudgeKind.PAIRWISE: pb.Task.WORK_COMPARE,
    JudgeKind.RUBRIC: pb.Task.WORK_RATE,
}
_CHOICES: Mapping["pb.Preference.ValueType", Choice] = {
    pb.PREFERENCE_FIRST: Choice.FIRST,
    pb.PREFERENCE_SECOND: Choice.SECOND,
    pb.PREFERENCE_TIE: Choice.TIE,
}


class LabelingPeople:
    """Reads the tasks that people have done."""

    def __init__(self, labeling: grpc.Channel, ingestion: grpc.Channel) -> None:
        self._labeling, self._ingestion = LabelingServiceStub(labeling), IngestionServiceStub(ingestion)

    def tasks(self, project: str, kind: JudgeKind) -> Iterator[HumanTask]:
        """Yield what people did, newest first: comparisons for PAIRWISE, ratings for RUBRIC."""
        for task in self._done(project):
            if task.work == _WORK[kind]:
                yield _human_task(task)

    def record(self, dataset_version: str, record_id: str) -> Record | None:
        """Return a record; None if it was erased or cannot be read. Of a sealed one the reading is logged."""
        request = GetRecordRequest(
            parent=dataset_version, record_id=record_id, reader=dataset_version, purpose=_PURPOSE
        )
        try:
            known = self._ingestion.GetRecord(request)
        except (NotFound, FailedPrecondition, InvalidArgument):
            return None
        if not known.HasField("example"):
            return record_of(known.text) if known.text else None
        turns = tuple(
            Turn(
                each.role,
                each.content,
                tool_calls=each.tool_calls,
                tool_call_id=each.tool_call_id,
                name=each.name,
                reasoning=each.reasoning,
            )
            for each in known.example.messages
        )
        return Record(turns) if turns else None

    def _done(self, project: str) -> Iterator[pb.Task]:
        token = ""
        for page in count(1):
            request = ListTasksRequest(
                parent=project,
                page_size=_PAGE,
                page_token=token,
                order_by="create_time desc",
                filter="state = DONE",
            )
            answer = self._labeling.ListTasks(request)
            yield from answer.tasks
            token = answer.next_page_token
            if not token or page == _MAX_PAGES:
                return


class LabelingTasks:
    """Creates tasks for people."""

    def __init__(self, labeling: grpc.Channel) -> None:
        self._labeling = LabelingServiceStub(labeling)

    def create(self, project: str, tasks: Sequence[RatingTask], request_id: str) -> None:
        """Create tasks, as many at a time as a message holds; the same ones with the same id are created once."""
        for number, batch in enumerate(_batches(tasks)):
            self._labeling.BatchCreateTasks(
                BatchCreateTasksRequest(
                    parent=project, tasks=map(_task_message, batch), request_id=f"{request_id}-{number}"
                )
            )


def _batches(tasks: Sequence[RatingTask]) -> Iterator[list[RatingTask]]:
    batch: list[RatingTask] = []
    chars = 0
    for task in tasks:
        size = sum(map(len, task.answers))
        if batch and (chars + size > _BATCH_CHARS or len(batch) == _BATCH):
            yield batch
            batch, chars = [], 0
        batch.append(task)
        chars += size
    if batch:
        yield batch


def _task_message(task: RatingTask) -> pb.Task:
    kind = JudgeKind.PAIRWISE if len(task.answers) > 1 else JudgeKind.RUBRIC
    return pb.Task(
        record_id=task.record_id,
        dataset_version=task.dataset_version,
        task=message_of(task.task),
        work=_WORK[kind],
        candidates=task.answers,
        origins=task.origins,
        overlap=task.overlap,
        scales=task.scales if kind is JudgeKind.RUBRIC else (),
    )


def _human_task(task: pb.Task) -> HumanTask:
    return HumanTask(
        record_id=task.record_id,
        dataset_version=task.dataset_version,
        answers=tuple(task.candidates),
        origins=tuple(task.origins),
        choices=tuple(_CHOICES[each.preference] for each in task.answers if each.preference in _CHOICES),
        ratings=tuple(dict(each.ratings) for each in task.answers if each.ratings),
    )
