"""Predictions next to measurements: accuracy of a run's forecast, its energy and cost, and what it teaches plans."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import quantiles

from ratoon.tasks.compute import Accelerator
from ratoon_training.domain.calibrations import MAX_PRIOR_RUNS, Measured, PriorRuns, kind_of
from ratoon_training.domain.plan import CALIBRATION, modelled_bytes
from ratoon_training.domain.recipes import Recipe, Resources
from ratoon_training.domain.runs import Trained, TrainingRun
from ratoon_training.domain.shapes import ModelShape

_ENERGY_BASES = (
    "Estimated: processor time times 15 W a busy core, and 5 W while the run took; nothing here measures energy.",
    "Measured by RAPL: the processor packages of the machine, with all that ran on it.",
    "Measured by NVML for the GPU; processors by RAPL, or estimated where nothing measures.",
    "Estimated: device hours times the watts of the operator's prices.",
)
"""Sentences by the number that a run stores as `energy_source`."""
_BY_OPERATOR = 3
_DRY_RUN = "Dry run of the longest and of a typical batch on the worker, before the first step."


@dataclass(frozen=True)
class Accuracy:
    """Forecast of a run before its first step, and what was measured; errors are shares of the measurements."""

    predicted_peak_memory_bytes: int
    measured_peak_memory_bytes: int
    memory_error: float
    predicted_seconds: float
    measured_seconds: float
    time_error: float
    predicted_tokens_per_second: float
    measured_tokens_per_second: float
    basis: str = _DRY_RUN


@dataclass(frozen=True)
class Usage:
    """Energy of a run in watt-hours, and its cost."""

    energy_wh: float
    energy_basis: str
    device_hours: float
    cost: float = 0.0
    currency: str = ""


@dataclass(frozen=True)
class Prices:
    """What a device costs and draws: a worker without accelerators is a device `CPU`."""

    hourly_costs: Mapping[Accelerator, float] = field(default_factory=dict)
    watts: Mapping[Accelerator, float] = field(default_factory=dict)
    currency: str = ""

    @staticmethod
    def parse(text: str) -> "Prices":
        """Return the prices of a JSON object `{"currency": "EUR", "hourly_costs": {"cpu": 0.2}, "watts": {"cpu": 60}}`.

        ValueError for another shape, unknown devices, and numbers below 0.
        """
        value = json.loads(text)
        if not isinstance(value, dict) or set(value) - {"currency", "hourly_costs", "watts"}:
            raise ValueError("must be a JSON object with currency, hourly_costs and watts")
        return Prices(
            hourly_costs=_rates(value.get("hourly_costs", {})),
            watts=_rates(value.get("watts", {})),
            currency=str(value.get("currency", "")),
        )


NO_PRICES = Prices()
"""Neither costs nor watts are stated."""


def _rates(value: Mapping[str, float]) -> dict[Accelerator, float]:
    rates = {Accelerator(name.upper()): float(rate) for name, rate in value.items()}
    if any(not rate >= 0 for rate in rates.values()):
        raise ValueError("must have numbers from 0")
    return rates


def accuracy_of(metrics: Mapping[str, float]) -> Accuracy | None:
    """Return the accuracy of a run by its metrics; None: it had no forecast."""
    peak = metrics.get("peak_memory_bytes", 0.0)
    seconds = metrics.get("training_seconds", 0.0)
    memory = metrics.get("predicted_memory_bytes", 0.0)
    if not (peak > 0 and seconds > 0 and memory > 0):
        return None
    forecast = metrics.get("predicted_training_seconds", 0.0)
    return Accuracy(
        predicted_peak_memory_bytes=round(memory),
        measured_peak_memory_bytes=round(peak),
        memory_error=memory / peak - 1,
        predicted_seconds=forecast,
        measured_seconds=seconds,
        time_error=forecast / seconds - 1,
        predicted_tokens_per_second=metrics.get("predicted_tokens_per_second", 0.0),
        measured_tokens_per_second=metrics.get("tokens_per_second", 0.0),
    )


def p90(errors: Sequence[float]) -> float:
    """Return the error that nine of ten runs stay below, whatever its sign; 0: no runs."""
    sizes = sorted(abs(each) for each in errors)
    return quantiles(sizes, n=10, method="inclusive")[-1] if len(sizes) > 1 else sum(sizes)


def with_cost(trained: Trained, resources: Resources, prices: Prices) -> Trained:
    """Return the result of a run with device hours, cost, and energy by the operator's watts if none was measured."""
    metrics = trained.metrics
    hours = resources.workers * metrics.get("seconds", 0.0) / 3600
    device = Accelerator(resources.accelerator)
    added = {"device_hours": hours}
    if device in prices.hourly_costs:
        added["cost"] = hours * prices.hourly_costs[device]
    if device in prices.watts and not metrics.get("energy_source"):
        added |= {"energy_wh": hours * prices.watts[device], "energy_source": float(_BY_OPERATOR)}
    return replace(trained, metrics=dict(sorted({**metrics, **added}.items())))


def usage_of(metrics: Mapping[str, float], currency: str = "") -> Usage | None:
    """Return the energy and cost of a run by its metrics; None: it was not measured."""
    if "energy_wh" not in metrics:
        return None
    return Usage(
        energy_wh=metrics["energy_wh"],
        energy_basis=_ENERGY_BASES[int(metrics.get("energy_source", 0.0))],
        device_hours=metrics.get("device_hours", 0.0),
        cost=metrics.get("cost", 0.0),
        currency=currency if metrics.get("cost") else "",
    )


class RunHistory:
    """Runs by kind, newest first: what they measured corrects the plans of the same kind."""

    def __init__(self, runs: Sequence[TrainingRun]) -> None:
        """`runs` are the earlier runs of a project, newest first."""
        self._of_kind: dict[str, list[Measured]] = {}
        for run in runs:
            if run.trained is None or (measured := _measured(run, run.trained.metrics)) is None:
                continue
            alike = self._of_kind.setdefault(kind_of(run.recipe, run.resources, run.base_shape), [])
            if len(alike) < MAX_PRIOR_RUNS:
                alike.append(measured)

    def of(self, recipe: Recipe, resources: Resources, shape: ModelShape | None) -> PriorRuns | None:
        """Return the measurements of the newest runs of this kind; None: there are none."""
        if not self._of_kind:
            return None
        measured = self._of_kind.get(kind_of(recipe, resources, shape))
        return PriorRuns(tuple(reversed(measured))) if measured else None


def _measured(run: TrainingRun, metrics: Mapping[str, float]) -> Measured | None:
    """Return what a run teaches about its kind; None: it lacks a measurement."""
    peak, process = metrics.get("peak_memory_bytes", 0.0), metrics.get("process_bytes", 0.0)
    rows, longest = (
        int(metrics.get(name, 0.0)) for name in ("longest_batch_samples", "longest_batch_tokens")
    )
    if not (peak > process > 0):
        return None
    modelled = modelled_bytes(run.recipe, run.resources, run.base_shape, rows, longest)
    beyond = modelled - CALIBRATION.process_bytes
    if beyond <= 0:
        return None
    workers = run.resources.workers
    return Measured(
        process_bytes=round(process),
        memory_ratio=(peak / workers - process) / beyond,
        tokens_per_second=metrics.get("tokens_per_second", 0.0),
        overhead_s=max(0.0, metrics.get("seconds", 0.0) - metrics.get("training_seconds", 0.0)),
        longest_tokens=-(-longest // 2) if run.recipe.objective.of_pairs else longest,
    )
