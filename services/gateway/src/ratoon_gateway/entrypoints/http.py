"""The gateway's HTTP port: which path goes where, and the server that listens."""

import asyncio
import gc
import logging
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from fastapi import FastAPI
from starlette import routing

from ratoon.process.errors import FailedPrecondition
from ratoon.runtime.connections import ConnectionLimits
from ratoon.runtime.http_server import Server
from ratoon_gateway.entrypoints.asgi import Readiness, Receive, Scope, Send
from ratoon_gateway.entrypoints.verbs import Route

_LOG = logging.getLogger(__name__)
_COMPLETION_VERBS = ("POST",)
_YIELD_S = 0.0005
"""Longest wait of the event loop for a thread that computes, in seconds."""


class Edge:
    """Dispatches by path: completions to their own application, everything else to the API on FastAPI."""

    def __init__(self, completions: Mapping[str, Route], api: FastAPI) -> None:
        self._completions, self._api = completions, api
        self._patterns = [
            (route.path_regex, sorted(route.methods or ()))
            for route in api.routes
            if isinstance(route, routing.Route)
        ]

    def verbs(self, path: str) -> Sequence[str]:
        """Return the verbs that a path takes; none where nothing is served."""
        if path in self._completions:
            return _COMPLETION_VERBS
        return [verb for pattern, verbs in self._patterns if pattern.match(path) for verb in verbs]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        application = self._completions.get(scope["path"], self._api)
        await application(scope, receive, send)


class HttpServer:
    """Listens on one address; `stop` lets open requests end and callers disconnect."""

    def __init__(
        self,
        edge: Route,
        readiness: Readiness,
        address: tuple[str, int],
        limits: ConnectionLimits,
        drain_s: float,
    ) -> None:
        self._address, self._readiness = address, readiness
        self._server = _Server(edge, limits, drain_s)
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Return the port, once it listens."""
        return self._address[1]

    async def start(self) -> None:
        """Bind and begin; FailedPrecondition when the address is taken."""
        try:
            listening = socket.create_server(self._address, backlog=2048)
        except OSError as error:
            host, port = self._address
            raise FailedPrecondition(
                f"HTTP cannot listen on {host}:{port} ({error.strerror}); set RATOON_GATEWAY_PORT to a free port.",
                reason="PORT_TAKEN",
            ) from None
        self._address = listening.getsockname()[:2]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0.01)
        gc.collect()
        gc.freeze()  # what is here now stays: full collections need not walk it while callers wait
        gc.set_threshold(20_000, 20, 20)  # a request leaves some hundred objects behind, no cycles
        sys.setswitchinterval(_YIELD_S)
        self._readiness.begin()
        _LOG.info("HTTP callers: http://%s:%d", *self._address)

    async def stop(self) -> None:
        """End readiness, let callers disconnect and open requests end, accept nothing new."""
        self._readiness.end()
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving


class _Server(Server):
    """Server without signal handlers: the runtime ends the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
