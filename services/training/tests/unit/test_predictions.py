"""Changes that fit, forecasts next to measurements, prices, and runs that wait for memory."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from ratoon.operations.job_machine import Action, JobObservation, Phase
from ratoon.tasks.compute import Accelerator as Device
from ratoon_training import mapping
from ratoon_training.adapters.machine import FAMILIES_FILE, ThisMachine, headroom
from ratoon_training.application.planning import Reservations, planned
from ratoon_training.domain.calibrations import MAX_PRIOR_RUNS, Measured, PriorRuns, kind_of
from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.machines import parse_families, recommended
from ratoon_training.domain.plan import CALIBRATION, MEBI, ResourcePlan, modelled_bytes, plan, with_changes
from ratoon_training.domain.predictions import Prices, RunHistory, accuracy_of, p90, usage_of, with_cost
from ratoon_training.domain.recipes import Accelerator, Architecture, Method, Recipe, Resources
from ratoon_training.domain.runs import (
    WAIT_FOR_MEMORY_S,
    Observation,
    Progress,
    State,
    Trained,
    TrainingRun,
    step,
)

FAMILIES = parse_families(FAMILIES_FILE.read_text())
GIB = 2**30
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RECIPE = Recipe(labels=("ham", "spam"))
SMOL = Architecture(vocab_size=49_152, hidden_size=576, layers=30, heads=9)
METRICS = {
    "peak_memory_bytes": 1.5 * GIB,
    "process_bytes": 0.5 * GIB,
    "predicted_memory_bytes": 1.65 * GIB,
    "predicted_training_seconds": 9.0,
    "training_seconds": 10.0,
    "tokens_per_second": 1000.0,
    "predicted_tokens_per_second": 1100.0,
    "longest_batch_samples": 16.0,
    "longest_batch_tokens": 104.0,
    "seconds": 36.0,
    "energy_wh": 0.25,
    "energy_source": 0.0,
}


class FakeMachine:
    def __init__(self, free: int) -> None:
        self.free = free

    def available_bytes(self, resources: Resources) -> int:
        return self.free

    def families(self) -> tuple:
        return FAMILIES


def run_of(name: str = "a", **changes: object) -> TrainingRun:
    run = TrainingRun(f"projects/p/trainingRuns/{name}", NOW, NOW, "1" * 64, "2" * 64, RECIPE)
    return replace(run, **changes)  # type: ignore[arg-type]


def trained(metrics: dict[str, float]) -> Trained:
    return Trained("a", "c", 1, Diagnosis("healthy", "", ""), metrics)


@pytest.mark.parametrize(
    ("recipe", "free"),
    [
        (replace(RECIPE, batch_size=512), GIB),
        (Recipe(labels=("a", "b"), method=Method.CONTINUE, architecture=SMOL), 3 * GIB),
        (Recipe(labels=("a", "b"), method=Method.LORA, architecture=SMOL), 2 * GIB),
    ],
)
def test_each_change_of_a_refused_run_is_admitted_by_the_same_plan(recipe, free):
    def plans(recipe: Recipe, resources: Resources) -> ResourcePlan:
        return plan(recipe, resources, free, FAMILIES)

    refused = with_changes(plans(recipe, Resources()), recipe, Resources(), plans)
    assert not refused.admitted
    assert refused.changes
    assert refused.changes[0].description in refused.reason
    for change in refused.changes:
        assert change.measured_bytes <= free
        changed = recipe
        for setting in change.settings:
            name, _, value = setting.removeprefix("recipe.").partition("=")
            kinds = {"method": Method.LORA, "gradient_checkpointing": True}
            changed = replace(changed, **{name: kinds[name] if name in kinds else int(value)})
        assert plans(changed.checked(), Resources()).measured_bytes == change.measured_bytes


def test_the_first_change_is_the_smallest_that_fits():
    machine = FakeMachine(GIB)
    refused = planned(replace(RECIPE, batch_size=512), Resources(), None, machine)
    (setting,) = refused.changes[0].settings
    parts = int(setting.removeprefix("recipe.gradient_accumulation="))
    less = replace(RECIPE, batch_size=512, gradient_accumulation=parts // 2)
    assert not planned(less, Resources(), None, machine).admitted


def test_a_run_that_nothing_helps_has_no_changes():
    refused = planned(RECIPE, Resources(), None, FakeMachine(100 * MEBI))
    assert not refused.admitted
    assert refused.changes == ()


@pytest.mark.parametrize(
    ("parameters", "accelerator", "adapts", "first", "others"),
    [
        (1_000_000, "CPU", False, "C", set()),
        (50_000_000, "CPU", False, "M", {"P", "G", "Inf"}),
        (135_000_000, "CPU", True, "G", {"Trn", "P", "Inf"}),
        (135_000_000, "CPU", False, "Trn", {"P", "Inf"}),
        (135_000_000, "CUDA", False, "P", {"Trn", "Inf"}),
        (8_000_000_000, "NEURON", False, "Trn", {"P", "Inf"}),
    ],
)
def test_each_family_is_recommended_for_some_run(parameters, accelerator, adapts, first, others):
    families = [each.family for each in recommended(parameters, accelerator, FAMILIES, adapts=adapts)]
    assert families[0] == first
    assert others <= set(families)


def test_memory_of_a_control_group_bounds_what_is_free(tmp_path: Path):
    own = tmp_path / "cgroup"
    own.write_text("9:memory:/outer/inner\n8:cpu:/\n")
    inner = tmp_path / "fs" / "memory" / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "memory.limit_in_bytes").write_text("1000")
    (inner / "memory.usage_in_bytes").write_text("700")
    (inner / "memory.stat").write_text("cache 50\ntotal_inactive_file 40")
    (inner.parent / "memory.limit_in_bytes").write_text("900")
    (inner.parent / "memory.usage_in_bytes").write_text("850")
    assert headroom(own, tmp_path / "fs") == [340, 50]


def test_memory_of_a_unified_control_group_has_a_limit_or_none(tmp_path: Path):
    own = tmp_path / "cgroup"
    own.write_text("0::/a\n")
    group = tmp_path / "fs" / "a"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max")
    (group / "memory.current").write_text("10")
    assert headroom(own, tmp_path / "fs") == []
    (group / "memory.max").write_text("100")
    assert headroom(own, tmp_path / "fs") == [90]


def test_a_forecast_is_compared_with_what_was_measured():
    accuracy = accuracy_of(METRICS)
    assert accuracy is not None
    assert accuracy.memory_error == pytest.approx(0.1)
    assert accuracy.time_error == pytest.approx(-0.1)
    assert accuracy_of({"peak_memory_bytes": 1.0}) is None
    assert p90([0.1, -0.2, 0.05] * 10) == pytest.approx(0.2)


def test_prices_give_cost_and_energy_of_a_run():
    prices = Prices.parse('{"currency": "EUR", "hourly_costs": {"cpu": 2.0}, "watts": {"cpu": 60}}')
    result = with_cost(trained(METRICS), Resources(workers=2), prices)
    assert result.metrics["device_hours"] == pytest.approx(0.02)
    assert result.metrics["cost"] == pytest.approx(0.04)
    assert result.metrics["energy_wh"] == pytest.approx(1.2)
    usage = usage_of(result.metrics, "EUR")
    assert usage is not None
    assert "watts of the operator" in usage.energy_basis
    measured = with_cost(trained({**METRICS, "energy_source": 1.0}), Resources(), prices)
    assert measured.metrics["energy_wh"] == 0.25
    assert Device.CPU in prices.hourly_costs
    with pytest.raises(ValueError, match="must"):
        Prices.parse('{"hourly": {}}')


def test_runs_of_the_same_kind_correct_the_plan():
    earlier = run_of(state=State.SUCCEEDED, trained=trained(METRICS))
    prior = RunHistory([earlier] * 20).of(RECIPE, Resources(), None)
    assert prior is not None
    assert prior.runs == MAX_PRIOR_RUNS
    modelled = modelled_bytes(RECIPE, Resources(), None, 16, 104) - CALIBRATION.process_bytes
    assert prior.memory_ratio == pytest.approx(GIB / modelled)
    for change in ({"batch_size": 32}, {"max_chars": 10_000}, {"averaging": 0.99}):
        assert RunHistory([earlier]).of(replace(RECIPE, **change), Resources(), None) is None
    first, second = (
        planned(RECIPE, Resources(), None, FakeMachine(8 * GIB), runs) for runs in ((), [earlier])
    )
    assert first.measured_bytes != second.measured_bytes
    assert "1 earlier run" in second.basis
    assert kind_of(RECIPE, Resources()) != kind_of(RECIPE, Resources(Accelerator.CUDA))
    assert PriorRuns(measured=(Measured(1, 1.0, 1.0),)).corrected(10, 10) == 1


def test_a_plan_covers_the_longest_samples_of_earlier_runs_unless_a_limit_is_stated():
    metrics = {**METRICS, "longest_batch_tokens": 2000.0}
    by_length = replace(RECIPE, prompt_tokens=0)
    earlier = replace(run_of(state=State.SUCCEEDED, trained=trained(metrics)), recipe=by_length)
    machine = FakeMachine(64 * GIB)
    by_data = planned(by_length, Resources(), None, machine, [earlier])
    assert by_data.measured_bytes >= metrics["peak_memory_bytes"]
    stated = planned(replace(RECIPE, prompt_tokens=128), Resources(), None, machine, [earlier])
    assert stated.measured_bytes < by_data.measured_bytes


def test_a_run_without_a_forecast_corrects_the_plan_of_its_kind_by_its_batch():
    """It took what was planned: the next plan is the same with its margin, not many times as much."""
    needs = plan(RECIPE, Resources(), 64 * GIB, FAMILIES).measured_bytes
    metrics = {"peak_memory_bytes": float(needs), "process_bytes": float(CALIBRATION.process_bytes)}
    earlier = run_of(state=State.SUCCEEDED, trained=trained(metrics))
    again = planned(RECIPE, Resources(), None, FakeMachine(64 * GIB), [earlier])
    assert again.measured_bytes == pytest.approx(1.05 * needs, rel=0.01)


def test_a_run_waits_for_the_memory_of_others_and_starts_after_them():
    needs = plan(RECIPE, Resources(), 8 * GIB, FAMILIES).measured_bytes
    machine = FakeMachine(round(1.5 * needs))
    live: list[TrainingRun] = []
    reservations = Reservations(lambda: live)

    def admitted(run: TrainingRun) -> ResourcePlan:
        return reservations.admit(run, lambda held: planned(RECIPE, Resources(), None, machine, (), held))

    first, second = run_of("a"), run_of("b")
    assert admitted(first).admitted
    # The store does not show the first run as admitted yet.
    assert admitted(second).waits
    live.append(replace(first, state=State.RUNNING, plan=ResourcePlan(measured_bytes=needs)))
    waiting = admitted(second)
    assert waiting.waits
    queued = step(second, Observation(JobObservation(Phase.ABSENT), waiting), NOW)
    assert queued.resource.state is State.QUEUED
    assert "which other runs hold" in queued.resource.progress.message
    again = step(queued.resource, Observation(JobObservation(Phase.ABSENT), waiting), NOW)
    assert again.resource is queued.resource
    assert again.wake_after == WAIT_FOR_MEMORY_S
    live.clear()
    started = step(second, Observation(JobObservation(Phase.ABSENT), admitted(second)), NOW)
    assert started.resource.state is State.PREPARING
    assert started.actions == (Action.START,)


def test_a_run_waits_for_others_that_have_grown_but_not_reported_yet():
    """Free memory is without what they took, and they hold nothing that is known."""
    needs = plan(RECIPE, Resources(), 8 * GIB, FAMILIES).measured_bytes
    other = replace(run_of("b"), state=State.PREPARING, plan=ResourcePlan(measured_bytes=needs))
    machine = FakeMachine(needs // 2)
    plan_of = Reservations(lambda: [other]).admit(
        run_of("a"), lambda held: planned(RECIPE, Resources(), None, machine, (), held)
    )
    assert plan_of.waits


def test_a_run_without_its_accelerator_does_not_wait_for_the_memory_of_others():
    other = replace(run_of("b"), state=State.RUNNING, plan=ResourcePlan(measured_bytes=8 * GIB))
    machine, requested = ThisMachine(64 * GIB, None, has_gpu=False), Resources(Accelerator.CUDA)
    refused = Reservations(lambda: [other]).admit(
        run_of("a"), lambda held: planned(RECIPE, requested, None, machine, (), held)
    )
    assert not refused.admitted and not refused.waits
    assert "no worker for cuda is available" in refused.reason
    assert planned(RECIPE, Resources(), None, machine).admitted
    assert planned(RECIPE, requested, None, ThisMachine(64 * GIB, None)).admitted


def test_a_refusal_names_a_change_that_fits_when_others_have_ended():
    needs = plan(RECIPE, Resources(), 8 * GIB, FAMILIES).measured_bytes
    reported = replace(run_of("b"), state=State.RUNNING, plan=ResourcePlan(measured_bytes=needs))
    other = replace(reported, progress=replace(reported.progress, metrics={"memory_bytes": float(needs)}))
    large = replace(RECIPE, batch_size=512)
    machine = FakeMachine(needs // 10)
    refused = Reservations(lambda: [other]).admit(
        run_of("a"), lambda held: planned(large, Resources(), None, machine, (), held)
    )
    assert not refused.admitted
    assert not refused.waits
    assert needs // 2 < refused.changes[0].measured_bytes <= needs + needs // 10


def test_a_run_that_ended_before_it_was_seen_as_admitted_holds_no_memory():
    needs = plan(RECIPE, Resources(), 8 * GIB, FAMILIES).measured_bytes
    machine = FakeMachine(round(1.5 * needs))
    reservations = Reservations(list)

    def admitted(run: TrainingRun) -> bool:
        plans = partial(planned, RECIPE, Resources(), None, machine, ())
        return reservations.admit(run, plans).admitted

    assert admitted(run_of("a"))
    assert not admitted(run_of("b"))
    reservations.release("projects/p/trainingRuns/a")
    assert admitted(run_of("b"))


def test_a_run_that_has_grown_is_not_counted_twice():
    needs = plan(RECIPE, Resources(), 8 * GIB, FAMILIES).measured_bytes
    grown = run_of(
        state=State.RUNNING,
        plan=ResourcePlan(measured_bytes=needs),
        progress=Progress(metrics={"memory_bytes": float(needs)}),
    )
    machine = FakeMachine(needs)
    reservations = Reservations(lambda: [grown])
    result = reservations.admit(
        run_of("b"), lambda held: planned(RECIPE, Resources(), None, machine, (), held)
    )
    assert result.admitted


def test_callers_see_the_forecast_the_usage_and_the_changes():
    message = mapping.run(run_of(state=State.SUCCEEDED, trained=trained(METRICS)))
    assert message.plan_accuracy.memory_error == pytest.approx(0.1)
    assert message.usage.energy_wh == 0.25
    refused = mapping.plan(planned(replace(RECIPE, batch_size=512), Resources(), None, FakeMachine(GIB)))
    assert refused.changes[0].settings[0].startswith("recipe.gradient_accumulation=")
    assert [each.family for each in refused.recommendations] == ["C"]
