"""Captured traffic on its way to the artifact store: lines in a spool file, then a compressed blob.

Ids are handed out and answers taken on the event loop; a thread writes and compresses a few times a second, so that
it does not compete with an answer that is just going out. Each open segment has a file of lines and a counter of the
answers begun, both in the page cache at once: a killed process loses what the thread had not written yet, a power cut
the open segments, and the counter says how many. It knows no flywheel.
"""

import errno
import logging
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from io import FileIO
from pathlib import Path

import zstandard
from prometheus_client import CollectorRegistry, Counter

from ratoon.process.clock import Clock
from ratoon.process.files import write_json
from ratoon.process.loop import BackgroundLoop
from ratoon.security.answers import AnswerIds
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.names import uuid7
from ratoon_gateway.adapters.metrics import token_counter
from ratoon_gateway.application.ports import Usage
from ratoon_gateway.domain.capture import Answer, Answered, exchanges, line, read_answer
from ratoon_gateway.domain.keys import Used
from ratoon_gateway.domain.segments import ClosedSegment, Segment

_LOG = logging.getLogger(__name__)
_MAX_QUEUED_BYTES = 64 << 20
_TICK_S = 0.25
_RETRY_S = 10.0
_COUNTER = struct.Struct("<Q")


@dataclass(slots=True, eq=False)
class _Spooled:
    """An open segment and its counter in the spool."""

    segment: Segment
    counter: mmap.mmap

    def count(self, change: int) -> None:
        """Add to the number of begun answers."""
        self.segment.begun += change
        _COUNTER.pack_into(self.counter, 0, self.segment.begun)


@dataclass(frozen=True)
class _Ended:
    """A segment that takes no more, on its way into the artifact store."""

    id: str
    deployment: str
    start: str
    begun: int

    @staticmethod
    def of(segment: Segment) -> "_Ended":
        """Return the segment in its present state, without answers still under way."""
        begun = segment.begun - segment.under_way
        return _Ended(segment.id, segment.deployment, segment.start.isoformat(), begun)

    @property
    def head(self) -> bytes:
        """Return the bytes before the lines in the spool."""
        return f"{self.deployment}\n{self.start}\n".encode()


class SegmentCapture:
    """The gateway's capture; `start` recovers what an earlier process left in the spool."""

    def __init__(
        self,
        spool: Path,
        artifacts: ArtifactStore,
        ids: AnswerIds,
        usage: Usage,
        clock: Clock,
        closed: Callable[[], None],
        tokens: Counter | None = None,
        metadata_names: Sequence[str] = (),
    ) -> None:
        self._metadata_names = tuple(metadata_names)
        self._spool, self._artifacts, self._ids = spool, artifacts, ids
        self._tokens = tokens or token_counter(CollectorRegistry())
        self._usage, self._clock, self._closed = usage, clock, closed
        self._open: dict[str, _Spooled] = {}
        self._begun: dict[str, _Spooled] = {}
        self._sealed: list[_Spooled] = []
        self._queued: list[tuple[Segment, Answered]] = []
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._files: dict[str, FileIO] = {}
        self._ended: list[_Ended] = []
        self._finish_at = 0.0
        self._loop = BackgroundLoop("capture", self._step, first_delay_s=_TICK_S, final=self._last_tick)

    def start(self) -> None:
        """Close what an earlier process left, and begin to write."""
        self._spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in sorted(self._spool.glob("*.lines")):
            self._recover(path)
        self._loop.start()

    def stop(self) -> None:
        """Close every segment; returns when they are in the artifact store, or left in the spool for the next start."""
        self._loop.stop(30.0)

    def begin(self, deployment: str, version: str) -> str:
        """Return a new answer id; its segment is opened if there is none."""
        with self._lock:
            spooled = self._open.get(deployment)
            if spooled is None or spooled.segment.is_full(self._clock.monotonic()):
                spooled = self._next_segment(deployment)
            spooled.count(+1)
            spooled.segment.under_way += 1
            answer_id = self._ids.mint(version, spooled.segment.name)
            self._begun[answer_id] = spooled
        return answer_id

    def keep(self, answered: Answered) -> None:
        """Note the answer for its segment, or for the open one if that has closed; beyond the bound it is lost."""
        size = answered.request.size + len(answered.raw)
        with self._lock:
            spooled = self._begun.pop(answered.answer_id)
            if spooled not in self._sealed and spooled is not self._open.get(answered.deployment):
                spooled = self._open.get(answered.deployment) or self._next_segment(answered.deployment)
                spooled.count(+1)
            else:
                spooled.segment.under_way -= 1
            if self._queued_bytes > _MAX_QUEUED_BYTES:
                return
            self._queued_bytes += size
            spooled.segment.size += size
            self._queued.append((spooled.segment, answered))

    def forget(self, answer_id: str) -> None:
        """Drop an answer id that has no answer."""
        with self._lock:
            spooled = self._begun.pop(answer_id)
            if spooled in self._sealed or spooled is self._open.get(spooled.segment.deployment):
                spooled.count(-1)
                spooled.segment.under_way -= 1

    def _next_segment(self, deployment: str) -> _Spooled:
        self._seal(lambda segment: segment.deployment == deployment)
        segment = Segment(str(uuid7()), deployment, self._clock.monotonic(), self._clock.now())
        spooled = self._open[deployment] = _Spooled(segment, self._counter(segment))
        return spooled

    def _counter(self, segment: Segment) -> mmap.mmap:
        """The segment's counter in the spool; in memory alone while the spool cannot be written: answers go on."""
        try:
            with (self._spool / f"{segment.id}.lines").open("wb", buffering=0) as sink:
                _append(sink, _Ended.of(segment).head)
            with (self._spool / f"{segment.id}.count").open("wb+", buffering=0) as counter:
                _append(counter, bytes(_COUNTER.size))
                return mmap.mmap(counter.fileno(), _COUNTER.size)
        except OSError as error:
            _LOG.error(
                "the spool of captured traffic cannot be written (%s); a crash now would lose more of it",
                error,
            )
            return mmap.mmap(-1, _COUNTER.size)

    def _seal(self, selects: Callable[[Segment], bool]) -> None:
        """Seal these segments: no more answers begin in them."""
        for deployment, spooled in list(self._open.items()):
            if selects(spooled.segment):
                spooled.segment.sealed_at = self._clock.monotonic()
                self._sealed.append(self._open.pop(deployment))

    def _step(self) -> float:
        self._tick(lambda segment, now: segment.is_full(now), lambda segment, now: segment.may_close(now))
        return _TICK_S

    def _last_tick(self) -> None:
        self._tick(lambda _segment, _now: True, lambda _segment, _now: True)

    def _tick(self, full: Callable[[Segment, float], bool], over: Callable[[Segment, float], bool]) -> None:
        """Write queued answers, seal full segments, finish those that are over."""
        now = self._clock.monotonic()
        with self._lock:
            self._seal(lambda segment: full(segment, now))
            ending = [spooled.segment for spooled in self._sealed if over(spooled.segment, now)]
            self._sealed = [spooled for spooled in self._sealed if spooled.segment not in ending]
            queued, self._queued, self._queued_bytes = self._queued, [], 0
        for segment, answered in queued:
            self._attempt(segment.id, partial(self._write, segment, answered))
            time.sleep(0)  # the event loop may want to go on
        self._ended += [_Ended.of(segment) for segment in ending]
        if now >= self._finish_at or self._loop.stopping:
            self._ended = [
                ended for ended in self._ended if not self._attempt(ended.id, partial(self._finish, ended))
            ]
            self._finish_at = now + (_RETRY_S if self._ended else 0.0)

    def _attempt(self, segment_id: str, work: Callable[[], None]) -> bool:
        """Run a step; return False and log where it failed."""
        try:
            work()
        except Exception:
            _LOG.exception("captured traffic of segment %s could not be written", segment_id)
            return False
        return True

    def _write(self, segment: Segment, answered: Answered) -> None:
        what = read_answer(answered.raw, answered.request.stream)
        if answered.shadow_of is None:
            self._charge(answered, what)
        rows: list[bytes] = []
        for messages, each in exchanges(answered) if answered.request.is_stored else ():
            answer_id = self._ids.mint(answered.version, segment.name) if rows else answered.answer_id
            rows.append(line(answered, answer_id, messages, each, self._metadata_names))
        if len(rows) != 1:
            self._recount(segment, len(rows) - 1)
        for row in rows:
            _append(self._lines_of(segment), row)

    def _charge(self, answered: Answered, what: Answer) -> None:
        """Count the tokens for the API key and in the metrics."""
        self._usage.add(answered.key, Used(1, what.prompt_tokens, what.completion_tokens, answered.time))
        self._tokens.labels(answered.deployment, answered.version, "prompt").inc(what.prompt_tokens)
        self._tokens.labels(answered.deployment, answered.version, "completion").inc(what.completion_tokens)

    def _recount(self, segment: Segment, change: int) -> None:
        """Note that an answer becomes several exchanges, or none: a prompt without text, or not to be stored."""
        with self._lock:
            spooled = self._spooled(segment)
            if spooled is not None:
                spooled.count(change)
            else:
                segment.begun += change

    def _spooled(self, segment: Segment) -> _Spooled | None:
        return next((each for each in [*self._open.values(), *self._sealed] if each.segment is segment), None)

    def _lines_of(self, segment: Segment) -> FileIO:
        """The segment's file, unbuffered: what was written outlives the process."""
        if segment.id not in self._files:
            sink = (self._spool / f"{segment.id}.lines").open("ab", buffering=0)
            if not sink.tell():
                _append(sink, _Ended.of(segment).head)
            self._files[segment.id] = sink
        return self._files[segment.id]

    def _recover(self, path: Path) -> None:
        counter = path.with_suffix(".count")
        begun = _COUNTER.unpack(counter.read_bytes())[0] if counter.exists() else 0
        deployment, _, rest = path.read_text(errors="replace").partition("\n")
        start, separator, _ = rest.partition("\n")
        if not separator:  # nothing was ever written, not even its head
            path.unlink()
            counter.unlink(missing_ok=True)
            return
        self._ended.append(_Ended(path.stem, deployment, start, begun))

    def _finish(self, ended: "_Ended") -> None:
        """Put the lines into the artifact store and note that the segment waits to be announced."""
        path = self._spool / f"{ended.id}.lines"
        if sink := self._files.pop(ended.id, None):
            sink.close()
        written = path.read_bytes() if path.exists() else b""
        lines = written.removeprefix(ended.head).split(b"\n")
        rows = [row + b"\n" for row in lines[:-1]]  # what follows the last newline was never finished
        if rows or ended.begun > 0:
            digest = self._artifacts.put_bytes(zstandard.compress(b"".join(rows)))
            closed = ClosedSegment(
                f"projects/{ended.deployment.split('/')[1]}/trafficSegments/{ended.id}",
                ended.deployment,
                digest,
                len(rows),
                ended.start,
                self._clock.now().isoformat(),
                max(0, ended.begun - len(rows)),
            )
            write_json(self._spool / f"{ended.id}.json", asdict(closed))
        path.unlink(missing_ok=True)
        path.with_suffix(".count").unlink(missing_ok=True)
        self._closed()


def _append(sink: FileIO, data: bytes) -> None:
    """Write all of it, or nothing: a full disk leaves no torn line behind."""
    place = sink.tell()
    if sink.write(data) != len(data):
        sink.truncate(place)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
