"""Flywheel as the gateway knows it: delivers traffic segments with retries, and feedback synchronously."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import grpc
from prometheus_client import CollectorRegistry

from ratoon.events.foreign import ForeignEvent
from ratoon.flywheel.v1 import external_event_pb2, flywheel_service_pb2, signal_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.process.backoff import Backoff
from ratoon.process.clock import Clock
from ratoon.process.errors import AlreadyExists, Description, described
from ratoon.process.loop import BackgroundLoop
from ratoon_gateway import mapping
from ratoon_gateway.adapters.metrics import SET_ASIDE, WAITING, segment_metrics
from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.domain.feedback import Feedback
from ratoon_gateway.domain.segments import ClosedSegment

_LOG = logging.getLogger(__name__)
_POLL_S = 1.0
_AWAY_BACKOFF = Backoff(2.0, 15.0)
"""Delays while flywheel accepts nothing."""
_AWAY = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "ABORTED")
"""Flywheel takes nothing now: every segment waits."""
_REFUSALS = ("INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "FAILED_PRECONDITION", "OUT_OF_RANGE")
"""Flywheel will never take this segment as it is."""
_MAX_TRIES = 8
"""Attempts for a segment that makes flywheel fail before it is set aside."""
_FAILED_BACKOFF = Backoff(2.0, 60.0)
"""Delays between attempts with one segment."""


class FlywheelFeedback:
    """Hands feedback to flywheel; returns when it is committed there."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = FlywheelServiceStub(channel)  # type: ignore[no-untyped-call, unused-ignore]

    def give(self, feedback: Feedback) -> str:
        """The name of the stored feedback; Unavailable when flywheel could not commit it."""
        stored: signal_pb2.Feedback = self._stub.CreateFeedback(
            mapping.create_feedback(feedback), timeout=5.0
        )
        return stored.name


class FlywheelEvents:
    """Hands events of other systems to flywheel; returns when they are committed there."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = FlywheelServiceStub(channel)  # type: ignore[no-untyped-call, unused-ignore]

    def report(self, project: str, event: ForeignEvent) -> str:
        """The name of the stored event."""
        request = mapping.create_external_event(project, event)
        stored: external_event_pb2.ExternalEvent = self._stub.CreateExternalEvent(request, timeout=5.0)
        return stored.name


@dataclass(slots=True)
class _Tries:
    """The failures of one segment, and when it is tried again."""

    count: int = 0
    next_at: float = 0.0


class SegmentAnnouncer:
    """A thread that announces each closed segment in the spool to flywheel, until flywheel has it.

    A segment that flywheel refuses is set aside at once, one that makes it fail after some tries; none holds up those
    behind it. What was set aside is tried again at the next start: an upgrade may have mended the reason.
    """

    def __init__(self, spool: Path, channel: grpc.Channel, clock: Clock, metrics: CollectorRegistry) -> None:
        self._spool, self._clock = spool, clock
        self._stub = FlywheelServiceStub(channel)  # type: ignore[no-untyped-call, unused-ignore]
        self._tries: dict[str, _Tries] = {}
        self._failures = 0
        self._loop = BackgroundLoop(
            "segment-announcer", self._step, first_delay_s=_POLL_S, final=self._announce_all
        )
        self._refused = segment_metrics(metrics, spool)

    def wake(self) -> None:
        """A segment has closed; safe on any thread."""
        self._loop.wake()

    def start(self) -> None:
        """Begin to announce, with what an earlier process set aside."""
        for path in self._spool.glob(f"*{SET_ASIDE}"):
            path.replace(path.with_suffix(WAITING))
        self._loop.start()

    def stop(self) -> None:
        """Announce waiting segments once more; what flywheel does not accept now waits for the next start."""
        self._loop.stop(10.0)

    def _step(self) -> float:
        self._failures = 0 if self._announce_all() else self._failures + 1
        return _AWAY_BACKOFF.delay_s(self._failures) if self._failures else _POLL_S

    def _announce_all(self) -> bool:
        """Announce what is due; False when flywheel does not answer."""
        for path in sorted(self._spool.glob(f"*{WAITING}")):
            if self._tries.get(path.stem, _Tries()).next_at > self._clock.monotonic():
                continue
            try:
                self._announce(path)
            except Exception as error:
                description = described(error)
                if description.code in _AWAY:
                    _LOG.warning(
                        "flywheel is unavailable for traffic segments (%s); they stay in the spool", error
                    )
                    return False
                self._failed(path, description)
            else:
                self._tries.pop(path.stem, None)
        return True

    def _failed(self, path: Path, description: Description) -> None:
        """Try the segment again later, or set it aside; others go on meanwhile."""
        tries = self._tries.setdefault(path.stem, _Tries())
        tries.count += 1
        tries.next_at = self._clock.monotonic() + _FAILED_BACKOFF.delay_s(tries.count)
        if description.code not in _REFUSALS and tries.count < _MAX_TRIES:
            _LOG.warning(
                "flywheel could not store the traffic segment %s: %s; it is sent again",
                path.stem,
                description.message,
            )
            return
        _LOG.error(
            "the traffic segment %s is set aside: %s (%s). It is sent again at the next start",
            path.stem,
            description.message,
            description.reason,
        )
        path.replace(path.with_suffix(SET_ASIDE))
        del self._tries[path.stem]
        self._refused.inc()

    def _announce(self, path: Path) -> None:
        try:
            segment = ClosedSegment(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise BadRequest(f"{path.name} in the spool is damaged: {type(error).__name__}.") from None
        request: flywheel_service_pb2.CreateTrafficSegmentRequest = mapping.create_segment(segment)
        try:
            self._stub.CreateTrafficSegment(request, timeout=10.0)
        except AlreadyExists:
            _LOG.info("flywheel already has the traffic segment %s", path.stem)
        path.unlink()
