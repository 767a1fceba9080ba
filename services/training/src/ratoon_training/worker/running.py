"""Execution of a task on one worker of a group: model, training, artifact, and the reason of a failure."""

import errno
import json
import resource
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.scratch import ScratchStore
from ratoon_training.domain.errors import EndedEarly, OutOfMemory, Stopped, TrainingError
from ratoon_training.domain.learning_rate import Trial
from ratoon_training.domain.places import scratch_name
from ratoon_training.worker import models, sharding, vocabulary
from ratoon_training.worker.checkpoints import Checkpoints
from ratoon_training.worker.context import WorkerContext, set_up_worker
from ratoon_training.worker.curves import TOKENS
from ratoon_training.worker.forecast import Forecast
from ratoon_training.worker.judging import contradicted_pairs
from ratoon_training.worker.peaks import Energy, EnergySource, PeakMemory, resident_bytes
from ratoon_training.worker.publish import publish
from ratoon_training.worker.record_scores import record_scores
from ratoon_training.worker.remote_checkpoints import RemoteCheckpoints
from ratoon_training.worker.reporting import ProgressReporter
from ratoon_training.worker.samples import learned
from ratoon_training.worker.searching import searched
from ratoon_training.worker.session import Session
from ratoon_training.worker.sessions import data_of, session_of
from ratoon_training.worker.task_queue import TrainingTask, write_outcome
from ratoon_training.worker.text import limit_of
from ratoon_training.worker.units import dead_share

_TOGETHER = (EndedEarly, Stopped)
"""Failures that every worker of a group has at the same step."""


def execute(task: TrainingTask, rank: int, world_size: int, job: JobFolder | None = None) -> None:
    """Train a task and write its outcome to its job directory; `job` receives reports (default: that directory).

    Raises only failures that the other workers do not have, for which the whole group must restart.
    """
    try:
        with _memory_limit(task.memory_limit_bytes):
            context = set_up_worker(task.resources, rank, world_size)
            result = _train(task, context, job or JobFolder(Path(task.job)))
        if rank == 0:
            write_outcome(Path(task.job), {"result": result})
    except Exception as error:
        traceback.print_exc()
        named = named_error(error)
        if named is None and world_size > 1:
            raise
        reason, message = named or ("WORKER_FAILED", f"{type(error).__name__}: {error}")
        retained = {"result": error.result} if isinstance(error, EndedEarly) and error.result else {}
        write_outcome(Path(task.job), {"reason": reason, "message": message, **retained})
        if world_size > 1 and not isinstance(error, _TOGETHER):
            raise


def named_error(error: Exception) -> tuple[str, str] | None:
    """Return the reason and message of a known error; None for others."""
    if isinstance(error, TrainingError):
        return error.reason, str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (
            "DISK_FULL",
            "No space is left for checkpoints or artifacts: free some and start the run again.",
        )
    exhausted = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if (
        exhausted
        or isinstance(error, MemoryError | torch.OutOfMemoryError)
        or "can't allocate memory" in str(error)
    ):
        return (
            OutOfMemory.reason,
            "The run needs more memory than its limit: lower recipe.batch_size or max_chars.",
        )
    return None


def _train(task: TrainingTask, context: WorkerContext, job: JobFolder) -> dict[str, Any]:
    checkpoints = _checkpoints(task)
    scratch = ScratchStore(task.artifacts, scratch_name(Path(task.work).name))
    peak, energy = PeakMemory(context.device), Energy(context.device)
    process_bytes, forecast = float(resident_bytes()), Forecast(task.checkpoint_every_s)
    reporter = (
        ProgressReporter(job, scratch, task.fence, forecast, task.resources.processes)
        if context.leads
        else ProgressReporter(None, forecast=forecast)
    )
    try:
        if context.leads:
            checkpoints.claim()
        contradictions = contradicted_pairs(task.recipe, task.prepared, context) if context.leads else {}
        data = data_of(task.recipe, task.prepared, context)
        model = models.place(models.build(task.recipe, task.prepared), context.device)
        recipe, trials = searched(task.recipe, model, data, context)
        if context.mesh is not None:
            sharding.divide(model, models.core(model), context.mesh)
        session = session_of(recipe, model, data, context)
        whole = partial(_whole_model, task, context)
        try:
            session.run(checkpoints, task.checkpoint_every_s, reporter)
        except EndedEarly as error:
            if (context.leads or context.mesh is not None) and session.take_last_good(checkpoints):
                session.gather(checkpoints, whole)
                error.result = _retained(task, session, reporter, trials) if context.leads else None
            raise
        counts = {**_counts(task.prepared), **vocabulary.measured(task.prepared)}
        metrics = {
            **_metrics(session, reporter),
            **_consumed(peak, energy, context),
            **counts,
            **contradictions,
            **session.measured(),
        }
        metrics["process_bytes"] = process_bytes
        if forecast.predicted is not None:
            metrics |= forecast.predicted.metrics(session.step)
            metrics["dry_run_seconds"] = forecast.seconds
        session.gather(checkpoints, whole)
        answers = {}
        if task.record_scores and (context.leads or context.mesh is None):
            answers = record_scores(session)
        if not context.leads:
            return {}
        limit = asdict(limit_of(task.prepared / "tokenizer"))
        session.dead_units = dead_share(session)
        digests = publish(task, session, trials)
        if answers:
            stored = ArtifactStore(task.artifacts).put_bytes(json.dumps(answers).encode())
            digests["scores_digest"] = stored
        return {**digests, **_description(session), "metrics": metrics, "prompt_limit": limit}
    finally:
        checkpoints.close()
        reporter.close()


def _whole_model(task: TrainingTask, context: WorkerContext) -> Any:
    """Return the model as it begins, undivided."""
    return models.place(models.build(task.recipe, task.prepared), context.device)


def _retained(
    task: TrainingTask, session: Session, reporter: ProgressReporter, trials: list[Trial]
) -> dict[str, Any]:
    """Publish the last good checkpoint of a run that failed; return the result that the run keeps."""
    metrics = {
        **session.curves.validation,
        "steps": float(session.step),
        "training_seconds": reporter.seconds,
    }
    limit = asdict(limit_of(task.prepared / "tokenizer"))
    digests = publish(task, session, trials)
    return {**digests, **_description(session), "metrics": metrics, "prompt_limit": limit}


def _checkpoints(task: TrainingTask) -> Checkpoints:
    """Return the checkpoints of a task."""
    if task.scratch:
        return RemoteCheckpoints(ScratchStore(task.artifacts, task.scratch), task.fence)
    return Checkpoints(Path(task.work) / "checkpoints", task.fence)


def _description(session: Session) -> dict[str, Any]:
    return {
        "parameter_count": session.parameter_count,
        "diagnosis": asdict(session.diagnosis()),
    }


def _metrics(session: Session, reporter: ProgressReporter) -> dict[str, float]:
    """Final measurements."""
    last = session.curves.steps[-1] if session.curves.steps else [0.0, 0.0]
    tokens = sum(row[TOKENS] for row in session.curves.steps)
    return {
        "train_loss": last[1],
        **session.curves.validation,
        "learning_rate": session.recipe.learning_rate,
        "published_epoch": float(session.published_epoch),
        "steps": float(session.step),
        "epochs": session.step / session.per_epoch,
        "samples": float(sum(1 for _ in session.curves.steps) * session.recipe.batch_size),
        "tokens": float(tokens),
        "training_seconds": reporter.seconds,
        "tokens_per_second": reporter.tokens_per_second,
    }


def _consumed(peak: PeakMemory, energy: Energy, context: WorkerContext) -> dict[str, float]:
    """Return peak memory and energy, summed over the workers."""
    watt_hours, source = energy.read()
    # The counters of a machine count all of its workers.
    own = watt_hours if context.leads or source is EnergySource.ESTIMATED else 0.0
    sums = context.sum_of_workers(torch.tensor([float(peak.read()), own], device=context.device))
    memory, used = sums.tolist()
    return {"peak_memory_bytes": memory, "energy_wh": used, "energy_source": float(source)}


def _counts(prepared: Path) -> dict[str, float]:
    """Return how many records and samples did not count, by reason; none of a run with labels."""
    return {name: float(value) for name, value in learned(prepared)["counts"].items()}


@contextmanager
def _memory_limit(limit: int) -> Iterator[None]:
    """Limit the data of this process to `limit` bytes inside the context (0: no limit)."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    if limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
