"""Commands of training."""

from dataclasses import dataclass, replace
from typing import Any

from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.kinds import TaskSpec, supported
from ratoon_training.domain.architectures import Architecture, ExpertGrowth
from ratoon_training.domain.classical import Classical
from ratoon_training.domain.distillation import Distillation
from ratoon_training.domain.errors import BadBaseModel, BadRecipe
from ratoon_training.domain.kinds.table import KINDS
from ratoon_training.domain.neural import EPOCHS_WITHOUT_GAIN, FINE_TUNING_RATE, USUAL_DECAY, Neural
from ratoon_training.domain.optimization import Lora, Optimization
from ratoon_training.domain.recipes import (
    USUAL_MAX_TOKENS,
    Dtype,
    Method,
    Objective,
    PreferenceLoss,
    Recipe,
    Resources,
    TrainOn,
    Truncation,
    preference_defaults,
)
from ratoon_training.domain.rewards import Grpo
from ratoon_training.domain.shapes import ModelShape
from ratoon_training.domain.sweeps import Direction, Sweep


@dataclass(frozen=True)
class OptimizationSpec:
    """Optimizer and schedule of a request: zeros and None take the defaults."""

    settings: Optimization = Optimization()
    warmup: float | None = None
    weight_decay: float | None = None
    clip_norm: float = 0.0
    patience: int | None = None


@dataclass(frozen=True)
class RecipeSpec:
    """Recipe of a request: zeros, empty fields and None take the value of the method or the base model."""

    method: Method | None = None
    task: TaskSpec = Classify()
    seed: int = 0
    learning_rate: float = 0.0
    epochs: float = 0.0
    batch_size: int = 0
    max_chars: int = 0
    prompt_tokens: int = 0
    architecture: Architecture = Architecture()
    """Architecture of a model from scratch."""
    language_model_weight: float | None = None
    label_smoothing: float | None = None
    language_model_epochs: float | None = None
    lora_rank: int = 0
    sweep: str = ""
    packed: bool = False
    train_on: TrainOn | None = None
    truncation: Truncation | None = None
    max_tokens: int = 0
    dtype: Dtype | None = None
    gradient_accumulation: int = 0
    gradient_checkpointing: bool = False
    new_tokens: tuple[str, ...] = ()
    selection_metric: str = ""
    objective: Objective | None = None
    beta: float = 0.0
    preference_loss: PreferenceLoss | None = None
    good_weight: float | None = None
    bad_weight: float | None = None
    reward_model: str = ""
    distillation: Distillation | None = None
    grpo: Grpo | None = None
    """Settings of GRPO; a maximum of 0 tokens takes that of the task."""
    classical: Classical | None = None
    optimization: OptimizationSpec = OptimizationSpec()
    lora: Lora = Lora()
    domain_tokens: int = 0
    base_layers: int = 0
    expert_growth: ExpertGrowth = ExpertGrowth()
    neural: Neural | None = None


@dataclass(frozen=True)
class RunSpec:
    """Run of a request: digests of the split's parts and of the base model (if any), recipe and resources."""

    train_digest: str
    validation_digest: str
    base_artifact_digest: str
    recipe: RecipeSpec
    resources: Resources


@dataclass(frozen=True)
class CreateRun:
    """Train in `parent` (projects/{project})."""

    parent: str
    run_id: str
    spec: RunSpec
    request_id: str = ""
    origin: str = ""
    """Run that this one is a clone or a continuation of."""
    sweep: str = ""
    """Name of the sweep that the run is a trial of; empty: none."""
    trial: int = 0


@dataclass(frozen=True)
class CreateSweep:
    """Search in `parent` (projects/{project}). `sweep` has no name, and no metric if the recipe's own is meant."""

    parent: str
    sweep_id: str
    sweep: Sweep
    direction: Direction | None = None
    request_id: str = ""


@dataclass(frozen=True)
class BaseModel:
    """Description of a model artifact."""

    architecture: Architecture
    labels: tuple[str, ...] = ()
    max_chars: int = 0
    lora_rank: int = 0
    """Rank of an adapter; 0: a whole model."""
    own_template: bool = False
    """True if its chat template is the one of models from scratch."""
    task: TaskSpec | None = None
    """Task that it was trained for here; None: classify, or not known."""
    shape: ModelShape | None = None
    """Shape that decides about memory; for an adapter, that of its base."""
    tokens: int = 0
    """Number of tokens of its tokenizer; 0: not known."""

    def rows_with(self, new_tokens: int) -> int:
        """Return the rows of the embeddings with new tokens: spare rows are used first."""
        rows = self.architecture.vocab_size
        return max(rows, (self.tokens or rows) + new_tokens) if new_tokens else rows

    def shape_with(self, new_tokens: int, layers: int = 0) -> ModelShape | None:
        """Return the shape with new tokens and this number of its layers; 0: all."""
        if self.shape is None:
            return None
        matrices = 1 if self.architecture.tied else 2
        shape = self.shape.with_layers(layers, matrices) if layers else self.shape
        more = self.rows_with(new_tokens) - self.architecture.vocab_size
        return replace(
            shape,
            vocab_size=shape.vocab_size + more,
            parameters=shape.parameters + more * matrices * shape.hidden_size,
        )


@dataclass(frozen=True)
class NeuralBase:
    """What a small neural model is trained on from: one of its kind, or an encoder that has no head yet."""

    task: TaskSpec | None = None
    """Task of a neural model; None: an encoder."""
    sizes: Neural | None = None
    """Network and its sizes, which a training keeps; None: not known."""


def recipe_of(spec: RecipeSpec, base: BaseModel | None, teacher: BaseModel | None = None) -> Recipe:
    """Return the complete, checked recipe: the request's values, else those of the base model or the method.

    A student from scratch that learns the probabilities of a `teacher` has its tokens.
    """
    if spec.method is Method.CLASSICAL:
        return _classical(spec)
    if spec.method is Method.NEURAL:
        return neural_recipe(spec, None)
    usual = Recipe()
    shape = base.architecture if base else spec.architecture
    if base is None and teacher is not None:
        shape = replace(shape, vocab_size=teacher.architecture.vocab_size)
    if base:
        shape = replace(shape, vocab_size=base.rows_with(len(spec.new_tokens) + spec.domain_tokens))
        shape = replace(shape, layers=_layers(spec.base_layers, shape.layers))
    method = spec.method or _method_for(base)
    if method is Method.MERGE and base is not None and not base.lora_rank:
        raise BadBaseModel(
            "The artifact to merge is a whole model: name an adapter as base_artifact_digest.", "NO_ADAPTER"
        )
    task = base.task if base and base.task and spec.task == Classify() else spec.task
    kind = supported(KINDS, task, "Training")
    texts = kind.answers_are_texts(task)
    defaults = (
        method.defaults_of_texts(shape.parameters, bool(kind.labels(task))) if texts else method.defaults
    )
    objective = spec.objective or usual.objective
    if objective.aligns:
        defaults = preference_defaults(objective, method, shape.parameters)
    if objective in (Objective.PRETRAIN, Objective.DISTILLATION):
        defaults = replace(defaults, language_model_weight=0.0, token_dropout=0.0)
    weight, language_epochs = spec.language_model_weight, spec.language_model_epochs
    smoothing = spec.label_smoothing
    # Tokens are left out between the marks of our own template; that of a model made elsewhere would lose its own.
    ours = base is None or base.own_template
    return Recipe(
        method=method,
        labels=() if texts else kind.labels(task) or (base.labels if base else ()),
        seed=spec.seed,
        learning_rate=spec.learning_rate or _rate(spec, defaults.learning_rate),
        epochs=spec.epochs or defaults.epochs,
        batch_size=spec.batch_size or usual.batch_size,
        max_chars=0 if texts else (base.max_chars if base else 0) or spec.max_chars,
        prompt_tokens=spec.prompt_tokens,
        architecture=shape,
        language_model_weight=defaults.language_model_weight if weight is None else weight,
        language_model_epochs=usual.language_model_epochs if language_epochs is None else language_epochs,
        label_smoothing=defaults.label_smoothing if smoothing is None else smoothing,
        lora_rank=(base.lora_rank if base else 0) or spec.lora_rank or usual.lora_rank,
        sweep=spec.sweep,
        packed=spec.packed,
        token_dropout=defaults.token_dropout if ours else 0.0,
        averaging=defaults.averaging,
        label_prior=defaults.label_prior,
        task=task if texts else None,
        train_on=spec.train_on or usual.train_on,
        truncation=spec.truncation or usual.truncation,
        max_tokens=spec.max_tokens or min(USUAL_MAX_TOKENS, shape.max_positions),
        dtype=spec.dtype or usual.dtype,
        gradient_accumulation=spec.gradient_accumulation or usual.gradient_accumulation,
        gradient_checkpointing=spec.gradient_checkpointing,
        new_tokens=spec.new_tokens,
        selection_metric=spec.selection_metric,
        objective=objective,
        beta=spec.beta or usual.beta,
        preference_loss=spec.preference_loss or usual.preference_loss,
        good_weight=usual.good_weight if spec.good_weight is None else spec.good_weight,
        bad_weight=usual.bad_weight if spec.bad_weight is None else spec.bad_weight,
        grpo=_grpo(
            spec.grpo or (Grpo(max_new_tokens=0) if objective is Objective.GRPO else usual.grpo), task
        ),
        distillation=_distillation(spec.distillation or usual.distillation, task),
        reward_model=spec.reward_model,
        **_optimization(spec),
        lora=replace(spec.lora, merge=True) if method is Method.MERGE else spec.lora,
        domain_tokens=spec.domain_tokens,
        base_layers=spec.base_layers,
        expert_growth=spec.expert_growth,
    ).checked()


def _layers(requested: int, known: int) -> int:
    """Return the number of layers that a run starts from; BadRecipe for more than the base model has."""
    if requested > known:
        raise BadRecipe(
            f"recipe.base_layers is {requested:,}, and the base model has {known:,} layers: name fewer, or 0 for all.",
            "recipe.base_layers",
        )
    return requested or known


def _rate(spec: RecipeSpec, usual: float) -> float:
    """Return the learning rate of the optimizer where AdamW has the usual one."""
    factor = spec.optimization.settings.optimizer.rate_factor
    return usual if factor == 1 else min(1.0, float(f"{usual * factor:.6g}"))


def _optimization(spec: RecipeSpec) -> dict[str, Any]:
    """Return the settings of optimizer and schedule as a recipe has them; L2 has no default."""
    usual, stated = Recipe(), spec.optimization
    if spec.method is Method.NEURAL:
        usual = replace(usual, weight_decay=USUAL_DECAY, patience=EPOCHS_WITHOUT_GAIN)
    decays = stated.settings.optimizer.decouples_decay and not spec.expert_growth.experts
    decay = usual.weight_decay if decays else 0.0
    return {
        "optimization": stated.settings,
        "warmup": usual.warmup if stated.warmup is None else stated.warmup,
        "weight_decay": decay if stated.weight_decay is None else stated.weight_decay,
        "clip_norm": stated.clip_norm or usual.clip_norm,
        "patience": usual.patience if stated.patience is None else stated.patience,
    }


def _classical(spec: RecipeSpec) -> Recipe:
    """Return the recipe of a classical model: the settings of language models have no meaning for it."""
    kind = supported(KINDS, spec.task, "Training")
    texts = kind.answers_are_texts(spec.task)
    return Recipe(
        method=Method.CLASSICAL,
        labels=() if texts else kind.labels(spec.task),
        task=spec.task if texts else None,
        seed=spec.seed,
        classical=spec.classical or Classical(),
    ).checked()


def neural_recipe(spec: RecipeSpec, base: NeuralBase | None) -> Recipe:
    """Return the recipe of a small neural model; an encoder that was trained before learns at a low rate."""
    task = base.task if base and base.task and spec.task == Classify() else spec.task
    kind = supported(KINDS, task, "Training")
    texts = kind.answers_are_texts(task)
    requested = (spec.neural or Neural()).complete()
    neural = requested
    if base and base.sizes:
        sizes, usual_sizes = base.sizes, Neural(network=base.sizes.network)
        read = sizes.max_tokens if base.task else min(sizes.max_tokens, requested.max_tokens)
        neural = replace(
            sizes, max_tokens=read, class_weights=requested.class_weights, any_base=requested.any_base
        )
        # The limits are those of networks from scratch; what a base is, it is.
        requested = replace(usual_sizes, max_tokens=read).complete()
    usual = FINE_TUNING_RATE if base and base.task is None else neural.usual_rate
    settings = _optimization(spec)
    if base is None and spec.optimization.settings.dropout is None:
        settings["optimization"] = replace(spec.optimization.settings, dropout=neural.usual_dropout)
    recipe = Recipe(
        method=Method.NEURAL,
        labels=() if texts else kind.labels(task),
        task=task if texts else None,
        seed=spec.seed,
        learning_rate=spec.learning_rate or _rate(spec, usual),
        epochs=spec.epochs,
        batch_size=spec.batch_size or 32,
        selection_metric=spec.selection_metric,
        **settings,
        neural=requested,
    ).checked()
    return replace(recipe, neural=neural)


def _grpo(grpo: Grpo, task: TaskSpec) -> Grpo:
    return grpo if grpo.max_new_tokens else replace(grpo, max_new_tokens=_answer_tokens(task))


def _distillation(settings: Distillation, task: TaskSpec) -> Distillation:
    return settings if settings.max_new_tokens else replace(settings, max_new_tokens=_answer_tokens(task))


def _answer_tokens(task: TaskSpec) -> int:
    """Return the maximum of tokens that answers of the task have by default."""
    stated = task.defaults.max_tokens if isinstance(task, Generate) else None
    return stated or Grpo().max_new_tokens


def _method_for(base: BaseModel | None) -> Method:
    if base is None:
        return Method.FROM_SCRATCH
    return Method.LORA if base.lora_rank else Method.CONTINUE
