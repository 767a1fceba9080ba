"""`POST /v1/events`: a signed webhook reports an event of another system. 202 only after flywheel has committed it."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from ratoon.events.foreign import MAX_BYTES, STRUCTURED
from ratoon.process.errors import described
from ratoon.runtime.server import Threads
from ratoon_gateway.application.webhooks import Webhooks
from ratoon_gateway.domain.errors import BadRequest, UnsupportedEncoding, UnsupportedMediaType
from ratoon_gateway.domain.webhooks import Delivery
from ratoon_gateway.entrypoints.api import EdgeRoute, refusals
from ratoon_gateway.entrypoints.asgi import ClientGone, Scope, header, is_json, read_body
from ratoon_gateway.entrypoints.schemas import unset

BODY_S = 10.0
"""Seconds within which the body of a webhook must arrive."""
ACCEPTED, INCOMPLETE = "accepted", "incomplete"
Count = Callable[[str], None]
"""Counts a delivery by its outcome: `accepted`, `incomplete`, or the reason of the refusal in lower case."""


class CloudEvent(BaseModel):
    """CloudEvent 1.0 in structured mode. Further attributes and the data are not stored."""

    specversion: str = Field(description="`1.0`.")
    id: str = Field(description="ID of the event, at most 256 characters. `source` and `id` name the event.")
    source: str = Field(description="Context in which the event happened, at most 512 characters.")
    type: str = Field(description="Type of the event, at most 256 characters.")
    subject: str = Field(default_factory=unset, description="Subject of the event, at most 512 characters.")
    time: str = Field(default_factory=unset, description="Time of the event (RFC 3339).")


class ReportedEvent(BaseModel):
    """Event that was stored."""

    name: str = Field(description="Resource name of the external event.")


class WebhookRoute:
    """Accepts signed webhooks."""

    def __init__(self, webhooks: Webhooks, threads: Threads, count: Count) -> None:
        self._webhooks, self._threads, self._count = webhooks, threads, count

    def router(self) -> APIRouter:
        """Return the route."""
        router = APIRouter(route_class=EdgeRoute, tags=["events"])
        unsigned: dict[int | str, dict[str, Any]] = {
            401: {"description": "The signature is missing, wrong, or older than 5 minutes."}
        }
        router.post(
            "/v1/events",
            operation_id="gateway.Events",
            status_code=202,
            response_model=ReportedEvent,
            response_description="The event is stored.",
            responses=refusals(public=True, has_body=True) | unsigned,
            openapi_extra={
                "security": [],
                "parameters": [_header("id"), _header("timestamp"), _header("signature")],
                "requestBody": {
                    "required": True,
                    "content": {STRUCTURED: {"schema": CloudEvent.model_json_schema()}},
                },
            },
        )(self.receive_event)
        return router

    async def receive_event(self, request: Request) -> JSONResponse:
        """Report an event of another system, which may start a pipeline run. Signed as Standard Webhooks defines.

        The body is a CloudEvent in structured mode, or any JSON object with `type`. The secret names the project. An
        event is stored once, however often it is sent.
        """
        try:
            name = await self._received(request)
        except ClientGone:
            self._count(INCOMPLETE)
            raise
        except Exception as error:
            self._count(described(error).reason.lower())
            raise
        self._count(ACCEPTED)
        return JSONResponse({"name": name}, 202)

    async def _received(self, request: Request) -> str:
        delivery = delivery_of(request.scope)
        self._webhooks.check(delivery)
        _check_content(request.scope)
        self._webhooks.enter()
        try:
            body = await _read(request)
            return await self._threads(self._webhooks.receive, delivery, body)
        finally:
            self._webhooks.leave()


async def _read(request: Request) -> bytes:
    """Return the body; ClientGone if it takes too long: a slow sender may not keep others out."""
    try:
        async with asyncio.timeout(BODY_S):
            return await read_body(request.receive, MAX_BYTES)
    except TimeoutError:
        raise ClientGone from None


def delivery_of(scope: Scope) -> Delivery:
    """Return the headers of a delivery; a header that is repeated counts once, as sent first."""
    names = (b"webhook-id", b"webhook-timestamp", b"webhook-signature")
    return Delivery(*(header(scope, name).decode("latin-1") for name in names))


def _check_content(scope: Scope) -> None:
    """Refuse what the signature does not cover: attributes in headers, a body that is not sent as it was signed."""
    if header(scope, b"ce-specversion"):
        raise BadRequest(
            f"CloudEvents in binary mode are refused, because the signature does not cover headers. Send {STRUCTURED}.",
            reason="EVENT_MODE_NOT_SUPPORTED",
        )
    if header(scope, b"content-encoding"):
        raise UnsupportedEncoding("The body of a webhook must be sent as it was signed, without compression.")
    if not is_json(header(scope, b"content-type")):
        raise UnsupportedMediaType(f"The body must be JSON: send {STRUCTURED} or application/json.")


def _header(name: str) -> dict[str, object]:
    return {"name": f"webhook-{name}", "in": "header", "required": True, "schema": {"type": "string"}}
