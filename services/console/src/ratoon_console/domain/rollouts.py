"""Rollouts: the buttons of each state, and the steps with their times."""

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon_console.domain.words import JSON, ended, last_part, plain_state, seconds_between


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
