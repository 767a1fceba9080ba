"""Training: runs on a split, from scratch or on from the artifact in production."""

import grpc

from ratoon.service.tasks import message_of
from ratoon.tasks.compute import Dtype
from ratoon.tasks.kinds import kind_of
from ratoon.training.v1 import training_run_pb2
from ratoon.training.v1 import training_service_pb2 as pb
from ratoon.training.v1.training_service_pb2_grpc import TrainingServiceStub
from ratoon_flywheel.adapters.children import child, ensure_cancelled
from ratoon_flywheel.application.ports import TrialSettings
from ratoon_flywheel.domain.errors import NoTrial
from ratoon_flywheel.domain.pipelines.actions import Train
from ratoon_flywheel.domain.pipelines.runs import Products
from ratoon_flywheel.domain.pipelines.steps import Child
from ratoon_flywheel.domain.pipelines.support import CLASSICAL, DEFAULT_RECIPE
from ratoon_flywheel.domain.project_settings import DISTILLATION, REWARD_MODEL
from ratoon_flywheel.domain.projects import Method, labels_of
from ratoon_flywheel.reward_messages import distillation_message, reward_message

_PRETRAINING = ("pretrain", "continued_pretrain")
"""Recipes that learn every token of plain texts."""


class TrainingStage:
    """The stage `training`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._training = TrainingServiceStub(channel)

    def create(self, spec: Train, request_id: str) -> str:
        """Train on a split."""
        run = training_run_pb2.TrainingRun(
            train_digest=spec.train_digest,
            validation_digest=spec.validation_digest,
            base_artifact_digest="" if spec.recipe == CLASSICAL else spec.base_artifact_digest,
            recipe=_classical(spec) if spec.recipe == CLASSICAL else _recipe(spec),
            resources=_resources(spec),
        )
        request = pb.CreateTrainingRunRequest(parent=spec.project, training_run=run, request_id=request_id)
        return str(self._training.CreateTrainingRun(request).name)

    def observe(self, resource: str) -> Child:
        """How far the training is."""
        run = self._training.GetTrainingRun(pb.GetTrainingRunRequest(name=resource))
        products = Products(training_run=run.name, candidate_digest=run.artifact_digest)
        state = training_run_pb2.TrainingRun.State.Name(run.state)
        return child(state, products, run.progress, run.failure, run.diagnosis.verdict)

    def cancel(self, resource: str) -> None:
        """Cancel the training."""
        ensure_cancelled(lambda: self._training.CancelTrainingRun(pb.CancelTrainingRunRequest(name=resource)))


class TrainingSweeps:
    """Sweeps of the training service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._training = TrainingServiceStub(channel)

    def trial(self, sweep: str, number: int) -> TrialSettings:
        """Return a trial that completed, the best one if the number is 0; NoTrial if there is none."""
        message = self._training.GetSweep(pb.GetSweepRequest(name=sweep))
        chosen = number or message.best_trial
        completed = [each for each in message.trials if each.state == each.STATE_COMPLETED]
        trial = next((each for each in completed if each.number == chosen), None)
        if trial is None:
            which = f"trial {number} that completed" if number else "trial that completed"
            raise NoTrial(f"{sweep} has no {which}: wait for one, or name another trial.", "trial")
        objective = training_run_pb2.Recipe.Objective.Name(message.recipe.objective)
        return TrialSettings(dict(trial.settings), objective.removeprefix("OBJECTIVE_"))


def _resources(spec: Train) -> training_run_pb2.Resources:
    """Each device has a worker of its own."""
    kind, compute = training_run_pb2.Resources, spec.compute
    accelerator = kind.Accelerator.Value(f"ACCELERATOR_{compute.accelerator}")
    return kind(accelerator=accelerator, workers=compute.devices or spec.defaults.workers)


def _classical(spec: Train) -> training_run_pb2.Recipe:
    """Return the recipe of a classical model, which chooses all else by cross-validation."""
    kind = training_run_pb2.Recipe
    return kind(
        method=kind.METHOD_CLASSICAL,
        labels=labels_of(spec.task),
        task=message_of(spec.task),
        seed=spec.defaults.seed,
    )


def _recipe(spec: Train) -> training_run_pb2.Recipe:
    """What continues keeps the architecture of what it continues, and the template where that cuts texts itself."""
    defaults = spec.defaults
    recipe = training_run_pb2.Recipe(
        method=_method(spec),
        labels=labels_of(spec.task),
        task=message_of(spec.task),
        seed=defaults.seed,
        epochs=spec.epochs,
        learning_rate=defaults.learning_rate,
        batch_size=defaults.batch_size,
        max_chars=defaults.max_chars,
        prompt_tokens=defaults.prompt_tokens,
        lora_rank=defaults.lora_rank,
    )
    if spec.recipe != DEFAULT_RECIPE:
        _align(recipe, spec)
    elif spec.metric in kind_of(spec.task).SELECTION:
        recipe.selection_metric = spec.metric
    _tune(recipe, spec)
    if not spec.base_artifact_digest:
        recipe.architecture.hidden_size, recipe.architecture.layers = defaults.hidden_size, defaults.layers
    return recipe


def _align(recipe: training_run_pb2.Recipe, spec: Train) -> None:
    """Set the objective. The usual learning rate of the project is far too high to learn which answers are better."""
    tuning = spec.tuning
    if spec.recipe in _PRETRAINING:
        recipe.objective = recipe.OBJECTIVE_PRETRAIN
        return
    recipe.objective = recipe.Objective.Value(f"OBJECTIVE_{spec.recipe.upper()}")
    if spec.recipe == DISTILLATION:
        recipe.distillation.CopyFrom(distillation_message(tuning.distillation))
        return
    recipe.learning_rate = tuning.preference_learning_rate
    if spec.recipe == REWARD_MODEL:
        return
    if recipe.objective == recipe.OBJECTIVE_GRPO:
        recipe.grpo.rewards.extend(reward_message(reward) for reward in tuning.rewards)
        if judge := spec.reward_model_artifact_digest:
            recipe.grpo.rewards.add(reward_model_artifact_digest=judge)
        return
    recipe.beta = tuning.beta
    if recipe.objective != recipe.OBJECTIVE_DPO:
        return
    recipe.reward_model_artifact_digest = spec.reward_model_artifact_digest
    if tuning.preference_loss:
        recipe.preference_loss = recipe.PreferenceLoss.Value(f"PREFERENCE_LOSS_{tuning.preference_loss}")


def _tune(recipe: training_run_pb2.Recipe, spec: Train) -> None:
    """Set the number format and the settings of fine-tuning, those that are not the recipe's own defaults."""
    tuning = spec.tuning
    if spec.compute.dtype is not Dtype.FLOAT32:
        recipe.dtype = recipe.Dtype.Value(f"DTYPE_{spec.compute.dtype}")
    if tuning.train_on:
        recipe.train_on = recipe.TrainOn.Value(f"TRAIN_ON_{tuning.train_on}")
    if tuning.truncation:
        recipe.truncation = recipe.Truncation.Value(f"TRUNCATION_{tuning.truncation}")
    # Answers that are written while a model trains stand in padded rows, and so do those that are read at their end.
    recipe.max_tokens = tuning.max_tokens
    recipe.packed = tuning.packed and spec.recipe not in ("grpo", REWARD_MODEL)
    recipe.gradient_accumulation = tuning.gradient_accumulation
    recipe.gradient_checkpointing = tuning.gradient_checkpointing
    if recipe.method == recipe.METHOD_CONTINUE:
        recipe.new_tokens.extend(tuning.new_tokens)


def _method(spec: Train) -> training_run_pb2.Recipe.Method.ValueType:
    if not spec.base_artifact_digest:
        return training_run_pb2.Recipe.METHOD_FROM_SCRATCH
    is_full = spec.defaults.method is Method.FULL
    return training_run_pb2.Recipe.METHOD_CONTINUE if is_full else training_run_pb2.Recipe.METHOD_LORA
