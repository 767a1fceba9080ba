"""Exports of models: requests that fit together, results as they are stored, and messages that keep all of them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ratoon.jobs.v1.training_jobs_pb2 import ModelExportResult
from ratoon.operations.job_machine import Cancelled, Failed, JobObservation, Phase, step
from ratoon.service.parity import link_message
from ratoon.storage.bodies import BodyCodec
from ratoon.tasks.parity import Comparison, Step, link, tolerance_of
from ratoon.training.v1 import model_export_pb2 as pb
from ratoon.training.v1 import training_service_pb2 as service_pb
from ratoon_training import model_export_messages as messages
from ratoon_training.domain.errors import BadModelExport
from ratoon_training.domain.model_exports import (
    ExportFormat,
    GgufType,
    ModelExport,
    ModelExported,
    State,
    checked,
    exported,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)
EXPORT = ModelExport("projects/p/modelExports/e", NOW, NOW, "a" * 64, ExportFormat.GGUF)
LINK = link(
    Step.EXPORT,
    "gguf_q8_0",
    "llama.cpp",
    "b" * 64,
    "a" * 64,
    comparison=Comparison(prompts=1, equal_prompts=1, places=8, equal_places=8),
    tolerance=tolerance_of("gguf_q8_0"),
    recorded=8,
)
RESULT = ModelExportResult(
    artifact_digest="b" * 64,
    files=[pb.ModelExportFile(path="model.gguf", digest="c" * 64, size_bytes=5)],
    tensor_counts={"Q8_0": 15, "F32": 5},
    parity=link_message(LINK),
    notes=["A note."],
)


def test_gguf_is_written_in_16_bits_by_default():
    assert checked(EXPORT, is_adapter=False).gguf_type is GgufType.F16


@pytest.mark.parametrize(
    ("export", "field"),
    [
        (replace(EXPORT, format=ExportFormat.ONNX, gguf_type=GgufType.F16), "model_export.gguf_type"),
        (replace(EXPORT, format=ExportFormat.ADAPTER), "model_export.format"),
    ],
)
def test_settings_that_do_not_fit_are_refused_by_field(export, field):
    with pytest.raises(BadModelExport) as refused:
        checked(export, is_adapter=False)
    assert refused.value.field == field


def test_a_request_without_a_format_is_refused():
    with pytest.raises(BadModelExport, match="FORMAT_HUGGING_FACE"):
        messages.create_model_export(service_pb.CreateModelExportRequest(parent="projects/p"))


def test_a_result_is_kept_in_body_and_message():
    observation = JobObservation(Phase.SUCCEEDED, result=messages.exported_of(RESULT))
    done = step(checked(EXPORT, is_adapter=False), observation, NOW, exported)
    assert done.events == (ModelExported("b" * 64),)
    bodies = BodyCodec(ModelExport)
    stored = bodies.load(bodies.dump(done.resource))
    assert stored == done.resource
    message = messages.message_of(stored)
    assert message.state == pb.ModelExport.STATE_SUCCEEDED
    assert message.parity == RESULT.parity
    assert (message.size_bytes, dict(message.tensor_counts)) == (5, {"F32": 5, "Q8_0": 15})
    assert (message.gguf_type, list(message.notes)) == (pb.ModelExport.GGUF_TYPE_F16, ["A note."])


def test_an_export_without_a_comparison_has_no_parity():
    result = messages.exported_of(ModelExportResult(artifact_digest="b" * 64))
    assert result.parity == ""
    done, _ = exported(EXPORT, result)
    assert not messages.message_of(done).HasField("parity")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (ModelExported("b" * 64), "completed"),
        (Failed("EXPORT_DIFFERS"), "failed"),
        (Cancelled(), "cancelled"),
    ],
)
def test_events_have_one_envelope(event, kind):
    assert messages.envelope(event, EXPORT.name, 3).WhichOneof("event") == kind


def test_states_end_with_or_without_files():
    assert State.SUCCEEDED.ended
    assert not State.SUCCEEDED.without_result
    assert State.FAILED.without_result
    assert not State.CANCELLING.ended
