"""One mbox file: mails that each begin with a line `From …` after a blank line (or at the start)."""

from collections.abc import Iterator

from ratoon.chassis.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.readers.items import Item, Kind, Limits, Rejection, SourceSpec
from ratoon_ingestion.worker.readers.lines import bounded_lines


def read_mbox(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Iterator[Item | Rejection]:
    """The mails of an mbox, numbered from 1; `>From ` at a line's start is undone."""
    number, size, after_blank, lines = 0, 0, True, list[bytes]()
    with store.open(source.digest) as stream:
        for line in bounded_lines(stream, limits.item_bytes):
            if after_blank and line.data.startswith(b"From ") and not line.cut:
                if size:
                    number += 1
                    yield _mail(number, lines, size, limits)
                size, lines = 0, []
            if not size and not line.data:
                continue  # blank lines before a mail are no part of it
            size += line.size + 1
            if size <= limits.item_bytes:
                lines.append(line.data[1:] if line.data.startswith(b">From ") else line.data)
            after_blank = not line.data
    if size:
        yield _mail(number + 1, lines, size, limits)


def _mail(number: int, lines: list[bytes], size: int, limits: Limits) -> Item | Rejection:
    path = f"mail-{number}"
    if size > limits.item_bytes:
        return Rejection(path, Rejected.TOO_LARGE, f"{size} bytes")
    return Item(path, Kind.MAIL, b"\n".join(lines) + b"\n")
