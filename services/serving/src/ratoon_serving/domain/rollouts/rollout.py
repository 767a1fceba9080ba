"""Rollout as a stored value: its phases, strategy, limits and notes. It decides nothing."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from ratoon.tasks.compute import Compute
from ratoon_serving.domain.errors import PolicyInvalid
from ratoon_serving.domain.rollouts.analysis import Bake, Probes, Traffic
from ratoon_serving.domain.rollouts.shadow import Comparison, Shadow


class Phase(StrEnum):
    """Phase of a rollout."""

    QUEUED = "QUEUED"
    CLOSING = "CLOSING"
    """In place only: requests wait while blue ends its streams."""
    STARTING = "STARTING"
    """Green starts."""
    ATTESTING = "ATTESTING"
    """Green is attested: it serves the registered weights."""
    PROBING = "PROBING"
    """Green answers canary prompts, which also warm it up."""
    SHIFTING = "SHIFTING"
    """Traffic moves to green."""
    BAKING = "BAKING"
    """Green serves, blue stays warm, analysis watches."""
    DRAINING = "DRAINING"
    """Blue ends its streams and is retired."""
    PROMOTING = "PROMOTING"
    """The alias moves to the new version."""
    REVERTING = "REVERTING"
    """Traffic moves back to blue."""
    DISCARDING = "DISCARDING"
    """Green ends its streams and is retired."""
    RESTORING = "RESTORING"
    """The alias names the version that serves after the rollback."""
    SUCCEEDED = "SUCCEEDED"
    ROLLED_BACK = "ROLLED_BACK"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


ENDED = frozenset({Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.FAILED, Phase.CANCELLED})
REVERSIBLE = frozenset(
    {
        Phase.QUEUED,
        Phase.CLOSING,
        Phase.STARTING,
        Phase.ATTESTING,
        Phase.PROBING,
        Phase.SHIFTING,
        Phase.BAKING,
        Phase.DRAINING,
    }
)
"""Phases in which an abort rolls back; later phases are undone by a rollout to the previous version."""


class Strategy(StrEnum):
    """Strategy by which one version replaces another."""

    SECOND_ENGINE = "SECOND_ENGINE"
    """Green has a process of its own next to blue's."""
    ADAPTER_SWAP = "ADAPTER_SWAP"
    """Green is an adapter in blue's process; both serve at the same time."""
    IN_PLACE = "IN_PLACE"
    """Green's weights replace blue's in its process; requests wait meanwhile."""


class ProcessUse(StrEnum):
    """Use of a process by an engine of a rollout."""

    OWN_PROCESS = "OWN_PROCESS"
    """No other engine uses the process."""
    SHARED_PROCESS = "SHARED_PROCESS"
    """The other engine of the rollout uses it too."""


@dataclass(frozen=True)
class Placement:
    """Process of an engine, where the rollout continues by another strategy than it began with."""

    use: ProcessUse
    engine: str


@dataclass(frozen=True)
class Limits:
    """Timeouts in seconds; a rollout that exceeds one rolls back."""

    start_s: float = 300.0
    placement_timeout_s: float = 60.0
    """Timeout of a second engine that waits for capacity, where the rollout can continue in place."""
    attest_s: float = 120.0
    probe_s: float = 60.0
    quiet_s: float = 10.0
    """In place: timeout of open streams while requests wait; afterwards a second engine is started instead."""
    drain_s: float = 900.0
    """Streams that last longer are cut and reported as cut."""
    revert_s: float = 300.0
    pause_s: float = 86_400.0
    probe_every_s: float = 2.0
    warm_probes: int = 2
    """Good probes before traffic is routed."""


@dataclass(frozen=True)
class Shares:
    """Green's share of traffic in percent before it takes all, step by step; each step lasts `step_s` seconds."""

    percents: tuple[int, ...] = ()
    step_s: float = 10.0

    def __post_init__(self) -> None:
        steps = (0, *self.percents, 100)
        if any(now >= later for now, later in pairwise(steps)) or not 0 < self.step_s < float("inf"):
            raise PolicyInvalid("Shares are percents from 1 to 99 that grow, each watched for some seconds.")

    @property
    def weights(self) -> tuple[int, ...]:
        """Return all steps, the last one 100."""
        return (*self.percents, 100)


@dataclass(frozen=True)
class Note:
    """Message about a rollout, with its time and phase."""

    time: datetime
    phase: Phase
    message: str


@dataclass(frozen=True)
class Rollout:
    """Replacement of one version of a deployment by another."""

    name: str
    create_time: datetime
    update_time: datetime
    revision: int
    deployment: str
    to_version: str
    green: str
    """Engine of the new version."""
    from_version: str = ""
    """Empty at the first rollout of a deployment."""
    blue: str = ""
    """Engine of the old version; empty at the first rollout."""
    strategy: Strategy = Strategy.SECOND_ENGINE
    bake: Bake = field(default_factory=Bake)
    limits: Limits = field(default_factory=Limits)
    weights: tuple[int, ...] = (100,)
    """Green's share of traffic in percent, step by step, the last one 100. A first 0 waits for the shadow analysis."""
    step_s: float = 10.0
    """Seconds that each step but the last lasts."""
    phase: Phase = Phase.QUEUED
    phase_since: datetime = field(default_factory=lambda: datetime.min)
    restarts: int = 0
    """Number of times that green was started again because it was killed before it got traffic."""
    shifted_at: datetime | None = None
    """Time of the first traffic to green."""
    step: int = 0
    paused: bool = False
    abort_reason: str = ""
    """Reason of a requested abort; empty: none was requested."""
    ending: Phase = Phase.FAILED
    """Final phase of its rollback."""
    reason: str = ""
    """Reason of its rollback, or of its success."""
    blue_attested: bool = True
    """False from the loss or displacement of blue until blue passes attestation again."""
    old_engine_unrecoverable: bool = False
    """True if blue could not be restored and green, which served, goes on serving."""
    placement: Placement | None = None
    """None: each engine runs in the process that it was created for."""
    interchangeable: bool = False
    """True if green can replace blue in its process: the versions differ only in their weights."""
    baseline: Traffic = field(default_factory=Traffic)
    """Blue's traffic before the shift."""
    reports_missing_since: datetime | None = None
    """Time at which the bake was over and no gateway had reported on it."""
    probes: Probes = field(default_factory=Probes)
    previous_alias: str | None = None
    """Version that the alias named when the rollout decided to move it; None: it did not yet."""
    notes: tuple[Note, ...] = ()
    compute: Compute | None = None
    """Accelerator and number format of green; None: those of the pool."""
    shadow: Shadow = field(default_factory=Shadow)
    comparison: Comparison | None = None
    """Latest report of how both versions answered the same requests."""

    @property
    def shares(self) -> tuple[int, ...]:
        """Return green's shares before it takes all traffic, as they were requested."""
        return tuple(weight for weight in self.weights[:-1] if weight)

    @property
    def waits_for_pairs(self) -> bool:
        """Return whether green answers copies of requests only, until the shadow analysis decides."""
        return self.phase is Phase.SHIFTING and bool(self.blue) and self.weights[self.step] == 0

    @property
    def ended(self) -> bool:
        """Return whether the rollout is in a final phase."""
        return self.phase in ENDED
