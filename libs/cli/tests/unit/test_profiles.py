"""Profiles on the command line: created and followed, read as a table, two next to each other."""

import json

import pytest

from libs.cli.tests.unit.conftest import watch

VERSION = "projects/p/datasets/p/versions/v2"
PROFILES = "projects/p/datasets/p/profiles"


def report(version: str, records: int) -> dict[str, object]:
    return {
        "datasetVersion": f"projects/p/datasets/p/versions/{version}",
        "recordCount": str(records),
        "sealedCount": "5",
        "numericColumns": [
            {
                "name": "characters",
                "valueCount": str(records),
                "quantiles": [{"share": 0.01 * place, "value": place} for place in range(7)],
                "outlierCount": "3",
            }
        ],
        "valueColumns": [
            {"name": "label", "distinctCount": "2", "topValues": [{"value": "ham", "count": "1200"}]}
        ],
        "difficulty": {"accuracy": 0.875, "majorityShare": 0.5},
        "notes": ["Topics need at least 20 texts; the sample has 3."],
    }


@pytest.fixture
def reports(server):
    server.answers["POST", PROFILES] = {"name": f"{PROFILES}/a", "state": "STATE_QUEUED"}
    server.answers["GET", f"{PROFILES}/a:watch"] = watch({"name": f"{PROFILES}/a", "state": "STATE_READY"})
    server.answers["GET", f"{PROFILES}/a:report"] = report("v2", 3000)
    server.answers["GET", f"{PROFILES}/b:report"] = report("v1", 20)


def test_a_profile_is_created_and_followed(ratoon, server, reports):
    status, _, errors = ratoon("profiles", "create", "v2", "--topics", "5")
    assert status == 0, errors
    assert "ratoon profiles report a" in errors
    assert server.sent("POST")[0][3] == {"datasetVersion": VERSION, "topicCount": 5}


def test_two_reports_are_columns_of_one_table(ratoon, server, reports):
    status, output, errors = ratoon("profiles", "report", "a", "--with", "b")
    assert status == 0, errors
    for expected in ("v2", "v1", "3,000", "20", "87.5%", "1, 3, 5", "ham 1,200"):
        assert expected in output


def test_a_report_as_json_is_whole(ratoon, server, reports):
    status, output, errors = ratoon("profiles", "report", "a", "--output", "json")
    assert status == 0, errors
    assert json.loads(output)["difficulty"]["accuracy"] == 0.875


def test_the_lineage_of_a_sealed_record_names_a_reader(ratoon, server):
    server.answers["GET", f"projects/p/records/{'0' * 64}:lineage"] = {"recordId": "0" * 64}
    server.listing("projects/p/models", "models", [])
    status, _, errors = ratoon(
        "datasets", "lineage", "0" * 64, "--reader", "erasure", "--purpose", "a request"
    )
    assert status == 0, errors
    assert server.requests[0].url.params["reader"] == "erasure"
