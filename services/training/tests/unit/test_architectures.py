"""Architectures from scratch: numbers of weights, presets, limits, and what a recipe stores of them."""

from dataclasses import replace

import pytest

from ratoon.tasks.classify import Classify
from ratoon.training.v1 import training_run_pb2 as pb
from ratoon_training.application import handlers
from ratoon_training.application.commands import BaseModel, NeuralBase, RecipeSpec, RunSpec, recipe_of
from ratoon_training.domain.architectures import (
    PRESETS,
    Architecture,
    ExpertGrowth,
    Family,
    Preset,
    RopeScaling,
    TokenizerKind,
    limits,
)
from ratoon_training.domain.errors import BadBaseModel, BadRecipe
from ratoon_training.domain.recipes import Method, Recipe, Resources
from ratoon_training.domain.shapes import ModelShape
from ratoon_training.recipe_messages import architecture_message, requested_architecture

EXPERTS = Architecture(family=Family.MIXTRAL, experts=4, experts_per_token=2)


@pytest.mark.parametrize(
    ("preset", "published"),
    [
        (Preset.SMOLLM2_135M, 134_515_008),
        (Preset.SMOLLM2_360M, 361_821_120),
        (Preset.QWEN3_600M, 596_049_920),
    ],
)
def test_presets_have_the_weights_of_the_published_models(preset, published):
    assert PRESETS[preset].parameters == published
    assert not [says for _, wrong, says in limits(PRESETS[preset]) if wrong]


def test_a_token_passes_through_the_experts_that_it_uses():
    dense = replace(EXPERTS, experts=2, experts_per_token=2)
    routers = (EXPERTS.experts - dense.experts) * EXPERTS.hidden_size * EXPERTS.layers
    assert EXPERTS.active_parameters == dense.parameters + routers


@pytest.mark.parametrize(
    ("shape", "field"),
    [
        (Architecture(hidden_size=96, heads=4), "heads"),
        (Architecture(head_size=48), "head_size"),
        (Architecture(heads=4, key_value_heads=3), "key_value_heads"),
        (Architecture(sliding_window=64), "sliding_window"),
        (Architecture(family=Family.MISTRAL, sliding_window=8), "sliding_window"),
        (Architecture(rope_scaling=RopeScaling.YARN), "rope_factor"),
        (Architecture(rope_factor=2.0), "rope_factor"),
        (Architecture(rope_scaling=RopeScaling.YARN, rope_factor=64.0), "rope_factor"),
        (Architecture(family=Family.OLMOE), "experts"),
        (Architecture(experts=4), "experts"),
        (replace(EXPERTS, experts_per_token=5), "experts_per_token"),
        (Architecture(family=Family.OLMOE, experts=4, experts_per_token=1, head_size=64), "head_size"),
        (Architecture(vocab_size=100), "vocab_size"),
        (Architecture(vocab_size=10, tokenizer=TokenizerKind.WORD), "vocab_size"),
        (Architecture(rope_theta=0.5), "rope_theta"),
    ],
)
def test_what_engines_cannot_serve_is_refused_with_its_field(shape, field):
    with pytest.raises(BadRecipe, match=f"recipe.architecture.{field}"):
        Recipe(labels=("a", "b"), architecture=shape).checked()


@pytest.mark.parametrize(
    "shape",
    [
        Architecture(),
        EXPERTS,
        Architecture(family=Family.MISTRAL, sliding_window=64, tied=False),
        Architecture(rope_scaling=RopeScaling.LLAMA3, rope_factor=8.0, key_value_heads=2, gate_size=96),
        Architecture(tokenizer=TokenizerKind.CHARACTER, vocab_size=64),
    ],
)
def test_an_architecture_is_what_was_stored_and_requested(shape):
    assert Architecture.parse(shape.as_json()) == shape
    recipe = Recipe(architecture=shape)
    assert Recipe.parse(recipe.as_json()) == recipe
    requested = requested_architecture(architecture_message(recipe))
    assert requested.parameters == shape.parameters
    assert (requested.rope_scaling, requested.tokenizer) == (shape.rope_scaling, shape.tokenizer)


def test_an_earlier_recipe_has_the_same_bytes():
    assert Architecture().as_json() == {
        "vocab_size": 4096,
        "hidden_size": 128,
        "layers": 3,
        "heads": 4,
        "max_positions": 2048,
        "tied": True,
    }


def test_a_request_changes_a_preset():
    shape = requested_architecture(
        pb.Recipe.Architecture(preset=pb.Recipe.Architecture.PRESET_SMOLLM2_135M, vocab_size=8192, layers=2)
    )
    assert (shape.vocab_size, shape.layers, shape.heads, shape.key_value_heads) == (8192, 2, 9, 3)


def test_heads_follow_the_hidden_size():
    shape = requested_architecture(pb.Recipe.Architecture(hidden_size=256))
    assert (shape.heads, shape.head_width) == (8, 32)


@pytest.mark.parametrize(
    ("growth", "changes", "match"),
    [
        (ExpertGrowth(2), {}, "CONTINUE"),
        (ExpertGrowth(300), {}, "1 to 256"),
    ],
)
def test_growth_needs_a_base(growth, changes, match):
    with pytest.raises(BadRecipe, match=match):
        recipe_of(RecipeSpec(task=Classify(("a", "b")), expert_growth=growth, **changes), None)


class Bases:
    """One base model, which has no experts."""

    def describe(self, digest: str) -> BaseModel:
        shape = Architecture()
        return BaseModel(shape, shape=ModelShape.of(shape))

    def describe_neural(self, digest: str, any_base: bool) -> NeuralBase | None:
        raise AssertionError("The method is another one.")


class Parts:
    """Parts without erased records."""

    def check_not_erased(self, digest: str) -> None:
        pass


def test_growth_needs_experts_before_a_run_waits_for_workers():
    recipe = RecipeSpec(
        task=Classify(("a", "b")),
        method=Method.CONTINUE,
        expert_growth=ExpertGrowth(2),
        language_model_weight=0.0,
    )
    with pytest.raises(BadBaseModel, match="has no experts") as refused:
        handlers.checked_recipe(RunSpec("1" * 64, "2" * 64, "3" * 64, recipe, Resources()), Bases(), Parts())
    assert refused.value.reason == "NO_EXPERTS"
