"""Flywheel as the gateway knows it: takes closed segments, sooner or later, and feedback, now or never."""

import json
import logging
import threading
from pathlib import Path

import grpc

from ratoon.chassis.errors import AlreadyExists, RatoonError
from ratoon.flywheel.v1 import flywheel_service_pb2, signal_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon_gateway import mapping
from ratoon_gateway.domain.feedback import Feedback
from ratoon_gateway.domain.segments import ClosedSegment

_LOG = logging.getLogger(__name__)
_SWEEP_S = 1.0
_LONGEST_PAUSE_S = 15.0
_REFUSALS = ("INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "FAILED_PRECONDITION")


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


class SegmentAnnouncer:
    """A thread that tells flywheel of each closed segment in the spool, until flywheel has it."""

    def __init__(self, spool: Path, channel: grpc.Channel) -> None:
        self._spool = spool
        self._stub = FlywheelServiceStub(channel)  # type: ignore[no-untyped-call, unused-ignore]
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="segment-announcer", daemon=True)

    def wake(self) -> None:
        """A segment has closed; safe on any thread."""
        self._wake.set()

    def start(self) -> None:
        """Begin to announce."""
        self._thread.start()

    def stop(self) -> None:
        """Announce what there is once more; what flywheel does not take now waits for the next start."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=10)

    def _loop(self) -> None:
        pause = _SWEEP_S
        while not self._stopping.is_set():
            self._wake.wait(pause)
            self._wake.clear()
            pause = _SWEEP_S if self._announce_all() else min(_LONGEST_PAUSE_S, pause * 2)

    def _announce_all(self) -> bool:
        """Whether flywheel answered."""
        for path in sorted(self._spool.glob("*.json")):
            try:
                self._announce(path)
            except RatoonError as error:
                if error.code not in _REFUSALS:
                    _LOG.warning(
                        "flywheel does not take traffic segments (%s); they wait in the spool", error
                    )
                    return False
                _LOG.error("flywheel refuses the traffic segment %s: %s", path.stem, error)
                path.replace(path.with_suffix(".refused"))
            except Exception:
                _LOG.exception("the traffic segment %s could not be announced", path.stem)
                return False
        return True

    def _announce(self, path: Path) -> None:
        segment = ClosedSegment(**json.loads(path.read_text()))
        request: flywheel_service_pb2.CreateTrafficSegmentRequest = mapping.create_segment(segment)
        try:
            self._stub.CreateTrafficSegment(request, timeout=10.0)
        except AlreadyExists:
            _LOG.info("flywheel has the traffic segment %s already", path.stem)
        path.unlink()
