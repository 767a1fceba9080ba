"""Traffic segments in the artifact store: JSON lines, zstd.

The senders of requests decide what a row contains, so each row is read for itself: one that cannot be read is given
back as unreadable with its fault, and the others count.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Role, Turn
from ratoon.tasks.text import encodable, is_encodable
from ratoon_flywheel.application.ports import Rewritten
from ratoon_flywheel.domain.errors import BadSegment
from ratoon_flywheel.domain.signals.traffic import Exchange, RowFault, Shadowed, UnreadableRow, holds_text

MAX_ROW_BYTES = 32 << 20
MAX_SEGMENT_BYTES = 256 << 20
"""Bytes of a segment when unpacked. Gateways close segments at 1 MiB and wait for the answers under way."""
_OK, _SHADOW = 200, 202
_MAX_NAME = 400
_MAX_NUMBER = 1e9
_MAX_METADATA, _MAX_METADATA_CHARS = 16, 64
_ROLES = {"developer": Role.SYSTEM.value, "function": Role.TOOL.value}
"""Roles of the chat API under the names that records have."""
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class _Unreadable(Exception):
    """A row has this fault."""

    def __init__(self, fault: RowFault) -> None:
        super().__init__(fault)
        self.fault = fault


class ArtifactSegments:
    """Reads what gateways wrote, writes what is exported."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def read(self, digest: str) -> Iterator[Exchange | UnreadableRow]:
        """Yield the rows of a segment in their order, each as what it is; BadSegment when it is no segment."""
        for number, line in enumerate(self._lines(digest), 1):
            yield _row(number, line)

    def write(self, lines: Iterable[bytes]) -> str:
        """Store lines as one blob; its digest."""
        return self._artifacts.put_bytes(b"".join(lines))

    def export(self, project: str, lines: Iterable[bytes]) -> str:
        """Store lines as one blob that belongs to a project, named by its id; return its digest."""
        digest = self.write(lines)
        self._artifacts.grant(project, digest)
        return digest

    def delete(self, digest: str) -> None:
        """Remove a segment; none there is no error."""
        self._artifacts.delete(digest)

    def exists(self, digest: str) -> bool:
        """Whether a segment's blob is there."""
        return self._artifacts.exists(digest)

    def without(self, digest: str, text_digests: Sequence[str], free_text: bool = False) -> Rewritten:
        """Write a segment again without the rows that may hold these texts, answers in free text among them."""
        gone, left, answer_ids = frozenset(text_digests), 0, []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "segment")
            with path.open("wb") as raw, zstandard.ZstdCompressor().stream_writer(raw) as packing:
                for line in self._whole_lines(digest):
                    row = _row(0, line)
                    if not holds_text(row, gone, free_text):
                        packing.write(line.rstrip(b"\n") + b"\n")
                        left += 1
                    elif isinstance(row, Exchange):
                        answer_ids.append(row.answer_id)
            return Rewritten(self._artifacts.put_file(path), left, tuple(answer_ids))

    def erase(self, digest: str, why: str) -> None:
        """Remove a segment's blob for good; later reads fail with this reason."""
        self._artifacts.erase(digest, why)

    def _whole_lines(self, digest: str) -> Iterator[bytes]:
        """Yield the lines of what may be no segment any more: then there are none."""
        try:
            yield from (line for line in self._lines(digest) if isinstance(line, bytes))
        except BadSegment:
            return

    def _lines(self, digest: str) -> Iterator[bytes | RowFault]:
        """Yield each line of a segment, or why there is none in its place."""
        with self._artifacts.open(digest) as raw:
            if raw.read(len(_ZSTD_MAGIC)) != _ZSTD_MAGIC:
                raise BadSegment(
                    f"Artifact {digest} is not a traffic segment: a segment is JSON lines, compressed by "
                    "zstd.",
                    "traffic_segment.digest",
                )
        with self._artifacts.open(digest) as raw:
            unpacking = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
            with unpacking, BufferedReader(unpacking, 1 << 16) as plain:
                yield from _bounded_lines(plain)


def _bounded_lines(plain: BinaryIO) -> Iterator[bytes | RowFault]:
    size = 0
    try:
        while line := plain.readline(MAX_ROW_BYTES):
            size += len(line)
            if size > MAX_SEGMENT_BYTES:
                yield RowFault.TOO_LARGE
                return
            if len(line) == MAX_ROW_BYTES and not line.endswith(b"\n"):
                yield RowFault.TOO_LARGE
                size += _skip_line(plain, MAX_SEGMENT_BYTES - size)
            elif not line.isspace():
                yield line
    except zstandard.ZstdError:
        yield RowFault.DAMAGED


def _skip_line(plain: BinaryIO, max_bytes: int) -> int:
    """Read to the end of a line, at most `max_bytes`; return the number of bytes."""
    skipped = 0
    while skipped <= max_bytes and (rest := plain.readline(1 << 20)):
        skipped += len(rest)
        if rest.endswith(b"\n"):
            break
    return skipped


def _row(number: int, line: bytes | RowFault) -> Exchange | UnreadableRow:
    if isinstance(line, RowFault):
        return UnreadableRow(number, line)
    try:
        return _exchange(_object(line))
    except _Unreadable as error:
        return UnreadableRow(number, error.fault)


def _object(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8", "replace").removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        raise _Unreadable(RowFault.NOT_JSON) from None
    if not isinstance(row, dict):
        raise _Unreadable(RowFault.NOT_AN_EXCHANGE)
    return row


def _exchange(row: dict[str, Any]) -> Exchange:
    messages, status = row.get("messages"), row.get("status")
    if not isinstance(messages, list) or not isinstance(status, int):
        raise _Unreadable(RowFault.NOT_AN_EXCHANGE)
    valid = [message for message in messages if isinstance(message, dict)]
    question = next((m for m in reversed(valid) if m.get("role") == "user"), {})
    others = (_text_of(message.get("content")) for message in valid if message is not question)
    answer = row.get("answer")
    return Exchange(
        _name(row.get("answer_id")),
        _time(row.get("time")),
        _name(row.get("deployment")),
        _name(row.get("version")),
        _text_of(question.get("content")),
        encodable(answer) if isinstance(answer, str) else "",
        status == _OK,
        tuple(filter(None, dict.fromkeys(others))),
        _string(row.get("user")),
        tuple(map(_turn, valid)),
        _json_list(row.get("tools")),
        _string(row.get("session")),
        None if status == _OK else _shadowed(row),
        _number(row.get("latency_ms")),
        int(_number(row.get("completion_tokens"))),
        _metadata(row.get("metadata")),
        _probability(row.get("confidence")),
    )


def _shadowed(row: dict[str, Any]) -> Shadowed | None:
    """Return the answer that the caller got; None if this is it, or the row does not name it."""
    try:
        answer_id, version = _name(row.get("shadow_of")), _name(row.get("live_version"))
    except _Unreadable:
        return None
    tokens = int(_number(row.get("live_completion_tokens")))
    return Shadowed(
        answer_id, version, _number(row.get("live_latency_ms")), tokens, row.get("status") == _SHADOW
    )


def _metadata(value: object) -> dict[str, str]:
    """Return names and values by which traffic can be divided; what is too long or cannot be printed is left out."""
    pairs = value.items() if isinstance(value, dict) else ()
    sound = [(name, each) for name, each in pairs if _is_short(name) and _is_short(each)]
    return dict(sound[:_MAX_METADATA])


def _is_short(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_METADATA_CHARS and value.isprintable()


def _number(value: object) -> float:
    """Return a count or a time; 0 for anything that cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 <= value <= _MAX_NUMBER else 0.0


def _probability(value: object) -> float | None:
    """Return a probability; None for anything that cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 1 else None


def _turn(message: dict[str, Any]) -> Turn:
    role = _string(message.get("role"))
    return Turn(
        _ROLES.get(role, role),
        _text_of(message.get("content")),
        _json_list(message.get("tool_calls")),
        encodable(_string(message.get("tool_call_id"))),
        encodable(_string(message.get("name"))),
        encodable(_string(message.get("reasoning_content"))),
    )


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _json_list(value: object) -> str:
    """Return a list as JSON; empty for an empty list and for all else."""
    if not isinstance(value, list) or not value:
        return ""
    return encodable(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise _Unreadable(RowFault.NOT_AN_EXCHANGE)
    if not 0 < len(value) <= _MAX_NAME or not value.isprintable() or not is_encodable(value):
        raise _Unreadable(RowFault.BAD_ID)
    return value


def _time(value: object) -> datetime:
    if not isinstance(value, str):
        raise _Unreadable(RowFault.BAD_TIME)
    try:
        time = datetime.fromisoformat(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Unreadable(RowFault.BAD_TIME) from None


def _text_of(content: object) -> str:
    """Return the text of a message's content; parts that are no text are left out."""
    if isinstance(content, str):
        return encodable(content)
    if not isinstance(content, list):
        return ""
    return "\n".join(encodable(text) for text in map(_text_of_part, content) if text is not None)


def _text_of_part(part: object) -> str | None:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type") not in ("text", "input_text"):
        return None
    text = part.get("text")
    return text if isinstance(text, str) else None
