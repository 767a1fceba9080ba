"""A rollout as a value: where it stands, what may be seen, what may be done. It decides nothing."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from ratoon.tasks.votes import Votes
from ratoon_serving.domain.engine import Check, EngineView
from ratoon_serving.domain.errors import PolicyInvalid
from ratoon_serving.domain.rollouts.analysis import Bake, Probes, Traffic
from ratoon_serving.domain.routes import HOLD_S, Weights


class Phase(StrEnum):
    """Where a rollout stands."""

    QUEUED = "QUEUED"
    CLOSING = "CLOSING"
    """In place alone: requests wait while blue ends its streams."""
    STARTING = "STARTING"
    """Green comes up."""
    ATTESTING = "ATTESTING"
    """Green proves which weights it serves."""
    PROBING = "PROBING"
    """Green answers canary prompts, which warms it too."""
    SHIFTING = "SHIFTING"
    """Traffic moves to green."""
    BAKING = "BAKING"
    """Green serves, blue stays warm, analysis watches."""
    DRAINING = "DRAINING"
    """Blue ends its streams and goes."""
    PROMOTING = "PROMOTING"
    """The last act: the alias follows."""
    REVERTING = "REVERTING"
    """Traffic moves back to blue."""
    DISCARDING = "DISCARDING"
    """Green ends its streams and goes."""
    RESTORING = "RESTORING"
    """The last act of going back: the alias is what serves."""
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
"""Phases from which an abort leads back; later ones are undone by a rollout to the version before."""


class Strategy(StrEnum):
    """How one version takes the place of another."""

    SECOND_ENGINE = "SECOND_ENGINE"
    """Green has a process of its own beside blue's."""
    ADAPTER_SWAP = "ADAPTER_SWAP"
    """Green is an adapter in the process that blue lives in; both answer at once."""
    IN_PLACE = "IN_PLACE"
    """Green's weights replace blue's in its process; requests wait meanwhile."""


@dataclass(frozen=True)
class Limits:
    """How long each thing may take, in seconds, before the rollout goes back."""

    start_s: float = 300.0
    room_s: float = 60.0
    """How long a second engine may wait for a place to run at, where going on in place is safe."""
    attest_s: float = 120.0
    probe_s: float = 60.0
    quiet_s: float = 10.0
    """In place: how long requests wait for the streams before them, until a second engine is taken instead."""
    drain_s: float = 900.0
    """Streams that last longer are cut, and said to be."""
    revert_s: float = 300.0
    pause_s: float = 86_400.0
    probe_every_s: float = 2.0
    warm_probes: int = 2
    """Good probes in a row before traffic comes."""


IN_PLACE_LIMITS = Limits(attest_s=20.0, probe_s=10.0)
"""… where requests wait meanwhile."""


@dataclass(frozen=True)
class Shares:
    """Green's share of traffic in percent, step by step, before it takes all; each is watched for `step_s` seconds."""

    percents: tuple[int, ...] = ()
    step_s: float = 10.0

    def __post_init__(self) -> None:
        steps = (0, *self.percents, 100)
        if any(now >= later for now, later in pairwise(steps)) or not 0 < self.step_s < float("inf"):
            raise PolicyInvalid("Shares are percents from 1 to 99 that grow, each watched for some seconds.")

    @property
    def weights(self) -> tuple[int, ...]:
        """All steps, the last one 100."""
        return (*self.percents, 100)


@dataclass(frozen=True)
class Note:
    """What happened, and when."""

    time: datetime
    phase: Phase
    message: str


@dataclass(frozen=True)
class Rollout:
    """The way of a deployment from one version to another."""

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
    """Green's share of traffic in percent, step by step, the last one 100."""
    step_s: float = 10.0
    """How long each step but the last is watched."""
    phase: Phase = Phase.QUEUED
    phase_since: datetime = field(default_factory=lambda: datetime.min)
    restarts: int = 0
    """How often green was started again because something killed it before traffic came."""
    shifted_at: datetime | None = None
    """When the first traffic went to green."""
    step: int = 0
    paused: bool = False
    abort_reason: str = ""
    """Not empty: somebody wants it back."""
    ending: Phase = Phase.FAILED
    """How it ends, once it is going back."""
    reason: str = ""
    """Why it went back, or what decided."""
    blue_attested: bool = True
    """False from the moment blue was lost, or displaced, until it has proved itself again."""
    forsaken: bool = False
    """Whether blue could not be brought back and green, which served, goes on."""
    apart: str = ""
    """The engine that needs a process of its own after all; empty: none."""
    interchangeable: bool = False
    """Whether green can take blue's place in its process: the versions differ in their weights alone."""
    inside: bool = False
    """Whether it is to, after all."""
    baseline: Traffic = field(default_factory=Traffic)
    """What blue's traffic looked like before the shift."""
    unheard_since: datetime | None = None
    """When it was noticed that the bake is over and no gateway told of it."""
    probes: Probes = field(default_factory=Probes)
    superseded: str | None = None
    """What the alias said when it was to be moved; None: it was not yet."""
    notes: tuple[Note, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self.phase in ENDED


@dataclass(frozen=True)
class Observation:
    """The world at one moment, as far as a rollout needs to know it."""

    green: EngineView
    blue: EngineView
    weights: Weights = ()
    """What the route table says."""
    green_digest: str = ""
    """Artifact digest that green must have loaded."""
    blue_digest: str = ""
    together: bool = False
    """Whether green lives in blue's process."""
    green_golden: Check | None = None
    """None: not looked at."""
    blue_golden: Check | None = None
    probe: Check | None = None
    traffic: Traffic = field(default_factory=Traffic)
    """Green's, since the shift."""
    baseline: Traffic = field(default_factory=Traffic)
    """Blue's, before it."""
    votes: Votes = field(default_factory=Votes)
    alias: str = ""
    """The version that `production` names."""
    serving: str = ""
    """The version that the deployment is recorded to serve."""


@dataclass(frozen=True)
class StartEngine:
    """See to it that this engine runs."""

    engine: str


@dataclass(frozen=True)
class StartApart:
    """See to it that this engine runs in a process that no other engine lives in."""

    engine: str


@dataclass(frozen=True)
class StartInside:
    """See to it that this engine runs in the process that the other one lives in."""

    engine: str
    other: str


@dataclass(frozen=True)
class CloseEngine:
    """Let the engine take no new requests."""

    engine: str


@dataclass(frozen=True)
class OpenEngine:
    """Let the engine take requests again."""

    engine: str


@dataclass(frozen=True)
class StopEngine:
    """End the engine."""

    engine: str


@dataclass(frozen=True)
class ScaleEngine:
    """Let the engine have so many processes."""

    engine: str
    replicas: int


@dataclass(frozen=True)
class TendEngine:
    """Let the engine's new processes prove themselves, and route those that count."""

    engine: str


@dataclass(frozen=True)
class SetRoutes:
    """Make the deployment's route exactly this; while it is empty, requests wait for `hold_s` seconds."""

    weights: Weights
    hold_s: float = HOLD_S


@dataclass(frozen=True)
class RecordServing:
    """Write down which version and engine serve the deployment."""

    version: str
    engine: str


@dataclass(frozen=True)
class MoveAlias:
    """Let `production` name this version."""

    version: str
    reason: str


Action = (
    StartEngine
    | StartApart
    | StartInside
    | CloseEngine
    | OpenEngine
    | StopEngine
    | ScaleEngine
    | TendEngine
    | SetRoutes
    | RecordServing
    | MoveAlias
)


@dataclass(frozen=True)
class RolloutStarted:
    """A rollout began."""

    to_version: str


@dataclass(frozen=True)
class RolloutShifted:
    """All traffic is on the new version."""

    to_version: str


@dataclass(frozen=True)
class RolloutSucceeded:
    """The new version serves, for good."""

    to_version: str


@dataclass(frozen=True)
class RolloutRolledBack:
    """The old version serves again."""

    to_version: str
    reason: str


@dataclass(frozen=True)
class RolloutFailed:
    """The new version never served, or the old one could not be brought back."""

    reason: str


Event = RolloutStarted | RolloutShifted | RolloutSucceeded | RolloutRolledBack | RolloutFailed


@dataclass(frozen=True)
class Move:
    """What follows from an observation."""

    rollout: Rollout
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    wake_after: float = 0.25
    """Seconds until the world is worth another look."""
