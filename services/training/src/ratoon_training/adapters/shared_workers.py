"""No dedicated pods: workers compute on this machine, or in the shared pods of a Ray cluster."""

from collections.abc import Collection

from ratoon_training.domain.places import Place
from ratoon_training.domain.runs import TrainingRun


class SharedWorkers:
    """Workers without dedicated pods: there is nothing to create, wait for or delete."""

    def ensure(self, run: TrainingRun) -> Place:
        """Return the default placement."""
        return Place()

    def waits_for(self, run: TrainingRun) -> str:
        """Return nothing: the driver reports what it waits for."""
        return ""

    def remove(self, run: str) -> None:
        """Do nothing."""

    def runs(self) -> Collection[str]:
        """Return no names."""
        return ()
