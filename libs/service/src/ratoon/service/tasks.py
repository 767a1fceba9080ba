"""Tasks as protobuf and back, for the services whose API carries one."""

from collections.abc import Sequence
from typing import Any, Protocol

from google.protobuf.message import Message

from ratoon.common.v1 import generation_pb2, task_pb2
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Form, Generate, Sampling
from ratoon.tasks.kind import BadTask
from ratoon.tasks.kinds import SPECS, TaskSpec
from ratoon.tasks.regress import Regress


def message_of(task: TaskSpec) -> task_pb2.TaskSpec:
    """Return the message of a task."""
    match task:
        case Classify(labels, multi_label):
            return task_pb2.TaskSpec(classify=task_pb2.Classify(labels=labels, multi_label=multi_label))
        case Generate():
            return task_pb2.TaskSpec(generate=_generate_message(task))
        case Regress(unit, low, high, tolerance):
            return task_pb2.TaskSpec(
                regress=task_pb2.Regress(unit=unit, min=low, max=high, tolerance=tolerance)
            )


def task_of(message: task_pb2.TaskSpec) -> TaskSpec:
    """Return the task of a message; BadTask if it names no kind."""
    match message.WhichOneof("kind"):
        case "classify":
            return Classify(tuple(message.classify.labels), message.classify.multi_label)
        case "generate":
            return _generate(message.generate)
        case "regress":
            return Regress(**_set_fields(message.regress))
        case _:
            raise BadTask(f"task names no kind: give {', '.join(SPECS)}.", "task")


class TaskRequest(Protocol):
    """Message that names a task, or its labels as older clients do."""

    @property
    def task(self) -> task_pb2.TaskSpec: ...
    @property
    def labels(self) -> Sequence[str]: ...


def requested_task(message: TaskRequest) -> TaskSpec:
    """Return the task that a message names; BadTask if its labels are other ones than those of the task."""
    labels = tuple(message.labels)
    if not message.task.WhichOneof("kind"):
        return Classify(labels)
    task = task_of(message.task)
    if labels and labels != (task.labels if isinstance(task, Classify) else ()):
        raise BadTask("labels and task.classify.labels differ: give one of them.", "labels")
    return task


def _generate_message(task: Generate) -> task_pb2.Generate:
    return task_pb2.Generate(
        form=task_pb2.Generate.Form.Value(f"FORM_{task.form}"),
        json_schema=task.json_schema,
        reference_free=task.reference_free,
        defaults=generation_pb2.GenerationDefaults(**vars(task.defaults)),
        stop=task.stop,
    )


def _generate(message: task_pb2.Generate) -> Generate:
    form = task_pb2.Generate.Form.Name(message.form).removeprefix("FORM_")
    return Generate(
        Form(form) if message.form else Form.TEXT,
        message.json_schema,
        message.reference_free,
        Sampling(**_set_fields(message.defaults)),
        tuple(message.stop),
    )


def _set_fields(message: Message) -> dict[str, Any]:
    return {field.name: value for field, value in message.ListFields()}
