"""Commands of serving."""

from dataclasses import dataclass, field
from datetime import datetime

from ratoon.tasks.compute import Compute
from ratoon.tasks.votes import Votes
from ratoon_serving.domain.rollouts.analysis import Bake, Traffic
from ratoon_serving.domain.rollouts.rollout import Shares, Strategy
from ratoon_serving.domain.rollouts.shadow import Comparison, Shadow


@dataclass(frozen=True)
class CreateDeployment:
    """Create a deployment of a model in `parent` (projects/{project})."""

    parent: str
    deployment_id: str
    model: str
    request_id: str = ""
    pool: str = ""
    """Pool of its engines; empty: the default pool of the installation."""
    compute: Compute | None = None
    """Accelerator and number format of its engines; None: those of the pool."""


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
    """Roll the deployment `parent` out to a version."""

    parent: str
    rollout_id: str
    to_version: str
    strategy: Strategy | None = None
    """None: the cheapest one that is safe."""
    bake: Bake = field(default_factory=Bake)
    request_id: str = ""
    shares: Shares = field(default_factory=Shares)
    compute: Compute | None = None
    """Accelerator and number format of the new engine; None: those of the deployment."""
    shadow: Shadow = field(default_factory=Shadow)


@dataclass(frozen=True)
class ReportShadowComparison:
    """Store how both versions of a rollout answered the same live requests."""

    name: str
    comparison: Comparison


@dataclass(frozen=True)
class InjectFault:
    """Let a share of the answers of a version's engine fail for a while; 0 seconds: until it is set again."""

    deployment: str
    version: str
    error_rate: float
    seconds: float = 0.0


@dataclass(frozen=True)
class Window:
    """Interval of one report."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class TrafficReport:
    """Traffic of one engine in a window, as a gateway observed it."""

    engine: str
    window: Window
    traffic: Traffic


@dataclass(frozen=True)
class VoteReport:
    """Votes of users on the answers of one version in a window."""

    version: str
    window: Window
    votes: Votes
