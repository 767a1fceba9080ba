"""Engines as processes of this machine: forked by the nursery, outliving the platform.

The folder of an engine is the truth: `engine.json` (what to run; there while it is wanted), `process.json`
(pid and start time), `ready` (it answered once), `stop` (it was asked to end). Whoever restarts reads it and
takes the process over when it still proves its version; everything else is ended.
"""

import hashlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.jobs import ProcessMark
from ratoon_serving.adapters.engine_file import engine_file
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.adapters.nursery import Nursery, last_line
from ratoon_serving.domain.attestation import Continuation, GoldenPrompt
from ratoon_serving.domain.engine import Check, Engine, EngineState, EngineView

_HANG_S = 60.0
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


class LocalEngineHost:
    """Starts, looks at and ends engines."""

    def __init__(self, given: LocalEngines, artifacts: ArtifactStore, client: EngineClient) -> None:
        self._given, self._artifacts, self._client = given, artifacts, client
        self._nursery = Nursery(given.state / "nursery", given.run, given.threads)
        self._told: dict[str, tuple[float, EngineView]] = {}

    def prepare(self) -> None:
        """Start what the next engine will be forked from."""
        self._nursery.ensure()

    def endpoint(self, engine: Engine) -> str:
        """Its Unix socket."""
        return f"unix://{self._socket(engine.name)}"

    def start(self, engine: Engine) -> None:
        """Write down that it is wanted, then fork it; if the nursery is not ready yet, a later look does."""
        folder = self._folder(engine.name)
        if self.view(engine).state not in (EngineState.ABSENT, EngineState.GONE):
            return
        self._bury(engine.name)
        model = self._materialise(engine)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine_file(engine, model, self._socket(engine.name), self._given).write(folder / "engine.json")
        self._fork(folder)

    def view(self, engine: Engine) -> EngineView:
        """The engine as it is now; one that is wanted and has no process yet is forked."""
        folder = self._folder(engine.name)
        if not (folder / "engine.json").exists():
            return EngineView(EngineState.ABSENT)
        mark = ProcessMark.read(folder)
        if mark is None:
            return self._fork(folder)
        if (folder / "stop").exists():
            return self._ending(engine.name, mark)
        if not mark.alive():
            return EngineView(EngineState.GONE, message=f"its log ends: {last_line(folder / 'log.txt')}")
        return self._ask(engine, folder)

    def close(self, engine: Engine) -> None:
        """Let it take no new requests."""
        self._client.control(engine, "close")

    def open(self, engine: Engine) -> None:
        """Let it take requests again."""
        self._client.control(engine, "open")

    def stop(self, engine: Engine) -> None:
        """Ask its processes to end; a later look insists."""
        folder = self._folder(engine.name)
        mark = ProcessMark.read(folder)
        if mark is None or not mark.alive():
            self._bury(engine.name)
        elif not (folder / "stop").exists():
            (folder / "stop").touch()
            _signal(mark, signal.SIGTERM)

    def continue_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> Sequence[Continuation]:
        """The engine's greedy continuations."""
        return self._client.continue_prompts(engine, prompts)

    def probe(self, engine: Engine) -> Check:
        """One synthetic request."""
        return self._client.probe(engine)

    def inject(self, engine: Engine, error_rate: float, seconds: float) -> None:
        """Let this share of its answers fail for so long."""
        self._client.control(engine, "faults", {"error_rate": error_rate, "seconds": seconds})

    def sweep(self, is_known: Callable[[str], bool]) -> None:
        """End every engine of this machine whose name is not known."""
        for folder in (self._given.state / "engines").glob("*"):
            file = folder / "engine.json"
            if not file.exists() or not is_known(str(json.loads(file.read_text())["engine"])):
                mark = ProcessMark.read(folder)
                if mark is not None:
                    _signal(mark, signal.SIGKILL)
                shutil.rmtree(folder, ignore_errors=True)

    def _fork(self, folder: Path) -> EngineView:
        waiting = EngineView(EngineState.STARTING, message="the nursery imports what engines share")
        if not self._nursery.alive():
            self._nursery.ensure()
            return waiting
        return EngineView(EngineState.STARTING) if self._nursery.fork(folder) else waiting

    def _ask(self, engine: Engine, folder: Path) -> EngineView:
        """What it tells; when it is silent for a while, as it is in a long computation, what it told last."""
        told, now = self._client.view(engine), time.monotonic()
        ready = folder / "ready"
        if told is not None:
            self._told[engine.name] = (now, told)
            if told.state is EngineState.READY and not ready.exists():
                ready.touch()
            return told
        if not ready.exists():
            return EngineView(EngineState.STARTING, message=last_line(folder / "log.txt"))
        silent = EngineView(EngineState.STARTING, message="it runs, but has not answered yet")
        since, last = self._told.setdefault(engine.name, (now, silent))
        if now - since > _HANG_S:
            return EngineView(EngineState.GONE, message=f"it has not answered for {now - since:.0f} s")
        return last

    def _ending(self, name: str, mark: ProcessMark) -> EngineView:
        folder = self._folder(name)
        if not mark.alive():
            self._bury(name)
            return EngineView(EngineState.ABSENT)
        if time.time() - (folder / "stop").stat().st_mtime > _GRACE_S:
            _signal(mark, signal.SIGKILL)
        return EngineView(EngineState.READY, accepting=False, message="it is ending")

    def _bury(self, name: str) -> None:
        """End whatever is left of its processes and forget that it was wanted; the log stays."""
        folder = self._folder(name)
        mark = ProcessMark.read(folder) if folder.exists() else None
        if mark is not None:
            _signal(mark, signal.SIGKILL)
        for left in ("engine.json", "process.json", "ready", "stop"):
            (folder / left).unlink(missing_ok=True)
        self._socket(name).unlink(missing_ok=True)
        self._told.pop(name, None)

    def _materialise(self, engine: Engine) -> Path:
        """The model's folder and, beside it, its signature: fetched by digest, each file checked."""
        models = self._given.state / "models"
        models.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = self._artifacts.fetch_tree(engine.artifact_digest, models / engine.artifact_digest)
        self._artifacts.fetch(engine.signature_digest, models / f"{engine.artifact_digest}.sig")
        return folder

    def _folder(self, name: str) -> Path:
        return self._given.state / "engines" / _mark(name)

    def _socket(self, name: str) -> Path:
        return self._given.run / f"engine-{_mark(name)[-12:]}.sock"


def _mark(name: str) -> str:
    """A short folder name for an engine: its id, and a hash of the whole name."""
    return f"{name.rsplit('/', 1)[-1]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _signal(mark: ProcessMark, number: int) -> None:
    """Signal an engine's whole session: its core may outlive its server."""
    if ProcessMark.of(mark.pid).start_ticks not in (0, mark.start_ticks):
        return  # the number belongs to somebody else by now
    try:
        os.killpg(mark.pid, number)
    except (ProcessLookupError, PermissionError):
        return
