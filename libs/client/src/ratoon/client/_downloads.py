"""Downloads of blobs to files, which resume where a connection broke off."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import httpx

from ratoon.client._errors import APIConnectionError, APIResponseError
from ratoon.client._retries import backoff_s
from ratoon.client._transport import Call

OnBytes = Callable[[int, int], object]
"""Progress callback: bytes that have arrived, and total bytes."""
MAX_RECONNECTS = 10
"""Consecutive failures of one download without progress, unless the client retries nothing."""


class Download:
    """Progress of one download. The bytes are in `PATH.part` until they are complete and verified."""

    def __init__(self, digest: str, path: Path, on_bytes: OnBytes | None, max_retries: int) -> None:
        self.digest, self.complete = digest, False
        self._max_reconnects = MAX_RECONNECTS if max_retries else 0
        self._path, self._part = path, path.with_name(f"{path.name}.part")
        self._on_bytes, self._failures, self._max_failures = on_bytes, 0, 0
        self._done = self._part.stat().st_size if self._part.exists() else 0

    def call(self) -> Call:
        """Return the call for the bytes that are missing."""
        headers = {"range": f"bytes={self._done}-"} if self._done else {}
        return Call("GET", f"/v1/blobs/{self.digest}", headers=headers)

    def begin(self, response: httpx.Response) -> None:
        """Prepare the file for the bytes of a response: the missing ones, or all."""
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            self.restart()
        self._total = self._done + int(response.headers.get("content-length", 0))

    def add(self, chunk: bytes) -> None:
        """Write bytes that arrived."""
        with self._part.open("ab") as file:
            file.write(chunk)
        self._done, self._failures, self._max_failures = self._done + len(chunk), 0, self._max_reconnects
        if self._on_bytes is not None:
            self._on_bytes(self._done, self._total)

    def restart(self) -> None:
        """Drop what has arrived; it may be of another version of the part file."""
        self._part.write_bytes(b"")
        self._done = 0

    def finish(self) -> None:
        """Verify the bytes and move them to their path; APIResponseError if they are not those of the digest."""
        with self._part.open("rb") as file:
            arrived = hashlib.file_digest(file, "sha256").hexdigest()
        if arrived != self.digest:
            self._part.unlink()
            raise APIResponseError(f"The bytes of blob {self.digest} arrived damaged. Download it again.")
        self._part.replace(self._path)
        self.complete = True

    @property
    def has_part(self) -> bool:
        """True if a call would be for a part."""
        return self._done > 0

    def delay_s(self, failure: APIConnectionError) -> float:
        """Return the seconds before the next attempt; raise the failure after too many without progress."""
        self._failures += 1
        if self._failures > self._max_failures:
            raise failure
        return backoff_s(self._failures)
