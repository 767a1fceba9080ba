"""How an erasure is worked on: a job writes again what holds its records, then it is put in place, once."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from ratoon.operations.job_machine import Action, Failure, fail
from ratoon.operations.job_procedure import as_step, perform
from ratoon.operations.operations import Claim, Step
from ratoon.process.errors import Description
from ratoon.storage.names import parent_of
from ratoon.storage.store import Store, Transaction
from ratoon_ingestion.application.browsing import readable_splits, readable_versions
from ratoon_ingestion.application.exporting import exported_blobs, redact_exports
from ratoon_ingestion.application.joining import with_partner
from ratoon_ingestion.application.ports import Blobs, ErasureJob, Erasures
from ratoon_ingestion.application.procedures import POLL_INTERVAL_S
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion
from ratoon_ingestion.domain.erasures import (
    Erasure,
    ErasureObservation,
    Plan,
    redacted_split,
    redacted_version,
    reindexed,
    step,
)
from ratoon_ingestion.domain.exports import Export
from ratoon_ingestion.domain.profiles import Profile
from ratoon_ingestion.domain.sources import Source, rewritten
from ratoon_ingestion.domain.splits import Split

_DIGEST = re.compile(r"[0-9a-f]{64}")
Collecting = Callable[[Transaction, str], Sequence[str]]


class ErasureProcedure:
    """The long work behind CreateErasure."""

    kind = Erasure

    def __init__(
        self, store: Store, jobs: Erasures, blobs: Blobs, collecting: Collecting = lambda _tx, _project: ()
    ) -> None:
        """`collecting` returns what is about to create sources of a project."""
        self._store, self._jobs, self._blobs = store, jobs, blobs
        self._collecting = collecting

    def observe(self, erasure: Erasure, claim: Claim) -> ErasureObservation:
        """What it waits for, its job, and whether its plan is carried out."""
        job = self._jobs.observe(claim.action_id("erase"))
        with self._store.read() as tx:
            waits_for = (*_earlier_work(tx, erasure), *self._collecting(tx, parent_of(erasure.name)))
            replaced = erasure.plan is not None and _is_replaced(tx, erasure.name, erasure.plan)
            doomed = _doomed(tx, erasure.plan) if erasure.plan else ()
            doomed += tuple(exported_blobs(tx, erasure.name, erasure.plan)) if erasure.plan else ()
        gone = replaced and not any(map(self._blobs.exists, doomed))
        return ErasureObservation(waits_for, job, gone)

    def step(self, erasure: Erasure, observation: ErasureObservation, now: datetime) -> Step[Erasure]:
        """What follows from it."""
        return as_step(step(erasure, observation, now), POLL_INTERVAL_S)

    def act(self, erasure: Erasure, action: Action, claim: Claim) -> None:
        """Start, restart or stop the job, or carry out its plan."""
        if action is Action.APPLY:
            assert erasure.plan is not None, "there is a plan before it is carried out"
            self._carry_out(erasure, erasure.plan)
        else:
            perform(self._jobs, action, claim.action_id("erase"), lambda: self._job(erasure))

    def failed(self, erasure: Erasure, error: Description, now: datetime) -> Step[Erasure]:
        """End the erasure on an error that a retry cannot correct; its records stay excluded."""
        return as_step(fail(erasure, Failure(error.reason, error.message)), POLL_INTERVAL_S)

    def _job(self, erasure: Erasure) -> ErasureJob:
        project = parent_of(erasure.name)
        with self._store.read() as tx:
            datasets = [dataset.name for dataset in tx.all(Dataset, project)]
            return ErasureJob(
                erasure,
                tuple(with_partner(tx, source) for source in tx.all(Source, project)),
                tuple(readable_versions(tx, datasets)),
                tuple(readable_splits(tx, datasets)),
            )

    def _carry_out(self, erasure: Erasure, plan: Plan) -> None:
        """First nothing names the old blobs any more, then they go."""
        with self._store.write() as tx:
            _replace(tx, erasure, plan)
            redact_exports(tx, erasure.name, plan)
            doomed, exported = _doomed(tx, plan), exported_blobs(tx, erasure.name, plan)
            trees = [
                version.readable_digest for version in tx.every(DatasetVersion) if version.state.readable
            ]
        why = f"it contained records that {erasure.name} erased. Create a new dataset version of the sources."
        for digest in doomed:
            self._blobs.erase(digest, why)
        for digest in exported:
            self._blobs.delete(digest)
        for digest in self._unreferenced(plan.attachments, trees):
            self._blobs.delete(digest)

    def _unreferenced(self, attachments: Sequence[str], trees: Sequence[str]) -> set[str]:
        """Return the attachments that no version of any project lists."""
        left = set(attachments)
        for tree in trees if left else ():
            left -= set(_DIGEST.findall(self._blobs.read(tree).decode()))
        return left


def _earlier_work(tx: Transaction, erasure: Erasure) -> tuple[str, ...]:
    """The names of what was begun before, may hold the records and has not ended."""
    project = parent_of(erasure.name)
    datasets = [dataset.name for dataset in tx.all(Dataset, project)]
    work: list[DatasetVersion | Split | Export | Profile | Erasure] = []
    for name in datasets:
        work += [*tx.all(DatasetVersion, name), *tx.all(Split, name)]
        work += [*tx.all(Export, name), *tx.all(Profile, name)]
    mine = (erasure.create_time, erasure.name)
    work += (each for each in tx.all(Erasure, project) if (each.create_time, each.name) < mine)
    return tuple(each.name for each in work if not each.state.ended)


def _is_replaced(tx: Transaction, erasure: str, plan: Plan) -> bool:
    """Whether every resource names what was written again."""
    return (
        not _naming(tx, erasure, plan)
        and all(
            tx.get(DatasetVersion, name).readable_digest == replacement.digest
            for name, replacement in plan.versions.items()
        )
        and all(
            tx.get(Split, name).parts[part].readable_digest == replacement.digest
            for name, parts in plan.splits.items()
            for part, replacement in parts.items()
        )
        and all(tx.get(Source, name).digest == digest for name, digest in plan.sources.items())
    )


def _naming(tx: Transaction, erasure: str, plan: Plan) -> list[DatasetVersion | Split]:
    """The versions and splits that name an index that was written again."""
    if not plan.indexes:
        return []
    datasets = [dataset.name for dataset in tx.all(Dataset, parent_of(erasure))]
    work: list[DatasetVersion | Split] = [*readable_versions(tx, datasets), *readable_splits(tx, datasets)]
    return [each for each in work if reindexed(each, plan.indexes) is not each]


def _replace(tx: Transaction, erasure: Erasure, plan: Plan) -> None:
    """Let every resource name what was written again; a repetition changes nothing."""
    for name, replacement in plan.versions.items():
        version = tx.get(DatasetVersion, name)
        if version.readable_digest != replacement.digest:
            left, event = redacted_version(version, replacement, erasure.name)
            tx.publish(event, tx.save(left))
    for name, parts in plan.splits.items():
        split = tx.get(Split, name)
        if any(
            split.parts[part].readable_digest != replacement.digest for part, replacement in parts.items()
        ):
            redacted, redaction = redacted_split(split, parts, erasure.name)
            tx.publish(redaction, tx.save(redacted))
    for work in _naming(tx, erasure.name, plan):
        tx.save(reindexed(work, plan.indexes))
    for name, digest in plan.sources.items():
        source = tx.get(Source, name)
        if source.digest != digest:
            tx.save(rewritten(source, digest))


def _doomed(tx: Transaction, plan: Plan) -> tuple[str, ...]:
    """The blobs that go: all of the plan's that no source of any project names, whose own erasure it would take."""
    named = {source.digest for source in tx.every(Source)}
    return tuple(digest for digest in plan.blobs if digest not in named)
