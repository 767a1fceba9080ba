"""Probes of a process: `/metrics`, `/live` and `/ready` over HTTP, on their own threads.

It is live while its event loop runs. It is ready from the start of its services to the beginning of its drain, whatever
becomes of databases and brokers: those are waited for, not died of.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from ratoon.process.errors import FailedPrecondition

_BEAT_S = 1.0
_STUCK_S = 60.0
_TEXT = [("Content-Type", "text/plain; charset=utf-8")]
Respond = Callable[[str, list[tuple[str, str]]], object]


class Wellness:
    """State of a process, written by its event loop and read by the threads of `Probes`."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._beaten = now()
        self.ready = False
        """True while the process accepts calls."""

    @property
    def live(self) -> bool:
        """Return whether the event loop ran within the last minute."""
        return self._now() - self._beaten < _STUCK_S

    def beat(self) -> None:
        """Record a heartbeat of the event loop."""
        self._beaten = self._now()

    async def beat_for_ever(self) -> None:
        """Beat once a second until cancelled."""
        with suppress(asyncio.CancelledError):
            while True:
                self.beat()
                await asyncio.sleep(_BEAT_S)


class Probes:
    """Serves the three pages on an address; on the loopback interface where that is only a port."""

    def __init__(self, address: str, registry: CollectorRegistry, wellness: Wellness) -> None:
        self._address, self._wellness = address, wellness
        self._metrics = make_wsgi_app(registry)
        self._server: _Server | None = None

    @property
    def port(self) -> int:
        """The port it listens on, once it does."""
        return self._server.server_port if self._server is not None else 0

    def start(self) -> None:
        """Bind and serve; FailedPrecondition when the address is taken."""
        host, _, port = self._address.rpartition(":")
        try:
            self._server = make_server(host or "127.0.0.1", int(port), self._page, _Server, _Silent)
        except OSError as error:
            raise FailedPrecondition(
                f"Metrics cannot be served on {self._address} ({error.strerror}); choose a free port.",
                reason="PORT_TAKEN",
            ) from None
        threading.Thread(target=self._server.serve_forever, name="probes", daemon=True).start()

    def stop(self) -> None:
        """Serve no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _page(self, environ: dict[str, object], respond: Respond) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            page: Iterable[bytes] = self._metrics(environ, respond)
            return page
        if path == "/live":
            return _verdict(respond, "live", "stuck", well=self._wellness.live)
        if path == "/ready":
            return _verdict(respond, "ready", "not ready", well=self._wellness.ready)
        respond("404 Not Found", _TEXT)
        return [b"There are /metrics, /live and /ready.\n"]


def _verdict(respond: Respond, good: str, bad: str, *, well: bool) -> Iterable[bytes]:
    respond("200 OK" if well else "503 Service Unavailable", _TEXT)
    return [f"{good if well else bad}\n".encode()]


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request: a scrape does not keep a probe waiting."""

    daemon_threads = True


class _Silent(WSGIRequestHandler):
    """Requests are not logged."""

    def log_message(self, *_: object) -> None:
        """Nothing."""
