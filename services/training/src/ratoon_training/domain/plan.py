"""Resource plans: the rule of thumb, shown for comparison, and the measured model, which alone admits or refuses.

All sizes are bytes. The measured model counts what is in memory at the peak of a step: weights, gradients, optimiser
state, activations and logits, in addition to a worker process without a model. Its constants were
calibrated by runs on the reference machine (see `CALIBRATION`); runs of the same kind on the same machine correct it
(see `calibrations`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any

from ratoon_training.domain import layouts
from ratoon_training.domain.calibrations import PriorRuns
from ratoon_training.domain.lengths import MAX_PROMPT_TOKENS
from ratoon_training.domain.machines import MachineFamily, Recommendation, best_for, recommended, work_of
from ratoon_training.domain.neural import Neural
from ratoon_training.domain.optimization import Optimizer, Quantization
from ratoon_training.domain.parallelism import Layout, Strategy
from ratoon_training.domain.recipes import (
    BATCH_LADDER,
    USUAL_MAX_TOKENS,
    Architecture,
    Dtype,
    Method,
    Objective,
    Recipe,
    Resources,
)
from ratoon_training.domain.shapes import ModelShape

MEBI = 1024 * 1024
FLOAT32, BFLOAT16 = 4, 2
_NF4_BYTES = 0.52
"""Bytes of a weight in 4 bits: half a byte, a scale of 8 bits for 64 of them, and a scale of 256 such scales."""
_CHARS_A_TOKEN = 2
"""Characters of a token of text that a small tokenizer cuts finely; other texts have more."""
MAX_WORKERS = 64
CLASSICAL_BYTES = 1024 * MEBI
"""Memory of the process that fits a classical model; it reads at most 20 million characters."""


@dataclass(frozen=True)
class Calibration:
    """Measured constants: bytes of a worker process without a model, and floats that a token holds per layer."""

    process_bytes: int
    floats_per_hidden: float
    """Activations that stay in memory for the backward pass, in units of the hidden size, per token and layer."""
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
class Change:
    """Change of a run with which it fits, and the memory that it then needs."""

    settings: tuple[str, ...]
    """Settings as the command line takes them: `recipe.batch_size=8`."""
    description: str
    measured_bytes: int


@dataclass(frozen=True)
class ResourcePlan:
    """Memory that a run needs, and whether it is admitted."""

    rule_of_thumb_bytes: int = 0
    measured_bytes: int = 0
    available_bytes: int = 0
    admitted: bool = False
    reason: str = ""
    machine_families: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    """Changes with each of which the same plan admits the run, the smallest one first."""
    recommendations: tuple[Recommendation, ...] = ()
    basis: str = ""
    strategy: Strategy | None = None
    """Storage of the weights: as requested, or chosen by the plan; None: copies."""
    capacity_bytes: int = 0
    """Memory that the run could use if no other one was in progress; 0: not known."""

    @property
    def waits(self) -> bool:
        """Return True if the run fits as soon as other runs have ended."""
        return not self.admitted and 0 < self.measured_bytes <= self.capacity_bytes


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
    quantized: bool = False,
    calibration: Calibration = CALIBRATION,
) -> Needs:
    """Return a worker's memory for `batch` samples of `tokens` tokens; `trained` weights move (None: all).

    The optimizer holds `states` numbers for each of these. With activations that are `recomputed`, a layer keeps its
    input alone, and one layer at a time all else. Frozen linear layers that are `quantized` have 4 bits a weight.
    """
    size = shape if isinstance(shape, ModelShape) else ModelShape.of(shape)
    moving = size.parameters if trained is None else trained
    rows = batch * tokens
    layer = _layer_floats(size, tokens, calibration)
    if dtype is Dtype.BFLOAT16:
        layer *= calibration.bfloat16_share
    layers = size.layers * size.hidden_size + layer if recomputed else size.layers * layer
    return Needs(
        weights=_quantized_bytes(size, moving, dtype)
        if quantized
        else _weight_bytes(size.parameters, trained, dtype),
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


def _quantized_bytes(shape: ModelShape, trained: int, dtype: Dtype) -> int:
    """Return the bytes of an adapter and of frozen weights in 4 bits; embeddings and output layer are not quantized."""
    ends = min(shape.parameters, 2 * shape.vocab_size * shape.hidden_size)
    each = FLOAT32 if dtype is Dtype.FLOAT32 else BFLOAT16
    return each * ends + round(_NF4_BYTES * (shape.parameters - ends)) + FLOAT32 * trained


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
    prior: PriorRuns | None = None,
) -> ResourcePlan:
    """Return the plan of a run on a machine with this much free memory; `shape` is that of a base model.

    `prior` are the measurements of earlier runs of this kind; None: there are none.
    """
    if recipe.classical is not None:
        return _small_plan(
            "A classical model", _corrected(CLASSICAL_BYTES, prior), available_bytes, families, prior
        )
    if recipe.neural is not None:
        needs = _corrected(neural_bytes(recipe.neural, recipe.batch_size), prior)
        what = "A small neural model of this shape"
        return _small_plan(what, needs, available_bytes, families, prior, recipe.neural.parameters)
    size = shape or ModelShape.of(recipe.architecture)
    tokens = _planned_tokens(recipe, prior)
    resources = layouts.chosen(
        recipe,
        resources,
        lambda each: _corrected(_needs(recipe, each, size, tokens), prior) * each.workers <= available_bytes,
    )
    total = _corrected(_needs(recipe, resources, size, tokens), prior) * resources.workers
    largest = largest_batch(recipe, resources, available_bytes, size)
    rule = rule_of_thumb(size.parameters, FLOAT32, recipe.batch_size, size.hidden_size, Fraction(3, 2))
    accelerator, adapts = resources.accelerator.value, recipe.method.adapts
    return ResourcePlan(
        rule_of_thumb_bytes=int(rule),
        measured_bytes=total,
        available_bytes=available_bytes,
        admitted=total <= available_bytes,
        reason=_reason(resources, total, available_bytes, largest),
        machine_families=tuple(best_for(work_of(size.parameters, accelerator, adapts=adapts), families)),
        recommendations=recommended(size.parameters, accelerator, families, adapts=adapts),
        basis=_basis(prior),
        strategy=resources.parallelism.strategy,
    )


Plans = Callable[[Recipe, Resources], ResourcePlan]
"""Return the plan of a recipe on these resources, on one machine."""


def with_changes(planned: ResourcePlan, recipe: Recipe, resources: Resources, plans: Plans) -> ResourcePlan:
    """Return the plan of a run that is not admitted with the changes that `plans` admits, the smallest one first.

    Each kind of change is tried alone, from its smallest step; if none is enough, together with those before it.
    """
    if planned.admitted or not planned.available_bytes:
        return planned
    changes: list[Change] = []
    for steps in _ladders(recipe, resources):
        fitting = next((step for step in steps if plans(step.recipe, step.resources).admitted), None)
        if fitting is not None:
            needs = plans(fitting.recipe, fitting.resources).measured_bytes
            changes.append(Change((fitting.setting,), fitting.description, needs))
    if not changes:
        changes.extend(_combined(recipe, resources, plans))
    if not changes:
        return planned
    nearest = changes[0]
    reason = planned.reason.partition(": ")[0] + f": {nearest.description}"
    return replace(planned, changes=tuple(changes), reason=f"{reason} ({', '.join(nearest.settings)}).")


@dataclass(frozen=True)
class _Step:
    """A run with one more setting changed."""

    recipe: Recipe
    resources: Resources
    setting: str
    description: str


def _combined(recipe: Recipe, resources: Resources, plans: Plans) -> Iterator[Change]:
    """Yield changes of several settings: those that keep the result, with one of the others; else with more of them."""
    for lossless in (True, False):
        settings: tuple[str, ...] = ()
        described: tuple[str, ...] = ()
        now, own = recipe, resources
        while ladder := _next_ladder(now, own, settings, lossless=lossless):
            last = ladder[-1]
            now, own = last.recipe, last.resources
            settings, described = (*settings, last.setting), (*described, last.description)
            planned = plans(now, own)
            if planned.admitted:
                yield Change(settings, "; ".join(described), planned.measured_bytes)
                return
        if not lossless:
            return
        fitting = list(_one_more(now, own, settings, described, plans))
        if fitting:
            yield from fitting
            return


def _one_more(
    recipe: Recipe, resources: Resources, settings: tuple[str, ...], described: tuple[str, ...], plans: Plans
) -> Iterator[Change]:
    for steps in _ladders(recipe, resources):
        if _name(steps[0].setting) in map(_name, settings):
            continue
        fitting = next((step for step in steps if plans(step.recipe, step.resources).admitted), None)
        if fitting is not None:
            needs = plans(fitting.recipe, fitting.resources).measured_bytes
            yield Change((*settings, fitting.setting), "; ".join([*described, fitting.description]), needs)


def _next_ladder(
    recipe: Recipe, resources: Resources, settings: tuple[str, ...], *, lossless: bool
) -> list[_Step] | None:
    """Return the next kind of change that is not among these settings; None: there is none."""
    taken = set(map(_name, settings))
    ladders = (steps for steps in _ladders(recipe, resources) if _name(steps[0].setting) not in taken)
    return next((steps for steps in ladders if not lossless or _name(steps[0].setting) in _LOSSLESS), None)


_LOSSLESS = ("recipe.gradient_accumulation", "recipe.gradient_checkpointing")
"""Settings that change time and memory alone."""


def _name(setting: str) -> str:
    return setting.partition("=")[0]


def _ladders(recipe: Recipe, resources: Resources) -> list[list[_Step]]:
    """Return the steps of each kind of change, those first that leave the result as it is."""

    def step(setting: str, value: object, description: str, **change: Any) -> _Step:
        return _Step(replace(recipe, **change), resources, f"recipe.{setting}={value}", description)

    batches = [
        step("batch_size", size, f"lower the batch to {size}: steps are noisier", batch_size=size)
        for size in _halves(recipe.batch_size, 1)
    ]
    if recipe.neural is not None or recipe.classical is not None:
        return [batches] if batches and recipe.neural is not None else []
    parts = -(-recipe.batch_size // resources.workers)
    counts = sorted({min(parts, recipe.gradient_accumulation * 2**power) for power in range(1, 13)})
    accumulated = [
        step(
            "gradient_accumulation",
            count,
            f"compute each step in {count} parts: the same result, a little slower",
            gradient_accumulation=count,
        )
        for count in counts
        if count > recipe.gradient_accumulation
    ]
    recomputed = (
        []
        if recipe.gradient_checkpointing
        else [
            step(
                "gradient_checkpointing",
                "true",
                "recompute activations: the same result, about a third slower",
                gradient_checkpointing=True,
            )
        ]
    )
    ladders = [accumulated, recomputed, batches, _shorter(recipe, step), _half_precision(recipe, step)]
    ladders.append(_adapters(recipe, step))
    more = [2 * resources.workers] if 2 * resources.workers <= MAX_WORKERS else []
    ladders.append(
        [
            _Step(
                recipe,
                replace(resources, workers=count),
                f"resources.workers={count}",
                f"use {count} workers",
            )
            for count in more
        ]
    )
    return [ladder for ladder in ladders if ladder]


def _shorter(recipe: Recipe, step: Callable[..., _Step]) -> list[_Step]:
    """Return the steps that cut samples."""
    name = "max_tokens" if recipe.task is not None else "prompt_tokens"
    return [
        step(name, length, f"cut samples at {length} tokens", **{name: length})
        for length in _halves(_tokens(recipe), 32)
    ]


def _half_precision(recipe: Recipe, step: Callable[..., _Step]) -> list[_Step]:
    if recipe.dtype is Dtype.BFLOAT16:
        return []
    says = "compute in bfloat16: faster on accelerators that have it, slower on most CPUs"
    return [step("dtype", "DTYPE_BFLOAT16", says, dtype=Dtype.BFLOAT16)]


def _adapters(recipe: Recipe, step: Callable[..., _Step]) -> list[_Step]:
    if recipe.method is not Method.CONTINUE or recipe.new_tokens:
        return []
    if recipe.expert_growth.experts or recipe.base_layers:
        return []
    return [step("method", "METHOD_LORA", "train an adapter instead of all weights", method=Method.LORA)]


def _halves(number: int, minimum: int) -> list[int]:
    """Return the number halved again and again, down to the minimum one."""
    halves = [number >> power for power in range(1, 20)]
    return [half for half in halves if half >= minimum]


def _corrected(needs: int, prior: PriorRuns | None) -> int:
    """Return a requirement of the model in the light of measurements of runs of this kind."""
    return needs if prior is None else prior.corrected(needs, CALIBRATION.process_bytes)


def _basis(prior: PriorRuns | None) -> str:
    if prior is None or not prior.runs:
        return "Memory by the model, whose constants were measured on the reference machine."
    counted = "1 earlier run" if prior.runs == 1 else f"{prior.runs} earlier runs"
    return f"Memory by the model, corrected by {counted} of this kind on this machine."


def neural_bytes(neural: Neural, batch_size: int) -> int:
    """Return the memory of a training: weights, the best ones, gradients, two moments, a checkpoint, activations."""
    each = FLOAT32 * (5 + 4)
    return (
        CALIBRATION.process_bytes + each * neural.parameters + FLOAT32 * neural.activation_floats(batch_size)
    )


def _small_plan(
    what: str,
    needs: int,
    available: int,
    families: tuple[MachineFamily, ...],
    prior: PriorRuns | None,
    parameters: int = 0,
) -> ResourcePlan:
    """Return the plan of a small model: one process."""
    reason = f"{what} needs up to {_mebi(needs)} of memory, and {_mebi(available)} are free"
    admitted = needs <= available
    return ResourcePlan(
        measured_bytes=needs,
        available_bytes=available,
        admitted=admitted,
        reason=f"{reason}{'.' if admitted else ': free memory, or train on a larger machine.'}",
        machine_families=tuple(best_for(work_of(parameters, "CPU"), families)),
        recommendations=recommended(parameters, "CPU", families) if parameters else (),
        basis=_basis(prior),
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


def modelled_bytes(
    recipe: Recipe, resources: Resources, shape: ModelShape | None, samples: int, tokens: int
) -> int:
    """Return the bytes of one worker by the model alone, for a batch of `samples` with at most `tokens` each.

    0 samples: for the batch of the recipe, as planned.
    """
    if recipe.classical is not None:
        return CLASSICAL_BYTES
    if recipe.neural is not None:
        return neural_bytes(recipe.neural, recipe.batch_size)
    if not samples:
        # Runs without a forecast do not report their longest batch.
        return _needs(recipe, resources, shape or ModelShape.of(recipe.architecture))
    batch = replace(recipe, batch_size=samples)
    length = -(-tokens // 2) if recipe.objective.of_pairs else tokens
    return _needs(batch, resources, shape or ModelShape.of(recipe.architecture), length)


def _needs(recipe: Recipe, resources: Resources, shape: ModelShape, tokens: int = 0) -> int:
    """Bytes that one worker needs. A preference has two answers, each after its prompt; GRPO writes a group to each."""
    layout = resources.layout
    share = -(-recipe.batch_size // layout.data)
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
        tokens or _tokens(recipe) + 8,
        trained=trained,
        dtype=recipe.dtype,
        recomputed=recipe.gradient_checkpointing,
        states=settings.optimizer.states(settings.momentum),
        quantized=recipe.lora.quantization is Quantization.NF4,
    )
    muon = settings.optimizer is Optimizer.MUON and trained is None
    # Muon leaves embeddings to AdamW, which holds a second number for each.
    more = FLOAT32 * shape.vocab_size * shape.hidden_size if muon else 0
    if recipe.averaging:
        more += FLOAT32 * (shape.parameters if trained is None else trained)
    return _divided(needs, layout, shape) if layout.divides else needs.total + more


def _divided(needs: Needs, layout: Layout, shape: ModelShape) -> int:
    """Return the bytes of a worker that holds a part of the weights.

    While it computes with FSDP, it holds the whole of one layer, and of the embeddings. Each worker makes the whole
    model before it divides it, and the first one puts it together again, next to its part.
    """
    share = layout.weight_share()
    states = share * (needs.weights + needs.gradients + needs.optimiser)
    ends = shape.vocab_size * shape.hidden_size
    layer = max(0, shape.parameters - ends) // max(1, shape.layers)
    gathered = FLOAT32 * (ends + layer) if layout.is_fully_sharded else 0
    step = states + gathered + needs.activations / layout.tensor + needs.logits
    return needs.process + round(max(step, states + needs.weights))


def _tokens(recipe: Recipe) -> int:
    """Return the tokens of a sample to plan with. The usual maximum of a conversation is a bound that few reach."""
    if recipe.task is not None and recipe.max_tokens > USUAL_MAX_TOKENS:
        return recipe.max_tokens
    usual = min(MAX_PROMPT_TOKENS, recipe.architecture.max_positions)
    if recipe.task is not None:
        return min(recipe.max_tokens, usual)
    if recipe.max_chars:
        return min(max(1, recipe.max_chars // _CHARS_A_TOKEN), usual)
    return recipe.prompt_tokens or usual


def _planned_tokens(recipe: Recipe, prior: PriorRuns | None) -> int:
    """Return the tokens of the longest sample: that of earlier runs, where the recipe leaves the limit to the data.

    Texts are cut by characters: some have several tokens a character.
    """
    usual = _tokens(recipe) + 8
    longest = prior.longest_tokens if prior is not None else 0
    if recipe.task is not None:
        return max(usual, min(longest, recipe.max_tokens))
    return max(usual, longest)


def _reason(resources: Resources, total: int, available: int, largest: int) -> str:
    if not available:
        lacking = f"no worker for {resources.accelerator.lower()} is available"
        return f"The run needs {_mebi(total)} of memory, and {lacking}: add workers, or choose another accelerator."
    layout = f" in the layout {resources.layout}" if resources.layout.divides else ""
    needs = f"The run needs {_mebi(total)} of memory{layout}, and {_mebi(available)} are free"
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
