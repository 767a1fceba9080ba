"""Plan of an evaluation: time, memory and cost by what earlier runs took. It does not know how they are stored."""

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon.tasks.compute import Accelerator, Compute, Dtype
from ratoon_evaluation.domain.costs import Rates
from ratoon_evaluation.domain.errors import BadEvaluation, NoMeasuredRate
from ratoon_evaluation.domain.runs import EvaluationRun, State

PROCESS_BYTES = 760 * 2**20
"""Memory of a process with torch and without a model, measured on the reference machine."""
_LIMITS = {"record_count": 10_000_000, "model_count": 16, "max_answer_tokens": 1_000_000}
_HOUR_S = 3600


@dataclass(frozen=True)
class Demand:
    """What to plan for; 0 where earlier runs decide."""

    record_count: int = 0
    model_count: int = 0
    max_answer_tokens: int = 0
    seconds_per_answer: float = 0.0
    compute: Compute = Compute()

    def checked(self) -> "Demand":
        """Return the demand if it is in range; BadEvaluation names the field otherwise."""
        for name, limit in _LIMITS.items():
            if not 0 <= getattr(self, name) <= limit:
                raise BadEvaluation(f"{name} must be 0 to {limit:,}.", name)
        if not 0 <= self.seconds_per_answer <= _HOUR_S:
            raise BadEvaluation(f"seconds_per_answer must be 0 to {_HOUR_S:,}.", "seconds_per_answer")
        return self


@dataclass(frozen=True)
class Measured:
    """What a run took that succeeded: its records, answers of all models, seconds, and tokens of an answer at most."""

    records: int
    answers: int
    seconds: float
    max_answer_tokens: int = 0
    """0: the task does not generate."""


@dataclass(frozen=True)
class Weights:
    """Weights of a stored model: their bytes, and the bytes of one weight."""

    size_bytes: int
    bytes_each: int


@dataclass(frozen=True)
class EvaluationPlan:
    """Time in seconds, memory in bytes and cost of an evaluation."""

    record_count: int
    answer_count: int
    seconds: float
    seconds_per_answer: float
    fixed_seconds: float
    time_basis: str
    memory_bytes: int = 0
    memory_basis: str = ""
    cost: float | None = None
    currency: str = ""


def measured(run: EvaluationRun, accelerator: Accelerator) -> Measured | None:
    """Return what a run took; None if it did not succeed, answered on another device, or has no answers."""
    if run.state is not State.SUCCEEDED or run.scored is None:
        return None
    if run.question.compute.accelerator is not accelerator:
        return None
    scored = run.scored.outcome.measured.domains
    records = sum(each.candidate.records for each in scored)
    answers = records + sum(each.reference.records for each in scored if each.reference is not None)
    seconds = (run.update_time - run.create_time).total_seconds()
    if not (answers and seconds > 0):
        return None
    generation = run.question.generation
    tokens = generation.sampling.max_tokens if generation is not None else 0
    return Measured(records, answers, seconds, tokens or 0)


def plan_evaluation(
    demand: Demand, earlier: Sequence[Measured], weights: Weights | None, rates: Rates
) -> EvaluationPlan:
    """Return the plan; `earlier` are the measurements of the project's runs on this device, newest first.

    NoMeasuredRate without an earlier run and without a stated time of an answer.
    """
    demand.checked()
    records = demand.record_count or (earlier[0].records if earlier else 0)
    if not records:
        raise BadEvaluation(
            "record_count must be stated: the project has no run from which it is known.", "record_count"
        )
    answers = records * (demand.model_count or 1)
    fixed, each, basis = _rate(demand, earlier)
    seconds = fixed + answers * each
    accelerator = demand.compute.accelerator
    hourly = rates.hourly_costs.get(accelerator)
    return EvaluationPlan(
        record_count=records,
        answer_count=answers,
        seconds=seconds,
        seconds_per_answer=each,
        fixed_seconds=fixed,
        time_basis=basis,
        memory_bytes=_memory(weights, demand.compute) if weights is not None else 0,
        memory_basis=_memory_basis(demand.compute) if weights is not None else "",
        cost=None if hourly is None else seconds / _HOUR_S * hourly,
        currency="" if hourly is None else rates.currency,
    )


def _rate(demand: Demand, earlier: Sequence[Measured]) -> tuple[float, float, str]:
    """Return seconds of a run beside its answers, seconds of an answer, and where they come from."""
    if demand.seconds_per_answer:
        return 0.0, demand.seconds_per_answer, "The time of an answer was stated."
    if not earlier:
        device = demand.compute.accelerator.lower()
        raise NoMeasuredRate(
            f"No evaluation of the project succeeded on {device}, so that the time of an answer is not known: run a "
            "small evaluation, or state seconds_per_answer."
        )
    fixed, each = _line([(run.answers, run.seconds) for run in earlier])
    counted = f"{len(earlier)} earlier {'run' if len(earlier) == 1 else 'runs'}"
    basis = f"Measured in {counted} of the project on this device, time in the queue included"
    tokens = max(run.max_answer_tokens for run in earlier)
    if demand.max_answer_tokens and tokens:
        scaled = (
            f"the time of an answer is scaled from {tokens:,} to {demand.max_answer_tokens:,} tokens at most"
        )
        return fixed, each * demand.max_answer_tokens / tokens, f"{basis}; {scaled}."
    return fixed, each, f"{basis}."


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return offset and slope of the line with the least squares, of which neither is negative.

    Points of about one size do not show the offset: then time is in proportion to answers.
    """
    count = len(points)
    mean_x, mean_y = (sum(each[axis] for each in points) / count for axis in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if spread < (mean_x / 4) ** 2 * count:
        return 0.0, mean_y / mean_x
    slope = max(0.0, sum((x - mean_x) * (y - mean_y) for x, y in points) / spread)
    offset = mean_y - slope * mean_x
    return (offset, slope) if offset >= 0 else (0.0, mean_y / mean_x)


def _memory(weights: Weights, compute: Compute) -> int:
    """Return the bytes of a process with one model: several are loaded one after another."""
    return PROCESS_BYTES + weights.size_bytes // weights.bytes_each * _bytes_each(compute)


def _bytes_each(compute: Compute) -> int:
    return 4 if compute.dtype is Dtype.FLOAT32 else 2


def _memory_basis(compute: Compute) -> str:
    return (
        f"A process without a model ({PROCESS_BYTES // 2**20:,} MiB on the reference machine) and the weights in "
        f"{8 * _bytes_each(compute)} bits; the cache of answers comes in addition."
    )
