"""Compressed bodies: gzip and deflate, within the same size limit as plain ones. It knows no route."""

import zlib
from collections.abc import Callable

from ratoon_gateway.domain.errors import BadRequest, BodyTooLarge, UnsupportedEncoding
from ratoon_gateway.domain.json_text import shortened

ACCEPTED = "gzip, deflate"
_MAX_ENCODINGS = 3
_GZIP, _ZLIB, _RAW = 31, 15, -15
"""Window bits of zlib for the three formats; `deflate` is sent in two of them."""


def unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Return the body that a `Content-Encoding` describes; UnsupportedEncoding, BadRequest, BodyTooLarge."""
    names = [name for part in encoding.lower().split(",") if (name := part.strip()) not in ("", "identity")]
    unknown = next((name for name in names if name not in _UNPACK), "")
    if unknown or len(names) > _MAX_ENCODINGS:
        raise UnsupportedEncoding(
            f"The body's content encoding {shortened(unknown or encoding, 40)!r} is not supported: send "
            f"the body uncompressed, or as one of {ACCEPTED}."
        )
    for name in reversed(names):
        body = _UNPACK[name](body, max_bytes)
    return body


def _gzip(body: bytes, max_bytes: int) -> bytes:
    """Return the content of all members of a gzip file."""
    pieces: list[bytes] = []
    left = max_bytes
    while body:
        piece, body = _member(body, _GZIP, "gzip", left)
        pieces.append(piece)
        left -= len(piece)
        body = body.lstrip(b"\0")
    return b"".join(pieces)


def _deflate(body: bytes, max_bytes: int) -> bytes:
    """Return the content of a zlib stream, as RFC 9110 has it, or of a raw one, as many callers send."""
    try:
        return _member(body, _ZLIB, "deflate", max_bytes)[0]
    except BadRequest:
        return _member(body, _RAW, "deflate", max_bytes)[0]


def _member(body: bytes, form: int, name: str, max_bytes: int) -> tuple[bytes, bytes]:
    """Return the content of one member, and what follows it."""
    reader = zlib.decompressobj(form)
    try:
        piece = reader.decompress(body, max_bytes + 1)
    except zlib.error:
        raise _broken(name) from None
    if len(piece) > max_bytes:
        raise BodyTooLarge(f"The body is larger than {max_bytes:,} bytes after decompression.")
    if not reader.eof:
        raise _broken(name)
    return piece, reader.unused_data


def _broken(name: str) -> BadRequest:
    return BadRequest(f"The body is not {name}, as its Content-Encoding says, or it is incomplete.")


_UNPACK: dict[str, Callable[[bytes, int], bytes]] = {"gzip": _gzip, "x-gzip": _gzip, "deflate": _deflate}
