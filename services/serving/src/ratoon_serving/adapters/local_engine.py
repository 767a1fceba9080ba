"""Engines in processes of this machine: forked by the fork server, or started alone for small models.

They outlive the platform.

The directory of a process is authoritative: `engine.json` (its settings, while it is desired), `process.json` (pid and
start time), `ready` (it answered once), `stop` (time of its termination). After a restart the platform takes over each
process that still reports its version, and ends the others.
"""

import hashlib
import json
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from ratoon.engine.contract import ENGINE_FILE, LOG_FILE, ControlPath
from ratoon.engine.sockets import remove_sockets
from ratoon.process.errors import FailedPrecondition, Unavailable
from ratoon.process.identity import ProcessIdentity
from ratoon.service.compute import has_nvidia_gpu
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import is_small
from ratoon.tasks.compute import Accelerator, Compute, cpu_flags
from ratoon_serving.adapters.classical_process import ClassicalProcesses
from ratoon_serving.adapters.engine_file import EngineFile, engine_file, served_names
from ratoon_serving.adapters.engine_http import EngineClient, view_of
from ratoon_serving.adapters.engine_log import KILLED, cause_of_end
from ratoon_serving.adapters.fork_server import ForkServerClient
from ratoon_serving.application.ports import EngineTimeouts, RolloutProgress
from ratoon_serving.domain.attestation import Continuation, GoldenPrompt
from ratoon_serving.domain.engine import Check, Engine, EngineState, EngineView, Fence
from ratoon_serving.domain.rollouts.second_engine import Headroom
from ratoon_serving.domain.scaling import Load

_LOAD_S = 600.0
_OVERHEAD_BYTES = 700 << 20
"""Memory of the processes of an engine in addition to weights and cache; measured: 867 MiB with a cache of 256 MiB."""
_GRACE_S = 3.0
"""Seconds from SIGTERM to SIGKILL: an engine is stopped when it is closed and empty, or after its drain timeout."""


@dataclass(frozen=True)
class LocalEngines:
    """Common configuration of the engines of this machine."""

    state: Path
    """Directory of the directories of engines and models."""
    run: Path
    """Directory of the sockets, with a short path, for the owner only."""
    public_key: Path
    """PEM of the registry's public signing key."""
    threads: int
    kv_cache_mib: int
    max_model_len: int
    otlp: str = ""
    """OTLP/HTTP endpoint of the spans of engines; empty: none."""
    shared_adapters: int = 1
    """Maximum of deployments whose adapters of one base share a process."""


class LocalEngineHost:
    """Host of engines on this machine; only one platform uses a state directory, so fences are not checked."""

    def __init__(self, config: LocalEngines, artifacts: ArtifactStore, client: EngineClient) -> None:
        self._config, self._artifacts, self._client = config, artifacts, client
        self._fork_server = ForkServerClient(config.state / "fork-server", config.run, config.threads)
        self._classical = ClassicalProcesses()
        self._last: dict[tuple[str, str], tuple[float, EngineView]] = {}

    @property
    def timeouts(self) -> EngineTimeouts:
        """Return the default timeouts: five minutes for imports and weights on a busy machine."""
        return EngineTimeouts()

    def prepare(self, pool: str) -> None:
        """Start the fork server of the next engine."""
        if pool:
            raise FailedPrecondition(
                "Engines on this machine do not belong to a pool.", reason="ENGINE_POOL_UNKNOWN"
            )
        self._fork_server.ensure()

    def pool(self, name: str, compute: Compute | None) -> str:
        """Return the name; FailedPrecondition if vLLM on this machine does not compute on the accelerator."""
        if compute is not None and compute.accelerator is not Accelerator.CPU:
            _check_accelerator(compute.accelerator)
        return name

    def cpu_flags(self, pool: str) -> frozenset[str] | None:
        """Return the features of this machine's processor."""
        return cpu_flags(Path("/proc/cpuinfo").read_text())

    def endpoint(self, engine: Engine) -> str:
        """Return the Unix socket of its process."""
        return f"unix://{self._socket(engine.process)}"

    def headroom(self, pool: str) -> Headroom:
        """Return the free memory of this machine."""
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
        return Headroom(free, _OVERHEAD_BYTES + (self._config.kv_cache_mib << 20))

    def start(self, engine: Engine, fence: Fence) -> None:
        """Start its process, or load it into the warm one; a later call continues what is not possible yet."""
        folder, view = self._folder(engine.process), self._view(engine)
        is_warm = view.state is EngineState.READY and not engine.is_adapter
        if is_warm and not self._is_target(engine):
            self._write_target(engine, folder)
        elif view.state is EngineState.GONE or not (folder / ENGINE_FILE).exists():
            self._begin(engine)
        elif view.state is EngineState.ABSENT and engine.is_adapter:
            self._load_adapter(engine)
        elif view.state is EngineState.ABSENT:
            self._reload(engine)

    @property
    def max_replicas(self) -> int:
        """Return one: another process would compute on the same cores."""
        return 1

    @property
    def max_shared_adapters(self) -> int:
        """Return the configured number."""
        return self._config.shared_adapters

    def scale(self, engine: Engine, fence: Fence) -> None:
        """Do nothing: there is one process."""

    def load(self, engine: Engine) -> Load:
        """Return no load: engines of this machine are not scaled."""
        return Load()

    def claim(self, engine: Engine, fence: Fence) -> None:
        """Do nothing: there is no other executor."""

    def view(self, engine: Engine) -> EngineView:
        """Return the current observation of the engine; start its process or load its adapter where it is missing."""
        return self._view(engine) if engine.is_adapter or self._is_target(engine) else EngineView()

    def close(self, engine: Engine) -> None:
        """Refuse new requests to it."""
        self._client.close(engine)

    def open(self, engine: Engine) -> None:
        """Accept requests to it again."""
        self._client.open(engine)

    def unload(self, engine: Engine) -> None:
        """Unload an adapter from its process, and clear the target of the process."""
        folder = self._folder(engine.process)
        if self._is_target(engine):
            EngineFile({**_read(folder), "engine": ""}).write(folder / ENGINE_FILE)
        self._client.control(engine, ControlPath.UNLOAD_ADAPTER, {"name": engine.served_name})

    def stop(self, engine: Engine, fence: Fence) -> None:
        """Terminate its processes; a later observation kills them."""
        if not engine.is_adapter and not self._is_target(engine):
            return
        folder = self._folder(engine.process)
        identity = ProcessIdentity.read(folder)
        if identity is None or not identity.alive():
            self._clean_up(engine.process)
        elif not (folder / "stop").exists():
            (folder / "stop").write_text(str(_monotonic()))
            identity.signal_group(signal.SIGTERM)

    def continue_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> Sequence[Continuation]:
        """Return the greedy continuations of the engine."""
        return self._client.continue_prompts(engine, prompts)

    def score_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> Sequence[Continuation]:
        """Return the scores of the recorded tokens."""
        return self._client.score_prompts(engine, prompts)

    def probe(self, engine: Engine) -> Check:
        """Send one synthetic request."""
        return self._client.probe(engine)

    def inject(self, engine: Engine, error_rate: float, seconds: float) -> None:
        """Let this share of its answers fail for `seconds`."""
        name = engine.served_name if engine.is_adapter else ""
        self._client.control(
            engine, ControlPath.INJECT_FAULT, {"name": name, "error_rate": error_rate, "seconds": seconds}
        )

    def report(self, engine: Engine, progress: RolloutProgress) -> None:
        """Do nothing: operators inspect engines of this machine by serving's API."""

    def stop_unknown(self, is_known: Callable[[str], bool]) -> None:
        """Kill every process of this machine whose name is not known."""
        for folder in (self._config.state / "engines").glob("*"):
            settings = _read(folder)
            if not settings or not is_known(str(settings.get("process") or settings["engine"])):
                identity = ProcessIdentity.read(folder)
                if identity is not None:
                    identity.signal_group(signal.SIGKILL)
                remove_sockets(folder)
                shutil.rmtree(folder, ignore_errors=True)

    def _begin(self, engine: Engine) -> None:
        """Write the target of its process, then fork it."""
        self._clean_up(engine.process)
        folder = self._folder(engine.process)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write_target(engine, folder)
        self._fork(folder)

    def _load_adapter(self, engine: Engine) -> None:
        """Load an adapter into its process, which verifies the whole signed artifact."""
        folder = self._materialize(engine.artifact_digest, engine.signature_digest)
        request = {"name": engine.served_name, "version": engine.version, "adapter": str(folder)}
        self._client.control(engine, ControlPath.LOAD_ADAPTER, request, _LOAD_S)

    def _after_load(self, engine: Engine) -> EngineView:
        """Load the adapter that its process was started for; GONE if the process cannot load it."""
        try:
            self._load_adapter(engine)
        except (FailedPrecondition, Unavailable) as error:
            return EngineView(EngineState.GONE, message=str(error))
        return EngineView(EngineState.STARTING, message="its adapter has just been loaded")

    def _reload(self, engine: Engine) -> None:
        """Write the target, then load it: a process that restarts in between starts with the target."""
        folder = self._folder(engine.process)
        previous = _read(folder)
        model = self._write_target(engine, folder)
        request = {
            "model": str(model),
            "version": engine.version,
            "artifact_digest": engine.artifact_digest,
            "served_names": served_names(engine),
        }
        try:
            self._client.control(engine, ControlPath.RELOAD, request, _LOAD_S)
        except (FailedPrecondition, Unavailable):
            status = self._client.status(engine)
            if status and status.get("ready") and status.get("version") == previous.get("version"):
                EngineFile(previous).write(folder / ENGINE_FILE)
            raise

    def _write_target(self, engine: Engine, folder: Path) -> Path:
        """Write `engine.json`; return the directory of the model that it names."""
        own = self._materialize(engine.artifact_digest, engine.signature_digest)
        model, adapter = own, None
        if engine.is_adapter:
            model, adapter = self._materialize(engine.base_digest, engine.base_signature_digest), own
        settings = engine_file(engine, model, self._socket(engine.process), self._config, adapter)
        settings.write(folder / ENGINE_FILE)
        return model

    def _is_target(self, engine: Engine) -> bool:
        """Return whether it is the target of its process."""
        return _read(self._folder(engine.process)).get("engine") == engine.name

    def _view(self, engine: Engine) -> EngineView:
        """Return the observation of an engine by the state of its process, shared or not."""
        folder = self._folder(engine.process)
        if not (folder / ENGINE_FILE).exists():
            return EngineView(EngineState.ABSENT)
        identity = ProcessIdentity.read(folder)
        if identity is None:
            return self._fork(folder)
        if (folder / "stop").exists():
            return self._ending(engine.process, identity)
        if not identity.alive():
            cause = cause_of_end(folder / LOG_FILE)
            return EngineView(EngineState.GONE, message=cause or KILLED, killed=not cause)
        return self._observe(engine, folder)

    def _fork(self, folder: Path) -> EngineView:
        if is_small(Path(_read(folder).get("model", ""))):
            self._classical.start(folder)
            return EngineView(EngineState.STARTING, message="it is importing the library of its model")
        waiting = EngineView(
            EngineState.STARTING, message="the fork server is importing the modules that engines share"
        )
        if not self._fork_server.alive():
            self._fork_server.ensure()
            return waiting
        return EngineView(EngineState.STARTING) if self._fork_server.fork(folder) else waiting

    def _observe(self, engine: Engine, folder: Path) -> EngineView:
        """Return its status; its last one while it is silent, for example during a long computation."""
        status, now = self._client.status(engine), time.monotonic()
        ready, key = folder / "ready", (engine.process, engine.name)
        if status is not None:
            view = view_of(status, engine)
            self._last[key] = (now, view)
            if status.get("ready") and not ready.exists():
                ready.touch()
            started_for_it = engine.is_adapter and status.get("ready") and self._is_target(engine)
            return self._after_load(engine) if started_for_it and view.state is EngineState.ABSENT else view
        if not ready.exists():
            return EngineView(EngineState.STARTING, message="it is loading its weights")
        silent = EngineView(EngineState.STARTING, message="it runs, but has not answered yet")
        since, last = self._last.setdefault(key, (now, silent))
        if self._client.is_hung(engine, now - since):
            return EngineView(EngineState.GONE, message=f"it has not answered for {now - since:.0f} s")
        return last

    def _ending(self, name: str, identity: ProcessIdentity) -> EngineView:
        folder = self._folder(name)
        if not identity.alive():
            self._clean_up(name)
            return EngineView(EngineState.ABSENT)
        if _monotonic() - float((folder / "stop").read_text() or 0) > _GRACE_S:
            identity.signal_group(signal.SIGKILL)
        return EngineView(EngineState.READY, accepting=False, message="it is ending")

    def _clean_up(self, name: str) -> None:
        """Kill its remaining processes and delete its files, except the log."""
        folder = self._folder(name)
        identity = ProcessIdentity.read(folder) if folder.exists() else None
        if identity is not None:
            identity.signal_group(signal.SIGKILL)
        for file in (ENGINE_FILE, "process.json", "ready", "stop"):
            (folder / file).unlink(missing_ok=True)
        remove_sockets(folder)
        self._socket(name).unlink(missing_ok=True)
        self._last = {key: last for key, last in self._last.items() if key[0] != name}

    def _materialize(self, artifact_digest: str, signature_digest: str) -> Path:
        """Fetch a model and its signature by digest, verify each file, and return the directory of the model."""
        models = self._config.state / "models"
        models.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = self._artifacts.fetch_tree(artifact_digest, models / artifact_digest)
        self._artifacts.fetch(signature_digest, models / f"{artifact_digest}.sig")
        return folder

    def _folder(self, name: str) -> Path:
        return self._config.state / "engines" / _directory_name(name)

    def _socket(self, name: str) -> Path:
        return self._config.run / f"engine-{_directory_name(name)[-12:]}.sock"


def _check_accelerator(accelerator: Accelerator) -> None:
    """Raise FailedPrecondition unless engines of this machine can have the accelerator."""
    lacking = ""
    if accelerator is not Accelerator.CUDA:
        lacking = "engines of this machine compute on the CPU or on an NVIDIA GPU"
    elif not has_nvidia_gpu():
        lacking = "this machine has no NVIDIA GPU"
    elif not list(metadata.distributions(name="vllm")):
        lacking = "the vLLM that is installed here computes on the CPU"
    if lacking:
        raise FailedPrecondition(
            f"There is no engine on {accelerator.lower()}: {lacking}. Set another accelerator.",
            reason="ACCELERATOR_UNAVAILABLE",
        )


def _read(folder: Path) -> dict[str, Any]:
    """Return the settings of the process of this directory; empty if none is desired."""
    try:
        settings: dict[str, Any] = json.loads((folder / ENGINE_FILE).read_text())
    except FileNotFoundError:
        return {}
    return settings


def _monotonic() -> float:
    """Return the seconds since the machine booted, suspension included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _directory_name(name: str) -> str:
    """Return a short directory name for an engine: its id, and a hash of the whole name."""
    return f"{name.rsplit('/', 1)[-1]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
