"""Training: runs on a split, from scratch or on from the artifact in production."""

from dataclasses import replace

import grpc

from ratoon.service.compute import dtype_message
from ratoon.service.tasks import message_of
from ratoon.tasks.compute import Dtype
from ratoon.tasks.kinds import kind_of
from ratoon.training.v1 import compression_pb2, training_run_pb2
from ratoon.training.v1 import training_service_pb2 as pb
from ratoon.training.v1.training_service_pb2_grpc import TrainingServiceStub
from ratoon_flywheel.adapters.children import child, ensure_cancelled
from ratoon_flywheel.application.ports import TrialSettings
from ratoon_flywheel.domain.errors import NoTrial
from ratoon_flywheel.domain.pipelines.actions import Compress, Train
from ratoon_flywheel.domain.pipelines.runs import Products
from ratoon_flywheel.domain.pipelines.steps import Child
from ratoon_flywheel.domain.pipelines.support import CLASSICAL, DEFAULT_RECIPE, NEURAL
from ratoon_flywheel.domain.project_settings import DISTILLATION, REWARD_MODEL
from ratoon_flywheel.domain.projects import Method, TrainingDefaults, labels_of
from ratoon_flywheel.reward_messages import distillation_message, reward_message
from ratoon_flywheel.training_messages import message_of as message_of_setting

_MIB = 1024**2
_PRETRAINING = ("pretrain", "continued_pretrain")
"""Recipes that learn every token of plain texts."""

_OF_TWO_PASSES = (
    training_run_pb2.Recipe.OBJECTIVE_DPO,
    training_run_pb2.Recipe.OBJECTIVE_KTO,
    training_run_pb2.Recipe.OBJECTIVE_GRPO,
)
"""Objectives that compare two passes of a model, which must not differ by dropout."""


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
            recipe=_RECIPES.get(spec.recipe, _recipe)(spec),
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


class ChallengerStage(TrainingStage):
    """The stage `challenger`, a training run too."""

    def observe(self, resource: str) -> Child:
        """How far the training of the challenger is."""
        observed = super().observe(resource)
        trained = observed.products
        products = Products(challenger_run=trained.training_run, challenger_digest=trained.candidate_digest)
        return replace(observed, products=products)


class CompressionStage:
    """The stage `compression`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._training = TrainingServiceStub(channel)

    def create(self, spec: Compress, request_id: str) -> str:
        """Compress the version of a run."""
        kind, settings = compression_pb2.Compression, spec.settings
        compression = kind(
            source_digest=spec.artifact_digest,
            source_version=spec.version,
            method=kind.Method.Value(f"METHOD_{settings.method}"),
            rounding=kind.Rounding.Value(f"ROUNDING_{settings.rounding or 'UNSPECIFIED'}"),
            group_size=settings.group_size,
            train_digest=spec.train_digest,
            validation_digest=spec.validation_digest,
            task=message_of(spec.task),
            seed=spec.seed,
            serving_dtype=dtype_message(spec.dtype),
        )
        request = pb.CreateCompressionRequest(
            parent=spec.project, compression=compression, request_id=request_id
        )
        return str(self._training.CreateCompression(request).name)

    def observe(self, resource: str) -> Child:
        """How far the compression is, and the size of its result next to that of the source."""
        compression = self._training.GetCompression(pb.GetCompressionRequest(name=resource))
        products = Products(compression=compression.name, compressed_digest=compression.artifact_digest)
        state = compression_pb2.Compression.State.Name(compression.state)
        return child(state, products, compression.progress, compression.failure, _sizes(compression))

    def cancel(self, resource: str) -> None:
        """Cancel the compression."""
        ensure_cancelled(lambda: self._training.CancelCompression(pb.CancelCompressionRequest(name=resource)))


def _sizes(compression: compression_pb2.Compression) -> str:
    """Return the sizes of both models, as a part of a sentence; empty if they are not measured."""
    small, large = (side.size_bytes / _MIB for side in (compression.compressed, compression.source))
    if not large:
        return ""
    return f"{small:.1f} MiB in the place of {large:.1f} MiB, {1 - small / large:.0%} less"


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
    """Each device has a worker of its own; a small neural model has one worker."""
    kind, compute = training_run_pb2.Resources, spec.compute
    accelerator = kind.Accelerator.Value(f"ACCELERATOR_{compute.accelerator}")
    if spec.recipe == NEURAL:
        return kind(accelerator=accelerator, workers=1)
    resources = kind(accelerator=accelerator, workers=compute.devices or spec.defaults.workers)
    if spec.defaults.parallelism:
        resources.parallelism.MergeFrom(message_of_setting("parallelism", spec.defaults.parallelism))
    return resources


def _classical(spec: Train) -> training_run_pb2.Recipe:
    """Return the recipe of a classical model, which chooses all else by cross-validation."""
    kind = training_run_pb2.Recipe
    return kind(
        method=kind.METHOD_CLASSICAL,
        labels=labels_of(spec.task),
        task=message_of(spec.task),
        seed=spec.defaults.seed,
    )


def _neural(spec: Train) -> training_run_pb2.Recipe:
    """Return the recipe of a small neural model; one of another kind in production is no base of it."""
    kind = training_run_pb2.Recipe
    recipe = kind(
        method=kind.METHOD_NEURAL,
        labels=labels_of(spec.task),
        task=message_of(spec.task),
        seed=spec.defaults.seed,
        epochs=spec.epochs,
        learning_rate=spec.defaults.learning_rate,
        batch_size=spec.defaults.batch_size,
        selection_metric=spec.metric if spec.metric in kind_of(spec.task).SELECTION else "",
    )
    if spec.defaults.neural:
        recipe.neural.MergeFrom(message_of_setting("neural", spec.defaults.neural))
    recipe.neural.any_base = True
    if spec.defaults.optimization:
        recipe.optimization.MergeFrom(message_of_setting("optimization", spec.defaults.optimization))
    return recipe


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
    if defaults.optimization:
        recipe.optimization.MergeFrom(message_of_setting("optimization", defaults.optimization))
    if not spec.base_artifact_digest:
        _shape(recipe.architecture, defaults)
    if recipe.method == recipe.METHOD_LORA and defaults.lora:
        recipe.lora.MergeFrom(message_of_setting("lora", defaults.lora))
    if recipe.objective in _OF_TWO_PASSES:
        recipe.optimization.ClearField("dropout")
        recipe.lora.ClearField("dropout")
    if recipe.objective == recipe.OBJECTIVE_REWARD_MODEL:
        recipe.lora.ClearField("merge")
    return recipe


def _shape(shape: training_run_pb2.Recipe.Architecture, defaults: TrainingDefaults) -> None:
    """Set the architecture of a model from scratch."""
    if defaults.architecture:
        shape.MergeFrom(message_of_setting("architecture", defaults.architecture))
    shape.hidden_size = defaults.hidden_size or shape.hidden_size
    shape.layers = defaults.layers or shape.layers


def _align(recipe: training_run_pb2.Recipe, spec: Train) -> None:
    """Set the objective. The usual learning rate of the project is far too high to learn which answers are better."""
    tuning = spec.tuning
    if spec.recipe in _PRETRAINING:
        recipe.objective = recipe.OBJECTIVE_PRETRAIN
        return
    recipe.objective = recipe.Objective.Value(f"OBJECTIVE_{spec.recipe.upper()}")
    if spec.recipe == DISTILLATION:
        if (teacher := distillation_message(tuning.distillation)) is not None:
            recipe.distillation.CopyFrom(teacher)
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
        # Later versions keep the vocabulary and the layers of the first one.
        is_first = spec.base_artifact_digest == spec.defaults.base_artifact_digest
        recipe.domain_tokens = tuning.domain_tokens if is_first else 0
        recipe.base_layers = tuning.base_layers if is_first else 0


def _method(spec: Train) -> training_run_pb2.Recipe.Method.ValueType:
    if not spec.base_artifact_digest:
        return training_run_pb2.Recipe.METHOD_FROM_SCRATCH
    is_full = spec.defaults.method is Method.FULL
    return training_run_pb2.Recipe.METHOD_CONTINUE if is_full else training_run_pb2.Recipe.METHOD_LORA


_RECIPES = {CLASSICAL: _classical, NEURAL: _neural}
"""Recipes of small models, which have settings of their own."""
