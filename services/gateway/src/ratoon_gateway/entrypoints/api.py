"""Common parts of all routes on FastAPI: problem details, path parameters, the bearer scheme, documented errors."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect

from ratoon.process.errors import Description, described
from ratoon_gateway.entrypoints.asgi import (
    ClientGone,
    openai_error_response,
    problem_of,
    problem_response,
)

BEARER = Security(
    HTTPBearer(
        scheme_name="bearer", description="An API key, or a token from `POST /v1/token`.", auto_error=False
    )
)
"""Names the scheme in the document. Routes authenticate callers themselves, before they read a body."""
_REFUSALS: dict[int | str, str] = {
    400: "The request is invalid; the answer names the field.",
    401: "No valid API key or token.",
    403: "The caller's role or project does not permit the request.",
    404: "The resource does not exist, or the caller may not access it.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "A limit is exceeded; `retry-after` says when to retry.",
    503: "A service of the installation is unavailable; try again.",
    "default": "An error.",
}
_OF_BODIES: set[int | str] = {413, 415}
_OF_CALLERS: set[int | str] = {401, 403}


class _Segment(Convertor[str]):
    """One segment of a path, without a custom verb behind it."""

    regex = "[^/:]+"

    def convert(self, value: str) -> str:
        """Return the segment as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Return the segment as it is."""
        return value


class _Tail(_Segment):
    """The rest of a path; not empty."""

    regex = ".+"


register_url_convertor("segment", _Segment())
register_url_convertor("tail", _Tail())


class EdgeRoute(APIRoute):
    """Route that answers every error with problem details."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Return a handler that raises nothing."""
        handle: Callable[[Request], Awaitable[Response]] = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await handle(await self.prepare(request))
            except (ClientGone, ClientDisconnect):
                return Response(status_code=499)  # there is no reader
            except Exception as error:
                return self.error_response(error)

        return handler

    async def prepare(self, request: Request) -> Request:
        """Return the request that FastAPI validates."""
        return request

    def error_response(self, error: Exception) -> Response:
        """Return the answer for an error."""
        return problem_response(problem_of(described(error)))


class OpenAIRoute(EdgeRoute):
    """Route whose errors clients of OpenAI's API can read."""

    def error_response(self, error: Exception) -> Response:
        """Return the answer for an error."""
        return openai_error_response(described(error))


def refusals(
    media_type: str = "application/problem+json",
    schema: str = "Problem",
    *,
    public: bool = False,
    has_body: bool = False,
) -> dict[int | str, dict[str, Any]]:
    """Return the answers that refuse a request, as FastAPI's `responses` take them."""
    left_out = (_OF_CALLERS if public else set()) | (set() if has_body else _OF_BODIES)
    content = {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {
        status: {"description": text, "content": content}
        for status, text in _REFUSALS.items()
        if status not in left_out
    }


def not_found(message: str, reason: str, field: str = "") -> Description:
    """Return the description of something that does not exist."""
    return Description("NOT_FOUND", reason, message, field)
