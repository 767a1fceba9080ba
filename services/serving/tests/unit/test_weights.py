"""Weights of integers: what serving reads of an artifact, and how the engines of a compressed version are rendered."""

import json
from dataclasses import replace

import pytest

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.compute import Accelerator, Compute, Dtype
from ratoon_serving.adapters.engine_file import identity
from ratoon_serving.adapters.models import model_spec
from ratoon_serving.adapters.pod_file import pod_file

from .test_engine_file import ENGINE

INT4 = {
    "quant_method": "compressed-tensors",
    "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int"}, "input_activations": None}},
}


@pytest.mark.parametrize(
    ("config", "recipe", "weights", "dtype"),
    [
        ({}, {}, "", None),
        ({}, {"compression": None}, "", None),
        ({}, {"compression": {"serving_dtype": "BFLOAT16"}}, "", Dtype.BFLOAT16),
        ({"quantization_config": INT4}, {"compression": {"serving_dtype": "FLOAT16"}}, "int4", Dtype.FLOAT16),
        ({"quantization_config": INT4}, {"compression": {"serving_dtype": "int2"}}, "int4", None),
    ],
)
def test_an_artifact_states_its_weights_and_their_number_format(tmp_path, config, recipe, weights, dtype):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    (folder / "recipe.json").write_text(json.dumps(recipe))
    store = ArtifactStore(str(tmp_path / "store"))
    spec = model_spec(store, store.put_tree(folder))
    assert (spec.weights, spec.dtype) == (weights, dtype)


def test_engines_on_gpus_compute_a_compressed_version_in_its_number_format():
    engine = replace(ENGINE, compute=Compute(Accelerator.CUDA, Dtype.BFLOAT16))
    assert identity(engine)["dtype"] == "bfloat16"
    assert json.loads(pod_file(engine, ()))["dtype"] == "bfloat16"
