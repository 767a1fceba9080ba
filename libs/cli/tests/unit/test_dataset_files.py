"""Differences of dataset versions on the command line, and exports as files of this machine."""

import hashlib
import json

import httpx
import pytest

from libs.cli.tests.unit.conftest import watch

VERSION = "projects/p/datasets/p/versions/v2"
EXPORT = "projects/p/datasets/p/exports/e"
DATA = b"text,label\r\n"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def difference(server):
    server.answers["GET", f"{VERSION}:diff"] = {
        "counts": {"ADDED": "2", "CHANGED": "1"},
        "unchangedCount": "7",
    }
    rows = [
        {"recordId": "a" * 64, "kind": "KIND_ADDED", "text": "new"},
        {"recordId": "b" * 64, "kind": "KIND_CHANGED", "baseText": "old", "text": "x" * 5000},
    ]
    server.listing(f"{VERSION}/recordDifferences", "recordDifferences", rows)


def test_a_difference_is_counts_and_rows(ratoon, server, difference):
    status, output, errors = ratoon("datasets", "diff", "v1", "v2", "--kind", "changed", "--kind", "added")
    assert status == 0, errors
    assert "2 added, 0 removed, 1 changed, 0 moved; 7 unchanged." in errors
    assert "changed" in output
    queries = server.sent("GET")
    assert [query["base"] for _, _, query, _ in queries] == ["projects/p/datasets/p/versions/v1"] * 2
    listing = server.requests[-1].url.params
    assert listing.get_list("kinds") == ["KIND_CHANGED", "KIND_ADDED"]


def test_a_difference_as_json_is_one_document(ratoon, difference):
    status, output, errors = ratoon("datasets", "diff", "v1", "v2", "--output", "json")
    assert status == 0, errors
    document = json.loads(output)
    assert document["counts"] == {"ADDED": "2", "CHANGED": "1"}
    assert [each["kind"] for each in document["recordDifferences"]] == ["added", "changed"]
    assert len(document["recordDifferences"][1]["text"]) == 200


@pytest.fixture
def export(server):
    server.answers["POST", "projects/p/datasets/p/exports"] = {"name": EXPORT, "state": "STATE_QUEUED"}
    server.answers["GET", f"{EXPORT}:watch"] = watch({"name": EXPORT, "state": "STATE_READY"})
    files = [{"path": "data/train.csv", "digest": DIGEST, "sizeBytes": str(len(DATA))}]
    server.answers["POST", f"{EXPORT}:open"] = {"artifactDigest": "d" * 64, "files": files}
    server.answers["GET", f"blobs/{DIGEST}"] = httpx.Response(200, content=DATA)


def test_an_export_is_downloaded_file_by_file(ratoon, server, export, tmp_path):
    out = tmp_path / "out"
    arguments = ("--format", "csv", "--escape-formulas", "--out", str(out))
    status, _, errors = ratoon("datasets", "export", "v2", *arguments)
    assert status == 0, errors
    assert (out / "data" / "train.csv").read_bytes() == DATA
    created = server.sent("POST")[0][3]
    assert created == {"datasetVersion": VERSION, "format": "FORMAT_CSV", "escapeFormulas": True}


def test_the_sealed_part_is_opened_with_its_reader_and_purpose(ratoon, server, export, tmp_path):
    arguments = ("--part", "test", "--reader", "r", "--purpose", "a benchmark", "--out", str(tmp_path))
    status, _, errors = ratoon("datasets", "export", "--split", "s", *arguments)
    assert status == 0, errors
    created, opened = (body for _, path, _, body in server.sent("POST"))
    assert created["split"] == "projects/p/datasets/p/splits/s"
    assert created["parts"] == ["PART_TEST"]
    assert opened == {"reader": "r", "purpose": "a benchmark"}


@pytest.mark.parametrize("path", ["../outside", "/etc/outside", "a/../../outside"])
def test_a_path_outside_of_the_directory_is_refused(ratoon, server, export, tmp_path, path):
    files = [{"path": path, "digest": DIGEST, "sizeBytes": "1"}]
    server.answers["POST", f"{EXPORT}:open"] = {"files": files}
    status, _, errors = ratoon("datasets", "export", "v2", "--out", str(tmp_path / "out"))
    assert status == 1
    assert "outside of its directory" in errors
    assert not list(tmp_path.rglob("outside"))


def test_a_version_or_a_split_is_needed(ratoon):
    for arguments in ((), ("v2", "--split", "s")):
        status, _, errors = ratoon("datasets", "export", *arguments)
        assert status == 2
        assert "Name either a version or --split" in errors
