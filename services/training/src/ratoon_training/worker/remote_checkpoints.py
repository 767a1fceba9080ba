"""Checkpoints of a run in a scratch store next to the artifact store, for workers that share no directory.

Names and content are those of `Checkpoints`. There is no lock: an overtaken attempt reads the fence before each put,
and what it may still publish has the bytes that the next attempt writes at that step.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from ratoon.storage.scratch import ScratchStore
from ratoon_training.domain.errors import StaleWorker
from ratoon_training.worker.checkpoints import RETAINED, Checkpoint, Checkpoints, read

_FENCE = "fence"


class RemoteCheckpoints(Checkpoints):
    """The checkpoints of one run, held under a fencing number."""

    def __init__(self, store: ScratchStore, fence: int) -> None:
        super().__init__(Path(), fence)
        self._store = store

    def claim(self) -> None:
        """Take the run over. StaleWorker if a newer attempt has."""
        held = self._held()
        if held > self._fence:
            raise StaleWorker(f"Attempt {held} has taken this run over from attempt {self._fence}.")
        self._store.put(_FENCE, str(self._fence).encode())

    def save(self, name: str, tensors: Mapping[str, Tensor], state: dict[str, Any]) -> None:
        """Publish a file under `name` at once; it is durable when this returns."""
        data = save(dict(tensors), {"state": json.dumps(state)})
        if self._held() != self._fence:
            raise StaleWorker("A newer attempt has taken this run over; this one writes no more checkpoints.")
        self._store.put(f"{name}.{hashlib.sha256(data).hexdigest()}.safetensors", data)

    def latest(self) -> Checkpoint | None:
        """The newest step's checkpoint that is intact; damaged ones are passed over."""
        return self._first(reversed(self._named("step-")))

    def named(self, name: str) -> Checkpoint | None:
        """An intact file published under this name."""
        return self._first(self._named(f"{name}."))

    def _save_step(self, step: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        self.save(f"step-{step:09d}", tensors, state)
        for name in self._named("step-")[:-RETAINED]:
            self._store.remove(name)

    def _named(self, prefix: str) -> list[str]:
        return [name for name in self._store.names() if name.startswith(prefix)]

    def _first(self, names: Any) -> Checkpoint | None:
        with tempfile.TemporaryDirectory() as scratch:
            checkpoints = (read(self._store.fetch(name, Path(scratch) / name)) for name in names)
            return next((each for each in checkpoints if each is not None), None)

    def _held(self) -> int:
        return int(self._store.read(_FENCE) or 0)
