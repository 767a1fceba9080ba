"""Rollouts: the buttons of each state, and the steps with their times."""

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon.tasks.titles import metric_title
from ratoon_console.domain.words import (
    JSON,
    decimal,
    duration,
    ended,
    last_part,
    number,
    plain_state,
    seconds_between,
)


@dataclass(frozen=True)
class Button:
    """A button: the action, its label, the question to confirm it, and why it is disabled."""

    action: str
    label: str
    confirm: str = ""
    why_not: str = ""


@dataclass(frozen=True)
class RolloutStep:
    """A step of a rollout, and how long after its start it was."""

    state: str
    message: str
    time: str
    after_s: float


@dataclass(frozen=True)
class Compared:
    """A value of both versions on the same requests."""

    name: str
    new: str
    old: str


def compared(rollout: JSON) -> list[Compared]:
    """Return how both versions answered the same requests; nothing before the first shadow answer."""
    comparison = rollout.get("shadowComparison")
    if not comparison:
        return []
    sides = [comparison.get(name, {}) for name in ("newVersion", "oldVersion")]
    rows = [
        Compared("Median latency", *(f"{decimal(side.get('latencyP50Seconds'))} s" for side in sides)),
        Compared("Mean length in tokens", *(decimal(side.get("meanTokens"), 1) for side in sides)),
        Compared("Failed in the shadow", *map(_failed, sides)),
    ]
    if result := comparison.get("byMetric"):
        values = (decimal(result.get(name)) for name in ("newValue", "oldValue"))
        rows.insert(0, Compared(metric_title(comparison["metric"]["name"]), *values))
    return rows


def shadow_sentences(rollout: JSON) -> list[str]:
    """Return what the comparison says, and which rule a rollout has for it."""
    comparison, settings = rollout.get("shadowComparison") or {}, rollout.get("shadow") or {}
    sentences = [comparison["message"]] if comparison.get("message") else []
    if result := comparison.get("byMetric"):
        low, high = result.get("gainLow"), result.get("gainHigh")
        interval = "" if low is None else f" ({decimal(low)} to {decimal(high)})"
        sentences.append(f"Gain of the new version: {decimal(result.get('gain'))}{interval}.")
    if "similarity" in comparison:
        name = metric_title(comparison["metric"]["name"])
        sentences.append(f"{name} between both answers: {decimal(comparison['similarity'])}.")
    if pairs := number(settings.get("minPairs")):
        wait = duration(settings.get("maxWaitSeconds", 0.0))
        sentences.append(
            f"Callers get the new version after {pairs} pairs without a loss; longest wait: {wait}."
        )
    return sentences


def _failed(side: JSON) -> str:
    shadows = number(side.get("shadowCount"))
    return f"{number(side.get('errorCount'))} of {shadows}" if shadows else "–"


def buttons(rollout: JSON, deployment: JSON | None) -> list[Button]:
    """The buttons of this state: hold it, let it go on, send it back; once it has succeeded, undo it."""
    state = plain_state(rollout["state"])
    if state == "SUCCEEDED":
        why_not = _why_no_undo(rollout, deployment)
        return [
            Button(
                "undo-rollout",
                "Undo",
                "Undo this rollout? A rollout to the previous version starts.",
                why_not,
            )
        ]
    if ended(rollout["state"]):
        return []
    going_back = "This rollout is already rolling back." if state == "ROLLING_BACK" else ""
    hold = (
        Button("resume-rollout", "Resume")
        if rollout.get("paused")
        else Button("pause-rollout", "Pause", "", going_back)
    )
    abort = "Abort this rollout? Traffic returns to the previous version."
    return [hold, Button("abort-rollout", "Abort", abort, going_back)]


def _why_no_undo(rollout: JSON, deployment: JSON | None) -> str:
    if not rollout.get("fromVersion"):
        return "This was the first version; there is no previous version."
    if deployment and deployment.get("version") != rollout.get("toVersion"):
        version = last_part(deployment.get("version", ""))
        return f"{version} is in production now; undo the rollout to {version} instead."
    return ""


def steps(rollout: JSON) -> list[RolloutStep]:
    """The steps with the seconds since the rollout began."""
    begun = rollout["createTime"]
    return [
        RolloutStep(step["state"], step["message"], step["time"], seconds_between(begun, step["time"]) or 0.0)
        for step in rollout.get("steps", [])
    ]


def active(rollouts: Sequence[JSON]) -> JSON | None:
    """The rollout that is under way, None when there is none."""
    return next((each for each in rollouts if not ended(each["state"])), None)
