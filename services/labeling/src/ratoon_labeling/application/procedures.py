"""How a label set is worked on: the domain decides, the ports do."""

from dataclasses import replace
from datetime import datetime

from ratoon.chassis.errors import Description
from ratoon.chassis.names import parent_of
from ratoon.chassis.operations import Claim, Step
from ratoon_labeling.application.ports import Freezing, Ledger
from ratoon_labeling.domain.label_sets import Action, LabelSet, Observation, Transition, fail, step


class LabelSetProcedure:
    """The long work behind CreateLabelSet."""

    kind = LabelSet

    def __init__(self, freezing: Freezing, ledger: Ledger) -> None:
        self._freezing, self._ledger = freezing, ledger

    def observe(self, label_set: LabelSet, claim: Claim) -> Observation:
        """The freezing job as it is now, and whether what it found is kept."""
        seen = self._freezing.observe(claim.action_id("freeze"))
        return replace(seen, recorded=seen.frozen is not None and self._ledger.is_recorded(label_set.name))

    def step(self, label_set: LabelSet, seen: Observation, now: datetime) -> Step[LabelSet]:
        """What follows from it."""
        return _as_step(step(label_set, seen))

    def act(self, label_set: LabelSet, action: Action, claim: Claim) -> None:
        """Start, restart or stop the job, or keep what it found."""
        job_id = claim.action_id("freeze")
        if action is Action.STOP:
            self._freezing.stop(job_id)
        elif action is Action.RECORD:
            made = self._freezing.observe(job_id).frozen
            if made is not None:
                self._ledger.record(label_set, made)
        else:
            begin = self._freezing.start if action is Action.START else self._freezing.restart
            begin(job_id, label_set, self._ledger.export(parent_of(label_set.name)))

    def failed(self, label_set: LabelSet, error: Description, now: datetime) -> Step[LabelSet]:
        """An error that repeating will not mend ends the label set."""
        return _as_step(fail(label_set, error.reason, error.message))


def _as_step(transition: Transition) -> Step[LabelSet]:
    ended = transition.label_set.state.ended
    return Step(transition.label_set, transition.actions, transition.events, wake_after=0.2, done=ended)
