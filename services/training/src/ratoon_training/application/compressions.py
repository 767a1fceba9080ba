"""Compressions: creation, the job behind them, and deletion."""

from dataclasses import dataclass, replace
from functools import partial

from ratoon.operations.job_machine import step
from ratoon.operations.job_procedure import JobProcedure, JobRunner
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.storage.names import checked_id, matched
from ratoon.storage.store import Store, Transaction
from ratoon.tasks.classify import Classify
from ratoon_training.application.ports import BaseModels, Parts
from ratoon_training.domain.compressions import Compressed, Compression, CompressionSpec, completed
from ratoon_training.domain.errors import BadCompression, CompressionInUse

COMPRESSION = "projects/*/compressions/*"
_POLL_INTERVAL_S = 0.5


@dataclass(frozen=True)
class CreateCompression:
    """Create a compression of a project."""

    parent: str
    compression_id: str
    spec: CompressionSpec
    request_id: str = ""


Compressions = JobRunner[Compression, Compressed]


def create_compression(
    command: CreateCompression,
    store: Store,
    operations: Operations,
    clock: Clock,
    bases: BaseModels,
    parts: Parts,
) -> Compression:
    """Queue a compression; the work starts with the commit. Parts that held erased records are refused."""
    matched(command.parent, "projects/*", "parent")
    spec, now = command.spec.checked(), clock.now()
    if spec.source_version:
        matched(spec.source_version, "projects/*/models/*/versions/*", "source_version")
    source = bases.describe(spec.source_digest)
    task = spec.task or source.task or (Classify(source.labels) if source.labels else None)
    if spec.validation_digest and task is None:
        raise BadCompression(
            "task is missing: the source does not state for what it was trained, and the task decides the metrics.",
            "task",
        )
    for digest in filter(None, (spec.train_digest, spec.validation_digest)):
        parts.check_not_erased(digest)
    compression = Compression(
        name=f"{command.parent}/compressions/{checked_id(command.compression_id, 'compression_id')}",
        create_time=now,
        update_time=now,
        spec=replace(spec, task=task),
    )
    with store.write() as tx:
        compression, new = tx.create(compression, command.request_id)
        if new:
            operations.begin(tx, compression)
    return compression


def delete_compression(compression: Compression, tx: Transaction) -> None:
    """Delete a compression that has ended; CompressionInUse otherwise."""
    if not compression.state.ended:
        raise CompressionInUse(f"{compression.name} is in progress. Cancel it, or wait for its end.")
    tx.retire(compression)


def compression_procedure(jobs: Compressions) -> JobProcedure[Compression, Compression, Compressed]:
    """Return the procedure behind CreateCompression."""
    return JobProcedure(
        Compression,
        "compress",
        jobs,
        lambda compression: compression,
        partial(step, complete=completed),
        _POLL_INTERVAL_S,
    )
