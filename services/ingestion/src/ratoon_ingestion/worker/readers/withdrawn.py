"""Withdrawn items of a source: those that vanished from the place of its connection, or were replaced there."""

import json
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.readers.items import Item, Rejection, SourceSpec

MARK = "ratoon.item"
"""Field of a JSON object with the mark of the row or message that it was."""
WHOLE = ""
"""Entry of a list that stands for all items of the source."""


def marked(line: str, mark: str) -> str:
    """Return a JSON object in one line with a mark; nothing else of it changes."""
    body = line.rstrip()[:-1].rstrip()
    separator = "" if body.endswith("{") else ", "
    return f"{body}{separator}{json.dumps(MARK)}: {json.dumps(mark)}}}"


def without_withdrawn(
    source: SourceSpec, store: ArtifactStore, entries: Iterator[Item | Rejection]
) -> Iterator[Item | Rejection]:
    """Yield the entries of a source; its withdrawn items become rejections."""
    if not source.withdrawn:
        yield from entries
        return
    items: frozenset[str] = frozenset(json.loads(store.read(source.withdrawn)))
    for entry in entries:
        if isinstance(entry, Item) and _is_withdrawn(entry, items):
            yield Rejection(entry.path, Rejected.WITHDRAWN, "it vanished from the place of its connection")
        else:
            yield entry


def _is_withdrawn(item: Item, items: Collection[str]) -> bool:
    if WHOLE in items or item.mark in items:
        return True
    places = (item.path, *map(str, PurePosixPath(item.path).parents))
    return not item.mark and any(place in items for place in places)
