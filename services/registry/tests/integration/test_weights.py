"""Weights of stored models: their tensors, and the neighbours of tokens by the numbers in their files."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ratoon.storage.artifacts import ArtifactStore
from ratoon_registry.adapters import weights as module
from ratoon_registry.adapters.weights import StoredWeights
from ratoon_registry.domain.errors import NoEmbeddings, TokenUnknown

VOCABULARY = {"<unk>": 0, "Ġking": 1, "Ġqueen": 2, "Ġapple": 3, "zero": 4}
EMBEDDINGS = np.array([[9, 9], [1, 0.1], [1, 0.2], [-1, 1], [0, 0]], np.float32)


def model(folder: Path, embeddings: np.ndarray = EMBEDDINGS, name: str = "model.embed_tokens.weight") -> Path:
    """A directory with an embedding, two layers of which the tenth comes after the second, and a tokenizer."""
    folder.mkdir()
    layers = {f"model.layers.{number}.mlp.weight": np.ones((2, 3), np.float32) for number in (10, 2)}
    save_file({name: embeddings, **layers}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architectures": ["TestForCausalLM"]}))
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": VOCABULARY}, "added_tokens": []}))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def test_the_tensors_of_a_model_are_in_the_order_of_their_layers(store, tmp_path):
    summary = StoredWeights(store).describe(store.put_tree(model(tmp_path / "model")))
    assert summary.architecture == "TestForCausalLM"
    assert [layer.name for layer in summary.layers] == [
        "model.embed_tokens.weight",
        "model.layers.2.mlp.weight",
        "model.layers.10.mlp.weight",
    ]
    assert [layer.shape for layer in summary.layers] == [(5, 2), (2, 3), (2, 3)]
    assert (summary.parameters, summary.trained_parameters) == (22, 22)
    assert summary.size_bytes == (tmp_path / "model" / "model.safetensors").stat().st_size


def test_of_an_adapter_only_its_own_tensors_are_trained(store, tmp_path):
    base = store.put_tree(model(tmp_path / "base"))
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    save_file(
        {"base_model.lora_A.weight": np.ones((2, 2), np.float32)}, adapter / "adapter_model.safetensors"
    )
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "recipe.json").write_text(json.dumps({"base_artifact_digest": base}))
    (adapter / "tokenizer.json").write_text((tmp_path / "base" / "tokenizer.json").read_text())
    digest = store.put_tree(adapter)
    summary = StoredWeights(store).describe(digest)
    assert (summary.parameters, summary.trained_parameters) == (26, 4)
    assert [layer.trained for layer in summary.layers] == [False, False, False, True]
    _, nearest = StoredWeights(store).neighbours(digest, "king", 1)
    assert nearest[0].token == "Ġqueen"


@pytest.mark.parametrize("rows", [1, 2, 4096])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_nearest_tokens_come_first_by_cosine(store, tmp_path, monkeypatch, rows, dtype):
    monkeypatch.setattr(module, "_ROWS", rows)
    digest = store.put_tree(model(tmp_path / "model", EMBEDDINGS.astype(dtype)))
    token, nearest = StoredWeights(store).neighbours(digest, "king", 10)
    assert (token.token, token.token_id) == ("Ġking", 1)
    assert [each.token for each in nearest] == ["Ġqueen", "<unk>", "zero", "Ġapple"]
    expected = EMBEDDINGS[1] @ EMBEDDINGS[2] / np.linalg.norm(EMBEDDINGS[1]) / np.linalg.norm(EMBEDDINGS[2])
    assert nearest[0].cosine == pytest.approx(float(expected), abs=1e-3)
    assert nearest[2].cosine == 0.0
    assert len(StoredWeights(store).neighbours(digest, "Ġking", 2)[1]) == 2


def test_bfloat16_is_the_upper_half_of_float32():
    exact = np.array([1.0, -2.5, 0.15625], np.float32)
    halves = (exact.view(np.uint32) >> 16).astype(np.uint16)
    assert module._floats(halves.tobytes(), "BF16").tolist() == exact.tolist()


def test_an_unknown_token_and_a_model_without_embeddings_are_named(store, tmp_path):
    weights = StoredWeights(store)
    with pytest.raises(TokenUnknown, match="'kingdom'"):
        weights.neighbours(store.put_tree(model(tmp_path / "model")), "kingdom", 10)
    other = store.put_tree(model(tmp_path / "other", name="features.weight"))
    with pytest.raises(NoEmbeddings):
        weights.neighbours(other, "king", 10)
