"""Checkpoints of a run: written atomically, verified when read, and fenced so that a stale worker cannot publish.

One file a checkpoint, `step-<step>.<sha256>.safetensors`: tensors and, in its header, what is not a tensor. Written
to a temporary file, synced and renamed while the fence is held. `fence` holds the number of the newest attempt.
Nothing is ever pickled.

Workers that divide the weights write a file each, `step-<step>@<worker>-<workers>.<sha256>.safetensors`, in the format
of `torch.distributed.checkpoint` for safetensors. A step counts when all of its files are there; it is read by any
number of workers (`divided`).
"""

import fcntl
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from ratoon.process.files import replace_file
from ratoon_training.domain.errors import StaleWorker
from ratoon_training.worker import divided
from ratoon_training.worker.divided import Checkpoint as Checkpoint

OVERTAKEN = "A newer attempt has taken this run over; this one writes no more checkpoints."
RETAINED = 2
"""Number of a run's last steps that are retained."""


class Checkpoints:
    """The checkpoint folder of one run, held under a fencing number."""

    def __init__(self, folder: Path, fence: int) -> None:
        self._folder, self._fence = folder, fence
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None
        self._copies: dict[str, Tensor] = {}
        self._place = ""

    def claim(self) -> None:
        """Take the run over: from now on attempts with lower numbers publish no more. StaleWorker if this is one."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with _locked(self._folder):
            held = _fence(self._folder)
            if held > self._fence:
                raise StaleWorker(f"Attempt {held} has taken this run over from attempt {self._fence}.")
            replace_file(self._folder / "fence", str(self._fence).encode())

    def divide(self, worker: int, workers: int) -> None:
        """Write parts of tensors from now on: those of one of several workers."""
        self._place = f"@{worker}-{workers}"

    def save(
        self,
        name: str,
        tensors: Mapping[str, Tensor],
        state: dict[str, Any],
        offsets: divided.Offsets | None = None,
    ) -> None:
        """Publish a file under `name` at once; it is durable when this returns.

        `offsets` are the first indices of tensors that are parts of larger ones.
        """
        data = save(dict(tensors), {"state": _json(state), **divided.header(offsets)})
        digest = hashlib.sha256(data).hexdigest()
        self._publish(f"{name}{self._place}.{digest}.safetensors", data)

    def _publish(self, file: str, data: bytes) -> None:
        with _locked(self._folder):
            if _fence(self._folder) != self._fence:
                raise StaleWorker(OVERTAKEN)
            replace_file(self._folder / file, data)

    def save_later(
        self,
        step: int,
        tensors: Mapping[str, Tensor],
        state: dict[str, Any],
        offsets: divided.Offsets | None = None,
    ) -> None:
        """Publish a step's checkpoint in the background from copies; wait for the previous one first.

        Lists of the state may grow afterwards; the rows that they hold must stay as they are.
        """
        self.wait()
        rows = {name: list(value) if isinstance(value, list) else value for name, value in state.items()}
        copied = self._copied(tensors), rows, offsets
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
        """The newest step's checkpoint that is intact and whole; damaged ones are passed over."""
        steps = divided.by_name(self._files("step-"))
        return self._first(steps[name] for name in sorted(steps, reverse=True))

    def named(self, name: str) -> Checkpoint | None:
        """An intact checkpoint published under this name."""
        published = divided.by_name(self._files(name))
        return self._first([published[name]] if name in published else [])

    def _first(self, candidates: Iterable[list[str]]) -> Checkpoint | None:
        """Return the first checkpoint of several that is intact; each is a list of its files."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            for files in candidates:
                for parts in divided.complete(files):
                    # A name may have several files of a worker: of attempts that ended with other bits.
                    paths = [self._intact(names, Path(scratch)) for names in parts]
                    if all(paths):
                        return divided.opened([path for path in paths if path is not None])
        return None

    def _intact(self, files: list[str], scratch: Path) -> Path | None:
        """Return the first file whose bytes still are those of its name."""
        return next((path for file in files if is_intact(path := self._path(file, scratch))), None)

    def _files(self, prefix: str) -> list[str]:
        """Return the names of the files that begin like this, sorted."""
        return sorted(path.name for path in self._folder.glob(f"{prefix}*.safetensors"))

    def _path(self, file: str, scratch: Path) -> Path:
        """Return the path of a file; `scratch` is there for those that must be fetched."""
        return self._folder / file

    def _remove(self, file: str) -> None:
        (self._folder / file).unlink(missing_ok=True)

    def discard(self, name: str) -> None:
        """Remove what is published under this name."""
        for file in divided.by_name(self._files(name)).get(name, []):
            self._remove(file)

    def close(self) -> None:
        """Wait for a write in progress, regardless of its result."""
        self._writer.shutdown(wait=True)

    def _save_step(
        self,
        step: int,
        tensors: dict[str, Tensor],
        state: dict[str, Any],
        offsets: divided.Offsets | None = None,
    ) -> None:
        self.save(f"step-{step:09d}", tensors, state, offsets)
        for file in divided.surplus(self._files("step-"), RETAINED, self._place):
            self._remove(file)


def _json(state: Mapping[str, Any]) -> str:
    """Return the JSON of a state as `json.dumps` writes it, row by row: training goes on in between."""
    texts = (
        f"[{', '.join(map(json.dumps, value))}]" if isinstance(value, list) else json.dumps(value)
        for value in state.values()
    )
    return f"{{{', '.join(f'{json.dumps(name)}: {text}' for name, text in zip(state, texts, strict=True))}}}"


def is_intact(path: Path) -> bool:
    """Return True if the file's bytes still are those of its name."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest() == path.name.split(".")[1]


def read(path: Path) -> Checkpoint | None:
    """Return the content of a whole checkpoint's file if it is intact."""
    return divided.opened([path]) if is_intact(path) else None


def _fence(folder: Path) -> int:
    path = folder / "fence"
    return int(path.read_text()) if path.exists() else 0


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
