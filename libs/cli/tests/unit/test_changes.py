"""Commands that change and delete send what was named, with the etag that was read."""

import pytest
from typer.testing import CliRunner

from ratoon.cli import app
from ratoon.cli.context import Session
from ratoon.client.raw.errors import ApiError

PROJECT = {"name": "projects/p", "etag": "e1", "labels": ["Billing", "technical"]}


class FakeClient:
    """Keeps what is sent; knows one project, one policy and one guideline."""

    def __init__(self) -> None:
        self.sent: list[tuple[object, ...]] = []

    def get(self, name):
        return PROJECT if name == "projects/p" else {"name": name, "etag": "e2", "labels": ["a", "b"]}

    def patch(self, name, body, **query):
        self.sent.append(("patch", name, body, query))
        return {**PROJECT, **body, "notices": ["New: 'other'."]}

    def delete(self, name, **query):
        self.sent.append(("delete", name, query))

    def create(self, collection, body, id="", request_id=""):
        assert not request_id, "a request id of its own would answer a second create with the first one"
        raise ApiError(409, "PROJECT_EXISTS", f"projects/{id} exists already and differs in labels.")


@pytest.fixture
def client(monkeypatch):
    fake = FakeClient()
    monkeypatch.setattr(Session, "client", fake)
    return fake


def run(*arguments, **options):
    return CliRunner().invoke(app, ["-p", "p", *arguments], **options)


@pytest.mark.parametrize(
    ("arguments", "labels"),
    [
        (["--add-label", "other"], ["Billing", "technical", "other"]),
        (["--remove-label", "billing"], ["technical"]),
        (["--labels", "a, b"], ["a", "b"]),
        (["--remove-label", "TECHNICAL", "--add-label", "tech"], ["Billing", "tech"]),
    ],
)
def test_labels_of_a_project_are_changed(client, arguments, labels):
    result = run("projects", "update", "p", *arguments, "--allow-label-removal")
    assert result.exit_code == 0, result.output
    assert client.sent == [
        ("patch", "projects/p", {"labels": labels, "etag": "e1"}, {"allowLabelRemoval": True})
    ]
    assert "New: 'other'." in result.output


def test_a_label_to_remove_that_is_not_there_is_refused(client):
    result = run("projects", "update", "p", "--remove-label", "nope")
    assert result.exit_code == 2
    assert "There is no label 'nope'" in " ".join(result.output.replace("│", " ").split())
    assert not client.sent


def test_only_what_is_named_is_sent(client):
    assert run("projects", "update", "p", "--instructions", "").exit_code == 0
    assert client.sent[0][2] == {"instructions": "", "etag": "e1"}
    assert run("projects", "update", "p").exit_code == 2


def test_a_dry_run_is_ended(client):
    assert run("policies", "update", "--no-dry-run").exit_code == 0
    assert client.sent[0][1:3] == ("projects/p/policies/default", {"dryRun": False, "etag": "e2"})


def test_a_guideline_is_changed(client):
    assert run("guidelines", "update", "g", "--labels", "a,b,c").exit_code == 0
    assert client.sent[0][1:3] == ("projects/p/guidelines/g", {"labels": ["a", "b", "c"], "etag": "e2"})


@pytest.mark.parametrize(
    ("arguments", "name", "etag"),
    [
        (["projects", "delete", "p"], "projects/p", "e1"),
        (["policies", "delete"], "projects/p/policies/default", "e2"),
        (["guidelines", "delete", "g"], "projects/p/guidelines/g", "e2"),
    ],
)
def test_a_deletion_asks_for_confirmation(client, arguments, name, etag):
    assert run(*arguments, input="n\n").exit_code == 1
    assert not client.sent
    result = run(*arguments, "--yes")
    assert client.sent == [("delete", name, {"etag": etag})]
    assert f"Deleted {name}." in result.output


def test_a_second_create_says_that_it_exists(client):
    result = run("projects", "create", "p", "--labels", "a,b")
    assert isinstance(result.exception, ApiError)
    assert "exists already and differs in labels" in str(result.exception)
    assert isinstance(run("policies", "create", "--dry-run").exception, ApiError)


@pytest.mark.parametrize(
    ("arguments", "name", "query"),
    [
        (["pipelines", "delete", "r"], "projects/p/pipelineRuns/r", {}),
        (["runs", "delete", "r"], "projects/p/trainingRuns/r", {}),
        (["evaluations", "delete", "r"], "projects/p/evaluationRuns/r", {}),
        (["datasets", "delete", "d"], "projects/p/datasets/d", {}),
        (["datasets", "delete", "v3"], "projects/p/datasets/p/versions/v3", {}),
        (["labels", "delete", "l"], "projects/p/labelSets/l", {}),
        (["splits", "delete", "s"], "projects/p/datasets/p/splits/s", {}),
        (["models", "delete", "v1.0"], "projects/p/models/p/versions/v1.0", {}),
        (["drift", "delete", "d"], "projects/p/driftReports/d", {}),
        (["deployments", "delete", "mail"], "projects/p/deployments/mail", {}),
        (["deployments", "delete", "mail", "--force"], "projects/p/deployments/mail", {"force": True}),
    ],
)
def test_resources_without_an_etag_are_deleted_after_a_confirmation(client, arguments, name, query):
    assert run(*arguments, input="n\n").exit_code == 1
    assert not client.sent
    result = run(*arguments, "--yes")
    assert result.exit_code == 0, result.output
    assert client.sent == [("delete", name, query)]
    assert f"Deleted {name}." in result.output
