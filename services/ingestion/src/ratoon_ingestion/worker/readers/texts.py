"""One text file: each line, each paragraph or the whole of it is an item. Blank lines are no items."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import SampleBy
from ratoon_ingestion.worker.readers.encodings import opened
from ratoon_ingestion.worker.readers.items import Item, Kind, Limits, Rejection, SourceSpec
from ratoon_ingestion.worker.readers.lines import TextLine, text_lines
from ratoon_ingestion.worker.readers.tables import with_charset

_WHOLE = (SampleBy.DOCUMENT, SampleBy.PAGE)
"""Text files have no pages."""


def read_text(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Iterator[Item | Rejection]:
    """The items of a text file of any charset, each named by its first line."""
    with opened(source, store, limits) as (stream, encoding):
        for sample in _samples(text_lines(stream, limits.item_bytes), source.sample_by, limits.item_bytes):
            yield with_charset(sample.entry(limits), encoding, sample.lost)


@dataclass
class _Sample:
    """Lines of one item, as many as may be kept."""

    number: int
    size: int = 0
    lost: int = 0
    cut: bool = False
    texts: list[str] = field(default_factory=list)

    def add(self, line: TextLine, max_bytes: int) -> None:
        """One line more."""
        self.size += len(line.text.encode("utf-8", errors="replace"))
        self.lost += line.lost
        self.cut = self.cut or line.cut or self.size > max_bytes + 2  # the line end is no part of a line
        if self.cut:
            self.texts.clear()
        else:
            self.texts.append(line.text)

    def entry(self, limits: Limits) -> Item | Rejection:
        """The lines as an item, without the line end of the last one."""
        path = f"line-{self.number}"
        text = "".join(self.texts)
        payload = text.removesuffix("\n").removesuffix("\r").encode("utf-8", errors="replace")
        if self.cut or len(payload) > limits.item_bytes:
            return Rejection(path, Rejected.TOO_LARGE, f"more than {limits.item_bytes} bytes")
        return Item(path, Kind.CELL, payload)


def _samples(lines: Iterator[TextLine], sample_by: SampleBy, max_bytes: int) -> Iterator[_Sample]:
    sample: _Sample | None = None
    blanks: list[TextLine] = []
    for line in lines:
        if not line.cut and not line.text.strip():
            if sample is not None and sample_by in _WHOLE:
                blanks.append(line)
            elif sample is not None:
                yield sample
                sample = None
            continue
        if sample is not None and sample_by is SampleBy.LINE:
            yield sample
            sample = None
        sample = sample or _Sample(line.number)
        for each in (*blanks, line):
            sample.add(each, max_bytes)
        blanks.clear()
    if sample is not None:
        yield sample
