"""Use cases of runs that exist: stop, resume, read their metrics, and estimate one that does not exist yet."""

from dataclasses import replace

from ratoon.operations.operations import Operations
from ratoon.process.errors import InvalidArgument
from ratoon.storage.names import matched, parent_of
from ratoon.storage.paging import PageTokens, page_size
from ratoon.storage.store import Store
from ratoon_training.application.handlers import RUN
from ratoon_training.application.planning import EARLIER_RUNS, planned
from ratoon_training.application.ports import Curves, Machine
from ratoon_training.domain import series
from ratoon_training.domain.errors import NoCheckpoint, RunSucceeded
from ratoon_training.domain.estimates import DataSample, PlannedRun, estimated, problems_of, speed_of
from ratoon_training.domain.runs import State, TrainingRun, resumed
from ratoon_training.domain.series import Series


def stop_run(name: str, store: Store, operations: Operations) -> TrainingRun:
    """Request a run to end early with its best weights; NoCheckpoint before its first step."""
    matched(name, RUN)
    with store.write() as tx:
        run = tx.get(TrainingRun, name)
        if run.state.ended or run.stop_requested:
            return run
        if run.recipe.classical is not None:
            raise NoCheckpoint(f"{name} fits a classical model in one piece. Wait for its end, or cancel it.")
        if run.state is not State.RUNNING:
            raise NoCheckpoint(
                f"{name} has no weights yet that could be its result. Wait for its first step, or cancel it."
            )
        operations.wake(tx, name)
        return tx.save(replace(run, stop_requested=True))


def resume_run(name: str, store: Store, operations: Operations) -> TrainingRun:
    """Queue a run that failed or was cancelled again; it goes on from its last checkpoint."""
    matched(name, RUN)
    with store.write() as tx:
        run = tx.get(TrainingRun, name)
        if not run.state.ended:
            return run
        if not run.state.without_result:
            raise RunSucceeded(
                f"{name} has succeeded, so that nothing is left to resume. Clone it with continue_training to train "
                "its model further."
            )
        if run.sweep:
            raise RunSucceeded(f"{name} is a trial of {run.sweep}. Resume the sweep instead.")
        waiting = tx.save(resumed(run))
        operations.begin(tx, waiting)
    return waiting


def list_metrics(
    parent: str, size: int, token: str, max_points: int, store: Store, curves: Curves, tokens: PageTokens
) -> tuple[list[Series], str]:
    """Return a page of the series of a run by name, and the token of the next page."""
    matched(parent, RUN, "parent")
    if max_points and not series.MIN_POINTS <= max_points <= series.MAX_POINTS:
        raise InvalidArgument(
            f"max_points must be 0, or {series.MIN_POINTS} to {series.MAX_POINTS:,}.",
            reason="BAD_FIELD",
            field="max_points",
        )
    limit, position = page_size(size), tokens.open(parent, token)
    run = store.get(TrainingRun, parent)
    measured = series.of_reports(run.curve)
    if run.trained is not None and run.trained.curves_digest:
        measured |= series.of_curves(curves.read(run.trained.curves_digest))
    following = [name for name in sorted(measured) if position is None or name > position[0]]
    page = [
        Series(name, series.thinned(measured[name], max_points or series.DEFAULT_POINTS))
        for name in following[:limit]
    ]
    rest = len(following) > limit
    return page, tokens.seal(parent, [page[-1].metric]) if rest else ""


def planned_run(
    run: TrainingRun, sample: DataSample, store: Store, machine: Machine, hourly_cost: float
) -> PlannedRun:
    """Return the estimate of a run that is not stored, with what would end it."""
    earlier = store.page(TrainingRun, parent_of(run.name), EARLIER_RUNS, "", "create_time desc").items
    plan = planned(run.recipe, run.resources, run.base_shape, machine, earlier)
    preview = replace(run, plan=plan, resources=run.resources.storing(plan.strategy))
    estimate = estimated(preview, sample, speed_of(earlier, preview), hourly_cost)
    return PlannedRun(preview, estimate, problems_of(preview, plan, estimate, sample))
