"""Models of fewer layers than their base: which layers, what is loaded again, and what is refused."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from ratoon_training.application.commands import BaseModel, RecipeSpec, recipe_of
from ratoon_training.domain.distillation import Distillation
from ratoon_training.domain.errors import BadRecipe
from ratoon_training.domain.recipes import Method, Objective
from ratoon_training.domain.shapes import ModelShape
from ratoon_training.worker import layers

from .conftest import Task, train
from .test_grpo import BASE, rows_of

SUMS = [(f"{a}+{b}=", str(a + b)) for a in range(10) for b in range(10)]
DEEP = replace(BASE, architecture=replace(BASE.architecture, layers=4), epochs=2.0)

SIZES: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2},
    "qwen2": {
        "num_key_value_heads": 2,
        "use_sliding_window": True,
        "sliding_window": 4,
        "max_window_layers": 1,
    },
    "gpt2": {},
    "gpt_neox": {},
    "smollm3": {"num_key_value_heads": 2},
}


def model_of(kind: str, **values: Any) -> Any:
    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4}
    if kind != "gpt2":
        sizes["intermediate_size"] = 48
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = AutoConfig.for_model(kind, **sizes, **special, **values)
    return AutoModelForCausalLM.from_config(config).eval()


def test_the_layers_are_those_of_distilbert():
    assert layers.chosen(6, 12) == [0, 2, 4, 7, 9, 11]
    assert layers.chosen(15, 30)[0] == 0
    assert layers.chosen(15, 30)[-1] == 29
    assert layers.chosen(1, 4) == [0]
    assert layers.chosen(4, 4) == [0, 1, 2, 3]


@pytest.mark.parametrize("kind", SIZES)
def test_a_shorter_model_is_loaded_again_as_it_is(kind, tmp_path):
    """Also token by token: attention names its cached keys by the new place of its layer."""
    model = model_of(kind, **SIZES[kind])
    before = {name: each.clone() for name, each in model.state_dict().items()}
    layers.shorten(model, 2, AutoModelForCausalLM)
    assert torch.equal(model.get_input_embeddings().weight, next(iter(before.values())))
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    ids = torch.tensor([[5, 6, 7, 8, 9, 10, 11, 12]])
    with torch.no_grad():
        whole = again(input_ids=ids).logits
        assert torch.equal(model(input_ids=ids).logits, whole)
        cache, last = None, None
        for at in range(ids.shape[1]):
            output = model(input_ids=ids[:, at : at + 1], past_key_values=cache, use_cache=True)
            cache, last = output.past_key_values, output.logits[:, -1]
    assert last is not None
    assert torch.allclose(last, whole[:, -1], atol=1e-5)
    if kind == "qwen2":
        assert again.config.layer_types == ["full_attention", "sliding_attention"]


def test_layers_that_differ_are_refused():
    """The configuration names the dense layers of this one by their numbers."""
    model = model_of(
        "qwen3_moe",
        num_key_value_heads=2,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=16,
        mlp_only_layers=[1, 2],
    )
    with pytest.raises(BadRecipe, match="differ from each other"):
        layers.shorten(model, 2, AutoModelForCausalLM)


@pytest.fixture(scope="module")
def deep(task: Task) -> dict[str, str]:
    """Return the digests of a base with four layers, and of the part that it learned from."""
    part = task.part("layers-of-sums", rows_of(SUMS))
    outcome = train(task, "deep", DEEP, train=part, validation=part)
    return {"base": outcome["result"]["artifact_digest"], "train": part, "validation": part}


def test_a_student_begins_with_every_other_layer_of_its_teacher(task, deep):
    recipe = replace(
        DEEP,
        method=Method.CONTINUE,
        objective=Objective.DISTILLATION,
        distillation=Distillation(deep["base"]),
        base_layers=2,
        learning_rate=1e-9,
        epochs=0.1,
    )
    outcome = train(task, "shallow", recipe.checked(), **deep)
    folder = task.fetch(outcome["result"]["artifact_digest"], "shallow")
    student = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    teacher = AutoModelForCausalLM.from_pretrained(task.fetch(deep["base"], "deep")).state_dict()
    for own, others in ((0, 0), (1, 3)):
        names = [name for name in student if name.startswith(f"model.layers.{own}.")]
        assert names
        for name in names:
            other = name.replace(f"layers.{own}.", f"layers.{others}.")
            assert torch.allclose(student[name], teacher[other], atol=1e-6)
    assert not [name for name in student if name.startswith("model.layers.2.")]


@pytest.mark.parametrize("method", [Method.LORA, Method.FROM_SCRATCH])
def test_only_all_weights_of_a_base_have_fewer_layers(method):
    with pytest.raises(BadRecipe, match=r"base_layers needs the method CONTINUE"):
        replace(BASE, method=method, base_layers=1).checked()


def test_more_layers_than_the_base_has_are_refused_when_the_run_is_created():
    base = BaseModel(DEEP.architecture, shape=ModelShape.of(DEEP.architecture))
    spec = RecipeSpec(method=Method.CONTINUE, task=BASE.spec, base_layers=5)
    with pytest.raises(BadRecipe, match="the base model has 4 layers"):
        recipe_of(spec, base)
    assert recipe_of(replace(spec, base_layers=2), base).architecture.layers == 2


def test_the_plan_counts_the_weights_of_the_layers_that_stay():
    base = BaseModel(DEEP.architecture, shape=ModelShape.of(DEEP.architecture))
    planned = base.shape_with(0, 2)
    assert planned is not None
    exact = ModelShape.of(replace(DEEP.architecture, layers=2))
    assert planned.parameters == pytest.approx(exact.parameters, rel=0.01)
    assert (planned.layers, planned.linear_widths) == (2, exact.linear_widths)
