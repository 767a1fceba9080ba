"""Merging the adapter of a version: a training run on the parts of its training, and the whole model as a version."""

import json

from .conftest import watch

VERSION = "projects/p/models/p/versions/v1.0"
RUN = "projects/p/trainingRuns/r"
MERGE = "projects/p/trainingRuns/m"
WHOLE = "projects/p/models/p/versions/v2.0"
TASK = {"classify": {"labels": ["ham", "spam"]}}


def adapter_of_a_version(server):
    lineage = {"trainingRun": RUN, "split": "s", "datasetVersion": "d", "evaluationRun": "e"}
    server.answers["GET", VERSION] = {
        "name": VERSION,
        "artifactDigest": "a",
        "baseArtifactDigest": "c",
        "lineage": lineage,
    }
    server.answers["GET", RUN] = {
        "name": RUN,
        "trainDigest": "t",
        "validationDigest": "v",
        "recipe": {"method": "METHOD_LORA", "task": TASK},
    }
    server.answers["POST", "projects/p/trainingRuns"] = {"name": MERGE, "state": "STATE_QUEUED"}


def test_the_merged_adapter_of_a_version_is_the_next_version(ratoon, server):
    adapter_of_a_version(server)
    server.answers["GET", f"{MERGE}:watch"] = watch(
        {"name": MERGE, "state": "STATE_SUCCEEDED", "artifactDigest": "b"}
    )
    server.answers["POST", "projects/p/models/p/versions"] = {"name": WHOLE, "state": "STATE_VERIFYING"}
    server.answers["GET", f"{WHOLE}:watch"] = watch({"name": WHOLE, "state": "STATE_READY"})
    status, output, errors = ratoon("--output", "json", "models", "merge", "v1.0")
    assert status == 0, errors
    assert json.loads(output)["name"] == WHOLE
    run, version = server.sent("POST")
    assert run[3] == {
        "trainDigest": "t",
        "validationDigest": "v",
        "baseArtifactDigest": "a",
        "recipe": {"method": "METHOD_MERGE", "task": TASK},
    }
    assert version[1] == "projects/p/models/p/versions"
    lineage = version[3].pop("lineage")
    assert version[3] == {
        "artifactDigest": "b",
        "changelog": "The adapter of v1.0, merged into its base.",
        "goldenSourceDigest": "v",
    }
    assert {name: value for name, value in lineage.items() if value} == {
        "trainingRun": MERGE,
        "split": "s",
        "datasetVersion": "d",
        "parentVersion": VERSION,
        "derivedFrom": VERSION,
    }


def test_a_whole_model_has_nothing_to_merge(ratoon, server):
    server.answers["GET", VERSION] = {"name": VERSION, "artifactDigest": "a", "lineage": {"trainingRun": RUN}}
    status, _, errors = ratoon("models", "merge", "v1.0")
    assert status == 2
    assert "is a whole model" in errors
    assert server.sent("POST") == []


def test_nothing_is_registered_if_the_merged_model_differs(ratoon, server):
    adapter_of_a_version(server)
    failure = {"reason": "MERGE_DIFFERS", "message": "The merged model differs from base and adapter."}
    server.answers["GET", f"{MERGE}:watch"] = watch(
        {"name": MERGE, "state": "STATE_FAILED", "failure": failure}
    )
    status, _, errors = ratoon("models", "merge", "v1.0")
    assert status == 1
    assert "The merged model differs" in errors
    assert [path for _, path, _, _ in server.sent("POST")] == ["projects/p/trainingRuns"]


def test_a_version_that_was_not_trained_here_is_refused(ratoon, server):
    server.answers["GET", VERSION] = {"name": VERSION, "artifactDigest": "a"}
    status, _, errors = ratoon("models", "merge", "v1.0")
    assert status == 2
    assert "was not trained here" in errors
    assert server.sent("POST") == []
