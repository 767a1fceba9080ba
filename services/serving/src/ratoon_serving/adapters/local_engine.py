"""Engines in processes of this machine: forked by the fork server, outliving the platform.

The folder of a process is the truth: `engine.json` (what to hold; there while it is wanted), `process.json`
(pid and start time), `ready` (it answered once), `stop` (it was asked to end). Whoever restarts reads it and
takes the process over when it still proves its version; everything else is ended.
"""

import hashlib
import json
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.errors import FailedPrecondition, Unavailable
from ratoon.engine.contract import ENGINE_FILE, LOG_FILE, ControlPath
from ratoon.engine.sockets import remove_sockets
from ratoon.process.identity import ProcessIdentity
from ratoon_serving.adapters.engine_file import EngineFile, engine_file, served_names
from ratoon_serving.adapters.engine_http import EngineClient, seen_in
from ratoon_serving.adapters.engine_log import KILLED, cause_of_end
from ratoon_serving.adapters.fork_server import ForkServerClient
from ratoon_serving.application.ports import Happened, Patience
from ratoon_serving.domain.attestation import Continuation, GoldenPrompt
from ratoon_serving.domain.engine import Check, Engine, EngineState, EngineView, Fence
from ratoon_serving.domain.rollouts.second_engine import Headroom
from ratoon_serving.domain.scaling import Load

_LOAD_S = 600.0
_OVERHEAD_BYTES = 700 << 20
"""What the processes of an engine take beside weights and cache; `ratoon status` showed 867 MiB with a cache of 256."""
_GRACE_S = 3.0
"""An engine is asked to end only when it is closed and empty, or out of time: nothing is lost by insisting soon."""


@dataclass(frozen=True)
class LocalEngines:
    """What an engine of this machine is given."""

    state: Path
    """Folder of engine folders and model folders."""
    run: Path
    """Short folder of the sockets, ours alone."""
    public_key: Path
    """PEM of the registry's public signing key."""
    threads: int
    kv_cache_mib: int
    max_model_len: int
    otlp: str = ""
    """OTLP/HTTP endpoint that engines send their spans to; empty: nowhere."""


class LocalEngineHost:
    """Starts, looks at and ends engines; one platform acts in a state folder, so a fence has nobody to keep out."""

    def __init__(self, given: LocalEngines, artifacts: ArtifactStore, client: EngineClient) -> None:
        self._given, self._artifacts, self._client = given, artifacts, client
        self._fork_server = ForkServerClient(given.state / "fork-server", given.run, given.threads)
        self._told: dict[tuple[str, str], tuple[float, EngineView]] = {}

    @property
    def patience(self) -> Patience:
        """Five minutes: imports, weights and a busy machine."""
        return Patience()

    def prepare(self, pool: str) -> None:
        """Start what the next engine will be forked from."""
        if pool:
            raise FailedPrecondition(
                "Engines on this machine do not belong to a pool.", reason="ENGINE_POOL_UNKNOWN"
            )
        self._fork_server.ensure()

    def endpoint(self, engine: Engine) -> str:
        """Its Unix socket."""
        return f"unix://{self._socket(engine.process)}"

    def headroom(self, pool: str) -> Headroom:
        """Free memory of this machine."""
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
        return Headroom(free, _OVERHEAD_BYTES + (self._given.kv_cache_mib << 20))

    def start(self, engine: Engine, fence: Fence) -> None:
        """Start its process, or load it into the warm one; what cannot be done yet, a later call does."""
        folder, seen = self._folder(engine.process), self._view(engine)
        held = seen.state is EngineState.READY and not engine.is_adapter
        if held and not self._is_target(engine):
            self._write_target(engine, folder)
        elif seen.state is EngineState.GONE or not (folder / ENGINE_FILE).exists():
            self._begin(engine)
        elif seen.state is EngineState.ABSENT and engine.is_adapter:
            self._load_beside(engine)
        elif seen.state is EngineState.ABSENT:
            self._load_instead(engine)

    @property
    def most_replicas(self) -> int:
        """One process answers all: what another one would compute with is what this one has."""
        return 1

    def scale(self, engine: Engine, fence: Fence) -> None:
        """There is one."""

    def load(self, engine: Engine) -> Load:
        """Not asked for: nothing follows from it."""
        return Load()

    def claim(self, engine: Engine, fence: Fence) -> None:
        """Nobody else acts here."""

    def view(self, engine: Engine) -> EngineView:
        """The engine as it is now; what is wanted and not there yet, process or adapter, is seen to."""
        return self._view(engine) if engine.is_adapter or self._is_target(engine) else EngineView()

    def close(self, engine: Engine) -> None:
        """Let it take no new requests."""
        self._client.close(engine)

    def open(self, engine: Engine) -> None:
        """Let it take requests again."""
        self._client.open(engine)

    def unload(self, engine: Engine) -> None:
        """Take an adapter out of its process, which from now on was started for none."""
        folder = self._folder(engine.process)
        if self._is_target(engine):
            EngineFile({**_read(folder), "engine": ""}).write(folder / ENGINE_FILE)
        self._client.control(engine, ControlPath.UNLOAD_ADAPTER, {"name": engine.served_name})

    def stop(self, engine: Engine, fence: Fence) -> None:
        """Ask its processes to end; a later look insists."""
        if not engine.is_adapter and not self._is_target(engine):
            return
        folder = self._folder(engine.process)
        mark = ProcessIdentity.read(folder)
        if mark is None or not mark.alive():
            self._bury(engine.process)
        elif not (folder / "stop").exists():
            (folder / "stop").write_text(str(_boot()))
            mark.signal_group(signal.SIGTERM)

    def continue_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> Sequence[Continuation]:
        """The engine's greedy continuations."""
        return self._client.continue_prompts(engine, prompts)

    def probe(self, engine: Engine) -> Check:
        """One synthetic request."""
        return self._client.probe(engine)

    def inject(self, engine: Engine, error_rate: float, seconds: float) -> None:
        """Let this share of its answers fail for so long."""
        name = engine.served_name if engine.is_adapter else ""
        self._client.control(
            engine, ControlPath.INJECT_FAULT, {"name": name, "error_rate": error_rate, "seconds": seconds}
        )

    def tell(self, engine: Engine, happened: Happened) -> None:
        """Nobody looks at engines here but by serving's own API."""

    def sweep(self, is_known: Callable[[str], bool]) -> None:
        """End every process of this machine whose name is not known."""
        for folder in (self._given.state / "engines").glob("*"):
            told = _read(folder)
            if not told or not is_known(str(told.get("process") or told["engine"])):
                mark = ProcessIdentity.read(folder)
                if mark is not None:
                    mark.signal_group(signal.SIGKILL)
                remove_sockets(folder)
                shutil.rmtree(folder, ignore_errors=True)

    def _begin(self, engine: Engine) -> None:
        """Write down what its process is to hold, then fork it."""
        self._bury(engine.process)
        folder = self._folder(engine.process)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write_target(engine, folder)
        self._fork(folder)

    def _load_beside(self, engine: Engine) -> None:
        """Load an adapter into its process; what the process checks is the whole signed artifact."""
        folder = self._materialise(engine.artifact_digest, engine.signature_digest)
        asked = {"name": engine.served_name, "version": engine.version, "adapter": str(folder)}
        self._client.control(engine, ControlPath.LOAD_ADAPTER, asked, _LOAD_S)

    def _loaded(self, engine: Engine) -> EngineView:
        """Load the adapter that its process was started for; a process that cannot is of no use."""
        try:
            self._load_beside(engine)
        except (FailedPrecondition, Unavailable) as error:
            return EngineView(EngineState.GONE, message=str(error))
        return EngineView(EngineState.STARTING, message="its adapter has just been loaded")

    def _load_instead(self, engine: Engine) -> None:
        """Write the target, then load it: a process that starts anew in between starts with the target."""
        folder = self._folder(engine.process)
        before = _read(folder)
        model = self._write_target(engine, folder)
        asked = {
            "model": str(model),
            "version": engine.version,
            "artifact_digest": engine.artifact_digest,
            "served_names": served_names(engine),
        }
        try:
            self._client.control(engine, ControlPath.RELOAD, asked, _LOAD_S)
        except (FailedPrecondition, Unavailable):
            told = self._client.status(engine)
            if told and told.get("ready") and told.get("version") == before.get("version"):
                EngineFile(before).write(folder / ENGINE_FILE)
            raise

    def _write_target(self, engine: Engine, folder: Path) -> Path:
        """Write `engine.json`; the folder of the model that it names."""
        own = self._materialise(engine.artifact_digest, engine.signature_digest)
        model, adapter = own, None
        if engine.is_adapter:
            model, adapter = self._materialise(engine.base_digest, engine.base_signature_digest), own
        told = engine_file(engine, model, self._socket(engine.process), self._given, adapter)
        told.write(folder / ENGINE_FILE)
        return model

    def _is_target(self, engine: Engine) -> bool:
        """Whether its process is to hold it, and not a version that took its place."""
        return _read(self._folder(engine.process)).get("engine") == engine.name

    def _view(self, engine: Engine) -> EngineView:
        """The engine by the state of its process, whoever else lives there."""
        folder = self._folder(engine.process)
        if not (folder / ENGINE_FILE).exists():
            return EngineView(EngineState.ABSENT)
        mark = ProcessIdentity.read(folder)
        if mark is None:
            return self._fork(folder)
        if (folder / "stop").exists():
            return self._ending(engine.process, mark)
        if not mark.alive():
            cause = cause_of_end(folder / LOG_FILE)
            return EngineView(EngineState.GONE, message=cause or KILLED, killed=not cause)
        return self._ask(engine, folder)

    def _fork(self, folder: Path) -> EngineView:
        waiting = EngineView(
            EngineState.STARTING, message="the fork server is importing the modules that engines share"
        )
        if not self._fork_server.alive():
            self._fork_server.ensure()
            return waiting
        return EngineView(EngineState.STARTING) if self._fork_server.fork(folder) else waiting

    def _ask(self, engine: Engine, folder: Path) -> EngineView:
        """What it tells; when it is silent for a while, as it is in a long computation, what it told last."""
        told, now = self._client.status(engine), time.monotonic()
        ready, key = folder / "ready", (engine.process, engine.name)
        if told is not None:
            seen = seen_in(told, engine)
            self._told[key] = (now, seen)
            if told.get("ready") and not ready.exists():
                ready.touch()
            started_for_it = engine.is_adapter and told.get("ready") and self._is_target(engine)
            return self._loaded(engine) if started_for_it and seen.state is EngineState.ABSENT else seen
        if not ready.exists():
            return EngineView(EngineState.STARTING, message="it is loading its weights")
        silent = EngineView(EngineState.STARTING, message="it runs, but has not answered yet")
        since, last = self._told.setdefault(key, (now, silent))
        if self._client.is_hung(engine, now - since):
            return EngineView(EngineState.GONE, message=f"it has not answered for {now - since:.0f} s")
        return last

    def _ending(self, name: str, mark: ProcessIdentity) -> EngineView:
        folder = self._folder(name)
        if not mark.alive():
            self._bury(name)
            return EngineView(EngineState.ABSENT)
        if _boot() - float((folder / "stop").read_text() or 0) > _GRACE_S:
            mark.signal_group(signal.SIGKILL)
        return EngineView(EngineState.READY, accepting=False, message="it is ending")

    def _bury(self, name: str) -> None:
        """End whatever is left of its processes and forget that it was wanted; the log stays."""
        folder = self._folder(name)
        mark = ProcessIdentity.read(folder) if folder.exists() else None
        if mark is not None:
            mark.signal_group(signal.SIGKILL)
        for left in (ENGINE_FILE, "process.json", "ready", "stop"):
            (folder / left).unlink(missing_ok=True)
        remove_sockets(folder)
        self._socket(name).unlink(missing_ok=True)
        self._told = {key: told for key, told in self._told.items() if key[0] != name}

    def _materialise(self, artifact_digest: str, signature_digest: str) -> Path:
        """The model's folder and, beside it, its signature: fetched by digest, each file checked."""
        models = self._given.state / "models"
        models.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = self._artifacts.fetch_tree(artifact_digest, models / artifact_digest)
        self._artifacts.fetch(signature_digest, models / f"{artifact_digest}.sig")
        return folder

    def _folder(self, name: str) -> Path:
        return self._given.state / "engines" / _mark(name)

    def _socket(self, name: str) -> Path:
        return self._given.run / f"engine-{_mark(name)[-12:]}.sock"


def _read(folder: Path) -> dict[str, Any]:
    """What the process of this folder is to hold; empty when none is wanted."""
    try:
        told: dict[str, Any] = json.loads((folder / ENGINE_FILE).read_text())
    except FileNotFoundError:
        return {}
    return told


def _boot() -> float:
    """Seconds since the machine booted: nobody sets that clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _mark(name: str) -> str:
    """A short folder name for an engine: its id, and a hash of the whole name."""
    return f"{name.rsplit('/', 1)[-1]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
