"""Settings of training that a project passes on: stored as JSON, shown as messages, sent as they are."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ratoon.flywheel.v1 import project_pb2
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.training.v1 import training_run_pb2 as pb
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters.training import _recipe
from ratoon_flywheel.domain.errors import BadProject
from ratoon_flywheel.domain.pipelines.actions import Train
from ratoon_flywheel.domain.project_settings import TuningDefaults
from ratoon_flywheel.domain.projects import Method, Project, TrainingDefaults, checked

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = TrainingDefaults(
    method=Method.FULL,
    layers=2,
    optimization='{"optimizer": "OPTIMIZER_SGD", "momentum": 0.0, "dropout": 0.1, "token_budget": "5000"}',
    architecture='{"family": "FAMILY_GEMMA", "layers": 8, "tied": false}',
    lora='{"alpha": 32.0, "merge": true, "dropout": 0.1}',
)
TRAIN = Train("projects/p", "a", "b", "", Classify(("x", "y")), SETTINGS, 0.0)


def test_a_project_shows_what_it_stores():
    project = Project("projects/p", NOW, NOW, Classify(("x", "y")), training=SETTINGS)
    message = mapping.project(project)
    assert message.training.optimization.HasField("momentum")
    assert message.training.architecture.family == pb.Recipe.Architecture.FAMILY_GEMMA
    assert message.training.optimization.token_budget == 5000
    empty = mapping.project(replace(project, training=TrainingDefaults()))
    assert not empty.training.HasField("optimization")


def test_a_first_version_has_the_architecture_of_the_project():
    recipe = _recipe(TRAIN)
    assert (recipe.architecture.layers, recipe.architecture.tied) == (2, False)
    assert recipe.optimization.optimizer == recipe.optimization.OPTIMIZER_SGD
    assert not recipe.HasField("lora")


def test_later_versions_keep_what_they_have():
    recipe = _recipe(replace(TRAIN, base_artifact_digest="c" * 64))
    assert recipe.method == recipe.METHOD_CONTINUE
    assert not recipe.HasField("architecture")
    assert recipe.optimization.dropout == pytest.approx(0.1)


@pytest.mark.parametrize("recipe", ["dpo", "kto", "grpo"])
def test_preferences_are_learned_without_dropout(recipe):
    adapter = replace(SETTINGS, method=Method.LORA, base_artifact_digest="c" * 64)
    sent = _recipe(
        replace(TRAIN, task=Generate(), recipe=recipe, defaults=adapter, base_artifact_digest="c" * 64)
    )
    assert not sent.optimization.HasField("dropout")
    assert (sent.lora.alpha, sent.lora.dropout, sent.lora.merge) == (32, 0, True)


def test_words_of_the_domain_are_added_once():
    full = replace(SETTINGS, base_artifact_digest="c" * 64)
    first = replace(
        TRAIN, defaults=full, base_artifact_digest="c" * 64, tuning=TuningDefaults(domain_tokens=50)
    )
    assert _recipe(first).domain_tokens == 50
    assert _recipe(replace(first, base_artifact_digest="d" * 64)).domain_tokens == 0


def test_layers_are_left_out_once():
    full = replace(SETTINGS, base_artifact_digest="c" * 64)
    tuning = TuningDefaults(base_layers=15)
    first = replace(TRAIN, defaults=full, base_artifact_digest="c" * 64, tuning=tuning)
    assert _recipe(first).base_layers == 15
    assert _recipe(replace(first, base_artifact_digest="d" * 64)).base_layers == 0


@pytest.mark.parametrize("tuning", [TuningDefaults(domain_tokens=50), TuningDefaults(base_layers=15)])
def test_words_of_the_domain_and_fewer_layers_need_weights_that_train(tuning):
    with pytest.raises(BadProject, match="METHOD_FULL"):
        checked(
            Project(
                "projects/p",
                NOW,
                NOW,
                Generate(),
                training=TrainingDefaults(method=Method.LORA, base_artifact_digest="c" * 64),
                tuning=tuning,
            )
        )


def test_a_request_is_stored_as_it_is():
    stated = project_pb2.Project(name="projects/p")
    stated.task.classify.labels.extend(["x", "y"])
    stated.training.optimization.warmup = 0.0
    stated.training.lora.rank_stabilized = True
    project = mapping._project(stated, Classify(("x", "y")))
    shown = mapping.project(project).training
    assert shown.optimization == stated.training.optimization
    assert shown.lora == stated.training.lora
    assert not shown.HasField("architecture")
