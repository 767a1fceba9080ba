"""Engines as the room knows them, and as they look from outside. It knows no process and no pod."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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


@dataclass(frozen=True)
class EngineView:
    """An engine at one moment, from outside."""

    state: EngineState = EngineState.ABSENT
    loaded_digest: str = ""
    """What its loader says it read, in hex."""
    accepting: bool = True
    in_flight: int = 0
    message: str = ""


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
