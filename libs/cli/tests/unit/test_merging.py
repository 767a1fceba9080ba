"""Merging the adapter of a version: a training run on the parts that the version was trained with."""

VERSION = "projects/p/models/p/versions/v1.0"
RUN = "projects/p/trainingRuns/r"


def test_the_adapter_of_a_version_is_merged_on_the_parts_of_its_training(ratoon, server):
    server.answers["GET", VERSION] = {
        "name": VERSION,
        "artifactDigest": "a",
        "lineage": {"trainingRun": RUN},
    }
    server.answers["GET", RUN] = {
        "name": RUN,
        "trainDigest": "t",
        "validationDigest": "v",
        "recipe": {"method": "METHOD_LORA", "task": {"classify": {"labels": ["ham", "spam"]}}},
    }
    status, _, errors = ratoon("models", "merge", "v1.0")
    assert status == 0, errors
    [(_, path, _, body)] = server.sent("POST")
    assert path == "projects/p/trainingRuns"
    assert body == {
        "trainDigest": "t",
        "validationDigest": "v",
        "baseArtifactDigest": "a",
        "recipe": {"method": "METHOD_MERGE", "task": {"classify": {"labels": ["ham", "spam"]}}},
    }


def test_a_version_that_was_not_trained_here_is_refused(ratoon, server):
    server.answers["GET", VERSION] = {"name": VERSION, "artifactDigest": "a"}
    status, _, errors = ratoon("models", "merge", "v1.0")
    assert status == 2
    assert "was not trained here" in errors
    assert server.sent("POST") == []
