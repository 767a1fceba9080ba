"""What labeling needs from the world."""

from collections.abc import Sequence
from typing import Protocol

from ratoon.chassis.store import Transaction
from ratoon_labeling.domain.label_sets import Frozen, LabelSet, Observation


class Datasets(Protocol):
    """The dataset versions of ingestion."""

    def artifact_of(self, dataset_version: str) -> str:
        """The digest of a version's tree; DatasetNotReady before it is READY."""
        ...


class Freezing(Protocol):
    """The heavy part of a label set: a job that reads the dataset and writes the labels. One job an attempt."""

    def observe(self, job_id: str) -> Observation:
        """The job as it is now."""
        ...

    def start(self, job_id: str, label_set: LabelSet, annotations_digest: str) -> None:
        """Begin, unless this job was begun before."""
        ...

    def restart(self, job_id: str, label_set: LabelSet, annotations_digest: str) -> None:
        """Begin again what was lost."""
        ...

    def stop(self, job_id: str) -> None:
        """Ask the job to end; kill it after a grace."""
        ...


class Ledger(Protocol):
    """Annotations and tasks in bulk."""

    def export(self, project: str) -> str:
        """Write the annotations of a project that did not come with data to the artifact store; their digest."""
        ...

    def record(self, label_set: LabelSet, made: Frozen) -> None:
        """Keep the imported annotations and the tasks that a job found; a repetition adds nothing."""
        ...

    def is_recorded(self, label_set: str) -> bool:
        """Whether all that was found for this label set is kept."""
        ...

    def forget(self, tx: Transaction, project: str, record_ids: Sequence[str]) -> None:
        """Delete the annotations and tasks of these records; none there is no error."""
        ...
