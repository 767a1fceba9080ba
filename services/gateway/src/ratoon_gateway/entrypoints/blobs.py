"""`/v1/blobs/{sha256}`: files into and out of the artifact store, resumable, proven by their digest.

`PUT` takes a whole file, or with `Content-Range: bytes 0-99/250` a piece of it; the answer's header `upload-offset`
says where to go on, and so does `HEAD`. `GET` takes `Range: bytes=100-`.

A blob belongs to the project whose caller sent its bytes, or whose resources refer to it. To any other project it is
not there, and the bytes of a PUT are read and proven whether the blob is there or not: a digest opens nothing.
"""

import re

from ratoon.chassis.errors import InvalidArgument, NotFound, described
from ratoon.chassis.identity import ANY_PROJECT, Role
from ratoon.chassis.server import Threads
from ratoon_gateway.application.admission import Admission
from ratoon_gateway.application.ports import Shelf
from ratoon_gateway.domain.digests import checked_digest
from ratoon_gateway.entrypoints.asgi import (
    ClientGone,
    Receive,
    Scope,
    Send,
    bearer,
    header,
    problem_of,
    respond,
    respond_json,
    respond_problem,
)

PREFIX = "/v1/blobs/"
_PIECE = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Blobs:
    """Takes and gives blobs."""

    def __init__(self, admission: Admission, uploads: Shelf, threads: Threads) -> None:
        self._admission, self._uploads, self._threads = admission, uploads, threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        serve = {"PUT": self._put, "HEAD": self._head, "GET": self._get}.get(scope["method"])
        try:
            if serve is None:
                raise InvalidArgument("A blob supports GET, HEAD and PUT.", reason="METHOD_NOT_ALLOWED")
            self._admission.principal(bearer(scope))  # before anything is said of the digest
            await serve(checked_digest(scope["path"].removeprefix(PREFIX)), scope, receive, send)
        except ClientGone:
            return
        except Exception as error:
            await respond_problem(send, problem_of(described(error)))

    async def _put(self, digest: str, scope: Scope, receive: Receive, send: Send) -> None:
        project = self._admission.caller(bearer(scope), Role.ENGINEER).project
        start, end, total = _content_range(scope)
        if start == 0:
            await self._threads(self._uploads.restart, project, digest)
        offset = await self._take(project, digest, start, receive)
        if end is not None and offset != end + 1:
            raise InvalidArgument(
                f"{offset - start} bytes arrived, but Content-Range announced {end + 1 - start}.",
                reason="BAD_RANGE",
            )
        if total is not None and offset < total:
            await respond(send, 202, [(b"upload-offset", str(offset).encode())], b"")
            return
        await self._threads(self._uploads.finish, project, digest)
        await respond_json(send, 201, {"sha256": digest, "size": offset})

    async def _take(self, project: str, digest: str, offset: int, receive: Receive) -> int:
        """Write what comes; what has come stays when the caller goes away."""
        pending: list[bytes] = []
        while True:
            message = await receive()
            pending.append(message.get("body", b""))
            ended = message["type"] == "http.disconnect" or not message.get("more_body")
            if ended or sum(map(len, pending)) >= _PIECE:
                offset = await self._threads(self._uploads.append, project, digest, offset, b"".join(pending))
                pending.clear()
            if message["type"] == "http.disconnect":
                raise ClientGone
            if ended:
                return offset

    async def _head(self, digest: str, scope: Scope, _receive: Receive, send: Send) -> None:
        """200 with the size of a whole blob; 204 with `upload-offset` for one that is not whole (yet)."""
        project = self._admission.caller(bearer(scope), Role.VIEWER).project
        size = await self._threads(self._uploads.size, project, digest)
        if size is None:
            offset = await self._threads(self._uploads.offset, project, digest)
            headers = [(b"upload-offset", str(offset).encode())]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
        else:
            headers = [(b"content-length", str(size).encode()), (b"upload-offset", str(size).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _get(self, digest: str, scope: Scope, _receive: Receive, send: Send) -> None:
        project = self._admission.caller(bearer(scope), Role.VIEWER).project
        size = await self._threads(self._uploads.size, project, digest)
        if size is None:
            whose = "" if project == ANY_PROJECT else f" in projects/{project}"
            raise NotFound(f"There is no blob {digest}{whose}.", reason="ARTIFACT_NOT_FOUND")
        start, end = _range(scope, size)
        partial = (start, end) != (0, size)
        headers = [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", str(end - start).encode()),
        ]
        headers += [(b"content-range", f"bytes {start}-{end - 1}/{size}".encode())] if partial else []
        await send({"type": "http.response.start", "status": 206 if partial else 200, "headers": headers})
        while start < end:
            piece = await self._threads(self._uploads.read, digest, start, min(_PIECE, end - start))
            start += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _content_range(scope: Scope) -> tuple[int, int | None, int | None]:
    """Start, last byte and total; the last two are None for a whole file."""
    text = header(scope, b"content-range").decode("latin-1")
    if not text:
        return 0, None, None
    found = _CONTENT_RANGE.fullmatch(text)
    if found is None or int(found[1]) > int(found[2]) or int(found[2]) >= int(found[3]):
        raise InvalidArgument(f"Content-Range {text!r} must look like `bytes 0-99/250`.", reason="BAD_RANGE")
    return int(found[1]), int(found[2]), int(found[3])


def _range(scope: Scope, size: int) -> tuple[int, int]:
    """First byte and end (exclusive) of what is asked."""
    text = header(scope, b"range").decode("latin-1")
    if not text:
        return 0, size
    found = _RANGE.fullmatch(text)
    if found is None or int(found[1]) >= size:
        raise InvalidArgument(
            f"Range {text!r} is not within the {size} bytes of the blob.", reason="BAD_RANGE"
        )
    end = int(found[2]) + 1 if found[2] else size
    return int(found[1]), min(end, size)
