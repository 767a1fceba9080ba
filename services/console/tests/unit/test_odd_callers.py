"""Names that no resource can have, and browsers that hang up."""

import asyncio
import time

import httpx
import pytest
from starlette.requests import ClientDisconnect, Request

from ratoon_console.adapters.api import HttpApi
from ratoon_console.adapters.pages import STATIC, Pages
from ratoon_console.application.sessions import Sessions
from ratoon_console.domain.errors import Refused
from ratoon_console.entrypoints.http import Site
from ratoon_console.entrypoints.request_context import RequestContext


@pytest.mark.parametrize(
    "name", ["projects/\x00", "projects/a\nb", "projects/a?b", "projects/a#b", "projects/a\\b"]
)
def test_an_impossible_name_is_not_found_and_not_sent(name):
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={})

    async def ask() -> None:
        async def bearer() -> str:
            return "token"

        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://api") as http:
            api = HttpApi(http, bearer)
            for call in (api.get(name), api.find(name), api.newest(name), api.post(name, {})):
                try:
                    assert await call is None
                except Refused as refused:
                    assert refused.status == 404
            with pytest.raises(Refused):
                async for _ in api.watch(name):
                    pass

    asyncio.run(ask())
    assert not sent


def test_a_browser_that_hangs_up_is_no_fault():
    async def handler(_request: Request):
        raise ClientDisconnect

    async def ask():
        context = RequestContext(None, None, None, 1.0)
        return await context.guarded(handler)(Request({"type": "http", "headers": []}))

    assert asyncio.run(ask()).status_code == 499


class Keys:
    """Keys that fail on every exchange."""

    async def exchange(self, api_key: str):
        raise AssertionError("nobody logs in")


def call(method: str, path: str, **options) -> httpx.Response:
    async def ask() -> httpx.Response:
        sessions = Sessions(Keys(), 60, time.monotonic)
        app = Site(RequestContext(sessions, None, Pages(), 1.0), [], STATIC).app()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client:
            return await client.request(method, path, **options)

    return asyncio.run(ask())


def test_the_head_of_the_log_in_is_no_log_in():
    assert call("HEAD", "/login").status_code == 200


def test_a_form_of_any_size_is_not_read():
    answer = call("POST", "/login", data={"key": "x" * (3 << 20)})
    assert answer.status_code == 413
    assert "2 MiB" in answer.text


def test_a_page_of_a_collection_is_one_request_however_long_the_collection_is():
    urls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        return httpx.Response(200, json={"tasks": [{"name": "t"}] * 3, "nextPageToken": "more"})

    async def ask() -> None:
        async def bearer() -> str:
            return "token"

        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://api") as http:
            page = await HttpApi(http, bearer).newest("projects/p/tasks", 3, filter="state = OPEN")
            assert (len(page.items), page.older) == (3, "more")

    asyncio.run(ask())
    [url] = urls
    assert url.endswith("/v1/projects/p/tasks?pageSize=3&orderBy=create_time+desc&filter=state+%3D+OPEN")
