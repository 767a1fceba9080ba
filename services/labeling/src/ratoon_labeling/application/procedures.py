"""Procedure of a label set: a job freezes the labels, then the ledger records the job's result, once."""

from dataclasses import dataclass, replace
from functools import partial

from ratoon.operations.job_machine import Action, JobObservation, step
from ratoon.operations.job_procedure import JobProcedure
from ratoon.operations.operations import Claim
from ratoon.storage.names import parent_of
from ratoon_labeling.application.ports import Freezing, FreezingJob, Ledger
from ratoon_labeling.domain.label_sets import RECORDING, Frozen, LabelSet, frozen

_POLL_INTERVAL_S = 0.2


@dataclass(frozen=True)
class LabelSetProcedure(JobProcedure[LabelSet, FreezingJob, Frozen]):
    """The long work behind CreateLabelSet."""

    ledger: Ledger

    def observe(self, resource: LabelSet, claim: Claim) -> JobObservation[Frozen]:
        """Return the state of the job, and whether its result is recorded."""
        observation = super().observe(resource, claim)
        if observation.result is None or self.ledger.is_recorded(resource.name):
            return observation
        return replace(observation, progress=RECORDING, applied=False)

    def act(self, resource: LabelSet, action: Action, claim: Claim) -> None:
        """Start, restart or stop the job, or record its result."""
        if action is not Action.APPLY:
            super().act(resource, action, claim)
        elif (result := super().observe(resource, claim).result) is not None:
            self.ledger.record(resource, result)


def label_set_procedure(freezing: Freezing, ledger: Ledger) -> LabelSetProcedure:
    """Return the procedure of label sets."""
    return LabelSetProcedure(
        LabelSet,
        "freeze",
        freezing,
        partial(_freezing_job, ledger),
        partial(step, complete=frozen),
        _POLL_INTERVAL_S,
        ledger,
    )


def _freezing_job(ledger: Ledger, label_set: LabelSet) -> FreezingJob:
    return FreezingJob(label_set, ledger.export(parent_of(label_set.name)))
