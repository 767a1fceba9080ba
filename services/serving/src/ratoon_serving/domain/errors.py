"""What serving refuses, each with a stable reason."""


class ServingError(Exception):
    """A rule of serving forbids it."""

    code = "FAILED_PRECONDITION"
    reason = "SERVING_FAILED_PRECONDITION"


class RolloutActive(ServingError):
    """The deployment is on its way to a version already."""

    reason = "ROLLOUT_ACTIVE"


class DeploymentInUse(ServingError):
    """The deployment to delete serves a version."""

    reason = "IN_USE"


class RolloutEnded(ServingError):
    """The rollout ended; it can no longer be steered."""

    reason = "ROLLOUT_ENDED"


class NothingToUndo(ServingError):
    """There is no version to go back to."""

    reason = "NOTHING_TO_UNDO"


class VersionNotReady(ServingError):
    """The model version is not ready to be served."""

    reason = "VERSION_NOT_READY"


class AlreadyServing(ServingError):
    """The version serves already."""

    reason = "ALREADY_SERVING"


class StrategyUnavailable(ServingError):
    """This strategy cannot serve this pair of versions."""

    reason = "STRATEGY_UNAVAILABLE"


class FaultsForbidden(ServingError):
    """Faults are injected only where somebody answers."""

    reason = "NO_ENGINE_TO_DISTURB"


class PolicyInvalid(ServingError):
    """A rollout's limits make no sense."""

    code = "INVALID_ARGUMENT"
    reason = "ROLLOUT_POLICY_INVALID"


class BoundsInvalid(ServingError):
    """Bounds of scaling that make no sense."""

    code = "INVALID_ARGUMENT"
    reason = "SCALE_BOUNDS_INVALID"


class ScalingUnavailable(ServingError):
    """Engines here cannot be scaled."""

    reason = "SCALING_UNAVAILABLE"
