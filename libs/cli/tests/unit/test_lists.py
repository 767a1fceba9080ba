"""Lists of the command line request the newest items, and all of them only by option."""

import json

import pytest
from typer.testing import CliRunner

from ratoon.cli import app

ROWS = [{"name": f"x/{n}"} for n in range(1000)]
LATEST = "projects/p/deployments/p/rollouts/r"
LISTINGS = {
    "projects/p/trainingRuns": "trainingRuns",
    "projects": "projects",
    "projects/p/tasks": "tasks",
    "projects/p/models/p/versions": "modelVersions",
    "projects/p/models/p/aliasChanges": "aliasChanges",
    "projects/p/feedback": "feedback",
    "projects/p/sources": "sources",
    "projects/p/datasets/p/versions": "datasetVersions",
    "projects/p/pipelineRuns": "pipelineRuns",
    "projects/p/deployments/p/rollouts": "rollouts",
}


@pytest.fixture(autouse=True)
def listings(server):
    """Serve collections of 1,000 items."""
    for path, items in LISTINGS.items():
        server.listing(path, items, ROWS)


@pytest.fixture
def queries(server):
    """Return the queries of the requests so far."""
    return lambda: [dict(each.url.params) for each in server.requests if each.method == "GET"]


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
    assert [(query["pageSize"], query["orderBy"]) for query in queries()] == [
        ("101", "create_time desc"),
        ("4", "create_time desc"),
    ]


def test_a_list_without_a_limit_is_the_whole_collection():
    assert run("runs", "list", "--limit", "0") == [str(number) for number in range(1000)]


def test_tasks_are_filtered_by_the_server(queries):
    run("labels", "tasks")
    run("labels", "tasks", "--state", "done")
    run("labels", "tasks", "--state", "all")
    assert [query.get("filter") for query in queries()] == ["state = OPEN", "state = DONE", None]


def test_the_latest_rollout_is_one_request_for_one_item(server, queries):
    server.listing("projects/p/deployments/p/rollouts", "rollouts", [{"name": LATEST}])
    done = CliRunner().invoke(app, ["--project", "p", "rollouts", "pause"])
    assert done.exit_code == 0, done.output
    assert [name for _, name, *_ in server.sent()] == [f"{LATEST}:pause"]
    assert [query["pageSize"] for query in queries()] == ["1"]
