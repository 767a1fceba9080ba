"""Following what Ratoon does: pipeline runs, rollouts, and waits with a limit."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from ratoon.client import OperationFailedError, Ratoon, RatoonError
from ratoon.client.states import has_ended, has_succeeded
from ratoon.client.types import (
    EvaluationRun,
    PipelineRun,
    PipelineRunProducts,
    PipelineRunStage,
    PipelineRunState,
    PipelineRunTrigger,
    Rollout,
    RolloutState,
)
from ratoon_examples.demo.measure import Measured

Say = Callable[[str], None]


@dataclass(kw_only=True)
class Loop(ABC):
    """A project whose loop a demo runs and measures."""

    client: Ratoon
    project: str
    measured: Measured
    say: Say
    runs: dict[str, PipelineRun] = field(default_factory=dict)
    """Pipeline runs by version, or by what is wrong with their candidate."""
    evaluations: dict[str, EvaluationRun] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def parent(self) -> str:
        """projects/{project}"""
        return f"projects/{self.project}"

    @property
    def model(self) -> str:
        """The name of the model. Dataset, model and deployment have the name of the project."""
        return f"{self.parent}/models/{self.project}"

    @property
    def deployment(self) -> str:
        """The name of the deployment."""
        return f"{self.parent}/deployments/{self.project}"

    @property
    @abstractmethod
    def wait_s(self) -> float:
        """Longest wait for what Ratoon starts by itself, in seconds."""

    def production(self) -> str:
        """Return the version that the alias `production` points to."""
        return self.client.aliases.get(f"{self.model}/aliases/production").version


def keep_evaluation(demo: Loop, key: str) -> None:
    """Store the evaluation of a run for the report, and count the seconds of its training steps."""
    products = demo.runs[key].products or PipelineRunProducts()
    if not products.evaluation_run:
        raise OperationFailedError(f"{demo.runs[key].name} has no evaluation.", demo.runs[key])
    demo.evaluations[key] = demo.client.evaluation_runs.get(products.evaluation_run)
    training = demo.client.training_runs.get(products.training_run)
    demo.measured.work_seconds += training.metrics.get("training_seconds", 0.0)


def follow_run(
    demo: Loop, name: str, stop_at: str = "", accept: Collection[PipelineRunState] = ()
) -> PipelineRun:
    """Watch a pipeline run and print its stages, to its end or until the stage `stop_at` has a resource."""
    states: dict[str, str] = {}
    state: PipelineRun | None = None
    with demo.client.pipeline_runs.watch(name) as watch:
        for state in watch:
            for stage in state.stages:
                _report_stage(demo, stage, states)
                if stop_at == stage.id and stage.resource:
                    return state
            _report_progress(demo, state)
    if state is None:
        raise OperationFailedError(f"The watch of {name} ended without a state.", None)
    if has_succeeded(state) or state.state in accept:
        return state
    failure = state.failure.message if state.failure else ""
    raise OperationFailedError(f"{name} ended as {state.state}: {failure}", state)


def own_runs(demo: Loop) -> list[PipelineRun]:
    """Return the pipeline runs that started automatically."""
    by_hand = (PipelineRunTrigger.UNSPECIFIED, PipelineRunTrigger.MANUAL)
    return [run for run in demo.client.pipeline_runs.list(demo.parent) if run.trigger not in by_hand]


def wait_for(demo: Loop, what: str, poll: Callable[[], Any]) -> Any:
    """Poll every half second until `poll` returns a value; raise RatoonError after the timeout."""
    began, reported_at, within_s = time.monotonic(), 0.0, demo.wait_s
    while time.monotonic() - began < within_s:
        if value := poll():
            return value
        if time.monotonic() - reported_at > 5:
            reported_at = time.monotonic()
            demo.say(f"waiting for {what} … {reported_at - began:.0f} s")
        time.sleep(0.5)
    raise RatoonError(f"Timed out after {within_s:.0f} s waiting for {what}. See `ratoon logs control`.")


def has_step(rollout: Rollout, state: str) -> bool:
    """Return whether a rollout was in a state; OperationFailedError if it ended as anything but a success."""
    _check_running(rollout)
    return any(step.state == state for step in rollout.steps)


def in_state(demo: Loop, rollout: Rollout, state: RolloutState) -> bool:
    """Return whether a rollout is in a state; OperationFailedError if it ended otherwise."""
    now = demo.client.rollouts.get(rollout.name)
    _check_running(now)
    return now.state == state


def ticker(demo: Loop, what: str, total: int) -> Callable[[int], None]:
    """Return a function that prints how many of a total are done, every two seconds at most."""
    is_due = _every_two_seconds()

    def tick(done: int) -> None:
        if done == total or is_due():
            demo.say(f"\r  {done} of {total} {what}")

    return tick


def upload_ticker(demo: Loop, name: str) -> Callable[[int, int], None]:
    """Return a function that prints the progress of an upload, every two seconds at most."""
    is_due = _every_two_seconds()

    def tick(done: int, total: int) -> None:
        if done == total or is_due():
            demo.say(f"\r  {done >> 20} of {total >> 20} MiB of {name} uploaded")

    return tick


def short(name: str) -> str:
    """Return the last part of a resource name."""
    return name.rsplit("/", 1)[-1]


def _check_running(rollout: Rollout) -> None:
    if has_ended(rollout):
        raise OperationFailedError(f"{rollout.name} ended as {rollout.state}: {rollout.reason}", rollout)


def _report_stage(demo: Loop, stage: PipelineRunStage, states: dict[str, str]) -> None:
    state = stage.state.removeprefix("STATE_").lower()
    if states.get(stage.id) == state or state in ("", "pending"):
        return
    states[stage.id] = state
    demo.say(f"  {stage.id:<13} {state:<10} {stage.message}")


def _report_progress(demo: Loop, state: PipelineRun) -> None:
    progress = state.progress
    if progress and progress.message:
        left = f", {progress.remaining_seconds:.0f} s left" if progress.remaining_seconds else ""
        demo.say(f"\r  {progress.fraction:4.0%} {progress.message}{left}")


def _every_two_seconds() -> Callable[[], bool]:
    """Return a function that is True at most every two seconds."""
    last = time.monotonic()

    def is_due() -> bool:
        nonlocal last
        if time.monotonic() - last <= 2:
            return False
        last = time.monotonic()
        return True

    return is_due
