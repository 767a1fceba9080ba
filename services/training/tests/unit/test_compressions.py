"""Compressions: what is refused, and messages as callers and jobs see them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ratoon.jobs.v1.training_jobs_pb2 import CompressionResult
from ratoon.jobs.v1.training_jobs_pb2 import CompressionSpec as JobSpec
from ratoon.operations.job_machine import Failure, JobObservation, Phase, step
from ratoon.operations.job_messages import from_json
from ratoon.tasks.compute import Dtype
from ratoon.tasks.generate import Generate
from ratoon.training.v1.compression_pb2 import Compression as Message
from ratoon_training import compression_messages, mapping
from ratoon_training.adapters.compression_jobs import compression_jobs
from ratoon_training.domain.compressions import (
    Compressed,
    Compression,
    CompressionSpec,
    Difference,
    Measurement,
    Method,
    Rounding,
    State,
    completed,
)
from ratoon_training.domain.errors import BadCompression

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = CompressionSpec("a" * 64, Method.INT8, task=Generate())
RESULT = Compressed(
    "b" * 64,
    Measurement(1000, 1000, 20.0, 80.0, Dtype.FLOAT32, "vllm 0.32.0", {"rouge_l": 0.5}, 10),
    Measurement(300, 280, 30.0, 90.0, Dtype.BFLOAT16, "vllm 0.32.0", {"rouge_l": 0.4}, 10, "slow"),
    Difference("rouge_l", -0.1, -0.2, 0.05, 0.6),
)
COMPRESSION = Compression("projects/p/compressions/c", NOW, NOW, SPEC)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("source_digest", {"source_digest": ""}),
        ("rounding", {"method": Method.BFLOAT16, "rounding": Rounding.GPTQ}),
        ("train_digest", {"rounding": Rounding.GPTQ}),
        ("group_size", {"group_size": 32}),
        ("group_size", {"method": Method.INT4, "group_size": 8}),
        ("sparsity", {"sparsity": 0.5}),
        ("sparsity", {"method": Method.PRUNED, "sparsity": 1.0}),
        ("calibration_records", {"calibration_records": 5_000}),
        ("quality_records", {"quality_records": -1}),
        ("seed", {"seed": -1}),
    ],
)
def test_what_cannot_be_compressed_is_refused_with_its_field(field, changes):
    with pytest.raises(BadCompression) as refused:
        replace(SPEC, **changes).checked()
    assert refused.value.field == field


def test_a_request_has_its_defaults():
    request = Message(source_digest="a" * 64, method=Message.METHOD_INT4)
    spec = compression_messages.spec_of(request).checked()
    assert (spec.rounding, spec.dtype, spec.quality_records, spec.calibration_records) == (
        Rounding.NEAREST,
        Dtype.BFLOAT16,
        200,
        64,
    )
    pruned = replace(spec, method=Method.PRUNED).checked()
    assert pruned.sparsity == 0.5
    with pytest.raises(BadCompression, match="method"):
        compression_messages.spec_of(Message(source_digest="a" * 64))


def test_a_specification_and_a_result_pass_through_a_job():
    jobs = compression_jobs(None, "file:///store")
    written = jobs.spec_of(COMPRESSION)
    assert (written["artifacts"], written["tenant"], written["compress"]) == (
        "file:///store",
        "projects/p",
        True,
    )
    assert compression_messages.spec_of(from_json(JobSpec, written).compression) == SPEC
    shown = compression_messages.compression_message(replace(COMPRESSION, result=RESULT))
    result = CompressionResult(
        artifact_digest=shown.artifact_digest,
        source=shown.source,
        compressed=shown.compressed,
        difference=shown.difference,
    )
    assert compression_messages.compressed_of(result) == RESULT


def test_its_events_stand_in_a_topic_of_their_own():
    done = step(COMPRESSION, JobObservation(Phase.SUCCEEDED, result=RESULT), NOW, completed)
    assert (done.resource.state, done.resource.result) == (State.SUCCEEDED, RESULT)
    record = mapping.event(done.events[0], COMPRESSION.name, 3)
    assert record.topic == "ratoon.training.v1.compressions"
    failed = step(
        COMPRESSION, JobObservation(Phase.FAILED, failure=Failure("BAD_COMPRESSION", "No.")), NOW, completed
    )
    assert mapping.event(failed.events[0], COMPRESSION.name, 3).topic == record.topic
    assert compression_messages.compression_message(failed.resource).failure.reason == "BAD_COMPRESSION"
