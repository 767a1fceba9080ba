"""The steps of curation of a project: the list that a person edits, and what each step did to a version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from ratoon.tasks.curation import DEFAULT_STEPS, PERSONAL_DATA, PRESET, PRESETS, STEPS
from ratoon_console.domain.datasets import FunnelStep
from ratoon_console.domain.errors import BadForm
from ratoon_console.domain.words import JSON

_SETTINGS = {
    "personal_data": ("mask", *PERSONAL_DATA),
    "language": ("keep",),
    "length": ("min_chars",),
    "garbage": (),
    "near_duplicates": ("threshold", "earlier_versions"),
    "exact_duplicates": ("keep",),
    "decoding": ("max_replaced_share", "keep_code"),
    PRESET: ("name",),
}
"""Parameters of steps in a project that are settings of the whole curation."""
_EXAMPLES = 10
"""Records of a step to look at."""
_NOT_PREVIEWED = ("near_duplicates", "exact_duplicates", "decoding")


@dataclass(frozen=True)
class Choice:
    """A step that can be added, with its parameters and their defaults."""

    name: str
    parameters: str


@dataclass(frozen=True)
class ListedStep:
    """A step of a project: its name, its parameters one a line, and those that it knows."""

    name: str
    params: str
    parameters: str


def choices() -> list[Choice]:
    """Return the steps that can be added; others are of installed packages."""
    return [Choice(name, parameters_of(name)) for name in (*_SETTINGS, *STEPS)]


def listed(project: JSON) -> list[ListedStep]:
    """Return the steps of a project."""
    return [
        ListedStep(step["name"], _lines(step.get("params", {})), parameters_of(step["name"]))
        for step in project.get("curation", [])
    ]


def parameters_of(name: str) -> str:
    """Return the parameters of a step with their defaults, as a sentence."""
    if name in _SETTINGS:
        return ", ".join(_SETTINGS[name])
    return ", ".join(f"{each} ({_shown(known.default)})" for each, known in STEPS.get(name, {}).items())


def with_step(project: JSON, name: str, params: str) -> list[JSON]:
    """Return the steps of a project with one more at their end."""
    return [*project.get("curation", []), {"name": name, "params": params_of(params)}]


def with_params(project: JSON, place: int, params: str) -> list[JSON]:
    """Return the steps of a project with other parameters of one."""
    steps = _steps(project, place)
    return [{**step, "params": params_of(params)} if at == place else step for at, step in enumerate(steps)]


def moved(project: JSON, place: int, by: int) -> list[JSON]:
    """Return the steps of a project with one of them earlier (-1) or later (1)."""
    steps = _steps(project, place)
    step = steps.pop(place)
    steps.insert(max(0, place + by), step)
    return steps


def without(project: JSON, place: int) -> list[JSON]:
    """Return the steps of a project without one of them."""
    steps = _steps(project, place)
    del steps[place]
    return steps


def params_of(text: str) -> dict[str, str]:
    """Return the parameters of a text, one a line as NAME=VALUE; BadForm for other lines."""
    params = {}
    for line in filter(str.strip, text.splitlines()):
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise BadForm(
                f"{line.strip()[:50]!r} is not PARAMETER=VALUE. Go back and write one parameter a line."
            )
        params[name.strip()] = value.strip()
    return params


def previewed(project: JSON) -> list[str]:
    """Return the steps of a project as a preview takes them: without settings of the whole curation."""
    return [_argument(step) for step in project.get("curation", []) if step["name"] not in _NOT_PREVIEWED]


def _argument(step: JSON) -> str:
    settings = () if step["name"] not in DEFAULT_STEPS else ("mask", "keep", "min_chars")
    params = {name: text for name, text in step.get("params", {}).items() if name not in settings}
    return ":".join(filter(None, (step["name"], ";".join(f"{name}={text}" for name, text in params.items()))))


def _steps(project: JSON, place: int) -> list[JSON]:
    steps = list(project.get("curation", []))
    if not 0 <= place < len(steps):
        raise BadForm("The step is not in the list any more. Go back and load the page again.")
    return steps


def _lines(params: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={text}" for name, text in params.items())


def _shown(default: object) -> str:
    if default is None:
        return "required"
    if isinstance(default, bool):
        return str(default).lower()
    return ", ".join(map(str, default)) or "none" if isinstance(default, tuple) else str(default)


PRESET_NAMES = tuple(PRESETS)


@dataclass(frozen=True)
class Removed:
    """A record that a step removed: why, and the start of its text."""

    record_id: str
    source_path: str
    detail: str
    text: str


@dataclass(frozen=True)
class Report:
    """What a step did to the records of a version; `examples` and `removed` are up to ten records each."""

    name: str
    received: int
    changed: int
    removed_counts: Mapping[str, int]
    counts: Mapping[str, int]
    seconds: float
    examples: Sequence[str]
    removed: Sequence[Removed]


@dataclass(frozen=True)
class FunnelRow:
    """A step of the funnel with its report, if it has one, and up to ten records that it removed."""

    step: FunnelStep
    report: Report | None
    removed: Sequence[Removed]


def funnel_rows(steps: Sequence[FunnelStep], version: JSON, rejections: Sequence[JSON]) -> list[FunnelRow]:
    """Return the steps of the funnel of a version, each with its time, what it changed and records to look at."""
    by_name = {report.name: report for report in reports(version, rejections)}
    return [_row(step, by_name.get(step.name), rejections) for step in steps]


def _row(step: FunnelStep, report: Report | None, rejections: Sequence[JSON]) -> FunnelRow:
    examples = (each for each in rejections if each.get("step") == step.name)
    first = [_removed(each.get("recordId", ""), each) for each in islice(examples, _EXAMPLES)]
    return FunnelRow(step, report, report.removed if report and report.removed else first)


def reports(version: JSON, rejections: Sequence[JSON]) -> list[Report]:
    """Return the reports of the steps of a version, with those of the rejections that they name."""
    by_id = {each["recordId"]: each for each in rejections if each.get("recordId")}
    return [
        Report(
            name=each["name"],
            received=int(each.get("recordCount", 0)),
            changed=int(each.get("changedCount", 0)),
            removed_counts={reason: int(count) for reason, count in each.get("removedCounts", {}).items()},
            counts={name: int(count) for name, count in each.get("counts", {}).items()},
            seconds=float(each.get("seconds", 0)),
            examples=each.get("changedExamples", []),
            removed=[_removed(id_, by_id.get(id_, {})) for id_ in each.get("removedExamples", [])],
        )
        for each in version.get("stepReports", [])
    ]


def _removed(record_id: str, item: JSON) -> Removed:
    return Removed(record_id, item.get("sourcePath", ""), item.get("detail", ""), item.get("textStart", ""))
