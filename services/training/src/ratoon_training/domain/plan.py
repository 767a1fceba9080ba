"""Resource plans: the rule of thumb, shown for comparison, and the measured model, which alone admits or refuses.

All sizes are bytes. The measured model counts what is in memory at the peak of a step: weights, gradients, optimiser
state, activations and logits, in addition to a worker process without a model. Its constants were
calibrated by runs on the reference machine (see `CALIBRATION`).
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from ratoon_training.domain.lengths import MAX_PROMPT_TOKENS
from ratoon_training.domain.machines import MachineFamily, best_for, work_of
from ratoon_training.domain.neural import Neural
from ratoon_training.domain.optimization import Optimizer
from ratoon_training.domain.recipes import (
    BATCH_LADDER,
    USUAL_MAX_TOKENS,
    Architecture,
    Dtype,
    Objective,
    Recipe,
    Resources,
)
from ratoon_training.domain.shapes import ModelShape

MEBI = 1024 * 1024
FLOAT32, BFLOAT16 = 4, 2
CLASSICAL_BYTES = 1024 * MEBI
"""Memory of the process that fits a classical model; it reads at most 20 million characters."""


@dataclass(frozen=True)
class Calibration:
    """Measured constants: bytes of a worker process without a model, and floats that a token holds per layer."""

    process_bytes: int
    floats_per_hidden: float
    """Activations kept for the backward pass, in units of the hidden size, per token and layer."""
    floats_per_intermediate: float
    """The same in units of the gated layer's width."""
    logit_copies: float
    """Copies of the logits that are alive at once: logits, their log-softmax, their gradient."""
    bfloat16_share: float = 0.7
    """Activations of a computation in bfloat16, as a share of those in float32: norms keep float32."""


CALIBRATION = Calibration(
    process_bytes=760 * MEBI, floats_per_hidden=14.0, floats_per_intermediate=4.0, logit_copies=3.0
)


@dataclass(frozen=True)
class Needs:
    """Memory of a worker by part, in bytes."""

    weights: int
    gradients: int
    optimiser: int
    activations: int
    logits: int
    process: int

    @property
    def total(self) -> int:
        """Altogether."""
        return self.weights + self.gradients + self.optimiser + self.activations + self.logits + self.process


@dataclass(frozen=True)
class ResourcePlan:
    """Memory that a run needs, and whether it is admitted."""

    rule_of_thumb_bytes: int = 0
    measured_bytes: int = 0
    available_bytes: int = 0
    admitted: bool = False
    reason: str = ""
    machine_families: tuple[str, ...] = ()


class Size(StrEnum):
    """Size class of a model."""

    SMALL = "small"
    """Under 100 M parameters and under 100 MB on disk: one device."""
    MEDIUM = "medium"
    LARGE = "large"
    """10 billion parameters and more."""


@dataclass(frozen=True)
class QuotedExample:
    """A figure that is quoted with the rule of thumb, next to the rule's result."""

    model: str
    params: int
    dtype: int
    batch: int
    embed: int
    ratio: Fraction
    quoted_gb: float


QUOTED = (
    QuotedExample("BERT-Base", 110_000_000, 4, 256, 768, Fraction(3, 2), 33.6),
    QuotedExample("GPT-2", 770_000_000, 2, 64, 1024, Fraction(6, 5), 15.5),
    QuotedExample("GPT-3", 175_000_000_000, 2, 2, 12_288, Fraction(2), 2185.0),
)
"""The quoted figures do not follow from the formula, under no reading of it: both are shown."""


def rule_of_thumb(params: int, dtype: int, batch: int, embed: int, ratio: Fraction | float) -> Fraction:
    """`params*dtype + (embed*batch + ratio*(params + embed*batch))`, to the letter; `ratio` is 1.2 to 2."""
    exact = Fraction(str(ratio)) if isinstance(ratio, float) else ratio
    return params * dtype + (embed * batch + exact * (params + embed * batch))


def model_size(parameters: int, disk_bytes: int) -> Size:
    """Small, medium or large. Both measures count: 100 M parameters in float32 are 400 MB."""
    if parameters >= 10_000_000_000:
        return Size.LARGE
    return Size.SMALL if parameters < 100_000_000 and disk_bytes < 100_000_000 else Size.MEDIUM


def measured(
    shape: Architecture | ModelShape,
    batch: int,
    tokens: int,
    *,
    trained: int | None = None,
    dtype: Dtype = Dtype.FLOAT32,
    recomputed: bool = False,
    states: int = 2,
    calibration: Calibration = CALIBRATION,
) -> Needs:
    """Return a worker's memory for `batch` samples of `tokens` tokens; `trained` weights move (None: all).

    The optimizer holds `states` numbers for each of these. With activations that are `recomputed`, a layer keeps its
    input alone, and one layer at a time all else.
    """
    size = shape if isinstance(shape, ModelShape) else ModelShape.of(shape)
    moving = size.parameters if trained is None else trained
    rows = batch * tokens
    layer = _layer_floats(size, tokens, calibration)
    if dtype is Dtype.BFLOAT16:
        layer *= calibration.bfloat16_share
    layers = size.layers * size.hidden_size + layer if recomputed else size.layers * layer
    return Needs(
        weights=_weight_bytes(size.parameters, trained, dtype),
        gradients=FLOAT32 * moving,
        optimiser=states * FLOAT32 * moving,
        activations=round(FLOAT32 * rows * layers),
        logits=round(FLOAT32 * rows * size.vocab_size * calibration.logit_copies),
        process=calibration.process_bytes,
    )


def _weight_bytes(parameters: int, trained: int | None, dtype: Dtype) -> int:
    """Return the bytes of the weights: in bfloat16, trained ones have a copy in it, and frozen ones are in it alone."""
    if dtype is Dtype.FLOAT32:
        return FLOAT32 * parameters
    frozen = 0 if trained is None else parameters
    return BFLOAT16 * frozen + (FLOAT32 + BFLOAT16) * (parameters if trained is None else trained)


def _layer_floats(shape: ModelShape, tokens: int, calibration: Calibration) -> float:
    """Return the floats that a token holds in one layer for the backward pass.

    Of `floats_per_hidden`, four are queries, keys, values and what attention gives: they have widths of their own.
    """
    attention = 2 * shape.query_width + 2 * shape.key_value_width
    others = (calibration.floats_per_hidden - 4) * shape.hidden_size
    gate = calibration.floats_per_intermediate * shape.intermediate_size / (1 if shape.gated else 2)
    return attention + others + gate + tokens * shape.heads / 8


def plan(
    recipe: Recipe,
    resources: Resources,
    available_bytes: int,
    families: tuple[MachineFamily, ...],
    shape: ModelShape | None = None,
) -> ResourcePlan:
    """Return the plan of a run on a machine with this much free memory; `shape` is that of a base model."""
    if recipe.classical is not None:
        return _small_plan("A classical model", CLASSICAL_BYTES, available_bytes)
    if recipe.neural is not None:
        needs = _neural_bytes(recipe.neural, recipe.batch_size)
        return _small_plan("A small neural model of this shape", needs, available_bytes)
    size = shape or ModelShape.of(recipe.architecture)
    needs = _needs(recipe, resources, size)
    total = needs * resources.workers
    largest = largest_batch(recipe, resources, available_bytes, size)
    rule = rule_of_thumb(size.parameters, FLOAT32, recipe.batch_size, size.hidden_size, Fraction(3, 2))
    admitted = total <= available_bytes
    return ResourcePlan(
        rule_of_thumb_bytes=int(rule),
        measured_bytes=total,
        available_bytes=available_bytes,
        admitted=admitted,
        reason=_reason(resources, total, available_bytes, largest),
        machine_families=tuple(best_for(work_of(size.parameters, resources.accelerator.value), families)),
    )


def _neural_bytes(neural: Neural, batch_size: int) -> int:
    """Return the memory of a training: weights, the best ones, gradients, two moments, a checkpoint, activations."""
    each = FLOAT32 * (5 + 4)
    return (
        CALIBRATION.process_bytes + each * neural.parameters + FLOAT32 * neural.activation_floats(batch_size)
    )


def _small_plan(what: str, needs: int, available: int) -> ResourcePlan:
    """Return the plan of a small model: one process."""
    reason = f"{what} needs up to {_mebi(needs)} of memory, and {_mebi(available)} are free"
    admitted = needs <= available
    return ResourcePlan(
        measured_bytes=needs,
        available_bytes=available,
        admitted=admitted,
        reason=f"{reason}{'.' if admitted else ': free memory, or train on a larger machine.'}",
    )


def largest_batch(
    recipe: Recipe, resources: Resources, available_bytes: int, shape: ModelShape | None = None
) -> int:
    """The largest of the usual batch sizes that fits; 0 when none does."""
    size = shape or ModelShape.of(recipe.architecture)
    fits = [
        batch
        for batch in BATCH_LADDER
        if _needs(replace(recipe, batch_size=batch), resources, size) * resources.workers <= available_bytes
    ]
    return max(fits, default=0)


def _needs(recipe: Recipe, resources: Resources, shape: ModelShape) -> int:
    """Bytes that one worker needs. A preference has two answers, each after its prompt; GRPO writes a group to each."""
    share = -(-recipe.batch_size // resources.workers)
    if recipe.objective is Objective.GRPO:
        share *= recipe.grpo.group_size
    part = -(-share // recipe.gradient_accumulation)
    trained = shape.adapter_parameters(recipe.lora_rank) if recipe.method.adapts else None
    if recipe.expert_growth.experts:
        trained = shape.stacked_parameters
    settings = recipe.optimization
    needs = measured(
        shape,
        2 * part if recipe.objective.of_pairs else part,
        _tokens(recipe) + 8,
        trained=trained,
        dtype=recipe.dtype,
        recomputed=recipe.gradient_checkpointing,
        states=settings.optimizer.states(settings.momentum),
    )
    muon = settings.optimizer is Optimizer.MUON and trained is None
    # Muon leaves embeddings to AdamW, which holds a second number for each.
    return needs.total + (FLOAT32 * shape.vocab_size * shape.hidden_size if muon else 0)


def _tokens(recipe: Recipe) -> int:
    """Return the tokens of a sample to plan with. The usual maximum of a conversation is a bound that few reach."""
    if recipe.task is not None and recipe.max_tokens > USUAL_MAX_TOKENS:
        return recipe.max_tokens
    usual = min(MAX_PROMPT_TOKENS, recipe.architecture.max_positions)
    return min(recipe.max_tokens, usual) if recipe.task is not None else recipe.prompt_tokens or usual


def _reason(resources: Resources, total: int, available: int, largest: int) -> str:
    if not available:
        lacking = f"no worker for {resources.accelerator.lower()} is available"
        return f"The run needs {_mebi(total)} of memory, and {lacking}: add workers, or choose another accelerator."
    needs = f"The run needs {_mebi(total)} of memory, and {_mebi(available)} are free"
    if total <= available:
        return f"{needs}."
    if largest:
        return (
            f"{needs}: lower batch_size to {largest} or less, raise gradient_accumulation, or train on a larger "
            "machine."
        )
    return f"{needs}: raise gradient_accumulation, or take a smaller model or a larger machine."


def _mebi(size: int) -> str:
    return f"{-(-size // MEBI):,} MiB"
