"""What all resources have in common as children of a pipeline run: state, progress, failure."""

from collections.abc import Callable
from contextlib import suppress

from ratoon.common.v1 import progress_pb2
from ratoon.process.errors import AlreadyExists, FailedPrecondition, NotFound
from ratoon_flywheel.domain.pipelines.runs import Products, Progress
from ratoon_flywheel.domain.pipelines.steps import Child, ChildState

_STATES = {
    "READY": ChildState.SUCCEEDED,
    "SUCCEEDED": ChildState.SUCCEEDED,
    "FAILED": ChildState.FAILED,
    "CANCELLED": ChildState.CANCELLED,
    "ROLLED_BACK": ChildState.ROLLED_BACK,
    "REDACTED": ChildState.FAILED,
}


def child(
    state: str,
    products: Products,
    progress: progress_pb2.Progress,
    failure: progress_pb2.Failure,
    message: str = "",
) -> Child:
    """A resource as a run sees it: `state` is the name of its enum value; its products count once it succeeded."""
    state = state.removeprefix("STATE_")
    child_state = _STATES.get(state, ChildState.WORKING)
    reported = Progress(
        progress.fraction, progress.message, progress.remaining_seconds, dict(progress.metrics)
    )
    if state == "REDACTED":
        erased = "Records of it were erased while the run was under way; start a new one."
        return Child(child_state, Products(), reported, "REDACTED", erased)
    products = products if child_state is ChildState.SUCCEEDED else Products()
    return Child(child_state, products, reported, failure.reason, failure.message or message)


def ensure(create: Callable[[], object]) -> None:
    """Create a resource that may exist already."""
    with suppress(AlreadyExists):
        create()


def ensure_cancelled(cancel: Callable[[], object]) -> None:
    """Cancel a resource that may have ended already."""
    with suppress(FailedPrecondition, NotFound):
        cancel()
