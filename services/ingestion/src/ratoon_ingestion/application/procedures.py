"""How curations and splits are worked on: the domain decides, a job does."""

from datetime import datetime

from ratoon.chassis.errors import Description
from ratoon.chassis.names import project_of
from ratoon.chassis.operations import Claim, Step
from ratoon.chassis.store import Store
from ratoon_ingestion.application.browsing import readable_splits
from ratoon_ingestion.application.ports import CurationJob, Job, Jobs, SplitJob
from ratoon_ingestion.domain.assignment import Part
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion, curated
from ratoon_ingestion.domain.erasures import Erasure
from ratoon_ingestion.domain.sources import Source
from ratoon_ingestion.domain.splits import Split, parted
from ratoon_ingestion.domain.work import Action, Failure, Observation, Transition, W, fail, step

_LOOK_S = 0.25
"""Seconds between two looks at a job."""


class CurationProcedure:
    """The long work behind CreateDatasetVersion."""

    kind = DatasetVersion

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self._store, self._jobs = store, jobs

    def observe(self, version: DatasetVersion, claim: Claim) -> Observation:
        """The curation job as it is now."""
        return self._jobs.observe(claim.action_id("curate"))

    def step(self, version: DatasetVersion, seen: Observation, now: datetime) -> Step[DatasetVersion]:
        """What follows from it."""
        return as_step(step(version, seen, curated))

    def act(self, version: DatasetVersion, action: Action, claim: Claim) -> None:
        """Start, restart or stop the job."""
        with self._store.read() as tx:
            sources = tuple(tx.get(Source, name) for name in version.sources)
            erasures = tx.all(Erasure, f"projects/{project_of(version.name)}")
        barred = tuple(sorted({record_id for erasure in erasures for record_id in erasure.record_ids}))
        act(self._jobs, action, claim.action_id("curate"), CurationJob(version, sources, barred))

    def failed(self, version: DatasetVersion, error: Description, now: datetime) -> Step[DatasetVersion]:
        """An error that repeating will not mend ends the curation."""
        return as_step(fail(version, Failure(error.reason, error.message)))


class SplitProcedure:
    """The long work behind CreateSplit."""

    kind = Split

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self._store, self._jobs = store, jobs

    def observe(self, split: Split, claim: Claim) -> Observation:
        """The job as it is now."""
        return self._jobs.observe(claim.action_id("split"))

    def step(self, split: Split, seen: Observation, now: datetime) -> Step[Split]:
        """What follows from it."""
        return as_step(step(split, seen, parted))

    def act(self, split: Split, action: Action, claim: Claim) -> None:
        """Start, restart or stop the job."""
        act(self._jobs, action, claim.action_id("split"), self._job(split))

    def failed(self, split: Split, error: Description, now: datetime) -> Step[Split]:
        """An error that repeating will not mend ends the split."""
        return as_step(fail(split, Failure(error.reason, error.message)))

    def _job(self, split: Split) -> SplitJob:
        """What the split builds on; the test parts of all other splits of the project bar training."""
        with self._store.read() as tx:
            version = tx.get(DatasetVersion, split.dataset_version)
            replayed = tx.get(Split, split.replay.split) if split.replay.split else None
            datasets = [dataset.name for dataset in tx.all(Dataset, f"projects/{project_of(split.name)}")]
            others = readable_splits(tx, datasets)
        return SplitJob(
            split=split,
            version_digest=version.readable_digest,
            cluster_threshold=version.curation.cluster_threshold,
            earlier_tests=tuple(sorted({other.parts[Part.TEST].readable_digest for other in others})),
            replay_train_digest=replayed.parts[Part.TRAIN].readable_digest if replayed else "",
        )


def act(jobs: Jobs, action: Action, job_id: str, job: Job) -> None:
    """Start, restart or stop a job."""
    if action is Action.START:
        jobs.start(job_id, job)
    elif action is Action.RESTART:
        jobs.restart(job_id, job)
    else:
        jobs.stop(job_id)


def as_step(transition: Transition[W]) -> Step[W]:
    """A transition as the mechanism of long work wants it."""
    resource = transition.resource
    return Step(
        resource, transition.actions, transition.events, wake_after=_LOOK_S, done=resource.state.ended
    )
