"""No pods of a run's own: workers compute on this machine, or on a Ray cluster's pods that are there for all."""

from collections.abc import Collection

from ratoon_training.domain.places import Place
from ratoon_training.domain.runs import TrainingRun


class SharedWorkers:
    """Nothing is made, so nothing is waited for and nothing is left."""

    def ensure(self, run: TrainingRun) -> Place:
        """Wherever there is room."""
        return Place()

    def waits_for(self, run: TrainingRun) -> str:
        """The driver says itself what it waits for."""
        return ""

    def remove(self, run: str) -> None:
        """There is nothing."""

    def runs(self) -> Collection[str]:
        """None."""
        return ()
