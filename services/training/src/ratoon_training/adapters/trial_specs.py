"""Training runs of the trials of sweeps, by the messages of the API: what the API can set, a sweep can search."""

from ratoon_training import mapping, sweep_messages
from ratoon_training.application.commands import RunSpec
from ratoon_training.domain.search_space import Settings
from ratoon_training.domain.sweeps import Sweep


class MessageSpecs:
    """Specifications of runs from the recipe's message."""

    def typed(self, sweep: Sweep) -> Sweep:
        """Return the sweep with the types of its parameters; BadSweep names one that recipes do not have."""
        return sweep_messages.with_types(sweep)

    def spec(self, sweep: Sweep, settings: Settings, fold: int = 0) -> RunSpec:
        """Return the specification of a run with these settings on a fold, counted from 0."""
        return mapping.run_spec(sweep_messages.trial_run(sweep, settings, fold))
