"""Records are found by a part of their text, each once, in the newest version that holds it."""

import pytest
from typer.testing import CliRunner

from ratoon.cli import app
from ratoon.cli.context import Session
from ratoon.client.records import find_records

from .conftest import problem

D = "projects/p/datasets/d"


def record(record_id, text):
    return {"recordId": record_id * 64, "text": text}


@pytest.fixture(autouse=True)
def versions(server):
    """Serve two versions that share a record, and one that is not ready."""
    server.listing("projects/p/datasets", "datasets", [{"name": D}])
    days = [{"name": f"{D}/versions/v{n}", "createTime": f"2026-01-0{n}T00:00:00Z"} for n in (1, 2, 3)]
    server.listing(f"{D}/versions", "datasetVersions", days)
    first = record("a", "Dear  Ann,\nthe bill")
    server.listing(f"{D}/versions/v1/records", "records", [first, record("b", "else")])
    server.listing(f"{D}/versions/v2/records", "records", [first, record("c", "DEAR ANN, no")])
    not_ready = problem(400, "NOT_READY", "It is not ready.", "FAILED_PRECONDITION")
    server.answers["GET", f"{D}/versions/v3/records"] = not_ready


def matches(text, version=""):
    records = find_records(Session.client, "projects/p", text, version)
    return [(each.record_id[0], name[-2:]) for name, each in records]


def test_a_part_of_a_text_is_found_whatever_its_case_and_white_space():
    assert matches("dear ann,") == [("a", "v2"), ("c", "v2")]
    assert matches("ann, the BILL", f"{D}/versions/v1") == [("a", "v1")]
    assert matches("nothing of it") == []


def test_the_command_prints_whole_ids():
    result = CliRunner().invoke(app, ["-p", "p", "datasets", "find", "-"], input="the bill\n")
    assert (result.exit_code, "a" * 64 in result.output) == (0, True)
    nothing = CliRunner().invoke(app, ["-p", "p", "datasets", "find", "of it nothing"])
    assert (nothing.exit_code, "No record contains this text." in nothing.output) == (1, True)
