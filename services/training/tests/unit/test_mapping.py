"""Recipes of requests and of responses: what a caller states comes back, and what is left out has its default."""

from datetime import UTC, datetime

import pytest

from ratoon.common.v1.task_pb2 import TaskSpec
from ratoon.training.v1 import training_run_pb2 as pb
from ratoon.training.v1 import training_service_pb2 as service_pb
from ratoon.training.v1.distillation_pb2 import Distillation
from ratoon.training.v1.grpo_pb2 import Grpo, Reward
from ratoon_training import mapping, run_messages
from ratoon_training.application.commands import BaseModel, recipe_of
from ratoon_training.domain.errors import BadRecipe
from ratoon_training.domain.recipes import Architecture, Dtype, Recipe
from ratoon_training.domain.runs import TrainingRun

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def recipe(**settings: object) -> Recipe:
    requested = pb.TrainingRun(recipe=pb.Recipe(labels=["a", "b"], **settings))
    return recipe_of(mapping.run_spec(requested).recipe, None)


def returned(value: Recipe) -> pb.Recipe:
    return mapping.run(TrainingRun("projects/p/trainingRuns/r", NOW, NOW, "1" * 64, "2" * 64, value)).recipe


def test_settings_of_the_computation_come_back():
    value = recipe(dtype=pb.Recipe.DTYPE_BFLOAT16, gradient_accumulation=4, gradient_checkpointing=True)
    assert (value.dtype, value.gradient_accumulation, value.gradient_checkpointing) == (
        Dtype.BFLOAT16,
        4,
        True,
    )
    message = returned(value)
    assert message.dtype == pb.Recipe.DTYPE_BFLOAT16
    assert (message.gradient_accumulation, message.gradient_checkpointing) == (4, True)
    assert Recipe.parse(value.as_json()) == value


def test_by_default_a_step_is_computed_at_once_in_float32():
    value = recipe()
    assert (value.dtype, value.gradient_accumulation, value.gradient_checkpointing) == (
        Dtype.FLOAT32,
        1,
        False,
    )
    assert not {"dtype", "gradient_accumulation", "gradient_checkpointing"} & set(value.as_json())
    assert returned(value).dtype == pb.Recipe.DTYPE_FLOAT32


def test_the_objective_comes_back_with_its_own_settings():
    requested = pb.Recipe(
        objective=pb.Recipe.OBJECTIVE_DPO,
        beta=0.3,
        preference_loss=pb.Recipe.PREFERENCE_LOSS_IPO,
        task=TaskSpec(generate={}),
    )
    spec = mapping.run_spec(pb.TrainingRun(recipe=requested)).recipe
    message = returned(recipe_of(spec, BaseModel(Architecture())))
    assert (message.objective, message.beta) == (pb.Recipe.OBJECTIVE_DPO, 0.3)
    assert message.preference_loss == pb.Recipe.PREFERENCE_LOSS_IPO
    assert not message.HasField("good_weight")
    requested.objective, requested.good_weight, requested.bad_weight = pb.Recipe.OBJECTIVE_KTO, 0.0, 2.0
    requested.ClearField("preference_loss")
    spec = mapping.run_spec(pb.TrainingRun(recipe=requested)).recipe
    message = returned(recipe_of(spec, BaseModel(Architecture())))
    assert (message.good_weight, message.bad_weight, message.preference_loss) == (0.0, 2.0, 0)
    assert returned(recipe()).objective == pb.Recipe.OBJECTIVE_SFT


def of_base(**settings: object) -> pb.Recipe:
    """Return what comes back of a requested recipe on a base model."""
    requested = pb.Recipe(task=TaskSpec(generate={"defaults": {"max_tokens": 9}}), **settings)
    spec = mapping.run_spec(pb.TrainingRun(recipe=requested)).recipe
    return returned(recipe_of(spec, BaseModel(Architecture())))


def test_rewards_come_back_with_their_weights():
    source = "def reward(messages, completion, references):\n    return 1.0\n"
    rewards = [
        Reward(exact_match=True, weight=2.0),
        Reward(pattern="^a", weight=-0.5),
        Reward(json_schema="{}", weight=1.0),
        Reward(function=source, weight=1.0),
        Reward(reward_model_artifact_digest="d", weight=1.0),
    ]
    message = of_base(
        objective=pb.Recipe.OBJECTIVE_GRPO,
        grpo=Grpo(rewards=rewards, group_size=4, loss=Grpo.POLICY_LOSS_ANSWER, kl_weight=0.25, unscaled=True),
    )
    assert list(message.grpo.rewards) == rewards
    assert (message.grpo.group_size, message.grpo.loss) == (4, Grpo.POLICY_LOSS_ANSWER)
    assert (message.grpo.kl_weight, message.grpo.unscaled, message.grpo.max_new_tokens) == (0.25, True, 9)
    by_default = of_base(objective=pb.Recipe.OBJECTIVE_GRPO).grpo
    assert list(by_default.rewards) == [Reward(exact_match=True, weight=1.0)]
    assert (by_default.group_size, by_default.clip_high, by_default.iterations) == (8, 0.2, 1)
    assert not of_base(objective=pb.Recipe.OBJECTIVE_DPO).HasField("grpo")


def test_a_teacher_comes_back_with_its_level():
    for level, temperature in ((Distillation.LEVEL_LOGITS, 2.0), (Distillation.LEVEL_SEQUENCE, 0.0)):
        settings = Distillation(teacher_artifact_digest="t", level=level)
        message = of_base(objective=pb.Recipe.OBJECTIVE_DISTILLATION, distillation=settings).distillation
        assert (message.teacher_artifact_digest, message.level) == ("t", level)
        assert (message.temperature, message.weight, message.max_new_tokens) == (temperature, 0.5, 9)
    behind = Distillation(base_url=" http://127.0.0.1:9/v1/ ", model="m", level=Distillation.LEVEL_SEQUENCE)
    message = of_base(objective=pb.Recipe.OBJECTIVE_DISTILLATION, distillation=behind).distillation
    assert (message.base_url, message.model) == ("http://127.0.0.1:9/v1", "m")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"objective": pb.Recipe.OBJECTIVE_DISTILLATION}, "or base_url names the teacher"),
        (
            {
                "objective": pb.Recipe.OBJECTIVE_DISTILLATION,
                "distillation": Distillation(base_url="http://127.0.0.1:9/v1", model="m"),
            },
            "needs the level SEQUENCE",
        ),
        (
            {
                "objective": pb.Recipe.OBJECTIVE_DISTILLATION,
                "distillation": Distillation(base_url="http://127.0.0.1:9/v1", level="LEVEL_SEQUENCE"),
            },
            "has 1 to 256 characters with base_url",
        ),
        ({"distillation": Distillation(teacher_artifact_digest="t")}, "needs the objective DISTILLATION"),
        (
            {
                "objective": pb.Recipe.OBJECTIVE_DISTILLATION,
                "distillation": Distillation(teacher_artifact_digest="t", weight=1.5),
            },
            "above 0 and at most 1",
        ),
        (
            {"objective": pb.Recipe.OBJECTIVE_PRETRAIN, "language_model_weight": 0.5},
            "learns every token already",
        ),
        (
            {"objective": pb.Recipe.OBJECTIVE_KTO, "reward_model_artifact_digest": "r"},
            "needs the objective DPO",
        ),
        ({"objective": pb.Recipe.OBJECTIVE_PRETRAIN, "learning_rate": 10.0}, "at most 1"),
    ],
)
def test_settings_of_teachers_and_texts_that_are_refused(settings, says):
    with pytest.raises(BadRecipe, match=says):
        of_base(**settings)


@pytest.mark.parametrize("parts", [-1, 4097])
def test_accumulation_has_bounds(parts):
    with pytest.raises(BadRecipe, match=r"recipe\.gradient_accumulation"):
        recipe(gradient_accumulation=parts)


def test_a_run_that_continues_another_one_changes_its_model_no_second_time():
    applied = pb.Recipe(method=pb.Recipe.METHOD_CONTINUE, base_layers=2, domain_tokens=20, new_tokens=["<x>"])
    source = pb.TrainingRun(artifact_digest="3" * 64, base_artifact_digest="4" * 64, recipe=applied)
    request = service_pb.CloneTrainingRunRequest(continue_training=True)
    run = run_messages.cloned(source, request)
    assert run.base_artifact_digest == "3" * 64
    assert (run.recipe.base_layers, run.recipe.domain_tokens, list(run.recipe.new_tokens)) == (0, 0, [])
    assert run_messages.cloned(source, service_pb.CloneTrainingRunRequest()).recipe == applied


def test_layers_of_a_base_come_back():
    stated = pb.TrainingRun(
        recipe=pb.Recipe(labels=["a", "b"], method=pb.Recipe.METHOD_CONTINUE, base_layers=2)
    )
    value = recipe_of(mapping.run_spec(stated).recipe, BaseModel(Architecture(layers=4)))
    assert (value.base_layers, value.architecture.layers) == (2, 2)
    assert returned(value).base_layers == 2
    assert Recipe.parse(value.as_json()) == value
