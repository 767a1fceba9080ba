"""Blobs: files into and out of the artifact store, by their SHA-256 digest. Uploads resume where they broke off."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from ratoon.client._downloads import Download
from ratoon.client._errors import (
    APIConnectionError,
    APIStatusError,
    BadRequestError,
    ConflictError,
    InternalServerError,
    NotFoundError,
)
from ratoon.client._retries import backoff_s
from ratoon.client._transport import AsyncTransport, Call, SyncTransport

OnBytes = Callable[[int, int], object]
"""Progress callback: bytes that the server has, and total bytes."""
CHUNK_BYTES = 4 << 20
MAX_RECONNECTS = 10
"""Consecutive failures of one upload without progress, unless the client retries nothing."""
_FAILURES = (APIConnectionError, ConflictError, InternalServerError)


@dataclass(frozen=True, slots=True)
class _Content:
    """Bytes to upload, in memory or in a file that must not change meanwhile."""

    source: bytes | Path
    size: int
    digest: str

    @staticmethod
    def of(source: bytes | str | Path) -> "_Content":
        if isinstance(source, bytes):
            return _Content(source, len(source), hashlib.sha256(source).hexdigest())
        path = Path(source)
        with path.open("rb") as file:
            return _Content(path, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())

    @property
    def path(self) -> str:
        return f"/v1/blobs/{self.digest}"

    def put(self, offset: int) -> Call:
        """Return the call that sends the chunk at this offset."""
        chunk = self._read(offset)
        headers = {"content-range": f"bytes {offset}-{offset + len(chunk) - 1}/{self.size}"} if chunk else {}
        return Call("PUT", self.path, content=chunk, headers=headers)

    def _read(self, offset: int) -> bytes:
        if isinstance(self.source, bytes):
            return self.source[offset : offset + CHUNK_BYTES]
        with self.source.open("rb") as file:
            file.seek(offset)
            return file.read(CHUNK_BYTES)


class _Upload:
    """Progress of one upload: what the server has, and the failures since it last advanced."""

    def __init__(self, content: _Content, on_bytes: OnBytes | None, max_retries: int) -> None:
        self.content, self.offset, self.complete = content, 0, False
        self._max_reconnects = MAX_RECONNECTS if max_retries else 0
        self.in_step = False
        """The offset is that of the server."""
        self._on_bytes, self._failures, self._max_failures = on_bytes, 0, 0

    def begin(self, known: httpx.Response | None) -> None:
        """Continue where the server is; a whole upload that it did not verify starts again."""
        size = self.content.size
        self.in_step, self._max_failures = True, self._max_reconnects
        if known is None:
            self.offset = 0
            return
        self.complete = known.status_code == httpx.codes.OK
        offset = min(int(known.headers.get("upload-offset", 0)), size)
        self.offset = offset if self.complete or offset < size else 0
        if self.complete:
            self._report(size)

    def advance(self) -> None:
        """Record that the chunk at the current offset arrived."""
        self.offset, self._failures = min(self.offset + CHUNK_BYTES, self.content.size), 0
        self.complete = self.offset == self.content.size
        self._report(self.offset)

    def delay_s(self, failure: APIConnectionError | APIStatusError) -> float:
        """Return the seconds before the next attempt; raise the failure at the first contact, or after too many."""
        self.in_step, self._failures = False, self._failures + 1
        if self._failures > self._max_failures:
            raise failure
        return backoff_s(self._failures)

    def _report(self, done: int) -> None:
        if self._on_bytes is not None:
            self._on_bytes(done, self.content.size)


class Blobs:
    """Files in the artifact store."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def upload(self, source: bytes | str | Path, *, on_bytes: OnBytes | None = None) -> str:
        """Upload bytes or the file at a path, and return the digest. A partial upload is resumed."""
        upload = _Upload(_Content.of(source), on_bytes, self._transport.config.max_retries)
        while not upload.complete:
            try:
                if not upload.in_step:
                    upload.begin(self._known(upload.content))
                    continue
                self._transport.send(upload.content.put(upload.offset))
                upload.advance()
            except _FAILURES as failure:
                time.sleep(upload.delay_s(failure))
        return upload.content.digest

    def upload_tree(
        self,
        directory: str | Path,
        *,
        names: Collection[str] | None = None,
        on_bytes: OnBytes | None = None,
    ) -> str:
        """Upload the files of a directory, and return the digest of their manifest, which names them all.

        `names` are the relative paths of the files to upload. Default: all.
        """
        tree = _Tree(Path(directory), names, on_bytes)
        for path in tree.files:
            tree.add(path, self.upload(path, on_bytes=tree.progress))
        return self.upload(tree.manifest())

    def exists(self, digest: str) -> bool:
        """Return True if the server has the whole blob."""
        response = self._transport.send(Call("HEAD", f"/v1/blobs/{digest}"))
        return response.status_code == httpx.codes.OK

    def download(self, digest: str) -> bytes:
        """Return the bytes of a blob. For large ones, use `download_to` or `stream`."""
        return self._transport.send(Call("GET", f"/v1/blobs/{digest}")).content

    def download_to(self, digest: str, path: str | Path, *, on_bytes: OnBytes | None = None) -> None:
        """Write a blob to a file. A partial download (`PATH.part`) is resumed, and the digest is verified."""
        download = Download(digest, Path(path), on_bytes, self._transport.config.max_retries)
        while not download.complete:
            try:
                with self._transport.stream(download.call()) as response:
                    download.begin(response)
                    for chunk in response.iter_bytes():
                        download.add(chunk)
                download.finish()
            except BadRequestError:
                if not download.has_part:
                    raise
                download.restart()
            except APIConnectionError as failure:
                time.sleep(download.delay_s(failure))

    def stream(self, digest: str) -> Iterator[bytes]:
        """Yield a blob in chunks."""
        with self._transport.stream(Call("GET", f"/v1/blobs/{digest}")) as response:
            yield from response.iter_bytes()

    def _known(self, content: _Content) -> httpx.Response | None:
        try:
            return self._transport.send(Call("HEAD", content.path))
        except NotFoundError:
            return None


class AsyncBlobs:
    """Files in the artifact store."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def upload(self, source: bytes | str | Path, *, on_bytes: OnBytes | None = None) -> str:
        """Upload bytes or the file at a path, and return the digest. A partial upload is resumed."""
        content = await asyncio.to_thread(_Content.of, source)
        upload = _Upload(content, on_bytes, self._transport.config.max_retries)
        while not upload.complete:
            try:
                if not upload.in_step:
                    upload.begin(await self._known(upload.content))
                    continue
                await self._transport.send(await asyncio.to_thread(upload.content.put, upload.offset))
                upload.advance()
            except _FAILURES as failure:
                await asyncio.sleep(upload.delay_s(failure))
        return upload.content.digest

    async def upload_tree(
        self,
        directory: str | Path,
        *,
        names: Collection[str] | None = None,
        on_bytes: OnBytes | None = None,
    ) -> str:
        """Upload the files of a directory, and return the digest of their manifest, which names them all.

        `names` are the relative paths of the files to upload. Default: all.
        """
        tree = _Tree(Path(directory), names, on_bytes)
        for path in tree.files:
            tree.add(path, await self.upload(path, on_bytes=tree.progress))
        return await self.upload(tree.manifest())

    async def exists(self, digest: str) -> bool:
        """Return True if the server has the whole blob."""
        response = await self._transport.send(Call("HEAD", f"/v1/blobs/{digest}"))
        return response.status_code == httpx.codes.OK

    async def download(self, digest: str) -> bytes:
        """Return the bytes of a blob. For large ones, use `download_to` or `stream`."""
        return (await self._transport.send(Call("GET", f"/v1/blobs/{digest}"))).content

    async def download_to(self, digest: str, path: str | Path, *, on_bytes: OnBytes | None = None) -> None:
        """Write a blob to a file. A partial download (`PATH.part`) is resumed, and the digest is verified."""
        max_retries = self._transport.config.max_retries
        download = await asyncio.to_thread(Download, digest, Path(path), on_bytes, max_retries)
        while not download.complete:
            try:
                async with self._transport.stream(download.call()) as response:
                    await asyncio.to_thread(download.begin, response)
                    async for chunk in response.aiter_bytes():
                        await asyncio.to_thread(download.add, chunk)
                await asyncio.to_thread(download.finish)
            except BadRequestError:
                if not download.has_part:
                    raise
                await asyncio.to_thread(download.restart)
            except APIConnectionError as failure:
                await asyncio.sleep(download.delay_s(failure))

    async def stream(self, digest: str) -> AsyncIterator[bytes]:
        """Yield a blob in chunks."""
        async with self._transport.stream(Call("GET", f"/v1/blobs/{digest}")) as response:
            async for chunk in response.aiter_bytes():
                yield chunk

    async def _known(self, content: _Content) -> httpx.Response | None:
        try:
            return await self._transport.send(Call("HEAD", content.path))
        except NotFoundError:
            return None


class _Tree:
    """Files of a directory and what is uploaded of them; the manifest lists path, digest and size of each."""

    def __init__(self, directory: Path, names: Collection[str] | None, on_bytes: OnBytes | None) -> None:
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        self.files = [
            path for path in files if names is None or path.relative_to(directory).as_posix() in names
        ]
        self._directory, self._on_bytes = directory, on_bytes
        self._total, self._done = sum(path.stat().st_size for path in self.files), 0
        self._rows: list[dict[str, str | int]] = []

    def progress(self, done: int, _total: int) -> None:
        """Report the progress of one file as that of the tree."""
        if self._on_bytes is not None:
            self._on_bytes(self._done + done, self._total)

    def add(self, path: Path, digest: str) -> None:
        """Record an uploaded file."""
        size = path.stat().st_size
        self._rows.append(
            {"path": path.relative_to(self._directory).as_posix(), "sha256": digest, "size": size}
        )
        self._done += size

    def manifest(self) -> bytes:
        """Return the manifest as canonical JSON."""
        rows = sorted(self._rows, key=lambda row: str(row["path"]))
        return json.dumps({"files": rows}, separators=(",", ":"), sort_keys=True).encode()
