"""Number format, accumulation and recomputed activations: the same loss and gradients, within their rounding."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ratoon_training.domain.errors import BadBaseModel
from ratoon_training.domain.recipes import Dtype, Method, Recipe
from ratoon_training.worker import forward, models
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.session import Data, Session

from .architectures import CONFIGS, tiny
from .conftest import RECIPE, Task

Step = tuple[float, dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def bases(task: Task) -> dict[str, str]:
    """Digests of base models by architecture."""
    return {kind: task.store.put_tree(tiny(task.folder / "computed" / kind, kind)) for kind in CONFIGS}


class Part(WorkerContext):
    """One of two workers, which sees its own part of each sum."""

    def __init__(self, rank: int) -> None:
        super().__init__(rank, 2)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor


def prepared(task: Task, recipe: Recipe, base: str) -> Path:
    """The prepared directory of a run on this base."""
    folder = task.folder / "work" / f"computed-{recipe.method}-{base[:8]}" / "prepared"
    return prepare(task.spec(folder.parent.name, recipe, base=base), recipe, folder, lambda _: None)


def step(task: Task, recipe: Recipe, base: str, context: WorkerContext | None = None) -> Step:
    """Loss and weights after one step of plain descent, by which gradients show."""
    folder = prepared(task, recipe, base)
    corpus = Corpus(folder / "train.npz")
    model = models.build(recipe, folder)
    session = Session(recipe, model, Data(corpus, corpus), context or WorkerContext())
    session.optimiser = torch.optim.SGD(session.trainable.values(), lr=1.0)
    row = session.train_step(1.0)
    return row[1], {name: parameter.detach().clone() for name, parameter in session.trainable.items()}


def same(first: Step, second: Step, tolerance: float) -> None:
    assert second[0] == pytest.approx(first[0], rel=tolerance)
    assert first[1].keys() == second[1].keys()
    for name, weights in first[1].items():
        assert weights.dtype is torch.float32, "weights that are trained are float32"
        assert torch.allclose(weights, second[1][name], rtol=0, atol=tolerance), name


ALL = replace(RECIPE, method=Method.CONTINUE, batch_size=12, language_model_weight=0.3, clip_norm=1e9)


@pytest.mark.parametrize("parts", [2, 3, 5, 12, 100])
def test_accumulation_has_the_gradient_of_the_whole_batch(task, bases, parts):
    """T11: tokens weigh the same in every part, however long its samples are."""
    whole = step(task, ALL, bases["llama"])
    same(whole, step(task, replace(ALL, gradient_accumulation=parts), bases["llama"]), 1e-6)


def test_accumulation_of_packed_rows_has_the_gradient_of_the_whole_batch(task, bases):
    whole = step(task, ALL, bases["qwen3"])
    packed = replace(ALL, packed=True, gradient_accumulation=3)
    same(whole, step(task, packed, bases["qwen3"]), 1e-5)


def test_workers_add_up_to_the_gradient_of_the_whole_batch(task, bases):
    """T11: the parts of two workers, each accumulated, with lengths that differ between them."""
    recipe, base = replace(ALL, gradient_accumulation=2), bases["llama"]
    (whole, after), first, second = (
        step(task, recipe, base, context) for context in (None, Part(rank=0), Part(rank=1))
    )
    assert first[0] + second[0] == pytest.approx(whole, rel=1e-6)
    before = models.build(ALL, prepared(task, recipe, base)).state_dict()
    for name, weights in after.items():
        moved = (first[1][name] - before[name]) + (second[1][name] - before[name])
        assert torch.allclose(weights - before[name], moved, rtol=0, atol=1e-6), name


@pytest.mark.parametrize("kind", ["llama", "gpt_neox", "gemma2", "gpt2"])
@pytest.mark.parametrize("method", [Method.CONTINUE, Method.LORA])
def test_recomputed_activations_give_the_same_bits(task, bases, kind, method):
    recipe = replace(ALL, method=method)
    whole = step(task, recipe, bases[kind])
    same(whole, step(task, replace(recipe, gradient_checkpointing=True), bases[kind]), 0.0)


def test_activations_are_not_kept_where_they_are_recomputed(task, bases):
    def saved_numbers(recipe: Recipe) -> int:
        sizes: list[int] = []

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            sizes.append(tensor.numel() if tensor.requires_grad else 0)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            step(task, recipe, bases["llama"])
        return sum(sizes)

    assert saved_numbers(replace(ALL, gradient_checkpointing=True)) < 0.7 * saved_numbers(ALL)


@pytest.mark.parametrize("kind", ["llama", "gpt_neox", "gemma2"])
@pytest.mark.parametrize("method", [Method.CONTINUE, Method.LORA])
def test_bfloat16_has_the_loss_of_float32_within_its_rounding(task, bases, kind, method):
    recipe = replace(ALL, method=method)
    (exact, _), (rounded, weights) = (
        step(task, replace(recipe, dtype=dtype), bases[kind]) for dtype in (Dtype.FLOAT32, Dtype.BFLOAT16)
    )
    assert rounded != exact
    assert rounded == pytest.approx(exact, rel=0.01)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


def test_a_frozen_base_is_held_in_the_number_format_of_the_computation(tmp_path):
    tiny(tmp_path / "base", "llama")
    model = models.build(Recipe(method=Method.LORA, dtype=Dtype.BFLOAT16), tmp_path)
    dtypes = {(p.requires_grad, p.dtype) for p in model.parameters()}
    assert dtypes == {(True, torch.float32), (False, torch.bfloat16)}
    whole = models.build(Recipe(method=Method.CONTINUE, dtype=Dtype.BFLOAT16), tmp_path)
    assert {p.dtype for p in whole.parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_logits_of_some_places_are_those_of_the_model(kind, tmp_path):
    model = models.build(Recipe(method=Method.CONTINUE), tiny(tmp_path / "base", kind).parent).eval()
    ids = {"input_ids": torch.arange(5, 65).reshape(2, 30)}
    with torch.no_grad():
        values = forward.logits(model, forward.hidden_states(model, ids))
        assert (values - model(**ids).logits).abs().max() <= 1e-5


@pytest.mark.parametrize("kind", ["cohere", "granite"])
def test_scaled_logits_are_those_of_the_model(kind):
    from transformers import AutoConfig, AutoModelForCausalLM

    scales = {"cohere": {"logit_scale": 0.25}, "granite": {"logits_scaling": 4.0}}[kind]
    widths = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = AutoConfig.for_model(kind, vocab_size=320, **widths, **scales)
    forward.check(AutoModelForCausalLM.from_config(config))


def test_an_architecture_that_does_more_with_its_logits_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(forward, "_ADJUSTMENTS", {})
    with pytest.raises(BadBaseModel, match="gemma2 computes its logits") as refused:
        models.build(Recipe(method=Method.CONTINUE), tiny(tmp_path / "base", "gemma2").parent)
    assert refused.value.reason == "ARCHITECTURE_UNKNOWN"


def test_rows_beyond_the_tokenizer_stay(tmp_path):
    """T27: embeddings padded to a multiple keep their rows, whatever the tokenizer has."""
    folder: Path = tiny(tmp_path / "base", "llama", rows=576)
    model = models.build(Recipe(method=Method.CONTINUE), folder.parent)
    assert model.get_input_embeddings().weight.shape[0] == model.config.vocab_size == 576


def test_long_answers_are_validated_in_parts_of_the_size_of_a_step(task, bases):
    folder = prepared(task, ALL, bases["llama"])
    corpus = Corpus(folder / "train.npz")
    session = Session(ALL, models.build(ALL, folder), Data(corpus, corpus), WorkerContext())
    assert max(batch.rows for batch in session._validation_batches()) == 64
    corpus.label_tokens = corpus.label_tokens[:0]
    few = Session(
        replace(ALL, gradient_accumulation=3),
        models.build(ALL, folder),
        Data(corpus, corpus),
        WorkerContext(),
    )
    batches = list(few._validation_batches())
    assert {batch.rows for batch in batches} == {4}
    assert sum(batch.rows for batch in batches) == len(corpus)
