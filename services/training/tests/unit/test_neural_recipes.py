"""Recipes of small neural models: from requests to workers and back, and what is refused."""

import json

import pytest

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.regress import Regress
from ratoon.training.v1 import training_run_pb2 as pb
from ratoon_training import mapping
from ratoon_training.adapters.bases import StoredModels
from ratoon_training.adapters.drivers import recipe_message
from ratoon_training.application.commands import (
    NeuralBase,
    OptimizationSpec,
    RecipeSpec,
    neural_recipe,
    recipe_of,
)
from ratoon_training.domain.architectures import TokenizerKind
from ratoon_training.domain.errors import BadBaseModel, BadRecipe
from ratoon_training.domain.neural import (
    FINE_TUNING_RATE,
    Activation,
    ClassWeights,
    EncoderKind,
    Network,
    Neural,
)
from ratoon_training.domain.optimization import Optimization, Optimizer, Schedule
from ratoon_training.domain.plan import MEBI, plan
from ratoon_training.domain.recipes import Method, Recipe, Resources
from ratoon_training.worker.task_queue import _recipe as read_recipe

LABELS = ("ham", "spam")
SETTINGS = (
    Neural(),
    Neural(Network.LSTM, layers=2, bidirectional=False, class_weights=ClassWeights.BALANCED),
    Neural(Network.ENCODER, EncoderKind.MODERNBERT, heads=8, activation=Activation.GELU, any_base=True),
    Neural(Network.CNN, widths=(2, 3), tokenizer=TokenizerKind.WORD),
)


@pytest.mark.parametrize("task", [Classify(LABELS), Classify(LABELS, multi_label=True), Regress(min=0)])
@pytest.mark.parametrize("settings", SETTINGS)
def test_a_recipe_survives_requests_storage_and_the_job(task, settings):
    recipe = recipe_of(RecipeSpec(method=Method.NEURAL, task=task, seed=7, neural=settings), None)
    assert (recipe.spec, recipe.neural, recipe.seed) == (task, settings.complete(), 7)
    assert Recipe.parse(recipe.as_json()) == recipe
    assert read_recipe(recipe_message(recipe)) == recipe
    read = mapping.run_spec(pb.TrainingRun(recipe=mapping._recipe(recipe))).recipe
    again = recipe_of(read, None)
    assert mapping._recipe(again) == mapping._recipe(recipe), "what a network does not use is not stated"


def test_other_recipes_have_the_bytes_that_they_had():
    assert "neural" not in Recipe(labels=LABELS).as_json()


@pytest.mark.parametrize(
    ("task", "settings", "sentence"),
    [
        (Generate(), Neural(), "NEURAL needs a task with labels or numbers"),
        (Classify(LABELS), Neural(vocab_size=10), "vocab_size must be 300 to 65,536"),
        (Classify(LABELS), Neural(Network.ENCODER, heads=3), "heads must divide hidden_size"),
        (Classify(LABELS), Neural(widths=(0,)), "widths of 1 to 16 tokens"),
    ],
)
def test_a_recipe_that_makes_no_model_is_refused(task, settings, sentence):
    with pytest.raises(BadRecipe, match=sentence):
        recipe_of(RecipeSpec(method=Method.NEURAL, task=task, neural=settings), None)


OPTIMIZATION = OptimizationSpec(
    Optimization(Optimizer.SGD, 0.5, Schedule.LINEAR, warmup_steps=9, dropout=0.2, l1=0.1, token_budget=1000),
    weight_decay=0.2,
    clip_norm=2.0,
    patience=0,
)


def test_optimizer_and_schedule_are_those_of_the_request_else_of_small_models():
    spec = RecipeSpec(method=Method.NEURAL, task=Classify(LABELS), optimization=OPTIMIZATION)
    recipe = recipe_of(spec, None)
    assert recipe.optimization == OPTIMIZATION.settings
    assert (recipe.weight_decay, recipe.clip_norm, recipe.patience) == (0.2, 2.0, 0)
    assert recipe.learning_rate == pytest.approx(50 * Neural().usual_rate)
    assert read_recipe(recipe_message(recipe)) == recipe
    read = mapping.run_spec(pb.TrainingRun(recipe=mapping._recipe(recipe))).recipe
    assert mapping._recipe(recipe_of(read, None)) == mapping._recipe(recipe)
    usual = recipe_of(RecipeSpec(method=Method.NEURAL, task=Classify(LABELS)), None)
    assert (usual.weight_decay, usual.patience, usual.optimization.dropout) == (0.01, 3, 0.3)
    base = NeuralBase(Classify(LABELS))
    assert neural_recipe(RecipeSpec(method=Method.NEURAL), base).optimization.dropout is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (Optimization(dropout=1.0), "optimization.dropout must be 0 to below 1"),
        (Optimization(l1=-1.0), "optimization.l1 must be 0 to 1"),
        (Optimization(momentum=0.9), "optimization.momentum needs SGD"),
    ],
)
def test_an_optimization_that_is_out_of_its_limits_is_refused(settings, sentence):
    spec = RecipeSpec(method=Method.NEURAL, task=Classify(LABELS), optimization=OptimizationSpec(settings))
    with pytest.raises(BadRecipe, match=sentence):
        recipe_of(spec, None)


def test_the_metric_of_another_kind_of_task_is_refused():
    with pytest.raises(BadRecipe, match="selection_metric"):
        recipe_of(RecipeSpec(method=Method.NEURAL, task=Regress(), selection_metric="macro_f1"), None)


def test_what_was_trained_before_gives_its_task_or_a_low_rate():
    spec = RecipeSpec(method=Method.NEURAL)
    continued = neural_recipe(spec, NeuralBase(Classify(LABELS)))
    assert continued.spec == Classify(LABELS)
    own = RecipeSpec(method=Method.NEURAL, task=Classify(LABELS))
    assert neural_recipe(own, NeuralBase()).learning_rate == FINE_TUNING_RATE
    assert neural_recipe(own, None).learning_rate > FINE_TUNING_RATE


def test_a_run_keeps_the_sizes_of_its_base(tmp_path):
    models = StoredModels(ArtifactStore(str(tmp_path / "artifacts")))
    folders = [tmp_path / name for name in ("neural", "encoder")]
    for folder in folders:
        folder.mkdir()
    shape = {
        "network": "GRU", "vocab_size": 900, "hidden_size": 48, "layers": 2, "max_tokens": 40, "widths": [3],
        "bidirectional": False, "activation": "gelu",
    }  # fmt: skip
    about = {"task": {"kind": "classify", "labels": LABELS, "multi_label": False}, "shape": shape}
    base = models.describe_neural(tree(folders[0], neural_json=json.dumps(about)), False)
    requested = Neural(Network.CNN, max_tokens=999, class_weights=ClassWeights.BALANCED)
    recipe = neural_recipe(RecipeSpec(method=Method.NEURAL, neural=requested), base)
    assert recipe.neural is not None and recipe.neural.class_weights is ClassWeights.BALANCED
    assert (recipe.neural.network, recipe.neural.max_tokens) == (Network.GRU, 40)
    large = {"model_type": "distilbert", "vocab_size": 119_547, "dim": 768, "n_layers": 6, "n_heads": 12}
    encoder = models.describe_neural(tree(folders[1], config_json=json.dumps(large)), False)
    spec = RecipeSpec(method=Method.NEURAL, task=Classify(LABELS))
    tuned = neural_recipe(spec, encoder)
    assert tuned.neural is not None and tuned.neural.max_tokens == 256
    assert tuned.neural.parameters > 130_000_000
    again = mapping.run_spec(pb.TrainingRun(recipe=mapping._recipe(tuned))).recipe
    assert neural_recipe(again, encoder).neural == tuned.neural, (
        "a vocabulary that is too large from scratch is kept"
    )


def test_a_larger_network_needs_more_memory():
    def needs(**sizes: int) -> int:
        spec = RecipeSpec(
            method=Method.NEURAL, task=Classify(LABELS), neural=Neural(Network.ENCODER, **sizes)
        )
        return plan(recipe_of(spec, None), Resources(), 0, ()).measured_bytes

    assert needs(hidden_size=512, layers=8) > needs() + 100 * MEBI
    refused = plan(
        recipe_of(RecipeSpec(method=Method.NEURAL, task=Classify(LABELS)), None), Resources(), 1, ()
    )
    assert not refused.admitted and "free memory" in refused.reason


def tree(folder, **files: str) -> str:
    for name, text in files.items():
        (folder / name.replace("_json", ".json")).write_text(text)
    store = ArtifactStore(str(folder.parent / "artifacts"))
    return store.put_tree(folder)


def test_bases_are_neural_models_and_encoders(tmp_path):
    models = StoredModels(ArtifactStore(str(tmp_path / "artifacts")))
    folders = [tmp_path / name for name in ("neural", "encoder", "other")]
    for folder in folders:
        folder.mkdir()
    task = '{"task": {"kind": "classify", "labels": ["ham", "spam"], "multi_label": false}}'
    neural = tree(folders[0], neural_json=task)
    encoder = tree(folders[1], config_json='{"model_type": "bert"}')
    other = tree(folders[2], config_json='{"model_type": "llama"}')
    assert models.describe_neural(neural, False) == NeuralBase(Classify(LABELS))
    assert models.describe_neural(encoder, False) == NeuralBase()
    assert models.describe_neural(other, True) is None
    with pytest.raises(BadBaseModel, match="neither a small neural model nor an encoder") as refused:
        models.describe_neural(other, False)
    assert refused.value.reason == "BASE_UNFIT"
    with pytest.raises(BadBaseModel, match="the recipe neural alone continues"):
        models.describe(neural)
