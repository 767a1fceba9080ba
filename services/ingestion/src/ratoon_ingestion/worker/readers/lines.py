"""Lines of a blob within bounds: a line of any length costs no more memory than the bound."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

_CHUNK = 1 << 20


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


def bounded_lines(stream: BinaryIO, limit: int) -> Iterator[Line]:
    """The lines of a stream; of those longer than `limit` bytes only the start is kept."""
    reader = io.BufferedReader(cast(io.RawIOBase, stream), _CHUNK)
    number = 0
    while start := reader.readline(limit + 2):
        number += 1
        size, end = len(start), start
        while not end.endswith(b"\n") and (more := reader.readline(_CHUNK)):
            size, end = size + len(more), more
        content = size - (len(end) - len(end.rstrip(b"\r\n")))
        yield Line(number, start[: min(content, limit)], content)
