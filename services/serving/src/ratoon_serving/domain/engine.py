"""Engines as the room knows them, and as they look from outside. It knows no operating system and no pod.

An engine answers for one version. Most have a process to themselves; adapters of one base share a process, and so
do two versions of which one takes the other's place in it, one at a time.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ratoon_serving.domain.generation import Generation, PromptLimits


class EngineState(StrEnum):
    """Where an engine stands."""

    ABSENT = "ABSENT"
    """Never started, or stopped and forgotten."""
    STARTING = "STARTING"
    READY = "READY"
    GONE = "GONE"
    """It was started and is no longer there, or does not answer."""
    DRAINING = "DRAINING"
    """It takes no new requests; only what is written down of an engine says so."""


@dataclass(frozen=True)
class Proof:
    """One process of an engine that proved itself, in one load of its weights, and where it answers."""

    load_id: str
    endpoint: str


@dataclass(frozen=True)
class Engine:
    """One model server: which version it was told to serve, and how it is reached."""

    name: str
    create_time: datetime
    update_time: datetime
    revision: int
    version: str
    """Resource name of the model version."""
    artifact_digest: str
    signature_digest: str
    golden_digest: str
    served_name: str
    """The name by which the engine knows the model."""
    endpoint: str = ""
    """`unix:///…` or `http://host:port`; empty until it was started."""
    secret: str = ""
    state: EngineState = EngineState.ABSENT
    attested: bool = False
    message: str = ""
    base_digest: str = ""
    """Artifact digest of the base model that an adapter goes with; empty: a whole model."""
    base_signature_digest: str = ""
    most_rank: int = 0
    """The greatest rank of an adapter that its process takes; 0: it takes none."""
    shape: str = ""
    """Versions of one shape differ in their weights alone; empty: not known."""
    shared_process: str = ""
    """The process that it lives in, by its first engine's name; empty: one of its own."""
    pool: str = ""
    """Where it runs, as the operator named it; empty: where the installation's engines do."""
    replicas: int = 1
    """How many processes it is to have."""
    proofs: tuple[Proof, ...] = ()
    """Where processes come and go by themselves, as pods do: those of them that count."""
    generation: Generation = Generation()
    """Defaults of the version's answers."""
    prompt: PromptLimits = PromptLimits()

    @property
    def process(self) -> str:
        """Names the process that it lives in, alone or with others."""
        return self.shared_process or self.name

    @property
    def is_adapter(self) -> bool:
        """Whether it is an adapter in a process that holds the base model."""
        return bool(self.base_digest)


@dataclass(frozen=True)
class Member:
    """One process of an engine at one moment, where processes come and go by themselves."""

    load_id: str
    """`{process}/{load}`: it changes when the process is another one, or loaded its weights anew."""
    endpoint: str = ""
    state: EngineState = EngineState.STARTING
    loaded_digest: str = ""
    accepting: bool = False
    in_flight: int = 0
    message: str = ""
    unplaced: bool = False
    """Whether there is no place for it."""


@dataclass(frozen=True)
class EngineView:
    """An engine at one moment, from outside."""

    state: EngineState = EngineState.ABSENT
    loaded_digest: str = ""
    """What its loader says it read, in hex."""
    accepting: bool = True
    in_flight: int = 0
    message: str = ""
    killed: bool = False
    """Whether it is gone without a cause of its own: another start may do."""
    load_id: str = ""
    """Which load of its weights this is, where it tells."""
    unplaced: bool = False
    """Whether it waits for a place to run at, and there is none."""
    members: tuple[Member, ...] = ()
    """Its processes, where they come and go by themselves."""
    replicas: int | None = None
    """How many processes it was told to have, where it can be told."""
    changed: bool = False
    """Whether a process of it came or went since those that count were written down."""


@dataclass(frozen=True)
class Fence:
    """The right by which an executor acts: of which operation, and its number, which only grows."""

    operation: str
    number: int


@dataclass(frozen=True)
class Check:
    """The outcome of a look at an engine: attestation or probe."""

    passed: bool
    message: str = ""


@dataclass(frozen=True)
class EngineReady:
    """An engine proved itself and answers for its version."""

    version: str


@dataclass(frozen=True)
class EngineStopped:
    """An engine was ended."""

    version: str
