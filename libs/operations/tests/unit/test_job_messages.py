"""JSON of job messages: readable by the releases that wrote and read it as plain values."""

import math

import pytest
from google.protobuf.json_format import ParseError

from ratoon.jobs.v1 import job_pb2, registry_jobs_pb2
from ratoon.operations.job_messages import from_json, spec_json, to_json


def test_every_field_is_written_under_the_name_of_its_proto():
    progress = job_pb2.JobProgress(done=2**40, metrics={"b": 1.5, "a": 2.0})
    written = to_json(progress)
    assert written == {
        "fraction": 0.0,
        "message": "",
        "done": 2**40,
        "total": 0,
        "unit": "",
        "remaining_s": None,
        "metrics": {"a": 2.0, "b": 1.5},
    }
    assert list(written["metrics"]) == ["a", "b"]


def test_a_message_survives_its_json():
    result = registry_jobs_pb2.VerificationResult(parameter_count=2**40)
    result.generation.top_k = 3
    assert from_json(registry_jobs_pb2.VerificationResult, to_json(result)) == result


def test_fields_of_other_releases_are_ignored_and_absent_ones_have_their_defaults():
    read = from_json(job_pb2.JobProgress, {"message": "half", "mood": "good"})
    assert (read.message, read.done, read.HasField("remaining_s")) == ("half", 0, False)


def test_numbers_that_are_not_finite_are_quoted_and_read_in_either_form():
    written = to_json(job_pb2.JobProgress(metrics={"a": math.nan, "b": math.inf, "c": -math.inf}))
    assert written["metrics"] == {"a": "NaN", "b": "Infinity", "c": "-Infinity"}
    read = from_json(job_pb2.JobProgress, {"fraction": math.nan, "metrics": written["metrics"]})
    assert math.isnan(read.fraction)
    assert read.metrics["c"] == -math.inf


def test_a_value_of_another_type_is_refused():
    with pytest.raises(ParseError):
        from_json(job_pb2.JobProgress, {"fraction": "half"})


def test_a_spec_stands_next_to_its_environment_without_fields_that_are_not_set():
    environment = job_pb2.JobEnvironment(artifacts="file:///a", lanes=2)
    spec = spec_json(environment, job_pb2.JobProgress(message="m"))
    assert spec.keys() == {"artifacts", "lanes", *to_json(job_pb2.JobProgress())} - {"remaining_s"}
    assert from_json(job_pb2.JobEnvironment, spec) == environment
