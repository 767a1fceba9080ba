"""One mbox file: mails that each begin with a postmark, a line `From `, an address and a date.

A postmark stands before a header (or at the start of the file). Other lines that begin with `From ` are text, for many
writers do not escape them. One `>` is taken off `>From `, `>>From `, … (the rule of mboxrd).
"""

import io
import re
from collections.abc import Iterator
from dataclasses import replace

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.readers.items import Item, Kind, Limits, Rejection, SourceSpec, check_encoding
from ratoon_ingestion.worker.readers.lines import Line, bounded_lines

_POSTMARK = re.compile(
    rb"From (?:\S+|.{0,200}@.{0,200})\s+"
    rb"(?:(?:mon|tue|wed|thu|fri|sat|sun)\w*,?\s+)?"
    rb"(?:(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*\s+\d{1,2}"
    rb"|\d{1,2}[ -](?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*(?:[ -]\d{2,4})?|\d{4}-\d\d-\d\d)"
    rb"[ T,]+(?:.{0,20}\d{1,2}:\d\d|\d{4}\s*$)",
    re.IGNORECASE,
)
_HEADER = re.compile(rb"[!-9;-~]{1,76}[ \t]*:|>From ")
_ESCAPED = re.compile(rb">+From ")
_LONGEST_POSTMARK = 1_000
_SEVERAL = 2
_BOM = b"\xef\xbb\xbf"


def read_mbox(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Iterator[Item | Rejection]:
    """The mails of an mbox, numbered from 1."""
    check_encoding(source)
    number = 0
    with store.open(source.digest) as stream:
        for mail in _mails(bounded_lines(stream, limits.item_bytes), limits):
            number += 1
            yield mail.entry(number, limits)


def mails_within(item: Item, limits: Limits) -> Iterator[Item | Rejection]:
    """The mails of a file in an archive, should it be an mbox of several; else the item as it is."""
    if not _POSTMARK.match(item.payload[:_LONGEST_POSTMARK]):
        yield item
        return
    mails = list(_mails(bounded_lines(io.BytesIO(item.payload), limits.item_bytes), limits))
    if len(mails) < _SEVERAL:
        yield item
        return
    for number, mail in enumerate(mails, 1):
        entry = mail.entry(number, limits)
        path = f"{item.path}/{entry.path}"
        if isinstance(entry, Item):
            yield replace(entry, path=path, label=item.label)
        else:
            yield replace(entry, path=path)


class _Mail:
    """The lines of one mail, as many as may be kept."""

    def __init__(self) -> None:
        self.size = 0
        self._lines: list[bytes] = []

    def add(self, line: Line, limits: Limits) -> None:
        """One line more."""
        if not self.size and not line.data:
            return  # blank lines before a mail are no part of it
        self.size += line.size + 1
        if self.size <= limits.item_bytes:
            self._lines.append(line.data[1:] if _ESCAPED.match(line.data) else line.data)

    def entry(self, number: int, limits: Limits) -> Item | Rejection:
        """The mail as an item."""
        path = f"mail-{number}"
        if self.size > limits.item_bytes:
            return Rejection(path, Rejected.TOO_LARGE, f"{self.size} bytes")
        return Item(path, Kind.MAIL, b"\n".join(self._lines) + b"\n")


def _mails(lines: Iterator[Line], limits: Limits) -> Iterator[_Mail]:
    mail, postmark = _Mail(), None
    for line in lines:
        if line.number == 1 and line.data.startswith(_BOM):
            line = Line(1, line.data.removeprefix(_BOM), line.size - len(_BOM))
        if postmark is not None:
            if mail.size and _begins_a_mail(line):
                yield mail
                mail = _Mail()
            mail.add(postmark, limits)
            postmark = None
        if not line.cut and _POSTMARK.match(line.data):
            postmark = line
        else:
            mail.add(line, limits)
    if postmark is not None:
        mail.add(postmark, limits)
    if mail.size:
        yield mail


def _begins_a_mail(line: Line) -> bool:
    """Whether a line may follow a postmark: a header, or the blank line of a mail without any."""
    return not line.data or _HEADER.match(line.data) is not None
