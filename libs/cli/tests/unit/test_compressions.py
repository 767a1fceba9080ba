"""`ratoon compressions`: the table of a compression, its registration and its gate."""

import json

import pytest

from .conftest import problem

NAME = "projects/p/compressions/small"
SOURCE = "projects/p/models/p/versions/v1.0"
ENDED = {
    "name": NAME,
    "state": "STATE_SUCCEEDED",
    "method": "METHOD_INT8",
    "sourceVersion": SOURCE,
    "sourceDigest": "a",
    "artifactDigest": "b",
    "servingDtype": "DTYPE_BFLOAT16",
    "source": {
        "sizeBytes": "8388608", "tokensPerSecond": 90.0, "dtype": "DTYPE_FLOAT32", "metrics": {"macro_f1": 0.9}
    },
    "compressed": {
        "sizeBytes": "3145728", "tokensPerSecond": 80.0, "dtype": "DTYPE_BFLOAT16", "metrics": {"macro_f1": 0.88}
    },
    "difference": {"metric": "macro_f1", "value": -0.02, "low": -0.05, "high": 0.01},
}  # fmt: skip


def test_the_table_has_both_models_side_by_side(ratoon, server):
    server.answers["GET", NAME] = ENDED
    status, output, errors = ratoon("compressions", "table", "small")
    assert status == 0, errors
    assert "8 MiB" in output and "3 MiB" in output and "bfloat16" in output
    assert "-0.0200 (-0.05 to 0.01)" in output
    _, output, _ = ratoon("compressions", "table", "small", "-o", "json")
    assert {"measurement": "sizeBytes", "source": "8388608", "compressed": "3145728"} in json.loads(output)


@pytest.mark.parametrize("arguments", [("register", "small"), ("gate", "small", "--split", "s")])
def test_a_compression_without_a_result_is_neither_registered_nor_compared(ratoon, server, arguments):
    server.answers["GET", NAME] = {"name": NAME, "state": "STATE_RUNNING"}
    status, _, errors = ratoon("compressions", *arguments)
    assert status == 2
    assert "has no result" in errors and "compressions watch" in errors
    assert server.sent("POST") == []


def test_a_compression_of_an_artifact_is_not_registered(ratoon, server):
    server.answers["GET", NAME] = {**ENDED, "sourceVersion": ""}
    status, _, errors = ratoon("compressions", "register", "small")
    assert status == 2
    assert "no version" in errors


def test_forms_of_versions_stand_beside_what_they_come_from(ratoon, server):
    def version(id, run, **more):
        return {"name": f"projects/p/models/p/versions/{id}", "lineage": {"trainingRun": run}, **more}

    run = "projects/p/trainingRuns"
    scores = {"new.macro_f1": 0.9}
    versions = [
        version("v1.0", f"{run}/r", sizeBytes="8388608", artifactDigest="a", scores=scores),
        version("v1.1", f"{run}/r", sizeBytes="3145728", scores={"new.macro_f1": 0.88}),
        version("v1.2", f"{run}/student", sizeBytes="4194304", scores={"suite:x.accuracy": 0.5}),
        version("v1.3", f"{run}/merge", sizeBytes="8388608"),
        version("v1.4", f"{run}/gone"),
    ]
    for at in (1, 3):
        versions[at]["lineage"]["derivedFrom"] = SOURCE
    server.answers["GET", "projects/p"] = {"name": "projects/p", "model": "projects/p/models/p"}
    server.answers["GET", "projects/p/models/p/versions"] = {"modelVersions": versions}
    for id, recipe in (
        ("r", {}),
        ("merge", {}),
        ("student", {"distillation": {"teacherArtifactDigest": "a"}}),
    ):
        server.answers["GET", f"{run}/{id}"] = {"name": f"{run}/{id}", "recipe": recipe}
    server.answers["GET", f"{run}/gone"] = problem(404, "NOT_FOUND", "It is deleted.", "NOT_FOUND")
    status, output, errors = ratoon("compressions", "forms", "-o", "json")
    assert status == 0, errors
    rows = json.loads(output)
    assert [(row["version"], row["form"], row["source"]) for row in rows] == [
        ("v1.1", "compressed", "v1.0"),
        ("v1.2", "student", "v1.0"),
        ("v1.3", "merged adapter", "v1.0"),
    ]
    assert (rows[0]["scores"], rows[0]["sourceScores"]) == ({"new.macro_f1": 0.88}, scores)
    _, output, _ = ratoon("compressions", "forms")
    assert "3 MiB" in output and "new.macro_f1 0.88" in output
