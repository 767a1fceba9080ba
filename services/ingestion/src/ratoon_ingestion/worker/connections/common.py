"""Common parts of the readers of connections: errors, credentials, positions, and the result as it grows."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.readers.items import Item, Rejection, SourceSpec
from ratoon_ingestion.worker.readers.sources import read_source

JSON = dict[str, Any]
_MAX_NOTES, _NOTE_CHARS = 20, 500
_MIN_SECRET_CHARS = 4
"""Characters from which a part of the credentials is hidden in messages; a shorter one hides half the words."""


class ReadingFailed(Exception):
    """A reading that cannot go on; the message says what to do."""

    code = "FAILED_PRECONDITION"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass
class Reading:
    """What a reading has given so far."""

    blobs: list[pb.ReadingResult.Blob] = field(default_factory=list)
    listed: int = 0
    taken: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    size_bytes: int = 0
    notes: list[str] = field(default_factory=list)
    more: bool = False
    vanished: int = 0
    withdrawn: list[pb.ReadingResult.Withdrawn] = field(default_factory=list)
    dead_letters: str = ""
    dead_letter_count: int = 0

    def note(self, sentence: str) -> None:
        """Add a sentence on what may be missing; further ones than the first are left out."""
        if len(self.notes) < _MAX_NOTES and (short := sentence[:_NOTE_CHARS]) not in self.notes:
            self.notes.append(short)

    def skip(self, reason: str, sentence: str, count: int = 1) -> None:
        """Count what is left out, and say so."""
        self.skipped[reason] += count
        self.note(sentence)

    def result(self, store: ArtifactStore, cursor: JSON, position: str) -> pb.ReadingResult:
        """Return the result with a new position, which is stored."""
        return pb.ReadingResult(
            blobs=self.blobs,
            cursor=put_cursor(store, cursor),
            position=position,
            listed=self.listed,
            taken=self.taken,
            skipped=dict(sorted(self.skipped.items())),
            size_bytes=self.size_bytes,
            notes=self.notes,
            more=self.more,
            vanished=self.vanished,
            withdrawn=self.withdrawn,
            dead_letters=self.dead_letters,
            dead_letter_count=self.dead_letter_count,
        )


def credentials_of(variable: str) -> JSON:
    """Return the credentials in an environment variable, a JSON object or else a password; {} for no variable."""
    if not variable:
        return {}
    text = os.environ.get(variable, "")
    if not text:
        raise ReadingFailed(
            "CREDENTIALS_MISSING",
            f"The environment variable {variable} is not set where data are read. Ask an operator to set it.",
        )
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"password": text}


def without_credentials(message: str, credentials: Mapping[str, Any]) -> str:
    """Return a message in which no part of the credentials stands."""
    for secret in sorted(_texts(credentials), key=len, reverse=True):
        if len(secret) >= _MIN_SECRET_CHARS:
            message = message.replace(secret, "***")
    return message


def _texts(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def cursor_of(store: ArtifactStore, digest: str) -> JSON:
    """Return a stored position; {} for the beginning."""
    value: JSON = json.loads(store.read(digest)) if digest else {}
    return value


def put_cursor(store: ArtifactStore, cursor: JSON) -> str:
    """Store a position; return its digest."""
    return store.put_bytes(json.dumps(cursor, sort_keys=True, separators=(",", ":")).encode())


def count_records(source: SourceSpec, store: ArtifactStore) -> tuple[int, int]:
    """Return how many items and rejections a blob holds; SourceUnreadable if it cannot be read to its end."""
    counts = Counter(type(entry) for entry in read_source(source, store))
    return counts[Item], counts[Rejection]
