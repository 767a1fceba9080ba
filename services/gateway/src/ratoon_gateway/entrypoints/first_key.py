"""The operator's API key of a new installation, in a file that only its owner reads."""

from contextlib import suppress
from pathlib import Path

from ratoon.process.clock import Clock
from ratoon.process.errors import AlreadyExists
from ratoon.process.files import OWNER_ONLY, replace_file
from ratoon.storage.store import Store
from ratoon_gateway.application.handlers import create_first_key


class FirstKey:
    """Makes the key when there is none at all; a file that is there already says which."""

    def __init__(self, store: Store, clock: Clock, path: Path) -> None:
        self._store, self._clock, self._path = store, clock, path

    def start(self) -> None:
        """Make it, if need be, and unless another gateway was first."""
        configured = self._path.read_text().strip() if self._path.exists() else ""
        with suppress(AlreadyExists):
            create_first_key(self._store, self._clock, configured, self._write)

    def stop(self) -> None:
        """Do nothing."""

    def _write(self, secret: str) -> str:
        replace_file(self._path, f"{secret}\n".encode(), mode=OWNER_ONLY)
        return str(self._path)
