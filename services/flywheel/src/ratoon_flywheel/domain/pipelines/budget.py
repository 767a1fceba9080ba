"""Whether the pipeline runs of a project used its budget.

Cost and energy are estimates: the time of a stage, times its devices, times the rate of the operator for such a device.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ratoon.tasks.compute import Accelerator, Compute
from ratoon_flywheel.domain.errors import SettingNotSupported
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Stage, StageId
from ratoon_flywheel.domain.project_settings import Budget
from ratoon_flywheel.domain.projects import Project

PERIOD = timedelta(days=30)
"""Time over which a budget counts what runs used."""
_HOUR = timedelta(hours=1)
_OF_PEOPLE = (StageId.QUEUE, StageId.APPROVAL)


@dataclass(frozen=True)
class Rates:
    """What a device costs and draws, as the operator states it."""

    currency: str = ""
    costs: Mapping[Accelerator, float] = field(default_factory=dict)
    """Cost of a device an hour, in `currency`. A device `CPU` is a machine without accelerators."""
    watts: Mapping[Accelerator, float] = field(default_factory=dict)
    """Power of a device with its share of the machine, in watts."""


def check_rates(project: Project, rates: Rates) -> None:
    """Raise SettingNotSupported if the budget limits a cost or an energy for which the operator gave no rate."""
    budget = project.budget
    if budget.max_cost and budget.currency != rates.currency:
        raise SettingNotSupported(
            f"budget.max_cost of {project.name} is in {budget.currency}, and the rates of this installation are "
            f"{f'in {rates.currency}' if rates.currency else 'not set'} (RATOON_FLYWHEEL_CURRENCY).",
            "budget.currency",
        )
    used = {_compute(project, stage).accelerator for stage in StageId}
    for is_limited, of_devices, limit, setting in (
        (budget.max_cost, rates.costs, "budget.max_cost", "RATOON_FLYWHEEL_HOURLY_COSTS"),
        (budget.max_energy_kwh, rates.watts, "budget.max_energy_kwh", "RATOON_FLYWHEEL_WATTS"),
    ):
        if is_limited and (unknown := sorted(used - of_devices.keys())):
            raise SettingNotSupported(
                f"{limit} of {project.name} needs a rate of {', '.join(unknown).lower()}: the operator sets it "
                f"with {setting}. Without it, clear {limit}.",
                limit,
            )


def exhausted(budget: Budget, runs: Sequence[PipelineRun], now: datetime, rates: Rates | None = None) -> str:
    """Return which limit the runs of the last 30 days reached, as a part of a sentence; empty if none."""
    rates = rates or Rates()
    recent = [run for run in runs if run.create_time > now - PERIOD]
    if 0 < budget.max_runs <= len(recent):
        return f"the project's budget of {budget.max_runs} runs in 30 days is spent"
    hours = sum(
        ((run.end_time or now) - run.create_time - run.waited_for_people(now)) / _HOUR for run in recent
    )
    if 0 < budget.max_hours <= hours:
        return f"the project's budget of {budget.max_hours:g} hours of runs in 30 days is spent ({hours:.1f} hours)"
    cost = sum(_weighted(run, now, rates.costs) for run in recent)
    if 0 < budget.max_cost <= cost:
        return (
            f"the project's budget of {budget.max_cost:g} {budget.currency} in 30 days is spent "
            f"(about {cost:.2f} {budget.currency})"
        )
    energy = sum(_weighted(run, now, rates.watts) for run in recent) / 1000
    if 0 < budget.max_energy_kwh <= energy:
        return f"the project's budget of {budget.max_energy_kwh:g} kWh in 30 days is spent (about {energy:.2f} kWh)"
    return ""


def _weighted(run: PipelineRun, now: datetime, rates: Mapping[Accelerator, float]) -> float:
    """Return the device hours of a run, each times the rate of its device."""
    return sum(
        ((stage.end_time or run.end_time or now) - start)
        / _HOUR
        * max(1, compute.devices)
        * rates.get(compute.accelerator, 0.0)
        for stage, start, compute in _worked(run)
    )


def _worked(run: PipelineRun) -> Iterator[tuple[Stage, datetime, Compute]]:
    for stage in run.stages:
        if stage.start_time is not None and stage.id not in _OF_PEOPLE:
            yield stage, stage.start_time, _compute(run.project, stage.id)


def _compute(project: Project, stage: StageId) -> Compute:
    """Return the devices of a stage."""
    of_stages = project.compute
    return {
        StageId.TRAINING: of_stages.training,
        StageId.COMPARISON: of_stages.evaluation,
        StageId.EVALUATION: of_stages.evaluation,
        StageId.REGISTRATION: of_stages.verification,
        StageId.COMPRESSION_GATE: of_stages.evaluation,
        StageId.COMPRESSION_REGISTRATION: of_stages.verification,
        StageId.ROLLOUT: of_stages.serving,
    }.get(stage, Compute())
