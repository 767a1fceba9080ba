"""Lists of the command line request the newest items, and all of them only by option."""

import json

import pytest
from typer.testing import CliRunner

from ratoon.cli import app
from ratoon.cli.context import Session
from ratoon.client.raw.client import Client


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, object]]]:
    """Requests for pages of a collection of 1,000 items."""
    queries: list[tuple[str, dict[str, object]]] = []

    def get(_client: Client, name: str, **query: object) -> dict[str, object]:
        queries.append((name, query))
        start, size = int(str(query["pageToken"] or 0)), int(str(query["pageSize"]))
        numbers = reversed(range(1000)) if query.get("orderBy") else range(1000)
        names = [{"name": f"{name}/{number}", "createTime": str(number)} for number in numbers]
        more = str(start + size) if start + size < 1000 else ""
        return {"items": names[start : start + size], "nextPageToken": more}

    monkeypatch.setattr(Client, "get", get)
    monkeypatch.setattr(Session, "client", Client("http://ratoon", "key"))
    return queries


def run(*arguments: str) -> list[str]:
    done = CliRunner().invoke(app, ["--project", "p", "-o", "json", *arguments])
    assert done.exit_code == 0, done.output
    return [each["name"].rpartition("/")[2] for each in json.loads(done.stdout)]


@pytest.mark.parametrize(
    "command",
    [("runs", "list"), ("projects", "list"), ("labels", "tasks"), ("models", "versions"), ("models", "history"),
     ("feedback", "list"), ("datasets", "sources", "list"), ("datasets", "versions"), ("pipelines", "list")],
)  # fmt: skip
def test_a_list_is_one_page_of_the_newest_items_oldest_first(queries, command):
    assert run(*command) == [str(number) for number in range(900, 1000)]
    assert run(*command, "--limit", "3") == ["997", "998", "999"]
    assert [(query["pageSize"], query["orderBy"]) for _, query in queries] == [
        (101, "create_time desc"),
        (4, "create_time desc"),
    ]


def test_a_list_without_a_limit_is_the_whole_collection(queries):
    assert run("runs", "list", "--limit", "0") == [str(number) for number in range(1000)]


def test_tasks_are_filtered_by_the_server(queries):
    run("labels", "tasks")
    run("labels", "tasks", "--state", "done")
    run("labels", "tasks", "--state", "all")
    assert [query.get("filter") for _, query in queries] == ["state = OPEN", "state = DONE", ""]


def test_the_latest_rollout_is_one_request_for_one_item(queries, monkeypatch):
    posted: list[str] = []
    monkeypatch.setattr(Client, "post", lambda _c, name, *_: posted.append(name) or {"name": name})
    done = CliRunner().invoke(app, ["--project", "p", "rollouts", "pause"])
    assert done.exit_code == 0, done.output
    assert posted == ["projects/p/deployments/p/rollouts/999:pause"]
    assert [query["pageSize"] for _, query in queries] == [1]
