"""`/v1/blobs/{sha256}`: files into and out of the artifact store, resumable, verified by their digest.

`PUT` takes a whole file, or with `Content-Range: bytes 0-99/250` a piece of it; the answer's header `upload-offset`
says where to resume, and so does `HEAD`. `GET` takes `Range: bytes=100-`.

A blob belongs to the project whose caller sent its bytes, or whose resources refer to it. For any other project it
does not exist, and the bytes of a PUT are read and verified whether the blob exists or not: a digest opens nothing.
"""

import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from ratoon.process.errors import InvalidArgument, NotFound, PermissionDenied
from ratoon.runtime.server import Threads
from ratoon.security.identity import ANY_PROJECT, Role
from ratoon_gateway.application.authenticator import Authenticator
from ratoon_gateway.application.ports import BlobStore
from ratoon_gateway.domain.digests import checked_digest
from ratoon_gateway.entrypoints.api import BEARER, EdgeRoute, refusals
from ratoon_gateway.entrypoints.asgi import ClientGone, Receive, bearer

_PATH = "/v1/blobs/{sha256:tail}"
_PIECE = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_OCTETS = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_OFFSET = {"upload-offset": {"description": "Bytes that are stored.", "schema": {"type": "integer"}}}
Digest = Annotated[
    str,
    Path(
        description="SHA-256 of the file, 64 hexadecimal digits.",
        json_schema_extra={"pattern": "^[0-9a-f]{64}$"},
    ),
]


class Blobs:
    """Stores and returns blobs."""

    def __init__(self, authenticator: Authenticator, uploads: BlobStore, threads: Threads) -> None:
        self._authenticator, self._uploads, self._threads = authenticator, uploads, threads

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(route_class=EdgeRoute, tags=["blobs"], dependencies=[BEARER])
        router.put(
            _PATH,
            operation_id="gateway.PutBlob",
            response_class=Response,
            status_code=201,
            response_description="The file is stored.",
            responses={
                202: {"description": "The piece is stored; further ones are missing.", "headers": _OFFSET},
                **refusals(has_body=True),
            },
            openapi_extra={"requestBody": {"required": True, "content": _OCTETS}},
        )(self.put)
        router.head(
            _PATH,
            operation_id="gateway.HeadBlob",
            response_class=Response,
            response_description="The whole file is stored.",
            responses={
                200: {"headers": _OFFSET},
                204: {"description": "The file is not, or not wholly stored.", "headers": _OFFSET},
                **refusals(),
            },
        )(self.head)
        router.get(
            _PATH,
            operation_id="gateway.GetBlob",
            response_class=Response,
            response_description="The file.",
            responses={
                200: {"content": _OCTETS},
                206: {"description": "The part that `Range` names.", "content": _OCTETS},
                **refusals(),
            },
        )(self.get)
        return router

    async def put(self, sha256: Digest, request: Request) -> Response:
        """Store a file.

        Send it whole, or in pieces with `Content-Range: bytes 0-99/250`. After an interruption `upload-offset` says
        where to resume. Role: engineer.
        """
        digest = self._digest(sha256, request)
        project = self._authenticator.caller(bearer(request.scope), Role.ENGINEER).project
        start, end, total = _content_range(request)
        if start == 0:
            await self._threads(self._uploads.restart, project, digest)
        offset = await self._store(project, digest, start, request.receive)
        if end is not None and offset != end + 1:
            raise InvalidArgument(
                f"{offset - start} bytes arrived, but Content-Range announced {end + 1 - start}.",
                reason="BAD_RANGE",
            )
        if total is not None and offset < total:
            return Response(status_code=202, headers={"upload-offset": str(offset)})
        await self._threads(self._uploads.finish, project, digest)
        return JSONResponse({"sha256": digest, "size": offset}, 201)

    async def head(self, sha256: Digest, request: Request) -> Response:
        """Check whether a file is stored, or how many bytes of it.

        Role: viewer.
        """
        digest = self._digest(sha256, request)
        project = self._authenticator.caller(bearer(request.scope), Role.VIEWER).project
        size = await self._threads(self._uploads.size, project, digest)
        if size is not None:
            return Response(headers={"content-length": str(size), "upload-offset": str(size)})
        offset = await self._threads(self._uploads.offset, project, digest)
        return Response(status_code=204, headers={"upload-offset": str(offset)})

    async def get(self, sha256: Digest, request: Request) -> Response:
        """Return a file, or the part of it that `Range: bytes=100-` names.

        Refused for blobs of dataset versions, test parts, label sets and predictions: create an export. Role: viewer;
        engineer for the data of sources.
        """
        digest = self._digest(sha256, request)
        caller = self._authenticator.caller(bearer(request.scope), Role.VIEWER)
        project = caller.project
        size = await self._threads(self._uploads.size, project, digest)
        if size is None:
            where = "" if project == ANY_PROJECT else f" in projects/{project}"
            raise NotFound(f"There is no blob {digest}{where}.", reason="ARTIFACT_NOT_FOUND")
        if await self._threads(self._uploads.is_sealed, project, digest):
            raise PermissionDenied(
                f"The blob {digest} holds records of sealed test parts, or reveals which records are in them. Create "
                "an export: of a dataset version without these records, or of the test part with `reader` and "
                "`purpose`.",
                reason="BLOB_SEALED",
            )
        if caller.role < Role.ENGINEER and await self._threads(self._uploads.is_restricted, project, digest):
            raise PermissionDenied(
                f"The blob {digest} is the data of a source, which needs the role engineer: use a key of that role, or "
                "ask an engineer for an export.",
                reason="BLOB_RESTRICTED",
            )
        start, end = _range(request, size)
        headers, status = {"content-length": str(end - start)}, 200
        if (start, end) != (0, size):
            headers["content-range"], status = f"bytes {start}-{end - 1}/{size}", 206
        return StreamingResponse(
            self._pieces(digest, start, end), status, headers, media_type="application/octet-stream"
        )

    def _digest(self, sha256: str, request: Request) -> str:
        """Return a well-formed digest, to callers with a key alone."""
        self._authenticator.principal(bearer(request.scope))
        return checked_digest(sha256)

    async def _store(self, project: str, digest: str, offset: int, receive: Receive) -> int:
        """Append the body; what has arrived stays when the caller goes away."""
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

    async def _pieces(self, digest: str, start: int, end: int) -> AsyncIterator[bytes]:
        while start < end:
            piece = await self._threads(self._uploads.read, digest, start, min(_PIECE, end - start))
            start += len(piece)
            yield piece


def _content_range(request: Request) -> tuple[int, int | None, int | None]:
    """Return start, last byte and total; the last two are None for a whole file."""
    text = request.headers.get("content-range", "")
    if not text:
        return 0, None, None
    match = _CONTENT_RANGE.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]) or int(match[2]) >= int(match[3]):
        raise InvalidArgument(f"Content-Range {text!r} must look like `bytes 0-99/250`.", reason="BAD_RANGE")
    return int(match[1]), int(match[2]), int(match[3])


def _range(request: Request, size: int) -> tuple[int, int]:
    """Return the first byte of the requested range and its end (exclusive)."""
    text = request.headers.get("range", "")
    if not text:
        return 0, size
    match = _RANGE.fullmatch(text)
    if match is None or int(match[1]) >= size:
        raise InvalidArgument(
            f"Range {text!r} is not within the {size} bytes of the blob.", reason="BAD_RANGE"
        )
    end = int(match[2]) + 1 if match[2] else size
    return int(match[1]), min(end, size)
