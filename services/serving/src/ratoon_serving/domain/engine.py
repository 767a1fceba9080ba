"""Engines: the stored record, and one observation of its processes. It knows no operating system and no pod.

An engine serves one version. Most engines have a process of their own. Adapters of one base share a process; a version
that replaces another one in place takes over its process.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ratoon.tasks.compute import Compute
from ratoon_serving.domain.generation import Generation, PromptLimits


class EngineState(StrEnum):
    """State of an engine."""

    ABSENT = "ABSENT"
    """Never started, or stopped and forgotten."""
    STARTING = "STARTING"
    READY = "READY"
    GONE = "GONE"
    """It was started, and ended or does not answer."""
    DRAINING = "DRAINING"
    """It takes no new requests; only the stored record has this state."""


@dataclass(frozen=True)
class Attestation:
    """Passed attestation of one load of the weights in one process, with the endpoint of the process."""

    load_id: str
    endpoint: str


@dataclass(frozen=True)
class Engine:
    """Model server: the version that it serves, and the endpoint and secret that reach it."""

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
    max_rank: int = 0
    """Maximum rank of an adapter in its process; 0: no adapters."""
    shape: str = ""
    """Versions of one shape differ in their weights alone; empty: not known."""
    shared_process: str = ""
    """Name of the shared process that it runs in, after the first engine there; empty: a process of its own."""
    pool: str = ""
    """Pool that it runs in; empty: the default pool of the installation."""
    replicas: int = 1
    """Desired number of processes."""
    attestations: tuple[Attestation, ...] = ()
    """Attested processes, where the cluster replaces and restarts them, as it does pods."""
    generation: Generation = Generation()
    """Defaults of the version's answers."""
    prompt: PromptLimits = PromptLimits()
    compute: Compute | None = None
    """Requested accelerator and number format; None: those of the pool."""

    @property
    def process(self) -> str:
        """Return the name of the process that it runs in, shared or not."""
        return self.shared_process or self.name

    @property
    def is_adapter(self) -> bool:
        """Return whether it is an adapter in a process that holds the base model."""
        return bool(self.base_digest)


@dataclass(frozen=True)
class Replica:
    """Observation of one process of an engine, where the cluster replaces and restarts processes."""

    load_id: str
    """`{process}/{load}`: it changes if another process replaces this one, or if it loads its weights again."""
    endpoint: str = ""
    state: EngineState = EngineState.STARTING
    loaded_digest: str = ""
    accepting: bool = False
    in_flight: int = 0
    message: str = ""
    unplaced: bool = False
    """True if there is no capacity for it."""
    dtype: str = ""
    """Number format that it reports; empty: it does not."""
    runtime: str = ""
    """Program and version that it reports, such as `vllm 0.32.0`; empty: it does not."""


@dataclass(frozen=True)
class EngineView:
    """Observation of an engine at one moment."""

    state: EngineState = EngineState.ABSENT
    loaded_digest: str = ""
    """Digest of the files that its loader read, in hex."""
    accepting: bool = True
    in_flight: int = 0
    message: str = ""
    killed: bool = False
    """True if it ended without an error of its own: another start may succeed."""
    load_id: str = ""
    """Identifier of this load of its weights, where it reports one."""
    unplaced: bool = False
    """True if it waits for capacity."""
    replicas: tuple[Replica, ...] = ()
    """Its processes, where the cluster replaces and restarts them."""
    desired_replicas: int | None = None
    """Number of processes that were requested; None: not known."""
    changed: bool = False
    """True if its processes differ from the attested ones that are stored."""
    dtype: str = ""
    """Number format that it reports; empty: it does not."""
    runtime: str = ""
    """Program and version that it reports, such as `vllm 0.32.0`; empty: it does not."""


@dataclass(frozen=True)
class Fence:
    """Fencing token of an executor: the operation, and a number that only grows."""

    operation: str
    number: int


@dataclass(frozen=True)
class Check:
    """Result of an attestation or a probe of an engine."""

    passed: bool
    message: str = ""


@dataclass(frozen=True)
class EngineReady:
    """An engine passed attestation and serves its version."""

    version: str


@dataclass(frozen=True)
class EngineStopped:
    """An engine was ended."""

    version: str
