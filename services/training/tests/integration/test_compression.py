"""Compression of a tiny model: files that transformers loads again, rounding errors, and the whole job."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from ratoon.operations.job_messages import to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.model_tree import FolderFiles, inspect_model_tree, weight_format
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import Record, Turn
from ratoon.tasks.regress import Regress
from ratoon_training import compression_messages
from ratoon_training.domain.compressions import CompressionSpec, Method, Rounding
from ratoon_training.domain.errors import BadCompression, Stopped
from ratoon_training.worker import models
from ratoon_training.worker.compression import job as compression_job
from ratoon_training.worker.compression import rounding
from ratoon_training.worker.compression.quality import Quality

from .conftest import LABELS, train_once

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
IDS = torch.arange(5, 37).unsqueeze(0)
CLASSIFY = Classify(LABELS)


@pytest.fixture(scope="module")
def source(task):
    """A trained model of one layer, with its directory."""
    outcome = train_once(task, "to-compress")
    digest = outcome["result"]["artifact_digest"]
    return digest, task.fetch(digest, "to-compress")


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits[0]


def compressed(folder, target, method, hessians=None, **settings):
    """Write the model of a directory in another format, and return it as transformers loads it."""
    model = models.whole(folder, None).eval()
    spec = CompressionSpec("a" * 64, method, **settings)
    compressor = rounding.quantize(model, spec, hessians or {}, torch.bfloat16)
    rounding.save(model, target, compressor)
    return AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32, output_loading_info=True)


@pytest.mark.parametrize(
    ("method", "name", "limit"), [(Method.INT8, "int8", 0.05), (Method.INT4, "int4", 0.5)]
)
def test_transformers_loads_what_is_nearly_the_source(source, tmp_path, method, name, limit):
    _, folder = source
    model, info = compressed(folder, tmp_path, method)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    before, after = logits(models.whole(folder, None)), logits(model)
    assert float((after - before).abs().max() / before.abs().max()) < limit
    assert weight_format(json.loads((tmp_path / "config.json").read_text())) == name
    tensors = load_file(tmp_path / "model.safetensors")
    integers = [each for each in tensors if each.endswith(("proj.weight", "proj.weight_packed"))]
    assert {tensors[each].dtype for each in integers} <= {torch.int8, torch.int32}
    assert tensors["model.embed_tokens.weight"].dtype is torch.bfloat16


def test_an_error_that_later_weights_make_up_for_is_smaller():
    torch.manual_seed(0)
    weight = torch.randn(32, 64)
    inputs = torch.randn(256, 8) @ torch.randn(8, 64) + 0.1 * torch.randn(256, 64)
    hessian = inputs.T @ inputs / len(inputs)
    nearest, scales = rounding.rounded_weights(weight, 16, 7, None, torch.float32)
    gptq, _ = rounding.rounded_weights(weight, 16, 7, hessian, torch.float32)
    whole = gptq.unflatten(1, (-1, 16)) / scales.unsqueeze(-1)
    assert torch.allclose(whole, whole.round(), atol=1e-4)
    before, after = (float(((each - weight) @ inputs.T).square().mean()) for each in (nearest, gptq))
    assert after < 0.6 * before


def test_groups_fit_every_layer_or_are_refused(source):
    layers = rounding.linear_layers(models.whole(source[1], None))
    assert not any("lm_head" in name for name in layers)
    assert rounding.group_size(layers, 0) in (16, 32, 64, 128)
    with pytest.raises(BadCompression, match="does not divide"):
        rounding.group_size(layers, 48)
    narrow = {"a": torch.nn.Linear(24, 8)}
    with pytest.raises(BadCompression, match="METHOD_INT8"):
        rounding.group_size(narrow, 0)


def test_pruning_removes_the_smallest_weights():
    layer = torch.nn.Linear(40, 50)
    largest = float(layer.weight.detach().abs().max())
    rounding.prune({"layer": layer}, 0.3)
    assert int((layer.weight == 0).sum()) == 600
    assert float(layer.weight.detach().abs().max()) == largest


def test_each_layer_and_each_calibration_text_is_a_step_that_may_end_the_work(source):
    model, steps = models.whole(source[1], None).eval(), []
    hessians = rounding.hessians(model, [[5, 6, 7]] * 3, lambda *step: steps.append(step))
    assert steps == [(0, 3), (1, 3), (2, 3)]

    def stop(done: int, count: int) -> None:
        steps.append((done, count))
        if done == 2:
            raise Stopped("The compression was cancelled.")

    spec = CompressionSpec("a" * 64, Method.INT8)
    with pytest.raises(Stopped):
        rounding.quantize(model, spec, hessians, torch.bfloat16, stop)
    assert steps[3:] == [(done, len(hessians)) for done in range(3)]


def records(*answers):
    return [Record((Turn("user", "?"),), (each,)) for each in answers]


def test_metrics_are_those_of_the_task_and_equal_answers_differ_by_nothing():
    labels = Quality(CLASSIFY, records("ham", "spam", "ham", "spam"))
    assert labels.metrics(["ham", "spam", "spam", "spam"])["accuracy"] == 0.75
    same = labels.difference(["ham"] * 4, ["ham"] * 4, 0)
    assert (same.metric, same.value, same.low, same.high, same.same_answers) == ("macro_f1", 0, 0, 0, 1)
    worse = labels.difference(["ham"] * 4, ["ham", "spam", "ham", "spam"], 0)
    assert worse.low <= worse.value < 0
    assert Quality(Regress(), records("1", "3")).metrics(["2", "x"]) == {"mae": 1.0, "invalid_answers": 0.5}
    texts = Quality(Generate(), records("a blue sky")).metrics(["a blue sea"])
    assert (texts["exact_match"], 0 < texts["rouge_l"] < 1) == (0.0, True)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("method", "how", "share"),
    [
        (Method.BFLOAT16, Rounding.NEAREST, 0.55),
        (Method.FLOAT16, Rounding.NEAREST, 0.55),
        (Method.INT8, Rounding.NEAREST, 0.6),
        (Method.INT4, Rounding.GPTQ, 0.6),
        (Method.PRUNED, Rounding.NEAREST, 1.1),
    ],
)
def test_a_job_measures_the_model_beside_its_source(task, source, tmp_path, monkeypatch, method, how, share):
    monkeypatch.setattr(compression_job, "find_spec", lambda _: None)
    digest, _ = source
    spec = CompressionSpec(
        digest,
        method,
        rounding=how,
        train_digest=task.train,
        validation_digest=task.validation,
        task=CLASSIFY,
        calibration_records=16,
        quality_records=20,
        dtype=method.serving_dtype,
    )
    message = compression_messages.spec_message(spec)
    written = {"artifacts": task.store.url, "compression": json_of(message), "compress": True}
    result = compression_job.run(written, JobFolder(tmp_path))
    source_table, table = result["source"], result["compressed"]
    assert table["size_bytes"] < share * source_table["size_bytes"]
    assert table["runtime"].startswith("transformers")
    assert "not installed" in table["note"]
    assert min(table["tokens_per_second"], table["batch_tokens_per_second"]) > 0
    assert (table["records"], result["difference"]["metric"]) == (20, "macro_f1")
    assert abs(table["metrics"]["accuracy"] - source_table["metrics"]["accuracy"]) <= 0.25
    folder = task.fetch(result["artifact_digest"], f"compressed-{method}")
    assert inspect_model_tree(FolderFiles(folder)).problems == ()
    card = json.loads((folder / "recipe.json").read_text())["compression"]
    assert (card["method"], card["serving_dtype"]) == (method, method.serving_dtype)


def json_of(message):
    return {name: value for name, value in to_json(message).items() if value is not None}
