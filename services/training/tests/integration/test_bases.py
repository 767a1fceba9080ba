"""Base models that others send: checked when they are named, each fault by its name and with what to do."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.models import tiny_llama
from ratoon_training.adapters.bases import StoredModels
from ratoon_training.domain.architectures import Family
from ratoon_training.domain.errors import BadBaseModel
from ratoon_training.domain.recipes import Architecture, Method, Recipe
from ratoon_training.worker import decoders, text
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.text import TEMPLATE

from .conftest import LABELS, RECIPE, Task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_llama(tmp_path / "base", LABELS, hidden=32, layers=1)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def refused(store: ArtifactStore, folder: Path) -> BadBaseModel:
    """The refusal of a base."""
    with pytest.raises(BadBaseModel) as error:
        StoredModels(store).describe(store.put_tree(folder))
    return error.value


def test_a_sound_base_tells_its_shape(store, folder):
    config = json.loads((folder / "config.json").read_text())
    described = StoredModels(store).describe(store.put_tree(folder))
    assert described.architecture.vocab_size == config["vocab_size"]
    assert described.architecture.hidden_size == 32
    assert described.lora_rank == 0


@pytest.mark.parametrize("family", [Family.MIXTRAL, Family.QWEN3_MOE])
def test_a_base_with_experts_tells_what_more_of_them_add(store, folder, family):
    vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
    shape = Architecture(
        vocab_size=vocabulary,
        hidden_size=64,
        layers=2,
        heads=2,
        family=family,
        experts=4,
        experts_per_token=2,
    )
    decoders.from_scratch(shape).save_pretrained(folder)
    described = StoredModels(store).describe(store.put_tree(folder)).shape
    assert described is not None and described.parameters == shape.parameters
    more = replace(shape, experts=6)
    assert described.grown(2).parameters == more.parameters
    assert described.grown(2).experts == 6


def test_a_base_tells_whether_its_template_is_ours(store, folder):
    """A model made elsewhere keeps its template when it is trained here, and gets a recipe with labels."""
    path = folder / "chat_template.jinja"
    path.write_text(TEMPLATE.replace("MAX_CHARS", "400"))
    assert StoredModels(store).describe(store.put_tree(folder)).own_template
    path.write_text(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    )
    described = StoredModels(store).describe(store.put_tree(folder))
    assert (described.own_template, described.labels) == (False, LABELS)


def test_prompts_are_encoded_a_few_at_a_time_without_the_padding_that_a_tokenizer_was_saved_with(
    folder, monkeypatch
):
    texts = [f"the meeting {'is moved ' * number}" for number in range(7)]
    alone = [text.of_base(folder).prompts([each])[0] for each in texts]
    saved = Tokenizer.from_file(str(folder / "tokenizer.json"))
    saved.enable_padding(length=64)
    saved.enable_truncation(5)
    saved.save(str(folder / "tokenizer.json"))
    monkeypatch.setattr(text, "_ENCODED", 3)
    assert text.of_base(folder).prompts(texts) == alone
    limit = text.measured_limit(text.of_base(folder).tokenizer, texts, 20)
    assert (limit.max_characters, limit.cut_share) == (20, 6 / 7)
    assert 5 < limit.max_tokens < 64


def test_a_pointer_of_git_lfs_is_named(store, folder):
    (folder / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 123\n"
    )
    error = refused(store, folder)
    assert error.reason == "LFS_POINTER"
    assert "git lfs pull" in str(error)


def test_missing_weights_are_named(store, folder):
    (folder / "model.safetensors").unlink()
    assert refused(store, folder).reason == "WEIGHTS_MISSING"


def larger_tokenizer(folder: Path) -> None:
    """Give the tokenizer more tokens than the embeddings have rows, as an added special token does."""
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    rows = json.loads((folder / "config.json").read_text())["vocab_size"]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    tokenizer["added_tokens"].append({"id": rows + 1, "content": "prize", **flags})
    path.write_text(json.dumps(tokenizer))


def test_a_tokenizer_larger_than_the_embeddings_is_refused_with_both_sizes(store, folder):
    larger_tokenizer(folder)
    rows = json.loads((folder / "config.json").read_text())["vocab_size"]
    error = refused(store, folder)
    assert error.reason == "TOKENIZER_MISMATCH"
    assert f"{rows + 2:,}" in str(error)
    assert f"{rows:,}" in str(error)


def test_a_token_without_an_embedding_ends_a_run_before_it_trains(task: Task, folder, tmp_path):
    larger_tokenizer(folder)
    config = json.loads((folder / "config.json").read_text())
    shape = Architecture(vocab_size=config["vocab_size"], hidden_size=32, layers=1, heads=1)
    recipe = Recipe(**{**vars(RECIPE), "method": Method.LORA, "architecture": shape})
    spec = task.spec("no-row", recipe, base=task.store.put_tree(folder))
    with pytest.raises(BadBaseModel, match="its embeddings have"):
        prepare(spec, recipe, tmp_path / "prepared", lambda _: None)


def adapter_tree(folder: Path, base: str, **files: str) -> Path:
    """An adapter as peft saves it, without a tokenizer, and the recipe.json that names its base."""
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4}))
    (folder / "recipe.json").write_text(json.dumps({"base_artifact_digest": base}))
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


@pytest.mark.parametrize("has_tokenizer", [False, True])
def test_an_adapter_of_peft_speaks_as_its_base(task: Task, folder, tmp_path, has_tokenizer):
    """It has no tokenizer, or one that a trainer saved next to it without the chat template."""
    names = ("tokenizer.json", "tokenizer_config.json") if has_tokenizer else ()
    files = {name.replace(".", "__"): (folder / name).read_text() for name in names}
    adapter = adapter_tree(tmp_path / "adapter", task.store.put_tree(folder), **files)
    recipe = replace(RECIPE, method=Method.LORA)
    spec = task.spec(f"adapter-of-peft-{has_tokenizer}", recipe, base=task.store.put_tree(adapter))
    prepared = prepare(spec, recipe, Path(spec["work"]) / "prepared", lambda _: None)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (prepared / "tokenizer" / name).read_bytes() == (folder / name).read_bytes()
    assert text.of_base(prepared / "adapter").template == text.of_base(folder).template
