"""Checkpoints of a run: written atomically, verified when read, and fenced so that a stale worker cannot publish.

One file a checkpoint, `step-<step>.<sha256>.safetensors`: tensors and, in its header, what is not a tensor. Written
to a temporary file, synced and renamed while the fence is held. `fence` holds the number of the newest attempt.
Nothing is ever pickled.
"""

import copy
import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from ratoon.process.files import replace_file
from ratoon_training.domain.errors import StaleWorker

RETAINED = 2
"""Number of a run's last steps that are retained."""


@dataclass(frozen=True)
class Checkpoint:
    """Content of a file: tensors by name and the rest as JSON."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


class Checkpoints:
    """The checkpoint folder of one run, held under a fencing number."""

    def __init__(self, folder: Path, fence: int) -> None:
        self._folder, self._fence = folder, fence
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None
        self._copies: dict[str, Tensor] = {}

    def claim(self) -> None:
        """Take the run over: from now on attempts with lower numbers publish no more. StaleWorker if this is one."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with _locked(self._folder):
            held = _fence(self._folder)
            if held > self._fence:
                raise StaleWorker(f"Attempt {held} has taken this run over from attempt {self._fence}.")
            replace_file(self._folder / "fence", str(self._fence).encode())

    def save(self, name: str, tensors: Mapping[str, Tensor], state: dict[str, Any]) -> None:
        """Publish a file under `name` at once; it is durable when this returns."""
        data = save(dict(tensors), {"state": json.dumps(state)})
        digest = hashlib.sha256(data).hexdigest()
        with _locked(self._folder):
            if _fence(self._folder) != self._fence:
                raise StaleWorker(
                    "A newer attempt has taken this run over; this one writes no more checkpoints."
                )
            replace_file(self._folder / f"{name}.{digest}.safetensors", data)

    def save_later(self, step: int, tensors: Mapping[str, Tensor], state: dict[str, Any]) -> None:
        """Publish a step's checkpoint in the background from copies; wait for the previous one first."""
        self.wait()
        copied = self._copied(tensors), copy.deepcopy(state)
        self._pending = self._writer.submit(self._save_step, step, *copied)

    def _copied(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return copies on the CPU, in reused memory: new pages cost more than the copying."""
        for name, tensor in tensors.items():
            if name not in self._copies or self._copies[name].shape != tensor.shape:
                self._copies[name] = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
            self._copies[name].copy_(tensor.detach())
        return {name: self._copies[name] for name in tensors}

    def wait(self) -> None:
        """Wait until the last checkpoint is durable; raise its error."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def latest(self) -> Checkpoint | None:
        """The newest step's checkpoint that is intact; damaged ones are passed over."""
        for path in reversed(self._steps()):
            if (checkpoint := read(path)) is not None:
                return checkpoint
        return None

    def named(self, name: str) -> Checkpoint | None:
        """An intact file published under this name."""
        candidates = [read(path) for path in sorted(self._folder.glob(f"{name}.*.safetensors"))]
        return next((each for each in candidates if each is not None), None)

    def close(self) -> None:
        """Wait for a write in progress, regardless of its result."""
        self._writer.shutdown(wait=True)

    def _save_step(self, step: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        self.save(f"step-{step:09d}", tensors, state)
        for path in self._steps()[:-RETAINED]:
            path.unlink(missing_ok=True)

    def _steps(self) -> list[Path]:
        return sorted(self._folder.glob("step-*.safetensors"))


def read(path: Path) -> Checkpoint | None:
    """The file's content if its bytes still are those of its name."""
    with path.open("rb") as source:
        if hashlib.file_digest(source, "sha256").hexdigest() != path.name.split(".")[1]:
            return None
    with safe_open(path, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  it is no mapping
        return Checkpoint(tensors, json.loads(opened.metadata()["state"]))


def _fence(folder: Path) -> int:
    path = folder / "fence"
    return int(path.read_text()) if path.exists() else 0


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
