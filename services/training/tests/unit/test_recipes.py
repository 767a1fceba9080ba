"""Recipes: defaults, limits, and their way to the worker and back."""

import json
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Form, Generate, Sampling
from ratoon.tasks.kind import BadTask
from ratoon.tasks.kinds import supported
from ratoon.tasks.regress import Regress
from ratoon_training.application.commands import BaseModel, RecipeSpec, recipe_of
from ratoon_training.domain import trainium
from ratoon_training.domain.errors import AcceleratorRefused, BadRecipe
from ratoon_training.domain.kinds import classify
from ratoon_training.domain.kinds.table import KINDS
from ratoon_training.domain.parallelism import Parallelism, Strategy
from ratoon_training.domain.recipes import (
    BATCH_LADDER,
    Accelerator,
    Architecture,
    Method,
    Objective,
    PreferenceLoss,
    Recipe,
    Resources,
    TrainOn,
    Truncation,
    iterations,
)

LABELS = ("ham", "spam")
SEVERAL = Classify(("urgent", "billing", "other"), multi_label=True)


def test_samples_are_batch_times_iterations():
    assert iterations(25_600, 256) == 100
    assert iterations(25_601, 256) == 101
    assert BATCH_LADDER == (16, 32, 64, 128, 256, 512)


def test_a_recipe_survives_its_way_to_the_worker():
    recipe = Recipe(labels=LABELS, method=Method.LORA, seed=7, architecture=Architecture(layers=2))
    assert Recipe.parse(recipe.as_json()) == recipe


def test_a_request_takes_the_defaults_of_the_method():
    scratch = recipe_of(RecipeSpec(task=Classify(LABELS)), None)
    assert (scratch.method, scratch.learning_rate, scratch.epochs) == (Method.FROM_SCRATCH, 2e-3, 0.0)
    assert (scratch.prompt_tokens, scratch.max_chars) == (0, 0), "chosen from the data"
    assert scratch.averaging and scratch.token_dropout and scratch.label_prior
    assert scratch.language_model_weight == 0.5
    base = BaseModel(Architecture(hidden_size=64, heads=2), LABELS, 200)
    continued = recipe_of(RecipeSpec(), base)
    assert (continued.method, continued.learning_rate, continued.epochs) == (Method.CONTINUE, 2e-3, 0.0)
    assert (scratch.label_smoothing, continued.label_smoothing) == (0.0, 0.05)
    assert (continued.labels, continued.max_chars, continued.architecture) == (LABELS, 200, base.architecture)


@pytest.mark.parametrize(
    "shape",
    [
        Architecture(vocab_size=262_208, hidden_size=2560, layers=34, heads=8, max_positions=131_072),
        Architecture(vocab_size=152_064, hidden_size=3584, layers=28, heads=28, max_positions=1_010_000),
        Architecture(vocab_size=51_200, hidden_size=2560, layers=32, heads=32, max_positions=2048),
        Architecture(vocab_size=128, hidden_size=32, layers=1, heads=1, max_positions=64),
    ],
)
@pytest.mark.parametrize("method", [Method.CONTINUE, Method.LORA])
def test_the_shape_of_a_base_model_is_not_held_against_limits_of_models_from_scratch(shape, method):
    assert recipe_of(RecipeSpec(task=Classify(LABELS), method=method), BaseModel(shape)).architecture == shape


def test_tokens_of_a_template_that_is_not_ours_are_never_left_out():
    spec = RecipeSpec(task=Classify(LABELS), method=Method.CONTINUE)
    assert recipe_of(spec, BaseModel(Architecture(), LABELS, own_template=True)).token_dropout > 0
    assert recipe_of(spec, BaseModel(Architecture())).token_dropout == 0
    assert recipe_of(spec, BaseModel(Architecture(), LABELS)).token_dropout == 0, "trained here already"


def test_what_a_caller_gives_counts_even_when_it_is_zero():
    base = BaseModel(Architecture(hidden_size=64, heads=2), LABELS)
    assert recipe_of(RecipeSpec(label_smoothing=0.0), base).label_smoothing == 0.0
    assert (
        recipe_of(RecipeSpec(task=Classify(LABELS), language_model_weight=0.0), None).language_model_weight
        == 0.0
    )


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (RecipeSpec(), "recipe.labels"),
        (RecipeSpec(task=Classify(("ham", "ham"))), "recipe.labels"),
        (RecipeSpec(task=Classify((" ham", "spam"))), "recipe.labels"),
        (RecipeSpec(task=Classify(LABELS), learning_rate=2.0), "recipe.learning_rate"),
        (RecipeSpec(task=Classify(LABELS), epochs=-1), "recipe.epochs"),
        (RecipeSpec(task=Classify(LABELS), sweep="random"), "recipe.sweep"),
        (RecipeSpec(task=Classify(LABELS), prompt_tokens=7), "recipe.prompt_tokens"),
        (
            RecipeSpec(task=Classify(LABELS), architecture=Architecture(hidden_size=100, heads=3)),
            "recipe.architecture.heads",
        ),
        (
            RecipeSpec(task=Classify(LABELS), architecture=Architecture(vocab_size=100)),
            "recipe.architecture.vocab_size",
        ),
    ],
)
def test_a_bad_value_is_refused_by_name(spec: RecipeSpec, field: str):
    with pytest.raises(BadRecipe) as refused:
        recipe_of(spec, None)
    assert refused.value.field == field


NEURON = Resources(Accelerator.NEURON)


def test_a_recipe_that_is_written_for_xla_runs_on_neuron():
    assert trainium.checked(Recipe(labels=("a", "b")), NEURON) is NEURON
    assert trainium.checked(Recipe(packed=True), Resources(Accelerator.CUDA)).accelerator is Accelerator.CUDA


@pytest.mark.parametrize(
    ("recipe", "resources", "says"),
    [
        (
            Recipe(labels=("a", "b")),
            replace(NEURON, workers=2, parallelism=Parallelism(strategy=Strategy.FSDP)),
            "each NeuronCore has a copy of the model",
        ),
        (Recipe(packed=True), NEURON, "no fixed shape"),
        (Recipe(objective=Objective.DPO), NEURON, "SFT and PRETRAIN alone"),
        (Recipe(task=Regress(min=0.0, max=1.0)), NEURON, "no numbers as answers"),
    ],
)
def test_what_has_no_form_for_xla_is_refused_on_neuron_with_all_reasons(recipe, resources, says):
    with pytest.raises(AcceleratorRefused, match=says):
        trainium.checked(recipe, resources)


def test_the_size_of_an_architecture_is_counted():
    assert Architecture().parameters == 1_090_432
    assert Architecture(tied=False).parameters == 1_090_432 + 4096 * 128


def test_the_answer_of_several_labels_is_a_text_that_lists_them():
    recipe = recipe_of(RecipeSpec(task=SEVERAL), None)
    assert (recipe.task, recipe.labels, recipe.label_prior) == (SEVERAL, (), 0.0)
    assert (recipe.token_dropout, recipe_of(RecipeSpec(task=CHAT), None).token_dropout) == (0.3, 0.0)
    tokens = len(b"urgent billing other") + 1
    assert classify.generation(SEVERAL, 0) == {"do_sample": False, "max_new_tokens": tokens}
    many = Classify(tuple(f"label-{number}" for number in range(1000)), multi_label=True)
    assert classify.generation(many, 0)["max_new_tokens"] == 512
    assert classify.generation(Classify(LABELS), 3)["max_new_tokens"] == 8


def test_several_labels_must_differ_in_more_than_their_spelling():
    with pytest.raises(BadTask, match="are the same label"):
        recipe_of(RecipeSpec(task=Classify(("a", "A"), multi_label=True)), None)


CHAT = Generate(Form.CHAT, defaults=Sampling(max_tokens=64), stop=("\n\n",))
TASKS = [SEVERAL, CHAT, Generate(), Regress("points", -4.0, 4.0, 0.5)]


@pytest.mark.parametrize("task", TASKS)
def test_a_recipe_of_a_task_with_texts_survives_its_way_to_the_worker_and_into_the_store(task):
    spec = RecipeSpec(task=task, train_on=TrainOn.LAST_ANSWER, truncation=Truncation.LEFT, max_tokens=64)
    recipe = recipe_of(spec, None)
    assert (recipe.spec, recipe.labels, recipe.max_tokens) == (task, (), 64)
    assert Recipe.parse(json.loads(json.dumps(recipe.as_json()))) == recipe
    assert TypeAdapter(Recipe).validate_json(TypeAdapter(Recipe).dump_json(recipe)) == recipe


def test_a_recipe_with_labels_has_the_json_of_the_release_before():
    recipe = recipe_of(RecipeSpec(task=Classify(LABELS)), None)
    assert not {"task", "train_on", "truncation", "max_tokens"} & recipe.as_json().keys()
    assert recipe.spec == Classify(LABELS)


@pytest.mark.parametrize("task", [task for task in TASKS if task is not SEVERAL])
def test_answers_that_are_texts_drop_and_smooth_no_token(task):
    scratch = recipe_of(RecipeSpec(task=task), None)
    assert (scratch.token_dropout, scratch.label_smoothing, scratch.label_prior) == (0.0, 0.0, 0.0)
    assert scratch.max_tokens == 1024
    assert scratch.train_on is TrainOn.ALL_ASSISTANT_TURNS
    small, large = Architecture(max_positions=512), Architecture(vocab_size=50_000, hidden_size=1024)
    spec = RecipeSpec(task=task, method=Method.CONTINUE)
    assert recipe_of(spec, BaseModel(small)).learning_rate > recipe_of(spec, BaseModel(large)).learning_rate
    assert recipe_of(spec, BaseModel(small)).max_tokens == 512, "no more than the model has positions"


def test_a_request_without_a_task_takes_that_of_the_base_model():
    assert recipe_of(RecipeSpec(), BaseModel(Architecture(), task=CHAT)).spec == CHAT
    assert recipe_of(RecipeSpec(task=Classify(LABELS)), BaseModel(Architecture(), task=CHAT)).labels == LABELS


@pytest.mark.parametrize(
    ("spec", "error", "field"),
    [
        (RecipeSpec(task=CHAT, max_tokens=15), BadRecipe, "recipe.max_tokens"),
        (RecipeSpec(task=CHAT, max_tokens=4096), BadRecipe, "recipe.max_tokens"),
        (RecipeSpec(task=Generate(defaults=Sampling(temperature=3.0))), BadTask, "defaults.temperature"),
        (RecipeSpec(task=Regress(min=1.0, max=1.0)), BadTask, "max"),
    ],
)
def test_a_bad_setting_of_texts_is_refused_by_name(spec, error, field):
    with pytest.raises(error) as refused:
        recipe_of(spec, None)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (Classify(LABELS), {"do_sample": False, "max_new_tokens": 9}),
        (Regress(), {"do_sample": False, "max_new_tokens": 32}),
        (Generate(), {"do_sample": False, "max_new_tokens": 256}),
        (CHAT, {"do_sample": False, "max_new_tokens": 64}),
        (
            Generate(defaults=Sampling(temperature=0.0, top_p=0.5, repetition_penalty=1.1)),
            {"do_sample": False, "max_new_tokens": 256, "repetition_penalty": 1.1},
        ),
        (
            Generate(defaults=Sampling(temperature=0.7, top_p=0.5)),
            {"do_sample": True, "max_new_tokens": 256, "temperature": 0.7, "top_p": 0.5},
        ),
    ],
)
def test_answers_are_greedy_unless_the_task_states_a_temperature(task, expected):
    assert supported(KINDS, task, "Training").generation(task, 9) == expected


@pytest.mark.parametrize(
    ("method", "shape", "rate"),
    [
        (Method.LORA, Architecture(), 5e-5),
        (Method.CONTINUE, Architecture(), 1e-4),
        (Method.CONTINUE, Architecture(vocab_size=50_000, hidden_size=1024), 1e-6),
    ],
)
def test_objectives_that_compare_have_rates_of_their_own(method, shape, rate):
    for objective in (Objective.DPO, Objective.KTO):
        recipe = recipe_of(RecipeSpec(task=CHAT, method=method, objective=objective), BaseModel(shape))
        assert (recipe.learning_rate, recipe.epochs, recipe.beta) == (rate, 3.0, 0.1)
        assert (recipe.label_smoothing, recipe.averaging, recipe.language_model_weight) == (0.0, 0.0, 0.0)
        assert Recipe.parse(json.loads(json.dumps(recipe.as_json()))) == recipe


def test_a_recipe_of_right_answers_has_the_json_of_the_release_before():
    fields = {"objective", "beta", "preference_loss", "good_weight", "bad_weight"}
    assert not fields & recipe_of(RecipeSpec(task=CHAT), None).as_json().keys()


@pytest.mark.parametrize(
    ("settings", "base", "field"),
    [
        ({"task": Regress()}, True, "objective"),
        ({"task": Classify(LABELS)}, True, "objective"),
        ({}, False, "objective"),
        ({"truncation": Truncation.SEGMENT}, True, "truncation"),
        ({"language_model_weight": 0.5}, True, "language_model_weight"),
        ({"beta": -0.1}, True, "beta"),
        ({"beta": 101.0}, True, "beta"),
        ({"label_smoothing": 0.5}, True, "label_smoothing"),
        ({"label_smoothing": 0.1, "preference_loss": PreferenceLoss.IPO}, True, "label_smoothing"),
        ({"label_smoothing": 0.1, "objective": Objective.KTO}, True, "label_smoothing"),
        ({"objective": Objective.KTO, "preference_loss": PreferenceLoss.IPO}, True, "preference_loss"),
        ({"objective": Objective.KTO, "batch_size": 1}, True, "batch_size"),
        ({"objective": Objective.KTO, "bad_weight": -1.0}, True, "bad_weight"),
    ],
)
def test_a_setting_that_does_not_go_with_the_objective_is_refused_by_name(settings, base, field):
    spec = RecipeSpec(**{"task": CHAT, "objective": Objective.DPO, **settings})
    with pytest.raises(BadRecipe) as refused:
        recipe_of(spec, BaseModel(Architecture()) if base else None)
    assert refused.value.field == f"recipe.{field}"
