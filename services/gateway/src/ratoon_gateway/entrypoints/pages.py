"""Pages without credentials: health, the OpenAPI document, a page to try it, and metrics where they have no port."""

import asyncio
import json
from collections.abc import Callable
from functools import cached_property
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from ratoon_gateway.entrypoints.asgi import Readiness

_NO_SNIFFING = {"x-content-type-options": "nosniff"}
_HEADERS = {
    **_NO_SNIFFING,
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Ratoon API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<main id="swagger-ui"><a href="/openapi.json">/openapi.json</a></main>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, docExpansion: "none", filter: true,
  defaultModelsExpandDepth: 0,
  tagsSorter: "alpha", operationsSorter: "alpha", validatorUrl: null, displayRequestDuration: true
});
"""
_ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js")


class Pages:
    """The same for every caller."""

    def __init__(
        self,
        document: Callable[[], dict[str, object]],
        metrics: CollectorRegistry | None,
        readiness: Readiness,
    ) -> None:
        self._build_document, self._metrics, self._readiness = document, metrics, readiness

    def router(self) -> APIRouter:
        """Return the routes; none of them is part of the document."""
        router = APIRouter(include_in_schema=False)
        router.get("/healthz")(self.health)
        router.get("/readyz")(self.ready)
        router.get("/openapi.json")(self.openapi)
        router.get("/docs")(self.docs)
        router.get("/docs/start.js")(self.start_script)
        for name in _ASSETS:
            router.get(f"/docs/{name}")(_asset(name))
        if self._metrics is not None:
            router.get("/metrics")(Scrape(self._metrics).answer)
        return router

    async def health(self) -> PlainTextResponse:
        """Return 200: the process lives."""
        return PlainTextResponse("ok\n")

    async def ready(self) -> PlainTextResponse:
        """Return 200 where requests should come here, otherwise 503."""
        ready = self._readiness.ready
        return PlainTextResponse("ready\n" if ready else "draining\n", 200 if ready else 503)

    async def openapi(self) -> Response:
        """Return the OpenAPI document, built at its first request."""
        body = await asyncio.to_thread(lambda: self._document)
        return Response(body, headers=_NO_SNIFFING, media_type="application/json")

    async def docs(self) -> HTMLResponse:
        """Return the page that shows the document and sends requests."""
        return HTMLResponse(_PAGE, headers=_HEADERS)

    async def start_script(self) -> Response:
        """Return the script that starts the page."""
        return Response(_START, headers=_NO_SNIFFING, media_type="text/javascript")

    @cached_property
    def _document(self) -> bytes:
        return json.dumps(self._build_document()).encode()


class Scrape:
    """Metrics for Prometheus; as OpenMetrics, with exemplars, where a scraper accepts that."""

    def __init__(self, metrics: CollectorRegistry) -> None:
        self._metrics = metrics

    async def answer(self, request: Request) -> Response:
        """Answer one scrape."""
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        body = await asyncio.to_thread(encode, self._metrics)
        return Response(body, headers={"content-type": media_type})


def _asset(name: str) -> Callable[[], Response]:
    """Return an endpoint for a file of Swagger UI, which the package `fastapi-offline` ships."""
    path = str(files("fastapi_offline").joinpath("static", name))

    def asset() -> Response:
        return FileResponse(path, headers=_NO_SNIFFING | {"cache-control": "max-age=86400"})

    return asset
