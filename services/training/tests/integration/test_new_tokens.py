"""New tokens of a base model: the tokenizer, the embeddings, the trained artifact, and what is refused."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from ratoon.engine.architecture import architecture_problems
from ratoon_training.adapters.bases import StoredModels
from ratoon_training.application.commands import RecipeSpec, recipe_of
from ratoon_training.domain.errors import BadRecipe
from ratoon_training.domain.recipes import Method, Recipe
from ratoon_training.worker import models
from ratoon_training.worker.vocabulary import add_tokens, added_tokens

from .architectures import CONFIGS, tiny
from .conftest import RECIPE, Task, train
from .test_architectures import adapted, logits

NEW = ("kubelet", "东京塔", "rate limit")


def prepared(base: Path, tokens: Sequence[str] = NEW) -> Path:
    """Prepare a run on `base/` in its directory as far as new tokens go."""
    folder = base.parent
    shutil.copytree(base, folder / "tokenizer")
    add_tokens(folder / "tokenizer", tokens, folder)
    return folder


def matrices(model) -> list[torch.Tensor]:
    return [each.weight.detach() for each in (model.get_input_embeddings(), model.get_output_embeddings())]


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("spare", [0, 2, 64])
def test_old_rows_stay_and_new_ones_are_the_means_of_their_pieces(tmp_path, kind, spare):
    """T27: spare rows are used first and never thrown away; the matrix grows by what is missing alone."""
    base = tiny(tmp_path / "base", kind)
    tokens = json.loads((base / "config.json").read_text())["vocab_size"]
    if spare:
        shutil.rmtree(base)
        base = tiny(tmp_path / "base", kind, rows=tokens + spare)
    before = models.build(Recipe(method=Method.CONTINUE), tmp_path)
    old = [each.clone() for each in matrices(before)]
    was_tied = old[0].data_ptr() == old[1].data_ptr() or before.config.tie_word_embeddings
    model = models.build(Recipe(method=Method.CONTINUE, new_tokens=NEW), prepared(base))
    new = added_tokens(tmp_path)
    assert sorted(new) == [tokens, tokens + 1, tokens + 2]
    rows = max(tokens + spare, tokens + 3)
    assert model.config.vocab_size == rows
    for matrix, was in zip(matrices(model), old, strict=True):
        assert matrix.shape[0] == rows
        assert torch.equal(matrix[:tokens], was[:tokens])
        assert torch.equal(matrix[tokens + 3 : tokens + spare], was[tokens + 3 :])
        for number, pieces in new.items():
            assert torch.allclose(matrix[number], was[pieces].mean(dim=0), atol=1e-6)
    is_tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert is_tied == was_tied == model.config.tie_word_embeddings


def test_the_tokenizer_finds_new_tokens_as_they_are_written_and_nothing_else_changes(tmp_path):
    folder = prepared(tiny(tmp_path / "base", "llama"))
    before, after = (
        Tokenizer.from_file(str(folder / each / "tokenizer.json")) for each in ("base", "tokenizer")
    )
    numbers = [after.token_to_id(token) for token in NEW]
    ids = after.encode("the kubelet of 东京塔 has a rate limit", add_special_tokens=False).ids
    assert [each for each in ids if each in numbers] == numbers
    assert after.decode(ids) == before.decode(before.encode("the kubelet of 东京塔 has a rate limit").ids)
    for text in ("the meeting is moved", "Kubelet", "rate  limit", "东京"):
        assert after.encode(text).ids == before.encode(text).ids


def test_tokens_that_the_tokenizer_has_are_skipped(tmp_path):
    base = tiny(tmp_path / "base", "qwen3")
    folder = prepared(base)
    again = tmp_path / "again"
    shutil.copytree(folder / "tokenizer", again / "base")
    shutil.copytree(folder / "tokenizer", again / "tokenizer")
    add_tokens(again / "tokenizer", [*NEW, "one more"], again)
    (pieces,) = added_tokens(again).values()
    old = Tokenizer.from_file(str(again / "base" / "tokenizer.json"))
    assert pieces == old.encode("one more", add_special_tokens=False).ids
    add_tokens(again / "tokenizer", NEW, tmp_path / "nothing")
    assert added_tokens(tmp_path / "nothing") == {}


def test_a_token_that_is_not_decoded_as_it_is_written_is_refused(tmp_path):
    """Byte-level decoders take a letter such as é for a byte, so that an engine would answer with another text."""
    folder = prepared(tiny(tmp_path / "base", "llama"), ["fine"])
    before = (folder / "tokenizer" / "tokenizer.json").read_bytes()
    for token in ("é", "Müller", "naïve"):
        with pytest.raises(BadRecipe, match=f"cannot write the new token '{token}'") as refused:
            add_tokens(folder / "tokenizer", ["good", token], folder)
        assert refused.value.field == "recipe.new_tokens"
    assert (folder / "tokenizer" / "tokenizer.json").read_bytes() == before


@pytest.mark.parametrize("kind", ["llama", "gpt_neox"])
def test_the_artifact_loads_answers_with_new_tokens_and_is_a_base_again(task: Task, tmp_path, kind):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = tiny(tmp_path / "base", kind)
    digest = task.store.put_tree(base)
    recipe = replace(RECIPE, method=Method.CONTINUE, epochs=0.2, new_tokens=("agenda", "winner", "cheap"))
    described = StoredModels(task.store).describe(digest)
    spec = RecipeSpec(method=Method.CONTINUE, task=RECIPE.spec, new_tokens=recipe.new_tokens)
    recipe = replace(recipe, architecture=recipe_of(spec, described).architecture)
    outcome = train(task, f"new-{kind}", recipe, base=digest)["result"]
    folder = task.fetch(outcome["artifact_digest"], f"new-{kind}")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, use_safetensors=True
    )
    assert not any(info[each] for each in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert len(tokenizer) == described.tokens + 3 == model.config.vocab_size
    ids = tokenizer("agenda winner", add_special_tokens=False).input_ids
    assert {described.tokens, described.tokens + 1} <= set(ids)
    assert tokenizer.decode(ids) == "agenda winner"
    trained = load_file(folder / "model.safetensors")
    name = next(name for name in trained if name.endswith(("embed_tokens.weight", "embed_in.weight")))
    assert trained[name].shape[0] == described.tokens + 3
    assert torch.isfinite(model(torch.tensor([ids])).logits).all()
    assert architecture_problems(folder) == []
    after = StoredModels(task.store).describe(outcome["artifact_digest"])
    assert (after.architecture.vocab_size, after.tokens) == (described.tokens + 3, described.tokens + 3)
    assert recipe.architecture.vocab_size == after.architecture.vocab_size
    resumed = train(task, f"new-{kind}-again", recipe, base=digest)["result"]
    assert resumed["artifact_digest"] == outcome["artifact_digest"]
    further = train(task, f"new-{kind}-on", recipe, base=outcome["artifact_digest"])["result"]
    assert StoredModels(task.store).describe(further["artifact_digest"]).tokens == after.tokens


def test_the_plan_counts_new_rows(task: Task, tmp_path):
    for rows in (0, 1000):
        base = tiny(tmp_path / f"base-{rows}", "qwen3", rows=rows)
        described = StoredModels(task.store).describe(task.store.put_tree(base))
        assert described.shape is not None
        grown = described.shape_with(100)
        missing = 0 if rows else 100
        assert grown.parameters - described.shape.parameters == missing * 64 * 2
        assert grown.vocab_size - described.shape.vocab_size == missing
        assert described.shape_with(0) == described.shape


@pytest.mark.parametrize(
    ("method", "tokens", "says"),
    [
        (Method.LORA, ("a",), "no adapter with embeddings"),
        (Method.FROM_SCRATCH, ("a",), "its own tokenizer"),
        (Method.CONTINUE, ("a", "b", "a"), "twice"),
        (Method.CONTINUE, ("",), "1 to 64"),
        (Method.CONTINUE, ("a ",), "white space"),
        (Method.CONTINUE, ("a\x00b",), "printable"),
        (Method.CONTINUE, ("x" * 65,), "1 to 64"),
        (Method.CONTINUE, tuple(map(str, range(10_001))), "10,000"),
    ],
)
def test_what_cannot_be_new_tokens_is_refused_by_name(method, tokens, says):
    with pytest.raises(BadRecipe, match=says) as refused:
        replace(RECIPE, method=method, new_tokens=tokens).checked()
    assert refused.value.field == "recipe.new_tokens"


def test_recipes_without_new_tokens_have_the_same_bytes_as_before():
    assert "new_tokens" not in RECIPE.as_json()
    recipe = replace(RECIPE, method=Method.CONTINUE, new_tokens=NEW)
    assert Recipe.parse(json.loads(json.dumps(recipe.as_json()))) == recipe


def test_new_tokens_go_on_from_an_adapter(tmp_path):
    base = tiny(tmp_path / "base", "llama")
    model, adapter = adapted(tmp_path, tmp_path / "adapter", Recipe(method=Method.LORA, lora_rank=4))
    active = logits(model)
    whole = models.build(Recipe(method=Method.CONTINUE, new_tokens=NEW), prepared(base))
    assert adapter.exists()
    assert (logits(whole)[..., : active.shape[-1]] - active).abs().max() <= 1e-5
