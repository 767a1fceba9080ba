"""Errors of serving, each with a stable reason."""


class ServingError(Exception):
    """A rule of serving refuses the request."""

    code = "FAILED_PRECONDITION"
    reason = "SERVING_FAILED_PRECONDITION"


class RolloutActive(ServingError):
    """Another rollout of the deployment is active."""

    reason = "ROLLOUT_ACTIVE"


class DeploymentInUse(ServingError):
    """The deployment to delete serves a version."""

    reason = "IN_USE"


class RolloutEnded(ServingError):
    """The rollout can no longer be paused, resumed or aborted."""

    reason = "ROLLOUT_ENDED"


class NothingToUndo(ServingError):
    """There is no previous version."""

    reason = "NOTHING_TO_UNDO"


class VersionNotReady(ServingError):
    """The model version is not ready to be served."""

    reason = "VERSION_NOT_READY"


class WeightsNotServable(ServingError):
    """Engines of the deployment cannot compute the weights of the version."""

    reason = "WEIGHTS_NOT_SERVABLE"


class AlreadyServing(ServingError):
    """The version serves already."""

    reason = "ALREADY_SERVING"


class StrategyUnavailable(ServingError):
    """This strategy does not work for this pair of versions."""

    reason = "STRATEGY_UNAVAILABLE"


class FaultsForbidden(ServingError):
    """No engine serves the version into which a fault is to be injected."""

    reason = "NO_ENGINE_TO_DISTURB"


class PolicyInvalid(ServingError):
    """The limits of a rollout are invalid."""

    code = "INVALID_ARGUMENT"
    reason = "ROLLOUT_POLICY_INVALID"


class BoundsInvalid(ServingError):
    """The bounds of scaling are invalid."""

    code = "INVALID_ARGUMENT"
    reason = "SCALE_BOUNDS_INVALID"


class DemandInvalid(ServingError):
    """A number of a request for a serving plan is out of range."""

    code = "INVALID_ARGUMENT"
    reason = "BAD_FIELD"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class NoMeasuredRate(ServingError):
    """No rate of an engine is stated or was measured."""

    reason = "NO_MEASURED_RATE"


class ScalingUnavailable(ServingError):
    """This installation cannot run this number of replicas."""

    reason = "SCALING_UNAVAILABLE"
