"""Input and output of one step of a rollout: the observation, and the plan with its actions and events."""

from dataclasses import dataclass, field

from ratoon.tasks.votes import Votes
from ratoon_serving.domain.engine import Check, EngineView
from ratoon_serving.domain.rollouts.analysis import Traffic
from ratoon_serving.domain.rollouts.rollout import Rollout
from ratoon_serving.domain.routes import HOLD_S, TrafficSplit


@dataclass(frozen=True)
class Observation:
    """Observation of engines, routes and traffic at one moment, as far as a rollout needs it."""

    green: EngineView
    blue: EngineView
    split: TrafficSplit = ()
    """Current traffic split of the route table."""
    green_digest: str = ""
    """Artifact digest that green must have loaded."""
    blue_digest: str = ""
    shares_process: bool = False
    """True if green is in blue's process."""
    green_golden: Check | None = None
    """None: not checked."""
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
    """Run this engine."""

    engine: str


@dataclass(frozen=True)
class StartInOwnProcess:
    """Run this engine in a process that no other engine uses."""

    engine: str


@dataclass(frozen=True)
class StartInSharedProcess:
    """Run this engine in the process of another one."""

    engine: str
    host: str


@dataclass(frozen=True)
class CloseEngine:
    """Refuse new requests to the engine."""

    engine: str


@dataclass(frozen=True)
class OpenEngine:
    """Accept requests to the engine again."""

    engine: str


@dataclass(frozen=True)
class StopEngine:
    """Stop the engine."""

    engine: str


@dataclass(frozen=True)
class ScaleEngine:
    """Set the number of processes of the engine."""

    engine: str
    replicas: int


@dataclass(frozen=True)
class ReconcileEngine:
    """Attest the engine's new processes, and route those that are attested."""

    engine: str


@dataclass(frozen=True)
class SetRoutes:
    """Set the traffic split of the deployment; while it is empty, requests wait for `hold_s` seconds."""

    split: TrafficSplit
    hold_s: float = HOLD_S
    shadow_share: float = 0.0
    """Share of the answered requests that another version answers too."""


@dataclass(frozen=True)
class RecordServing:
    """Record which version and engine serve the deployment."""

    version: str
    engine: str


@dataclass(frozen=True)
class MoveAlias:
    """Point the alias `production` to this version."""

    version: str
    reason: str


Action = (
    StartEngine
    | StartInOwnProcess
    | StartInSharedProcess
    | CloseEngine
    | OpenEngine
    | StopEngine
    | ScaleEngine
    | ReconcileEngine
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
    """The new version serves, and the old one is retired."""

    to_version: str


@dataclass(frozen=True)
class RolloutRolledBack:
    """The old version serves again."""

    to_version: str
    reason: str


@dataclass(frozen=True)
class RolloutFailed:
    """The new version never served, or the old one could not be restored."""

    reason: str


Event = RolloutStarted | RolloutShifted | RolloutSucceeded | RolloutRolledBack | RolloutFailed


@dataclass(frozen=True)
class Plan:
    """Plan that follows from an observation: the next state, its actions and its events."""

    rollout: Rollout
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    wake_after: float = 0.25
    """Seconds until the next observation."""
