"""What serving can be asked to do."""

from dataclasses import dataclass, field
from datetime import datetime

from ratoon.tasks.votes import Votes
from ratoon_serving.domain.rollouts.analysis import Bake, Traffic
from ratoon_serving.domain.rollouts.rollout import Shares, Strategy


@dataclass(frozen=True)
class CreateDeployment:
    """Make a place in `parent` (projects/{project}) where a model is served."""

    parent: str
    deployment_id: str
    model: str
    request_id: str = ""
    pool: str = ""
    """Where its engines run; empty: where the installation's do."""


@dataclass(frozen=True)
class DeleteDeployment:
    """Delete a deployment with its engines and rollouts."""

    name: str
    force: bool = False
    """True: also if it serves."""
    allow_missing: bool = False
    """True: the deletion of a deployment that does not exist succeeds."""


@dataclass(frozen=True)
class CreateRollout:
    """Bring the deployment `parent` to a version."""

    parent: str
    rollout_id: str
    to_version: str
    strategy: Strategy | None = None
    """None: the cheapest one that is safe."""
    bake: Bake = field(default_factory=Bake)
    request_id: str = ""
    shares: Shares = field(default_factory=Shares)


@dataclass(frozen=True)
class InjectFault:
    """Let a share of the answers of a version's engine fail for a while; 0 seconds: until it is set anew."""

    deployment: str
    version: str
    error_rate: float
    seconds: float = 0.0


@dataclass(frozen=True)
class Window:
    """A stretch of time that was counted as a whole."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class TrafficSeen:
    """What a gateway saw of one engine in a window."""

    engine: str
    window: Window
    traffic: Traffic


@dataclass(frozen=True)
class VotesSeen:
    """What users thought of one version's answers in a window."""

    version: str
    window: Window
    votes: Votes
