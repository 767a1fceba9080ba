"""What serving needs from the world."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ratoon_serving.domain.analysis import Traffic, Votes
from ratoon_serving.domain.attestation import Continuation, GoldenPrompt
from ratoon_serving.domain.engine import Check, Engine, EngineView


@dataclass(frozen=True)
class ServableVersion:
    """What serving needs to know of a registered version."""

    name: str
    ready: bool
    artifact_digest: str
    signature_digest: str
    golden_digest: str


@dataclass(frozen=True)
class Window:
    """A stretch of time that was counted as a whole."""

    start: datetime
    end: datetime


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
    """Where engines run. Every call is idempotent and returns soon; what takes time is seen by `view`."""

    def prepare(self) -> None:
        """Make ready what every engine needs, so that the next one starts sooner."""
        ...

    def endpoint(self, engine: Engine) -> str:
        """Where the engine is reached, once it runs."""
        ...

    def start(self, engine: Engine) -> None:
        """See to it that the engine runs."""
        ...

    def view(self, engine: Engine) -> EngineView:
        """The engine as it is now."""
        ...

    def close(self, engine: Engine) -> None:
        """Let it take no new requests."""
        ...

    def open(self, engine: Engine) -> None:
        """Let it take requests again."""
        ...

    def stop(self, engine: Engine) -> None:
        """End it: ask first, insist later."""
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

    def sweep(self, is_known: Callable[[str], bool]) -> None:
        """End every engine here whose name is not known."""
        ...


class TrafficBook(Protocol):
    """What gateways and users told lately; it forgets."""

    def add_traffic(self, gateway: str, engine: str, window: Window, seen: Traffic) -> None:
        """A gateway's count of one engine in a window; told twice, it counts once."""
        ...

    def add_votes(self, version: str, window: Window, votes: Votes) -> None:
        """Users' votes on one version in a window; told twice, they count once."""
        ...

    def traffic(self, engine: str, since: datetime) -> Traffic:
        """All that was told of an engine since."""
        ...

    def votes(self, version: str, since: datetime) -> Votes:
        """All votes on a version since."""
        ...
