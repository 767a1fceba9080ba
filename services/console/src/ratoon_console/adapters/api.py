"""The public HTTP API through httpx: resources, watches, blobs, answers as they stream, keys for tokens."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import httpx

from ratoon_console.application.ports import JSON, AnswerEvent, Grant, Items
from ratoon_console.domain.errors import Away, ConsoleError, NotSignedIn, Refused
from ratoon_console.domain.people import Person, Role

_AWAY = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
Bearer = Callable[[], Awaitable[str]]


class HttpKeys:
    """Exchanges API keys for tokens."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def exchange(self, api_key: str) -> Grant:
        """A token for a key; NotSignedIn for an invalid key, Away when the API does not respond."""
        response = await _sent(self._http, "POST", "/v1/token", json={"apiKey": api_key})
        if response.is_error:
            raise _error(response)
        token = response.json()
        return Grant(_person(token["accessToken"]), token["accessToken"], float(token["expiresIn"]))


class HttpApi:
    """The API as one person; `bearer` gives a token that is good for a while yet."""

    def __init__(self, http: httpx.AsyncClient, bearer: Bearer) -> None:
        self._http, self._bearer = http, bearer

    async def get(self, name: str, **query: object) -> JSON:
        """A resource by its name, or any GET below /v1."""
        value: JSON = (await self._call("GET", f"/v1/{name}", params=_query(query))).json()
        return value

    async def find(self, name: str, **query: object) -> JSON | None:
        """A resource by its name, None where there is none."""
        try:
            return await self.get(name, **query)
        except Refused as refused:
            if refused.status == httpx.codes.NOT_FOUND:
                return None
            raise

    async def newest(self, collection: str, size: int = 100, after: str = "", **query: object) -> Items:
        """The newest resources of a collection, or those after a page: one page, and one request."""
        ordered = {"orderBy": "create_time desc", **query}
        page = await self.get(collection, pageSize=size, pageToken=after, **ordered)
        items = [each for value in page.values() if isinstance(value, list) for each in value]
        return Items(items, page.get("nextPageToken", ""))

    async def post(self, name: str, body: Mapping[str, object], **query: object) -> JSON:
        """A create or a method."""
        value: JSON = (await self._call("POST", f"/v1/{name}", json=dict(body), params=_query(query))).json()
        return value

    async def patch(self, name: str, body: Mapping[str, object], **query: object) -> JSON:
        """Change a resource."""
        value: JSON = (await self._call("PATCH", f"/v1/{name}", json=dict(body), params=_query(query))).json()
        return value

    async def delete(self, name: str, **query: object) -> None:
        """Delete a resource."""
        await self._call("DELETE", f"/v1/{name}", params=_query(query))

    async def put_blob(self, data: bytes) -> str:
        """Store a blob; return its digest."""
        digest = hashlib.sha256(data).hexdigest()
        await self._call("PUT", f"/v1/blobs/{digest}", content=data)
        return digest

    async def blob(self, digest: str) -> bytes:
        """A blob of the artifact store."""
        return (await self._call("GET", f"/v1/blobs/{digest}")).content

    async def content(self, digest: str) -> AsyncIterator[bytes]:
        """A blob of the artifact store, piece by piece; errors come before the first piece."""
        path = f"/v1/blobs/{digest}"
        _check_path(path)
        headers = {"authorization": f"Bearer {await self._bearer()}"}
        try:
            async with self._http.stream("GET", path, headers=headers) as response:
                if response.is_error:
                    await response.aread()
                    raise _error(response)
                async for piece in response.aiter_bytes():
                    yield piece
        except httpx.TransportError as broken:
            raise _away(self._http, broken) from broken

    async def watch(self, name: str) -> AsyncIterator[JSON]:
        """States as they come, until the resource has ended or the stream breaks."""
        async for _, data in self._events("GET", f"/v1/{name}:watch", None):
            yield json.loads(data)

    async def ask(
        self, model: str, text: str, max_tokens: int, temperature: float = 0.0
    ) -> AsyncIterator[AnswerEvent]:
        """Events of a deployment's answer; the first names the version that answers."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": max_tokens,
            "temperature": temperature,
            "stream": True,
        }
        answer_id = ""
        async for headers, data in self._events("POST", "/v1/chat/completions", body):
            if not answer_id:
                answer_id = headers.get("x-ratoon-answer-id", "")
                yield AnswerEvent("version", headers.get("x-ratoon-model", ""))
            if data != "[DONE]":
                yield _piece(json.loads(data))
        yield AnswerEvent("end", answer_id)

    async def _events(
        self, method: str, path: str, body: Mapping[str, object] | None
    ) -> AsyncIterator[tuple[httpx.Headers, str]]:
        """The data of server-sent events, each with the headers of the answer."""
        _check_path(path)
        headers = {"authorization": f"Bearer {await self._bearer()}", "accept": "text/event-stream"}
        try:
            async with self._http.stream(
                method, path, json=body, headers=headers, timeout=httpx.Timeout(20, read=None)
            ) as response:
                if response.is_error:
                    await response.aread()
                    raise _error(response)
                async for data in _data_of(response):
                    yield response.headers, data
        except httpx.TransportError as broken:
            raise _away(self._http, broken) from broken

    async def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {await self._bearer()}"}
        response = await _sent(self._http, method, path, headers=headers, **options)
        if response.is_error:
            raise _error(response)
        return response


async def _sent(http: httpx.AsyncClient, method: str, path: str, **options: Any) -> httpx.Response:
    _check_path(path)
    try:
        return await http.request(method, path, **options)
    except httpx.TransportError as broken:
        raise _away(http, broken) from broken


def _check_path(path: str) -> None:
    """Refuse a name that no resource can have, before it becomes an address."""
    if not path.isprintable() or "\\" in path or "?" in path or "#" in path:
        raise Refused(httpx.codes.NOT_FOUND, "NO_SUCH_PAGE", "No resource has this name.")


async def _data_of(response: httpx.Response) -> AsyncIterator[str]:
    lines: list[str] = []
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            lines.append(line.removeprefix("data:").strip())
        elif not line and lines:
            yield "\n".join(lines)
            lines.clear()


def _piece(chunk: JSON) -> AnswerEvent:
    """A chunk of an OpenAI-compatible stream."""
    if "error" in chunk:
        return AnswerEvent("error", str(chunk["error"].get("message", "The answer was interrupted.")))
    choices = chunk.get("choices") or [{}]
    return AnswerEvent("text", str(choices[0].get("delta", {}).get("content") or ""))


def _query(query: Mapping[str, object]) -> dict[str, str | list[str]]:
    """Return parameters without those that are not set; lists are repeated parameters."""
    return {
        key: list(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in query.items()
        if value not in ("", None)
    }


def _person(token: str) -> Person:
    """The caller that a token identifies. The token came from the API, which verifies it; its claims are only shown."""
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return Person(str(claims["sub"]), Role[claims["role"]], str(claims["project"]))


def _error(response: httpx.Response) -> ConsoleError:
    """Return the exception of an error response: log in again, retry later, or refused."""
    message, reason = _problem(response)
    if response.status_code == httpx.codes.UNAUTHORIZED:
        return NotSignedIn(message)
    if response.status_code in _AWAY:
        return Away(message)
    return Refused(response.status_code, reason, message)


def _problem(response: httpx.Response) -> tuple[str, str]:
    """The sentence and the reason of a problem."""
    try:
        body = response.json()
    except ValueError:
        return f"HTTP {response.status_code} {response.reason_phrase}", ""
    error = body.get("error", body)
    message = error.get("detail") or error.get("message") or error.get("title") or response.reason_phrase
    return str(message), str(error.get("reason") or error.get("code") or "")


def _away(http: httpx.AsyncClient, broken: Exception) -> Away:
    address = str(http.base_url).rstrip("/")
    return Away(f"No response from {address} ({broken or type(broken).__name__}).")
