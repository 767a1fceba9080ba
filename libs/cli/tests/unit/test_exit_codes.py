"""Each kind of error has its exit status, and one sentence that says what to do."""

import httpx
import pytest

from ratoon.cli.exit_codes import MEANINGS, ExitCode

from .conftest import problem

NAME = "projects/p/datasets/d"


@pytest.mark.parametrize(
    ("answer", "status", "sentence"),
    [
        (problem(404, "DATASET_NOT_FOUND", "There is no dataset d."), 3, "There is no dataset d."),
        (problem(401, "BAD_KEY", "The API key is unknown."), 4, "The API key is unknown."),
        (problem(403, "ROLE_TOO_LOW", "This needs the role engineer."), 4, "needs the role engineer"),
        (problem(409, "EXISTS", "It exists already."), 5, "It exists already."),
        (problem(400, "IN_USE", "v1 uses it.", "FAILED_PRECONDITION"), 5, "v1 uses it."),
        (problem(400, "REVISION_TOO_OLD", "List again.", "OUT_OF_RANGE"), 5, "List again."),
        (
            problem(400, "BAD_PAGE_TOKEN", "This page token is not one of this listing."),
            2,
            "not one of this listing",
        ),
        (problem(429, "QUOTA", "The limit is reached."), 8, "The limit is reached."),
        (problem(503, "UNAVAILABLE", "ingestion is away."), 6, "ingestion is away."),
        (problem(500, "INTERNAL", "It failed."), 1, "It failed."),
        (httpx.ConnectError("refused"), 6, "No server responds at http://server"),
        (httpx.ReadTimeout("slow"), 6, "did not respond in time"),
        (problem(404, "NO_SUCH_PATH", "There is no such path."), 7, "older than this command line"),
        (problem(501, "UNIMPLEMENTED", "Unknown method.", "UNIMPLEMENTED"), 7, "upgrade it"),
        (httpx.Response(200, text="<html>"), 7, "The response is not a Dataset"),
    ],
)
def test_an_error_of_the_server_has_its_status(ratoon, server, answer, status, sentence):
    server.answers["GET", NAME] = answer
    assert ratoon("get", "datasets", "d")[0] == status
    ended, printed, errors = ratoon("datasets", "show", "d")
    assert (ended, printed) == (status, "")
    assert sentence in errors


def test_invalid_fields_that_the_sentence_does_not_name_are_added(ratoon, server):
    violations = [{"field": "displayName", "description": "displayName is too long."}]
    body = {"status": 400, "detail": "The request is not valid.", "violations": violations}
    server.answers["POST", "projects/p/datasets"] = httpx.Response(400, json=body)
    status, _, errors = ratoon("create", "datasets", "--display-name", "x")
    assert status == 2
    assert "The request is not valid. displayName: displayName is too long." in errors


def test_the_server_that_is_away_stops_the_documents(ratoon, server, tmp_path):
    file = tmp_path / "datasets.yaml"
    file.write_text("name: a\n---\nname: b\n")
    server.answers["POST", "projects/p/datasets"] = httpx.ConnectError("refused")
    status, _, errors = ratoon("create", "datasets", "-f", str(file))
    assert (status, len(server.requests)) == (6, 1)
    assert "Created 0 of 2." in errors


def test_an_interruption_has_the_status_of_shells(ratoon, server):
    def interrupt(_request):
        raise KeyboardInterrupt

    server.answers["GET", NAME] = interrupt
    assert ratoon("get", "datasets", "d")[0] == 130


def test_a_name_that_no_resource_can_have_is_not_sent(ratoon, server):
    for arguments in (["lineage", "records", "a/b"], ["datasets", "lineage", "a:b"], ["keys", "show", "a/b"]):
        status, _, errors = ratoon(*arguments)
        assert (status, server.requests) == (2, []), errors
        assert "must look like" in errors


def test_every_status_has_a_meaning():
    assert set(MEANINGS) == set(ExitCode)
