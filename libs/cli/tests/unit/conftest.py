"""A server in memory behind the command line's client."""

import functools
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import typer

from ratoon.cli import main
from ratoon.cli.context import Session
from ratoon.client import Ratoon

JSON = dict[str, Any]
Answer = JSON | httpx.Response | Exception | Callable[[httpx.Request], JSON | httpx.Response]


class Server:
    """Answers by method and path. A GET of an unknown path returns a resource with an etag, other calls their body."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answer] = {}
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path.removeprefix("/v1/")
        answer = self.answers.get((request.method, path))
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer(request)
        if answer is None:
            body = json.loads(request.content) if request.content else {}
            answer = {"name": path, "etag": "e2", **body} if request.method != "DELETE" else {}
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    def sent(self, *methods: str) -> list[tuple[str, str, JSON, JSON]]:
        """Return method, path, query (without the request ID) and body of the requests with these methods."""
        return [
            (
                each.method,
                each.url.path.removeprefix("/v1/"),
                {key: value for key, value in each.url.params.items() if key != "requestId"},
                json.loads(each.content) if each.content else {},
            )
            for each in self.requests
            if each.method in (methods or ("POST", "PATCH", "DELETE", "PUT"))
        ]

    def listing(self, path: str, items: str, rows: list[JSON]) -> None:
        """Answer a listing page by page, in either order."""

        def page(request: httpx.Request) -> JSON:
            query = request.url.params
            ordered = rows[::-1] if query.get("orderBy") == "create_time desc" else rows
            start, size = int(query.get("pageToken") or 0), int(query.get("pageSize") or 100)
            more = str(start + size) if start + size < len(rows) else ""
            return {items: ordered[start : start + size], "nextPageToken": more}

        self.answers["GET", path] = page


def problem(status: int, reason: str, detail: str, code: str = "") -> httpx.Response:
    """Return an error as the gateway answers it."""
    return httpx.Response(status, json={"status": status, "reason": reason, "detail": detail, "code": code})


def watch(*states: JSON) -> httpx.Response:
    """Return the stream of a watch."""
    lines = "".join(f"id: {place}\ndata: {json.dumps(state)}\n\n" for place, state in enumerate(states, 1))
    return httpx.Response(200, text=lines, headers={"content-type": "text/event-stream"})


@pytest.fixture(scope="session", autouse=True)
def _one_command_tree() -> Iterator[None]:
    """Build the tree of commands once: hundreds of tests use the same one."""
    get_command = functools.cache(typer.main.get_command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", get_command)
        patch.setattr("typer.testing._get_command", get_command)
        yield


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    http = httpx.Client(transport=httpx.MockTransport(server))
    client = Ratoon(base_url="http://server", api_key="key", max_retries=0, http_client=http)
    monkeypatch.setattr(Session, "client", client)
    return server


@pytest.fixture
def ratoon(server, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the whole program: exit status, standard output, standard error."""

    monkeypatch.setenv("COLUMNS", "400")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ratoon", "--project", "p", *arguments])
        status = 0
        try:
            main()
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        printed = capsys.readouterr()
        return status, printed.out, " ".join(printed.err.replace("│", " ").split())

    return run
