"""What a connection of a caller may cost in time: uvicorn's protocol, with an end to its patience.

A caller who stops in the middle of a request, or takes in nothing of what waits for it, is cut off. What waits never
exceeds the transport's high-water mark by more than one message, because whoever writes waits for the transport.
"""

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class _Alarm:
    """Calls after so many seconds, unless it is stopped before."""

    def __init__(self, seconds: float, ring: Callable[[], None]) -> None:
        self._seconds, self._ring = seconds, ring
        self._set: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Count from now."""
        self.stop()
        self._set = asyncio.get_running_loop().call_later(self._seconds, self._ring)

    def stop(self) -> None:
        """Do not call."""
        if self._set is not None:
            self._set.cancel()
            self._set = None


class PatientProtocol(HttpToolsProtocol):
    """One connection."""

    request_s = 30.0
    """Seconds that it waits for more of a request."""
    stall_s = 30.0
    """Seconds that it waits for a caller to read what was sent."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller is there, who has to say something soon."""
        super().connection_made(transport)
        self._whole = False
        self._request = _Alarm(self.request_s, self._give_up)
        self._stall = _Alarm(self.stall_s, transport.abort)
        self._request.start()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._request.stop()
        self._stall.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """More of a request."""
        super().data_received(data)
        if self._whole:
            self._request.stop()
        else:
            self._request.start()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._whole = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._whole = True
        super().on_message_complete()

    def pause_writing(self) -> None:
        """More waits for the caller than should."""
        self._stall.start()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The caller reads."""
        self._stall.stop()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came after an answer; what of it was never read is not waited for."""
        self.transport.abort()

    def _give_up(self) -> None:
        if self.flow.read_paused:  # it is we who do not take more
            self._request.start()
        else:
            self.transport.abort()


def patient_protocol(request_s: float, stall_s: float) -> type[PatientProtocol]:
    """A protocol that waits so long for more of a request, and so long for a caller to read what was sent."""
    return type("Patient", (PatientProtocol,), {"request_s": request_s, "stall_s": stall_s})
