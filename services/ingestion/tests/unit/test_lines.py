"""Lines of a stream that gives its bytes in pieces of any size."""

import io
from typing import BinaryIO

import pytest

from ratoon_ingestion.worker.readers import lines
from ratoon_ingestion.worker.readers.lines import TextLine, bounded_lines, text_lines


class Pieces(io.RawIOBase):
    """A stream that returns at most `max_bytes` at once."""

    def __init__(self, data: bytes, max_bytes: int) -> None:
        self._data, self._max_bytes = io.BytesIO(data), max_bytes

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._max_bytes if size < 0 else min(size, self._max_bytes))


DATA = "\ufeffone\r\ntwo\rthree\n\n中文四\r\r\n".encode() + b"x" * 50 + b"\r\n" + b"y" * 30


@pytest.mark.parametrize("max_bytes", [1, 2, 3, 5, 7, 64])
def test_lines_are_the_same_in_whatever_pieces_they_come(max_bytes):
    whole = list(text_lines(io.BytesIO(DATA), 20))
    assert [each.text for each in whole][:6] == ["one\r\n", "two\r", "three\n", "\n", "中文四\r", "\r\n"]
    assert [each.cut for each in whole] == [False] * 6 + [True, True]
    assert list(text_lines(Pieces(DATA, max_bytes), 20)) == whole


def test_a_long_line_is_put_together_in_few_steps(monkeypatch):
    """As a JSON array in one line is, of which a preview reads 8 KiB at once: in as many steps it took minutes."""
    pieces: list[int] = []

    def counted(stream: BinaryIO) -> tuple[bytes, bool]:
        line = piece(stream)
        pieces.append(len(line[0]))
        return line

    piece = lines._piece
    monkeypatch.setattr(lines, "_piece", counted)
    line = b"[" + b"1," * (2 << 20) + b"1]"
    assert list(text_lines(Pieces(line, 8 << 10), 8 << 20)) == [TextLine(1, line.decode())]
    assert len(pieces) <= 6


def test_a_stream_stays_open_for_its_opener():
    stream = io.BytesIO(b"a\nb")
    assert [line.data for line in bounded_lines(stream, 10)] == [b"a", b"b"]
    assert not stream.closed
