"""An order from beginning to end on one worker of a group: model, training, artifact, and what its end is called."""

import errno
import resource
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ratoon.chassis.jobs import JobFolder
from ratoon.chassis.scratch import ScratchStore
from ratoon_training.domain.errors import LossNotFinite, OutOfMemory, Stopped, TrainingError
from ratoon_training.worker import models
from ratoon_training.worker.checkpoints import Checkpoints
from ratoon_training.worker.context import Member, settle
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.publish import publish
from ratoon_training.worker.remote_checkpoints import ShelvedCheckpoints
from ratoon_training.worker.reporting import Teller
from ratoon_training.worker.searching import searched
from ratoon_training.worker.session import Data, Session
from ratoon_training.worker.task_queue import Order, tell_outcome
from ratoon_training.worker.text import limit_of

_TOGETHER = (LossNotFinite, Stopped)
"""Ends that every worker of a group comes to at the same step."""


def execute(order: Order, rank: int, world: int, job: JobFolder | None = None) -> None:
    """Train an order and leave its outcome in its job folder; `job` is told how it goes, the folder when left out.

    Raises only what the whole group has to be started again for: an end that the other workers do not know of.
    """
    try:
        with _memory_limit(order.memory_limit_bytes):
            member = settle(order.resources, rank, world)
            made = _train(order, member, job or JobFolder(Path(order.job)))
        if rank == 0:
            tell_outcome(Path(order.job), {"result": made})
    except Exception as error:
        traceback.print_exc()
        named = named_error(error)
        if named is None and world > 1:
            raise
        reason, message = named or ("WORKER_FAILED", f"{type(error).__name__}: {error}")
        tell_outcome(Path(order.job), {"reason": reason, "message": message})
        if world > 1 and not isinstance(error, _TOGETHER):
            raise


def named_error(error: Exception) -> tuple[str, str] | None:
    """The reason and sentence of an error that has a name; None for the others."""
    if isinstance(error, TrainingError):
        return error.reason, str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return (
            "DISK_FULL",
            "No space is left for checkpoints or artifacts: free some and start the run again.",
        )
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return (
            OutOfMemory.reason,
            "The run needs more memory than its limit: lower recipe.batch_size or max_chars.",
        )
    return None


def _train(order: Order, member: Member, job: JobFolder) -> dict[str, Any]:
    checkpoints = _checkpoints(order)
    teller = Teller(job if member.leads else None)
    try:
        if member.leads:
            checkpoints.claim()
        data = Data(Corpus(order.prepared / "train.npz"), Corpus(order.prepared / "validation.npz"))
        model = models.build(order.recipe, order.prepared).to(member.device)
        recipe, trials = searched(order.recipe, model, data, member)
        session = Session(recipe, model, data, member)
        session.run(checkpoints, order.checkpoint_every_s, teller)
        metrics = _metrics(session, teller, member)
        if not member.leads:
            return {}
        limit = asdict(limit_of(order.prepared / "tokenizer"))
        made = publish(order, session, trials)
        return {**made, **_description(session), "metrics": metrics, "prompt_limit": limit}
    finally:
        checkpoints.close()
        teller.close()


def _checkpoints(order: Order) -> Checkpoints:
    """Where an order's checkpoints lie."""
    if order.shelf:
        return ShelvedCheckpoints(ScratchStore(order.artifacts, order.shelf), order.fence)
    return Checkpoints(Path(order.work) / "checkpoints", order.fence)


def _description(session: Session) -> dict[str, Any]:
    found = session.curves.diagnosis()
    return {
        "parameter_count": session.parameter_count,
        "diagnosis": {"verdict": found.verdict, "remedy": found.remedy},
    }


def _metrics(session: Session, teller: Teller, member: Member) -> dict[str, float]:
    """Final measurements, peak memory summed over the workers."""
    peak = torch.tensor([float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)], device=member.device)
    memory = float(member.sum(peak)[0]) * 1024
    last, validated = session.curves.steps[-1], session.curves.epochs[-1]
    tokens = sum(row[-1] for row in session.curves.steps)
    return {
        "train_loss": last[1],
        "validation_loss": validated[2],
        "validation_accuracy": validated[3],
        "validation_macro_f1": validated[4],
        "learning_rate": session.recipe.learning_rate,
        "steps": float(session.step),
        "epochs": session.step / session.per_epoch,
        "samples": float(sum(1 for _ in session.curves.steps) * session.recipe.batch_size),
        "tokens": float(tokens),
        "training_seconds": teller.seconds,
        "tokens_per_second": teller.tokens_per_second,
        "peak_memory_bytes": memory,
    }


@contextmanager
def _memory_limit(limit: int) -> Iterator[None]:
    """Within it this process may hold only so many bytes of data (0: as many as there are)."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    if limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
