"""How a version's verification is worked on: the domain decides, the verification port does."""

from datetime import datetime

from ratoon.chassis.errors import Description
from ratoon.chassis.operations import Claim, Step
from ratoon_registry.application.ports import Verification
from ratoon_registry.domain.versions import Action, ModelVersion, Observation, Transition, fail, step


class VersionProcedure:
    """The long work behind CreateModelVersion."""

    kind = ModelVersion

    def __init__(self, verification: Verification) -> None:
        self._verification = verification

    def observe(self, version: ModelVersion, claim: Claim) -> Observation:
        """The verification job as it is now."""
        return self._verification.observe(claim.action_id("verify"))

    def step(self, version: ModelVersion, seen: Observation, now: datetime) -> Step[ModelVersion]:
        """What follows from it."""
        return _as_step(step(version, seen))

    def act(self, version: ModelVersion, action: Action, claim: Claim) -> None:
        """Start, restart or stop the job."""
        job_id = claim.action_id("verify")
        if action is Action.START:
            self._verification.start(job_id, version)
        elif action is Action.RESTART:
            self._verification.restart(job_id, version)
        else:
            self._verification.stop(job_id)

    def failed(self, version: ModelVersion, error: Description, now: datetime) -> Step[ModelVersion]:
        """An error that repeating will not mend ends the verification."""
        return _as_step(fail(version, error.reason, error.message))


def _as_step(transition: Transition) -> Step[ModelVersion]:
    ended = transition.version.state.ended
    return Step(transition.version, transition.actions, transition.events, wake_after=0.5, done=ended)
