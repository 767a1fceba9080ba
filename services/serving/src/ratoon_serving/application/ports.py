"""What serving needs from the world."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ratoon.tasks.votes import Votes
from ratoon_serving.application.commands import TrafficSeen, VotesSeen
from ratoon_serving.domain.attestation import Continuation, GoldenPrompt
from ratoon_serving.domain.engine import Check, Engine, EngineView, Fence
from ratoon_serving.domain.generation import Generation, PromptLimits
from ratoon_serving.domain.rollouts.analysis import Traffic
from ratoon_serving.domain.rollouts.model_spec import ModelSpec
from ratoon_serving.domain.rollouts.rollout import Phase
from ratoon_serving.domain.rollouts.second_engine import Headroom
from ratoon_serving.domain.scaling import Load


@dataclass(frozen=True)
class ServableVersion:
    """What serving needs to know of a registered version."""

    name: str
    ready: bool
    artifact_digest: str
    signature_digest: str
    golden_digest: str
    base_signature_digest: str = ""
    weights: ModelSpec = field(default_factory=ModelSpec)
    generation: Generation = Generation()
    prompt: PromptLimits = PromptLimits()


@dataclass(frozen=True)
class Patience:
    """How long an engine is waited for, in seconds."""

    start_s: float = 300.0
    """From its making to its first answer."""
    room_s: float = 60.0
    """For a place to run at, where there is another way."""


@dataclass(frozen=True)
class Happened:
    """A step of a rollout, as it is told to whoever looks at engines from outside."""

    key: str
    """The same for the same step."""
    time: datetime
    phase: Phase
    message: str


class Models(Protocol):
    """The registry, and the artifacts that it names."""

    def version(self, name: str) -> ServableVersion:
        """A registered version; NotFound when there is none."""
        ...

    def golden(self, digest: str) -> Sequence[GoldenPrompt]:
        """The golden prompts that registration recorded."""
        ...

    def production(self, model: str) -> str:
        """The version that `production` names; empty when none."""
        ...

    def move_production(self, model: str, version: str, reason: str, request_id: str) -> None:
        """Let `production` name this version."""
        ...


class EngineHost(Protocol):
    """Where engines run. Every call is idempotent; what takes long is seen by `view`.

    What cannot be undone names the right by which it is done: where several executors could act, one that lost its
    right is refused (Aborted).

    Engines of one `process` share it: adapters at once, whole models one after the other.
    """

    @property
    def patience(self) -> Patience:
        """How long an engine is waited for here."""
        ...

    def prepare(self, pool: str) -> None:
        """Make ready what every engine needs, so that the next one starts sooner; FailedPrecondition: no such pool."""
        ...

    def endpoint(self, engine: Engine) -> str:
        """Where the engine is reached, once it runs; empty where only its members know."""
        ...

    def headroom(self, pool: str) -> Headroom:
        """What there is for another engine in this pool."""
        ...

    def start(self, engine: Engine, fence: Fence) -> None:
        """See to it that the engine runs: start its process, or load it into the one that runs and is warm.

        A whole model takes another's place only in a closed and empty process; Unavailable in any other.
        """
        ...

    @property
    def most_replicas(self) -> int:
        """How many processes an engine may have here."""
        ...

    def scale(self, engine: Engine, fence: Fence) -> None:
        """Let it have as many processes as it is to have; those that come load what it serves."""
        ...

    def load(self, engine: Engine) -> Load:
        """What its processes have to do, as they tell: what waits, and how full their caches are."""
        ...

    def claim(self, engine: Engine, fence: Fence) -> None:
        """From now on refuse who would act on it by an older right of the same operation."""
        ...

    def view(self, engine: Engine) -> EngineView:
        """The engine as it is now; whether its members have proved themselves is not known here."""
        ...

    def close(self, engine: Engine) -> None:
        """Let it take no new requests."""
        ...

    def open(self, engine: Engine) -> None:
        """Let it take requests again."""
        ...

    def unload(self, engine: Engine) -> None:
        """End an adapter; its process goes on for the others in it."""
        ...

    def stop(self, engine: Engine, fence: Fence) -> None:
        """End its process, unless that is another engine's by now: ask first, insist later."""
        ...

    def continue_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> Sequence[Continuation]:
        """The engine's greedy continuations of these prompts."""
        ...

    def probe(self, engine: Engine) -> Check:
        """One synthetic request, along the way that a caller's takes from the gateway on."""
        ...

    def inject(self, engine: Engine, error_rate: float, seconds: float) -> None:
        """Let this share of its answers fail, as a drill; 0 seconds: until it is set anew."""
        ...

    def tell(self, engine: Engine, happened: Happened) -> None:
        """Note it where operators look at engines; that it cannot be noted is no error."""
        ...

    def sweep(self, is_known: Callable[[str], bool]) -> None:
        """End every process here whose name is not known."""
        ...


class TrafficBook(Protocol):
    """What gateways and users told lately; it survives a restart, and forgets."""

    def add_traffic(self, gateway: str, reports: Sequence[TrafficSeen], now: datetime) -> None:
        """A gateway's counts of engines in windows, perhaps none; told twice, one counts once."""
        ...

    def add_votes(self, reports: Sequence[VotesSeen]) -> None:
        """Users' votes on versions in windows; told twice, they count once."""
        ...

    def traffic(self, engine: str, since: datetime) -> Traffic:
        """All that was told of an engine since; `seconds` says until when gateways told anything."""
        ...

    def votes(self, version: str, since: datetime) -> Votes:
        """All votes on a version since."""
        ...
