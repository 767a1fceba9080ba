"""Settings of a trial as the training settings of a project, by the names in their messages; the entrypoint uses it."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import project_pb2
from ratoon_flywheel.application.ports import TrialSettings
from ratoon_flywheel.domain.errors import SettingNotSupported

_ALIGNING = ("DPO", "KTO", "GRPO", "REWARD_MODEL")
"""Objectives whose learning rate is `tuning.preference_learning_rate`."""
_DATA = "train_part"
"""Setting that chooses between training parts: it is the project's data, not its recipe."""
_INTEGERS = (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)
_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


def update_of(project: project_pb2.Project, trial: TrialSettings, etag: str) -> pb.UpdateProjectRequest:
    """Return the update that gives a project the settings of a trial.

    SettingNotSupported names the settings that projects do not have; nothing is changed then.
    """
    changed, paths, unknown = project_pb2.Project(), [], []
    changed.CopyFrom(project)
    changed.etag = etag or project.etag
    for name, text in trial.settings.items():
        if name == _DATA:
            continue
        path = next((each for each in _paths(name, trial.objective) if _fits(changed, each)), "")
        if not path:
            unknown.append(name)
            continue
        _set(changed, path, text)
        paths.append(".".join(path.split(".")[:2]))
    if unknown:
        raise SettingNotSupported(
            f"Projects have no setting {', '.join(unknown)}: set it in the recipe of training runs, or leave it out of "
            "the sweep.",
            "sweep",
        )
    if not paths:
        raise SettingNotSupported("The trial has no setting that a project has.", "sweep")
    request = pb.UpdateProjectRequest(project=changed)
    request.update_mask.paths.extend(dict.fromkeys(paths))
    return request


def _paths(name: str, objective: str) -> Iterator[str]:
    """Yield where a project may have a setting of recipes."""
    if name == "learning_rate" and objective in _ALIGNING:
        yield "tuning.preference_learning_rate"
        return
    # Where a project has both, the short one takes precedence.
    yield f"training.{name.removeprefix('architecture.')}"
    yield f"training.{name}"
    yield f"tuning.{name}"


def _field(message: Message, path: str) -> tuple[Message, Any] | None:
    *parents, last = path.split(".")
    for parent in parents:
        field = message.DESCRIPTOR.fields_by_name.get(parent)
        if field is None or field.message_type is None or field.is_repeated:
            return None
        message = getattr(message, parent)
    field = message.DESCRIPTOR.fields_by_name.get(last)
    return None if field is None else (message, field)


def _fits(project: project_pb2.Project, path: str) -> bool:
    place = _field(project, path)
    return place is not None and place[1].message_type is None and not place[1].is_repeated


def _set(project: project_pb2.Project, path: str, text: str) -> None:
    place = _field(project, path)
    assert place is not None, "the path was checked"
    message, field = place
    setattr(message, field.name, _value(field, text))


def _value(field: Any, text: str) -> Any:
    if field.cpp_type in _INTEGERS:
        return int(text)
    if field.cpp_type in _FLOATS:
        return float(text)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return text.lower() == "true"
    kind = field.enum_type
    if kind is None:
        return text
    prefix = kind.values_by_number[0].name.removesuffix("UNSPECIFIED")
    known = kind.values_by_name.get(text if text.startswith(prefix) else prefix + text)
    if known is None:
        raise SettingNotSupported(f"Projects have no value {text} of {field.name}.", "sweep")
    return known.number
