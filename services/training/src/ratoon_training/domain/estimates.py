"""Estimate of the work of a run from a sample of its data, and what deserves attention before it begins."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from ratoon_training.domain.neural import Network
from ratoon_training.domain.plan import ResourcePlan
from ratoon_training.domain.recipes import Accelerator, Dtype, Method, Objective, Recipe, Resources
from ratoon_training.domain.runs import State, TrainingRun
from ratoon_training.domain.schedule import chosen_epochs

CORE_FLOPS = 5e10
"""Floating-point operations a second of a core of the reference machine while it trains."""
REFERENCE_CORES = 2
CUDA_FLOPS = {Dtype.FLOAT32: 3e13, Dtype.BFLOAT16: 2e14}
"""The same of a GPU; a guess, until a run was measured."""
STARTING_S = 15.0
"""Seconds from the start of a run to its first step, and from its last step to its end."""
SIMILAR = 4.0
"""Runs whose models differ by at most this factor in size are compared first: small models are slowed by overhead."""
CUT_SHARE = 0.1
"""Share of cut samples that deserves attention."""
FEW_STEPS = 20
"""Steps below which a run hardly learns."""


@dataclass(frozen=True)
class Problem:
    """Property of a request or of its data: a stable reason, a sentence, and whether the run would end by it."""

    reason: str
    message: str
    blocking: bool = False


@dataclass(frozen=True)
class DataSample:
    """Measurements of a sample of a training part. `samples`, `tokens` and `cut_samples` are those of the sample."""

    records: int = 0
    validation_records: int = 0
    sampled_records: int = 0
    samples: int = 0
    tokens: int = 0
    cut_samples: int = 0
    longest_tokens: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def scale(self) -> float:
        """Records of the part for each record of the sample."""
        return self.records / self.sampled_records if self.sampled_records else 0.0


@dataclass(frozen=True)
class Speed:
    """Floating-point operations a second of all workers, and where the number comes from."""

    flops: float
    basis: str


@dataclass(frozen=True)
class Estimate:
    """Estimate of the work of a run. Steps and epochs are maxima; sizes are those of the whole training part."""

    steps: int = 0
    epochs: float = 0.0
    records: int = 0
    samples: int = 0
    tokens_per_epoch: int = 0
    tokens: int = 0
    cut_samples: int = 0
    longest_tokens: int = 0
    parameters: int = 0
    trained_parameters: int = 0
    seconds: float = 0.0
    basis: str = ""
    device: str = ""
    device_hours: float = 0.0
    cost: float = 0.0
    sampled_records: int = 0


@dataclass(frozen=True)
class PlannedRun:
    """A run that is not stored, with its estimate and its problems, those that would end it first."""

    run: TrainingRun
    estimate: Estimate
    problems: tuple[Problem, ...]


def estimated(run: TrainingRun, sample: DataSample, speed: Speed, hourly_cost: float) -> Estimate:
    """Return the estimate of a run. `hourly_cost` is that of an hour of one worker."""
    recipe, resources = run.recipe, run.resources
    samples = round(sample.samples * sample.scale)
    if recipe.classical is not None:
        return Estimate(
            records=sample.records,
            samples=samples,
            sampled_records=sample.sampled_records,
            basis="The time of a classical model is not estimated.",
            device=_device(resources),
        )
    per_epoch = max(1, -(-samples // recipe.batch_size)) if samples else 0
    epochs = recipe.epochs or chosen_epochs(samples, recipe.method.defaults.samples_shown)
    steps = max(1, round(per_epoch * epochs)) if per_epoch else 0
    tokens_per_epoch = round((sample.tokens + _written(recipe, sample.samples)) * sample.scale)
    tokens = round(tokens_per_epoch * steps / per_epoch) if per_epoch else 0
    parameters, trained = _parameters(run)
    validated = tokens * sample.validation_records / (3 * sample.records) if sample.records else 0.0
    computing = (tokens + validated) * _flops_per_token(run, parameters, trained) / speed.flops
    seconds = STARTING_S + computing if tokens else 0.0
    hours = resources.workers * seconds / 3600
    return Estimate(
        steps=steps,
        epochs=epochs,
        records=sample.records,
        samples=samples,
        tokens_per_epoch=tokens_per_epoch,
        tokens=tokens,
        cut_samples=round(sample.cut_samples * sample.scale),
        longest_tokens=sample.longest_tokens,
        parameters=parameters,
        trained_parameters=trained,
        seconds=seconds,
        basis=speed.basis if tokens else "",
        device=_device(resources),
        device_hours=hours,
        cost=hours * hourly_cost,
        sampled_records=sample.sampled_records,
    )


def problems_of(
    run: TrainingRun, plan: ResourcePlan, estimate: Estimate, sample: DataSample
) -> tuple[Problem, ...]:
    """Return what would end the run, then what deserves attention."""
    listed = [*sample.problems, *_attention(run.recipe, estimate)]
    if not plan.admitted:
        listed.insert(0, Problem("OUT_OF_MEMORY", plan.reason, blocking=True))
    return tuple(sorted(listed, key=lambda problem: not problem.blocking))


def _attention(recipe: Recipe, estimate: Estimate) -> Iterator[Problem]:
    if recipe.classical is not None:
        return
    if recipe.batch_size == 1:
        yield Problem(
            "BATCH_OF_ONE",
            "A step learns from one sample, so that its gradient is mostly noise: raise recipe.batch_size."
            + ("" if recipe.neural else " recipe.gradient_accumulation keeps the memory as it is."),
        )
    if estimate.samples and estimate.cut_samples > CUT_SHARE * estimate.samples:
        yield Problem(
            "SAMPLES_CUT",
            f"{estimate.cut_samples:,} of {estimate.samples:,} samples are longer than the recipe allows and are cut: "
            + (
                "raise recipe.neural.max_tokens."
                if recipe.neural
                else "raise recipe.max_tokens or recipe.prompt_tokens, or choose the truncation SEGMENT."
            ),
        )
    if 0 < estimate.steps < FEW_STEPS:
        yield Problem(
            "FEW_STEPS",
            f"The run has {estimate.steps} steps, too few to learn much: raise recipe.epochs, lower recipe.batch_size, "
            "or add records.",
        )


def speed_of(runs: Sequence[TrainingRun], run: TrainingRun) -> Speed:
    """Return the speed of a run by earlier ones on the same accelerator, else that of the reference machine."""
    parameters, _ = _parameters(run)
    workers = run.resources.workers
    alike = [each for each in runs if _network(each) is _network(run)]
    measured = [speed for each in alike if (speed := _measured(each, run.resources.accelerator))]
    similar = [flops for flops, size in measured if 1 / SIMILAR <= size / max(1, parameters) <= SIMILAR]
    known = similar or [flops for flops, _ in measured]
    if known:
        size = "of models of a similar size" if similar else "of models of other sizes"
        basis = (
            f"Measured in {len(known)} earlier {'run' if len(known) == 1 else 'runs'} of the project, {size}."
        )
        return Speed(workers * median(known), basis)
    if run.resources.accelerator is Accelerator.CPU:
        cores = run.resources.threads or REFERENCE_CORES
        return Speed(
            workers * cores * CORE_FLOPS,
            f"Speed of {cores} cores of the reference machine. After the first run of the project, its own speed "
            "counts.",
        )
    return Speed(
        workers * CUDA_FLOPS[run.recipe.dtype],
        "A guess for a current GPU. After the first run of the project, its own speed counts.",
    )


def flops_per_token(parameters: int, trained: int) -> float:
    """Return the operations of a training step for a token: 2 forward and 2 backward a weight, 2 more if it moves.

    Kaplan et al. 2020, without the attention over the context.
    """
    return 4.0 * parameters + 2.0 * trained


def _network(run: TrainingRun) -> Network | None:
    """Return the network of a small neural model; None: a language model."""
    return run.recipe.neural.network if run.recipe.neural else None


def _flops_per_token(run: TrainingRun, parameters: int, trained: int) -> float:
    """Return the operations of a step for a token; a small neural model looks vectors of tokens up."""
    neural = run.recipe.neural
    if neural is None:
        return flops_per_token(parameters, trained)
    return flops_per_token(neural.computed_parameters, neural.computed_parameters)


def _measured(run: TrainingRun, accelerator: Accelerator) -> tuple[float, int] | None:
    """Return the operations a second of one worker, and the parameters, of a run that ended; None: not measured."""
    trained = run.trained
    if run.state is not State.SUCCEEDED or trained is None or run.resources.accelerator is not accelerator:
        return None
    rate = trained.metrics.get("tokens_per_second", 0.0)
    if not (math.isfinite(rate) and rate > 0 and trained.parameter_count):
        return None
    _, moving = _parameters(run)
    flops = rate * _flops_per_token(run, trained.parameter_count, min(moving, trained.parameter_count))
    return flops / run.resources.workers, trained.parameter_count


def _parameters(run: TrainingRun) -> tuple[int, int]:
    """Return the parameters of the model, and those that are trained."""
    recipe = run.recipe
    if recipe.neural is not None:
        return recipe.neural.parameters, recipe.neural.parameters
    shape = run.base_shape
    parameters = shape.parameters if shape else recipe.architecture.parameters
    if recipe.method is Method.LORA and shape is not None:
        adapter = shape.adapter_parameters(recipe.lora_rank)
        return parameters + adapter, adapter
    if recipe.expert_growth.experts and shape is not None:
        return parameters, shape.stacked_parameters or parameters
    return parameters, parameters


def _written(recipe: Recipe, prompts: int) -> int:
    """Return the tokens that GRPO writes to these prompts at most."""
    if recipe.objective is not Objective.GRPO:
        return 0
    return prompts * recipe.grpo.group_size * recipe.grpo.max_new_tokens


def _device(resources: Resources) -> str:
    workers = f"{resources.workers} {'worker' if resources.workers == 1 else 'workers'}"
    threads = f", {resources.threads} threads each" if resources.threads else ""
    return f"{workers} on {resources.accelerator.lower()}{threads}"


def without_data(sample: DataSample, reason: str, message: str) -> DataSample:
    """Return a sample that could not be read, with the reason."""
    return replace(sample, problems=(*sample.problems, Problem(reason, message, blocking=True)))
