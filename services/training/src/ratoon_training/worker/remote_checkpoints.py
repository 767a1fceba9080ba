"""Checkpoints of a run in a scratch store next to the artifact store, for workers that share no directory.

Names and content are those of `Checkpoints`. There is no lock: an overtaken attempt reads the fence before each put,
and what it may still publish has the bytes that the next attempt writes at that step.
"""

from pathlib import Path

from ratoon.storage.scratch import ScratchStore
from ratoon_training.domain.errors import StaleWorker
from ratoon_training.worker.checkpoints import OVERTAKEN, Checkpoints

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

    def _publish(self, file: str, data: bytes) -> None:
        if self._held() != self._fence:
            raise StaleWorker(OVERTAKEN)
        self._store.put(file, data)

    def _files(self, prefix: str) -> list[str]:
        names = self._store.names()
        return sorted(name for name in names if name.startswith(prefix) and name.endswith(".safetensors"))

    def _path(self, file: str, scratch: Path) -> Path:
        return self._store.fetch(file, scratch / file)

    def _remove(self, file: str) -> None:
        self._store.remove(file)

    def _held(self) -> int:
        return int(self._store.read(_FENCE) or 0)
