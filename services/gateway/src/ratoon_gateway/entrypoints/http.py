"""The gateway's HTTP port: which path goes where, and the server that listens."""

import asyncio
import gc
import json
import logging
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from ratoon.chassis.connections import ConnectionLimits
from ratoon.chassis.errors import FailedPrecondition
from ratoon.chassis.http_server import Server
from ratoon_gateway.entrypoints import blobs, docs
from ratoon_gateway.entrypoints.asgi import JSON_TYPE, Readiness, Receive, Scope, Send, header, respond
from ratoon_gateway.entrypoints.verbs import Route

_LOG = logging.getLogger(__name__)
_MODELS = "/v1/models/"
_BLOB_VERBS = ("GET", "HEAD", "PUT")
_YIELD_S = 0.0005
"""How long the event loop waits, at most, for a thread that computes."""


class Edge:
    """The routes: exact paths, the prefixes `/v1/models/` and `/v1/blobs/`, the REST face for the rest."""

    def __init__(
        self,
        exact: Mapping[str, Route],
        models: Route,
        blob: Route,
        rest: Route,
        rest_verbs: Callable[[str], Sequence[str]],
    ) -> None:
        self._exact, self._models, self._blob, self._rest = exact, models, blob, rest
        self._rest_verbs = rest_verbs
        self._exact_verbs: dict[str, list[str]] = {}
        for verb, _, path in (each.partition(" ") for each in exact):
            self._exact_verbs.setdefault(path, []).append(verb)
        for path, verbs in self._exact_verbs.items():  # once: completions ask for theirs with each request
            verbs += [verb for verb in rest_verbs(path) if verb not in verbs]

    def verbs(self, path: str) -> Sequence[str]:
        """The verbs that a path takes; none where there is nothing."""
        if path.startswith(blobs.PREFIX) and path != blobs.PREFIX:
            return _BLOB_VERBS
        if path.startswith(_MODELS) and path != _MODELS:
            return ["GET"]
        return self._exact_verbs.get(path) or self._rest_verbs(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        route = self._exact.get(f"{scope['method']} {path}")
        if route is not None:
            await route(scope, receive, send)
        elif path.startswith(blobs.PREFIX):
            await self._blob(scope, receive, send)
        elif path.startswith(_MODELS):
            await self._models(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


class Pages:
    """What is the same for everybody: health, documentation, and metrics where they have no address of their own."""

    def __init__(
        self, document: dict[str, object], metrics: CollectorRegistry | None, readiness: Readiness
    ) -> None:
        self._document = json.dumps(document).encode()
        self._docs = docs.page(document)
        self._metrics, self._readiness = metrics, readiness

    def routes(self) -> dict[str, Route]:
        """Verb and path of each page."""
        return {
            **({} if self._metrics is None else {"GET /metrics": Scrape(self._metrics)}),
            "GET /healthz": self._healthz,
            "GET /readyz": self._readyz,
            "GET /openapi.json": self._openapi,
            "GET /docs": self._listing,
        }

    async def _healthz(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """The process lives."""
        await respond(send, 200, [(b"content-type", b"text/plain")], b"ok\n")

    async def _readyz(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Whether requests should come here."""
        ready = self._readiness.ready
        body = b"ready\n" if ready else b"draining\n"
        await respond(send, 200 if ready else 503, [(b"content-type", b"text/plain")], body)

    async def _openapi(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """The API's document."""
        await respond(send, 200, [JSON_TYPE, docs.NO_SNIFFING], self._document)

    async def _listing(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """The document for people."""
        await respond(send, 200, [(b"content-type", b"text/html; charset=utf-8"), *docs.HEADERS], self._docs)


class Scrape:
    """Metrics for Prometheus; as OpenMetrics, with exemplars, for those that ask for that."""

    def __init__(self, metrics: CollectorRegistry) -> None:
        self._metrics = metrics

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one scrape."""
        encode, kind = choose_encoder(header(scope, b"accept").decode("latin-1"))
        body = await asyncio.to_thread(encode, self._metrics)
        await respond(send, 200, [(b"content-type", kind.encode())], body)


class HttpServer:
    """Listens on one address; `stop` lets open requests end and callers leave."""

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
        """The port it listens on, once it does."""
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
        """End readiness, let callers leave, let open requests end, take nothing new."""
        self._readiness.end()
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving


class _Server(Server):
    """The server without signal handlers: the process's life is the chassis's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
