"""The secret from which record ids are derived, and each project's key derived from it."""

import hashlib
import hmac
import secrets
from contextlib import suppress
from pathlib import Path

from ratoon.process.files import OWNER_ONLY, create_file


class RecordKeys:
    """Project keys derived from one secret: the configured one, or a file (0600) that is created on first use."""

    def __init__(self, path: Path, secret_hex: str = "") -> None:
        self._path, self._secret_hex = path, secret_hex

    def key_of(self, project: str) -> bytes:
        """The 32-byte key of a project; it never changes, or record ids would change."""
        return hmac.new(self._secret(), project.encode(), hashlib.sha256).digest()

    def _secret(self) -> bytes:
        if self._secret_hex:
            return bytes.fromhex(self._secret_hex)
        with suppress(FileExistsError):
            self._make()
        return bytes.fromhex(self._path.read_text().strip())

    def _make(self) -> None:
        """Write the file whole or not at all, and never over one that is there."""
        if self._path.exists():
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        create_file(self._path, secrets.token_hex(32).encode(), mode=OWNER_ONLY)
