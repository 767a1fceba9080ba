"""A project's task and settings, for people to read and to change."""

import json
from collections.abc import Iterator

from ratoon_console.domain.errors import BadForm
from ratoon_console.domain.words import JSON

KINDS = {"classify": "Labels", "generate": "Text", "regress": "Number"}
"""What the model of each kind of task answers with."""
SETTINGS = (
    "task",
    "primaryMetric",
    "metrics",
    "metricGates",
    "suites",
    "judges",
    "judgeRequirements",
    "humanRatings",
    "gate",
    "dataRequirements",
    "budget",
    "compute",
    "recipes",
    "retrainingRecipes",
    "curation",
    "training",
    "split",
    "compression",
    "exports",
    "rollout",
    "requireApproval",
    "trafficRetentionDays",
)
"""Fields of a project that its form of settings shows and changes."""


def kind_of(project: JSON) -> str:
    """Return the kind of the project's task; projects of older releases classify."""
    return next((kind for kind in KINDS if kind in project.get("task", {})), "classify")


def task_rows(project: JSON) -> list[tuple[str, str]]:
    """Return what the model is for and what decides between its versions, as terms with their values."""
    kind = kind_of(project)
    metric = project.get("primaryMetric", {})
    direction = {"DIRECTION_LOWER": " (lower is better)"}.get(metric.get("direction", ""), "")
    rows = [("Task", f"{kind}: {KINDS[kind].lower()}"), *_details(kind, project)]
    return [*rows, ("Primary metric", f"{metric['name']}{direction}")] if metric.get("name") else rows


def settings_text(project: JSON) -> str:
    """Return the settings of a project as an indented JSON object."""
    known = {name: project[name] for name in SETTINGS if name in project}
    return json.dumps(known, ensure_ascii=False, indent=2)


def settings_of(text: str) -> JSON:
    """Return the settings that a person wrote; BadForm unless they are a JSON object of known settings."""
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadForm(f"The settings are not JSON: {error}. Go back and correct them.") from None
    if not isinstance(settings, dict) or not settings:
        raise BadForm(
            "The settings must be a JSON object with at least one setting. Go back and correct them."
        )
    if unknown := sorted(settings.keys() - set(SETTINGS)):
        raise BadForm(f"{unknown[0]!r} is not one of the settings {', '.join(SETTINGS)}.")
    return settings


def _details(kind: str, project: JSON) -> Iterator[tuple[str, str]]:
    task = project.get("task", {}).get(kind, {})
    if kind == "classify":
        yield "Labels", ", ".join(project.get("labels", []))
        if task.get("multiLabel"):
            yield "Labels of a record", "one or more"
    if kind == "generate":
        yield "Form", task.get("form", "FORM_TEXT").removeprefix("FORM_").lower()
    if kind == "regress":
        low, high = (task.get(bound) for bound in ("min", "max"))
        if low is not None or high is not None:
            yield (
                "Range",
                f"{'any' if low is None else f'{low:g}'} to {'any' if high is None else f'{high:g}'}",
            )
        if task.get("unit"):
            yield "Unit", task["unit"]
        yield "Tolerance", f"{task.get('tolerance', 0):g}"
