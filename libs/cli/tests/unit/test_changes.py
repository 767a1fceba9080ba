"""Commands that change and delete send what was named, with the etag that was read."""

import pytest
from typer.testing import CliRunner

from ratoon.cli import app
from ratoon.client import ConflictError

from .conftest import problem

PROJECT = {"name": "projects/p", "etag": "e1", "labels": ["Billing", "technical"]}


@pytest.fixture(autouse=True)
def project(server):
    """Serve one project."""
    server.answers["GET", "projects/p"] = PROJECT
    server.answers["PATCH", "projects/p"] = {**PROJECT, "notices": ["New: 'other'."]}


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
def test_labels_of_a_project_are_changed(server, arguments, labels):
    result = run("projects", "update", "p", *arguments, "--allow-label-removal")
    assert result.exit_code == 0, result.output
    assert server.sent() == [
        ("PATCH", "projects/p", {"allowLabelRemoval": "true"}, {"labels": labels, "etag": "e1"})
    ]
    assert "New: 'other'." in result.output


def test_a_label_to_remove_that_is_not_there_is_refused(server):
    result = run("projects", "update", "p", "--remove-label", "nope")
    assert result.exit_code == 2
    assert "There is no label 'nope'" in " ".join(result.output.replace("│", " ").split())
    assert not server.sent()


def test_only_what_is_named_is_sent(server):
    assert run("projects", "update", "p", "--instructions", "").exit_code == 0
    assert server.sent()[0][3] == {"instructions": "", "etag": "e1"}
    assert run("projects", "update", "p").exit_code == 2


def test_a_dry_run_is_ended(server):
    assert run("policies", "update", "--no-dry-run").exit_code == 0
    [(_, name, _, body)] = server.sent()
    assert (name, body) == ("projects/p/policies/default", {"dryRun": False, "etag": "e2"})


def test_a_guideline_is_changed(server):
    assert run("guidelines", "update", "g", "--labels", "a,b,c").exit_code == 0
    [(_, name, _, body)] = server.sent()
    assert (name, body) == ("projects/p/guidelines/g", {"labels": ["a", "b", "c"], "etag": "e2"})


@pytest.mark.parametrize(
    ("arguments", "name", "etag"),
    [
        (["projects", "delete", "p"], "projects/p", "e1"),
        (["policies", "delete"], "projects/p/policies/default", "e2"),
        (["guidelines", "delete", "g"], "projects/p/guidelines/g", "e2"),
    ],
)
def test_a_deletion_asks_for_confirmation(server, arguments, name, etag):
    assert run(*arguments, input="n\n").exit_code == 1
    assert not server.sent()
    result = run(*arguments, "--yes")
    assert server.sent() == [("DELETE", name, {"etag": etag}, {})]
    assert f"Deleted {name}." in result.output


def test_a_project_of_any_task_is_created_from_a_file(server, tmp_path):
    settings = tmp_path / "project.yaml"
    settings.write_text("task:\n  regress: {unit: points, min: 0, max: 5}\nprimary_metric: {name: mae}\n")
    assert run("projects", "create", "score", "--settings", str(settings)).exit_code == 0
    [(_, name, query, body)] = server.sent()
    assert (name, query) == ("projects", {"projectId": "score"})
    assert body["task"] == {"regress": {"unit": "points", "min": 0, "max": 5}}
    assert "labels" not in body


def test_a_second_create_says_that_it_exists(server):
    exists = problem(409, "PROJECT_EXISTS", "projects/p exists already and differs in labels.")
    server.answers["POST", "projects"] = server.answers["POST", "projects/p/policies"] = exists
    result = run("projects", "create", "p", "--labels", "a,b")
    assert isinstance(result.exception, ConflictError)
    assert "exists already and differs in labels" in str(result.exception)
    assert isinstance(run("policies", "create", "--dry-run").exception, ConflictError)


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
        (["deployments", "delete", "mail", "--force"], "projects/p/deployments/mail", {"force": "true"}),
    ],
)
def test_resources_without_an_etag_are_deleted_after_a_confirmation(server, arguments, name, query):
    assert run(*arguments, input="n\n").exit_code == 1
    assert not server.sent()
    result = run(*arguments, "--yes")
    assert result.exit_code == 0, result.output
    assert server.sent() == [("DELETE", name, query, {})]
    assert f"Deleted {name}." in result.output
