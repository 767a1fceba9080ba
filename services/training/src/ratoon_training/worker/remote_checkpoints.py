"""Checkpoints of a run on a shelf beside the artifact store, for workers that share no folder.

Names and content are those of `Checkpoints`. There is no lock: an overtaken attempt looks at the fence before each put,
and what it might still publish is the same bytes that the attempt after it comes to at that step.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from ratoon.chassis.scratch import ScratchStore
from ratoon_training.domain.errors import StaleWorker
from ratoon_training.worker.checkpoints import KEPT, Checkpoint, Checkpoints, read

_FENCE = "fence"


class ShelvedCheckpoints(Checkpoints):
    """The checkpoints of one run, held under a fencing number."""

    def __init__(self, shelf: ScratchStore, fence: int) -> None:
        super().__init__(Path(), fence)
        self._shelf = shelf

    def claim(self) -> None:
        """Take the run over. StaleWorker if a newer attempt has."""
        held = self._held()
        if held > self._fence:
            raise StaleWorker(f"Attempt {held} has taken this run over from attempt {self._fence}.")
        self._shelf.put(_FENCE, str(self._fence).encode())

    def save(self, name: str, tensors: Mapping[str, Tensor], state: dict[str, Any]) -> None:
        """Publish a file under `name` at once; it is durable when this returns."""
        data = save(dict(tensors), {"state": json.dumps(state)})
        if self._held() != self._fence:
            raise StaleWorker("A newer attempt has taken this run over; this one writes no more checkpoints.")
        self._shelf.put(f"{name}.{hashlib.sha256(data).hexdigest()}.safetensors", data)

    def latest(self) -> Checkpoint | None:
        """The newest step's checkpoint that is intact; damaged ones are passed over."""
        return self._first(reversed(self._named("step-")))

    def named(self, name: str) -> Checkpoint | None:
        """An intact file published under this name."""
        return self._first(self._named(f"{name}."))

    def _save_step(self, step: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        self.save(f"step-{step:09d}", tensors, state)
        for name in self._named("step-")[:-KEPT]:
            self._shelf.remove(name)

    def _named(self, prefix: str) -> list[str]:
        return [name for name in self._shelf.names() if name.startswith(prefix)]

    def _first(self, names: Any) -> Checkpoint | None:
        with tempfile.TemporaryDirectory() as scratch:
            found = (read(self._shelf.fetch(name, Path(scratch) / name)) for name in names)
            return next((each for each in found if each is not None), None)

    def _held(self) -> int:
        return int(self._shelf.read(_FENCE) or 0)
