"""Base models of architectures other than ours: their size, what is trained of them, and the model that comes out."""

import json
import re
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from ratoon.engine.architecture import architecture_problems
from ratoon.storage.artifacts import ArtifactStore
from ratoon_training.adapters.bases import StoredModels
from ratoon_training.domain.errors import BadBaseModel, BadRecipe
from ratoon_training.domain.recipes import Method, Recipe
from ratoon_training.worker import models, packing
from ratoon_training.worker.corpus import Segments

from .architectures import CONFIGS, tiny
from .conftest import RECIPE, train


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared directory of a run: the base model is its `base/`."""
    prepared = tmp_path_factory.mktemp(request.param)
    return tiny(prepared / "base", request.param).parent


def described(prepared: Path, store: Path):
    artifacts = ArtifactStore(str(store))
    return StoredModels(artifacts).describe(artifacts.put_tree(prepared / "base"))


def test_a_plan_counts_the_weights_that_are_in_memory(base, tmp_path):
    shape = described(base, tmp_path).shape
    model = models.build(Recipe(method=Method.CONTINUE), base)
    assert shape.parameters == sum(parameter.numel() for parameter in model.parameters())
    config = model.config
    assert shape.vocab_size == model.get_input_embeddings().weight.shape[0]
    assert shape.layers == config.num_hidden_layers
    assert described(base, tmp_path).architecture.tied == (
        model.get_output_embeddings().weight is model.get_input_embeddings().weight
    )


def test_a_plan_counts_the_weights_of_an_adapter(base, tmp_path):
    shape = described(base, tmp_path).shape
    model = models.build(Recipe(method=Method.LORA, lora_rank=3), base)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert 0 < shape.adapter_parameters(3) == trained


def spoilt(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    """Change the tensors of a model directory."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


NAME = "gpt_neox.layers.1.attention.dense.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop(NAME), f"missing are {NAME}"),
        (lambda tensors: tensors.update(extra=torch.ones(2)), "unexpected are extra"),
        (lambda tensors: tensors.update({NAME: torch.ones(64, 60)}), "do not fit together"),
    ],
)
def test_a_base_with_other_weights_than_its_architecture_has_is_not_trained(tmp_path, change, message):
    spoilt(tiny(tmp_path / "base", "gpt_neox"), change)
    with pytest.raises(BadBaseModel, match=re.escape(message)):
        models.build(Recipe(method=Method.LORA), tmp_path)


def adapted(base: Path, folder: Path, recipe: Recipe) -> tuple[Any, Path]:
    """A model with an adapter whose two factors are random, and the adapter as it is published."""
    model = models.build(recipe, base).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model, folder


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        values: torch.Tensor = model.eval()(torch.arange(5, 45).reshape(2, 20)).logits
    return values


def test_an_adapter_changes_the_answers_and_merges_into_the_same_model(base, tmp_path):
    """T24, T26: the adapter is active, and so is the merged model, in memory and after a reload."""
    from transformers import AutoModelForCausalLM

    model, _ = adapted(base, tmp_path / "adapter", Recipe(method=Method.LORA, lora_rank=4))
    with model.disable_adapter():
        plain = logits(model)
    active = logits(model)
    assert (active - plain).abs().max() > 1e-2
    merged = model.merge_and_unload()
    assert (logits(merged) - active).abs().max() <= 1e-5
    merged.save_pretrained(tmp_path / "merged")
    reloaded = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    assert (logits(reloaded) - active).abs().max() <= 1e-5
    embeddings = load_file(base / "base" / "model.safetensors")
    name = next(
        name for name in embeddings if name.endswith(("embed_tokens.weight", "embed_in.weight", "wte.weight"))
    )
    assert torch.equal(reloaded.get_input_embeddings().weight, embeddings[name]), (
        "an adapter has no part in it"
    )


def test_all_weights_are_trained_from_what_a_base_is_with_its_adapter(base, tmp_path):
    """The merged model has the logits of the adapter, trains all weights, and keeps its tied head."""
    model, folder = adapted(base, tmp_path / "first", Recipe(method=Method.LORA, lora_rank=4))
    active = logits(model)
    prepared = tmp_path / "prepared"
    shutil.copytree(base / "base", prepared / "base")
    plain = models.build(Recipe(method=Method.CONTINUE), prepared)
    shutil.copytree(folder, prepared / "adapter")
    whole = models.build(Recipe(method=Method.CONTINUE), prepared)
    assert (logits(whole) - active).abs().max() <= 1e-5
    assert (logits(plain) - active).abs().max() > 1e-2
    assert all(parameter.requires_grad for parameter in whole.parameters())
    assert whole.state_dict().keys() == plain.state_dict().keys()
    heads = [each.get_output_embeddings().weight for each in (plain, whole)]
    tied = [
        head is each.get_input_embeddings().weight for head, each in zip(heads, (plain, whole), strict=True)
    ]
    assert tied[0] == tied[1] == whole.config.tie_word_embeddings


def test_an_adapter_on_a_tied_head_does_not_change_the_embeddings_that_it_shares(tmp_path):
    """T24 (a): after the merge the head has weights of its own, also after a reload."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = tiny(tmp_path / "base", "llama")
    loaded = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    embeddings = loaded.get_input_embeddings().weight.detach().clone()
    torch.manual_seed(0)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tied layer
        model = get_peft_model(loaded, LoraConfig(r=4, target_modules=["lm_head"], task_type="CAUSAL_LM"))
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
        active = logits(model)
        model.save_pretrained(tmp_path / "adapter")
    whole = models.build(Recipe(method=Method.CONTINUE), tmp_path)
    assert torch.equal(whole.get_input_embeddings().weight, embeddings)
    assert (logits(whole) - active).abs().max() <= 1e-5
    whole.save_pretrained(tmp_path / "whole")
    reloaded = AutoModelForCausalLM.from_pretrained(tmp_path / "whole", dtype=torch.float32)
    assert not reloaded.config.tie_word_embeddings
    assert (logits(reloaded) - active).abs().max() <= 1e-5


@pytest.mark.parametrize(
    ("copied", "new_tokens"),
    [
        (["embed_tokens", "lm_head"], 0),
        (["lm_head"], 0),
        (["embed_tokens"], 0),
        (["embed_tokens", "lm_head"], 4),
    ],
)
def test_full_copies_of_tied_ends_in_an_adapter_stay_apart_after_the_merge(tmp_path, copied, new_tokens):
    """T24 (b, c), T26 (c): adapters of others hold whole matrices next to their factors, also with new tokens."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = tiny(tmp_path / "base", "llama")
    loaded = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    assert loaded.config.tie_word_embeddings
    torch.manual_seed(0)
    if new_tokens:
        loaded.resize_token_embeddings(loaded.config.vocab_size + new_tokens, mean_resizing=False)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tied layers
        config = LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=copied, task_type="CAUSAL_LM")
        model = get_peft_model(loaded, config)
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
        active = logits(model)
        model.save_pretrained(tmp_path / "adapter")
    whole = models.build(Recipe(method=Method.CONTINUE), tmp_path)
    assert (logits(whole) - active).abs().max() <= 1e-5
    whole.save_pretrained(tmp_path / "whole")
    reloaded = AutoModelForCausalLM.from_pretrained(tmp_path / "whole", dtype=torch.float32)
    assert not reloaded.config.tie_word_embeddings
    assert (logits(reloaded) - active).abs().max() <= 1e-5
    published = models.whole(tmp_path / "adapter", base)
    assert (logits(published) - active).abs().max() <= 1e-5


def test_an_adapter_of_another_base_is_not_continued(tmp_path):
    """T26 (a): names that match nothing are an error, not an adapter without effect."""
    recipe = Recipe(method=Method.LORA, lora_rank=4)
    tiny(tmp_path / "base", "llama")
    _, folder = adapted(tmp_path, tmp_path / "adapter", recipe)
    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    save_file(
        {name.replace("model.model.", "model.language_model.model."): t for name, t in tensors.items()}, file
    )
    with pytest.raises(BadBaseModel, match="does not match its base model"):
        models.build(recipe, tmp_path)


def test_a_rank_stabilised_adapter_keeps_its_scale(tmp_path):
    """T26 (b)."""
    recipe = Recipe(method=Method.LORA, lora_rank=16)
    tiny(tmp_path / "base", "llama")
    _, folder = adapted(tmp_path, tmp_path / "adapter", recipe)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "use_rslora": True, "lora_alpha": 16}))
    model = models.build(recipe, tmp_path)
    scales = {
        layer.scaling["default"]
        for layer in model.modules()
        if hasattr(layer, "scaling") and hasattr(layer, "lora_A")
    }
    assert scales == {4.0}


def test_a_base_in_bfloat16_is_rounded_once_with_its_adapter(tmp_path):
    """T26 (d): the merged weights are bfloat16(W + s BA), not the sum of two numbers that were rounded apart."""
    base = tiny(tmp_path / "base", "llama")
    _, folder = adapted(tmp_path, tmp_path / "adapter", Recipe(method=Method.LORA, lora_rank=4))
    rounded = {name: each.to(torch.bfloat16) for name, each in load_file(base / "model.safetensors").items()}
    save_file(rounded, base / "model.safetensors", {"format": "pt"})
    merged = models.whole(folder, base).state_dict()
    factors = load_file(folder / "adapter_model.safetensors")
    name = "model.layers.0.self_attn.q_proj"
    first, second = (factors[f"base_model.model.{name}.lora_{each}.weight"] for each in "AB")
    exact = rounded[f"{name}.weight"].float() + 2 * second @ first
    assert torch.allclose(merged[f"{name}.weight"], exact, atol=1e-6)
    assert torch.equal(merged[f"{name}.weight"].to(torch.bfloat16), exact.to(torch.bfloat16))


def test_the_seed_decides_the_adapter(tmp_path):
    """T14."""
    tiny(tmp_path / "base", "qwen3")
    first, again, other = (
        [
            p.detach()
            for p in models.build(Recipe(method=Method.LORA, seed=seed), tmp_path).parameters()
            if p.requires_grad
        ]
        for seed in (7, 7, 8)
    )
    assert all(map(torch.equal, first, again))
    assert not all(map(torch.equal, first, other))


def test_attention_is_capped_where_the_architecture_caps_it(tmp_path):
    tiny(tmp_path / "base", "gemma2", attn_logit_softcapping=0.5)
    model = models.build(Recipe(method=Method.CONTINUE), tmp_path)
    capped = logits(model)
    model.config.attn_logit_softcapping = None
    for layer in model.model.layers:
        layer.self_attn.attn_logit_softcapping = None
    assert (capped - logits(model)).abs().max() > 1e-3
    with pytest.raises(BadRecipe, match="caps attention"):
        models.build(Recipe(method=Method.CONTINUE, packed=True), tmp_path)


@pytest.mark.parametrize("kind", ["gpt_neox", "gemma", "qwen3"])
def test_training_goes_on_from_any_version(task, tmp_path, kind):
    """All weights of a base, an adapter of that version, the adapter once more, and all weights of what they are."""
    digest = task.store.put_tree(tiny(tmp_path / "base", kind))
    first = replace(RECIPE, method=Method.CONTINUE, epochs=0.1)
    versions = [digest]
    for number, recipe in enumerate(
        (first, replace(first, method=Method.LORA), replace(first, method=Method.LORA), first)
    ):
        name = f"on-{kind}-{number}"
        versions.append(train(task, name, recipe, base=versions[-1])["result"]["artifact_digest"])
    described = [StoredModels(task.store).describe(each) for each in versions]
    assert len(set(versions)) == 5
    assert [each.lora_rank for each in described] == [0, 0, 8, 8, 0]
    assert {each.shape for each in described} == {described[0].shape}, "an adapter is planned by its base"
    assert architecture_problems(task.fetch(versions[1], versions[1])) == []


WINDOWS: dict[str, dict[str, Any]] = {
    "gemma2": {"sliding_window": 4},
    "phi3": {"sliding_window": 4},
    "qwen2": {"sliding_window": 4, "use_sliding_window": True, "max_window_layers": 0},
}


def of_any_lengths(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    starts: torch.Tensor,
    key_starts: torch.Tensor,
    longest: int,
    longest_key: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> torch.Tensor:
    """What torch documents of its attention of rows of different lengths, which has no form for a CPU."""
    assert starts.dtype is torch.int32 and starts.tolist() == key_starts.tolist()
    assert longest == longest_key == int(starts.diff().max())
    rows = []
    for begin, end in pairwise(starts.tolist()):
        distance = torch.arange(end - begin).unsqueeze(1) - torch.arange(end - begin)
        before, after = window_size
        mask = (distance >= -after) & ((distance <= before) | (before < 0))
        parts = (each[begin:end].transpose(0, 1).unsqueeze(0) for each in (query, key, value))
        attended = functional.scaled_dot_product_attention(
            *parts, attn_mask=mask, scale=scale, enable_gqa=enable_gqa
        )
        rows.append(attended[0].transpose(0, 1))
    return torch.cat(rows)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [*((kind, {}) for kind in CONFIGS), *WINDOWS.items()],
    ids=lambda value: str(value)[:12],
)
@pytest.mark.parametrize("way", ["one_by_one", "side_by_side", "in_one_row"])
def test_packed_samples_of_any_architecture_are_computed_as_alone(tmp_path, monkeypatch, kind, changes, way):
    """T07: each sample sees itself alone, and no more of itself than the layer's window."""
    tiny(tmp_path / "base", kind, **changes)
    monkeypatch.setattr(packing, "one_by_one", getattr(packing, way))
    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", of_any_lengths)
    alone, packed = (
        models.build(Recipe(method=Method.CONTINUE, packed=packed), tmp_path).eval().get_decoder()
        for packed in (False, True)
    )
    samples = torch.arange(5, 25), torch.arange(100, 117)
    positions = torch.cat([torch.arange(20), torch.arange(17)])
    segments = Segments.of((20, 17))
    with torch.no_grad():
        expected = torch.cat([alone(each.unsqueeze(0)).last_hidden_state for each in samples], dim=1)
        together = packed(
            torch.cat(samples).unsqueeze(0),
            position_ids=positions.unsqueeze(0),
            segments=segments,
            use_cache=False,
        )
        one = packed(samples[0].unsqueeze(0)).last_hidden_state
    assert (together.last_hidden_state - expected).abs().max() <= 1e-5
    assert (one - expected[:, :20]).abs().max() <= 1e-5, "rows that are not packed, as validation has them"
