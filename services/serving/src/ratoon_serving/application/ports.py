"""Ports of serving: engines, the registry, traffic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ratoon.tasks.compute import Compute, Dtype
from ratoon.tasks.parity import Link
from ratoon.tasks.votes import Votes
from ratoon_serving.application.commands import TrafficReport, VoteReport
from ratoon_serving.domain.attestation import Continuation, GoldenPrompt, Recording
from ratoon_serving.domain.engine import Check, Engine, EngineView, Fence
from ratoon_serving.domain.generation import Generation, PromptLimits
from ratoon_serving.domain.rollouts.analysis import Traffic
from ratoon_serving.domain.rollouts.model_spec import ModelSpec
from ratoon_serving.domain.rollouts.rollout import Phase
from ratoon_serving.domain.rollouts.second_engine import Headroom
from ratoon_serving.domain.scaling import Load


@dataclass(frozen=True)
class ServableVersion:
    """Registered version, as far as serving needs it."""

    name: str
    ready: bool
    artifact_digest: str
    signature_digest: str
    golden_digest: str
    base_signature_digest: str = ""
    model: ModelSpec = field(default_factory=ModelSpec)
    generation: Generation = Generation()
    prompt: PromptLimits = PromptLimits()


@dataclass(frozen=True)
class EngineTimeouts:
    """Timeouts of an engine, in seconds."""

    start_s: float = 300.0
    """From its creation to its first answer."""
    placement_timeout_s: float = 60.0
    """For capacity, where the rollout can continue in place."""


@dataclass(frozen=True)
class RolloutProgress:
    """Step of a rollout, as it is reported where operators inspect engines."""

    key: str
    """Identifier of the step."""
    time: datetime
    phase: Phase
    message: str


class Models(Protocol):
    """The registry, and the artifacts that it names."""

    def version(self, name: str) -> ServableVersion:
        """Return a registered version; NotFound if there is none."""
        ...

    def golden(self, digest: str, dtype: Dtype) -> Recording:
        """Return the golden prompts that registration recorded, for engines of a number format."""
        ...

    def record_parity(self, version: str, link: Link) -> None:
        """Add the measured parity of an engine to the certificate of its version; a failure is logged."""
        ...

    def production(self, model: str) -> str:
        """Return the version that `production` names; empty if there is none."""
        ...

    def move_production(self, model: str, version: str, reason: str, request_id: str) -> None:
        """Point `production` to this version."""
        ...


class EngineHost(Protocol):
    """Host of engines. Every call is idempotent; `view` observes what takes long.

    A call that cannot be undone carries a fence: where several executors could act, an older number is refused
    (Aborted).

    Engines of one `process` share it: adapters at once, whole models one at a time.
    """

    @property
    def timeouts(self) -> EngineTimeouts:
        """Return the timeouts of engines on this host."""
        ...

    def prepare(self, pool: str) -> None:
        """Prepare what every engine needs, so that the next one starts sooner; FailedPrecondition: no such pool."""
        ...

    def pool(self, name: str, compute: Compute | None) -> str:
        """Return the pool of engines with such devices: the named one, or one of the accelerator; empty: the default.

        FailedPrecondition if there is none.
        """
        ...

    def cpu_flags(self, pool: str) -> frozenset[str] | None:
        """Return the features of the processors of engines in a pool, as Linux names them; None: not known."""
        ...

    def endpoint(self, engine: Engine) -> str:
        """Return the endpoint of the engine, once it runs; empty where each replica has its own."""
        ...

    def headroom(self, pool: str) -> Headroom:
        """Return the headroom for another engine in this pool."""
        ...

    def start(self, engine: Engine, fence: Fence) -> None:
        """Start the process of the engine, or load the engine into its warm process.

        A whole model replaces another one only in a closed and empty process; Unavailable in any other.
        """
        ...

    @property
    def max_replicas(self) -> int:
        """Return the maximum number of processes of an engine on this host."""
        ...

    @property
    def max_shared_adapters(self) -> int:
        """Return how many deployments, of any project, may have their adapters of one base in one process."""
        ...

    def scale(self, engine: Engine, fence: Fence) -> None:
        """Set its number of processes to the desired one; new processes load what it serves."""
        ...

    def load(self, engine: Engine) -> Load:
        """Return the load that its processes report: waiting requests and used cache."""
        ...

    def claim(self, engine: Engine, fence: Fence) -> None:
        """From now on refuse older fences of the same operation."""
        ...

    def view(self, engine: Engine) -> EngineView:
        """Return the current observation of the engine, without regard to attestation."""
        ...

    def close(self, engine: Engine) -> None:
        """Refuse new requests to it."""
        ...

    def open(self, engine: Engine) -> None:
        """Accept requests to it again."""
        ...

    def unload(self, engine: Engine) -> None:
        """Unload an adapter; its process goes on for its other engines."""
        ...

    def stop(self, engine: Engine, fence: Fence) -> None:
        """Stop its process, unless another engine uses it by now: first terminate, later kill."""
        ...

    def continue_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> Sequence[Continuation]:
        """Return the greedy continuations of these prompts."""
        ...

    def score_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> Sequence[Continuation]:
        """Return the choices and log-probabilities at each recorded token, given those before it."""
        ...

    def probe(self, engine: Engine) -> Check:
        """Send one synthetic request, by the route that requests take behind the gateway."""
        ...

    def inject(self, engine: Engine, error_rate: float, seconds: float) -> None:
        """Let this share of its answers fail, as a drill; 0 seconds: until it is set again."""
        ...

    def report(self, engine: Engine, progress: RolloutProgress) -> None:
        """Report it where operators inspect engines; a failure to report is no error."""
        ...

    def stop_unknown(self, is_known: Callable[[str], bool]) -> None:
        """Stop every process of this host whose name is not known."""
        ...


class TrafficBook(Protocol):
    """Recent reports of gateways and votes of users; it survives a restart and has a retention."""

    def add_traffic(self, gateway: str, reports: Sequence[TrafficReport], now: datetime) -> None:
        """Add the counts of a gateway by engine and window, perhaps none; a repeated report counts once."""
        ...

    def add_votes(self, reports: Sequence[VoteReport]) -> None:
        """Add votes of users by version and window; a repeated report counts once."""
        ...

    def traffic(self, engine: str, since: datetime) -> Traffic:
        """Return the reported traffic of an engine since then; `seconds` lasts until the last report of any gateway."""
        ...

    def peak_rate(self, engine: str, since: datetime) -> float:
        """Return the highest rate of an engine within ten seconds since then, in requests a second; 0: none."""
        ...

    def votes(self, version: str, since: datetime) -> Votes:
        """Return the votes on a version since then."""
        ...
