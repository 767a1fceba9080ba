"""Lines of a blob within bounds: a line of any length costs no more memory than the bound."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

_CHUNK = 1 << 20
_REPLACED = "\ufffd".encode()


@dataclass(frozen=True)
class Line:
    """One line: number from 1, bytes without the line end, whole size (above that of `data` when cut)."""

    number: int
    data: bytes
    size: int

    @property
    def cut(self) -> bool:
        """Whether the line was longer than the bound."""
        return self.size > len(self.data)


@dataclass(frozen=True)
class TextLine:
    """One line of a text: number from 1, the text with its line end, whether it was longer than the bound, and how many
    characters could not be decoded.
    """

    number: int
    text: str
    cut: bool = False
    lost: int = 0


def bounded_lines(stream: BinaryIO, limit: int) -> Iterator[Line]:
    """The lines of a stream; only the start of those longer than `limit` bytes."""
    reader = io.BufferedReader(cast(io.RawIOBase, stream), _CHUNK)
    number = 0
    try:
        while start := reader.readline(limit + 2):
            number += 1
            size, end = len(start), start
            while not end.endswith(b"\n") and (more := reader.readline(_CHUNK)):
                size, end = size + len(more), more
            content = size - (len(end) - len(end.rstrip(b"\r\n")))
            yield Line(number, start[: min(content, limit)], content)
    finally:
        if not stream.closed:
            reader.detach()  # the stream is its opener's to close


def text_lines(stream: BinaryIO, limit: int) -> Iterator[TextLine]:
    """The lines of a UTF-8 stream, each ended by LF, CR LF or CR alone.

    A byte order mark at the start is left out, what is no UTF-8 is replaced. Of lines longer than `limit` bytes only
    the start is kept.
    """
    for number, (data, cut) in enumerate(_raw_lines(stream, limit), 1):
        if number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        text = data.decode("utf-8", errors="replace")
        yield TextLine(number, text, cut, text.count("\ufffd") - data.count(_REPLACED))


def _raw_lines(stream: BinaryIO, limit: int) -> Iterator[tuple[bytes, bool]]:
    """Lines with their ends, and whether they were cut."""
    rest, cut, more = b"", False, True
    while more:
        chunk, more = _piece(stream)
        lines = (rest + chunk).splitlines(keepends=True)
        # What may go on in the next chunk waits: a line without an end, and a CR that an LF may follow.
        rest = lines.pop() if more and lines and not lines[-1].endswith(b"\n") else b""
        for line in lines:
            yield line[:limit], cut or len(line.rstrip(b"\r\n")) > limit
            cut = False
        if len(rest) > limit + 1:
            rest, cut = rest[:limit] + (b"\r" if rest.endswith(b"\r") else b""), True


def _piece(stream: BinaryIO) -> tuple[bytes, bool]:
    """The next bytes, to the end of a line or so many that a long line is put together in few steps; whether more come.

    A stream may return less than requested.
    """
    pieces, size = list[bytes](), 0
    while size < _CHUNK:
        chunk = stream.read(_CHUNK)
        if not chunk:
            return b"".join(pieces), False
        pieces.append(chunk)
        size += len(chunk)
        if b"\n" in chunk:
            break
    return b"".join(pieces), True
