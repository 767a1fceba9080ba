"""Traffic segments in the artifact store: JSON lines, zstd."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import Any

import zstandard

from ratoon.chassis.artifacts import ArtifactStore
from ratoon_flywheel.domain.errors import BadSegment
from ratoon_flywheel.domain.signals.traffic import Exchange


class ArtifactSegments:
    """Reads what gateways wrote, writes what is exported."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def read(self, digest: str) -> Iterator[Exchange]:
        """The exchanges of a segment, in their order; BadSegment when it is none."""
        for row in self._rows(digest):
            try:
                yield _exchange(row)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise _bad(digest, error) from error

    def write(self, lines: Iterable[bytes]) -> str:
        """Store lines as one blob; its digest."""
        return self._artifacts.put_bytes(b"".join(lines))

    def delete(self, digest: str) -> None:
        """Remove a segment; none there is no error."""
        self._artifacts.delete(digest)

    def exists(self, digest: str) -> bool:
        """Whether a segment's blob is there."""
        return self._artifacts.exists(digest)

    def without(self, digest: str, answer_ids: Sequence[str]) -> str:
        """Write a segment again without these answers; the digest of what is left."""
        gone = set(answer_ids)
        left = (json.dumps(row) for row in self._rows(digest) if row.get("answer_id") not in gone)
        lines = "".join(f"{line}\n" for line in left)
        return self._artifacts.put_bytes(zstandard.compress(lines.encode()))

    def erase(self, digest: str, why: str) -> None:
        """Remove a segment's blob for good; who asks for it is told why."""
        self._artifacts.erase(digest, why)

    def _rows(self, digest: str) -> Iterator[dict[str, Any]]:
        """The lines of a segment."""
        try:
            with (
                self._artifacts.open(digest) as raw,
                zstandard.ZstdDecompressor().stream_reader(raw) as plain,
            ):
                yield from map(json.loads, TextIOWrapper(plain, encoding="utf-8"))
        except (zstandard.ZstdError, ValueError) as error:
            raise _bad(digest, error) from error


def _bad(digest: str, error: Exception) -> BadSegment:
    return BadSegment(f"Artifact {digest} is no traffic segment: {error}.", "digest")


def _exchange(row: dict[str, Any]) -> Exchange:
    return Exchange(
        str(row["answer_id"]),
        datetime.fromisoformat(row["time"]).astimezone(UTC),
        str(row["deployment"]),
        str(row["version"]),
        _question(row["messages"]),
        str(row["answer"]),
        int(row["status"]) == 200,
    )


def _question(messages: list[dict[str, Any]]) -> str:
    """What the last user message says; parts that are no text are left out."""
    asked = next((m["content"] for m in reversed(messages) if m.get("role") == "user"), "")
    if isinstance(asked, str):
        return asked
    return "\n".join(str(part.get("text", "")) for part in asked or () if part.get("type") == "text")
