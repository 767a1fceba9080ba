"""The secret from which record ids are made, and each project's key derived from it."""

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path


class RecordKeys:
    """Project keys out of one secret: the one given, or a file that is made (0600) when it is first needed."""

    def __init__(self, path: Path, secret_hex: str = "") -> None:
        self._path, self._secret_hex = path, secret_hex

    def key_of(self, project: str) -> bytes:
        """The 32-byte key of a project; the same for ever, or record ids would change."""
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
        draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as sink:
            sink.write(secrets.token_hex(32))
            sink.flush()
            os.fsync(sink.fileno())
        try:
            os.link(draft, self._path)
        finally:
            draft.unlink()
