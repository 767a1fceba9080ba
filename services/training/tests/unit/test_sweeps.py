"""Sweeps: trials one after another and in parallel, pruning, folds, budgets, failures, cancellation and resumption."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from ratoon.operations.job_machine import Failure
from ratoon.storage.store import codec_of
from ratoon_training.adapters.tables import RESOURCES
from ratoon_training.adapters.tpe import TpeModel
from ratoon_training.domain.errors import BadSweep
from ratoon_training.domain.search_space import Parameter, Settings
from ratoon_training.domain.sweeps import (
    CancelRun,
    Correction,
    Direction,
    Fold,
    Kind,
    Observation,
    Proposal,
    Pruning,
    PruningMethod,
    Report,
    Sampler,
    StartRun,
    State,
    Sweep,
    SweepBudget,
    TrainPart,
    Trial,
    TrialRun,
    TrialState,
    checked,
    direction_of,
    next_settings,
    resumed,
    step,
)

NOW = datetime(2026, 11, 29, tzinfo=UTC)
RATE = Parameter("learning_rate", 1e-4, 1e-1, log=True)
BATCH = Parameter("batch_size", 8, 64, step=8, is_integer=True)
SWEEP = Sweep(
    name="projects/p/sweeps/s",
    create_time=NOW,
    update_time=NOW,
    recipe={"labels": ["ham", "spam"], "learning_rate": 0.01},
    metric="macro_f1",
    direction=Direction.MAXIMIZE,
    train_digest="1" * 64,
    validation_digest="2" * 64,
    parameters=(RATE, BATCH),
    sampler=Sampler.RANDOM,
    budget=SweepBudget(max_trials=6),
    seed=5,
)


def score(settings: Settings) -> float:
    """A smooth objective: best at a rate of 0.01."""
    return 1.0 - abs(float(settings.get("learning_rate", "0.01")) - 0.01)


@dataclass
class World:
    """The training runs of one sweep, as a fake: `values` gives the value of each epoch by settings and fold."""

    sweep: Sweep
    values: Callable[[Settings, int], list[float]] = lambda settings, fold: [score(settings)]
    failure: Callable[[Settings], str] = lambda settings: ""
    seconds_an_epoch: float = 60.0
    model: TpeModel | None = None
    now: datetime = NOW
    epochs: dict[str, int] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    started: list[str] = field(default_factory=list)

    def tick(self) -> Sweep:
        """Observe, decide, store and act once; a minute and an epoch pass."""
        after = step(self.sweep, self.observed(), self.now)
        codec = codec_of(Sweep, RESOURCES[Sweep])
        self.sweep = codec.load(codec.dump(after.sweep))
        assert self.sweep == after.sweep
        for action in after.actions:
            self.act(action)
        self.now += timedelta(seconds=self.seconds_an_epoch)
        self.epochs = {name: epoch + 1 for name, epoch in self.epochs.items()}
        return self.sweep

    def run(self, ticks: int = 200) -> Sweep:
        """Tick to the end."""
        for _ in range(ticks):
            if self.sweep.state.ended:
                return self.sweep
            self.tick()
        raise AssertionError(f"The sweep has not ended: {self.sweep}")

    def act(self, action: StartRun | CancelRun) -> None:
        name = self.sweep.trials[action.number - 1].runs[-1]
        if isinstance(action, CancelRun):
            self.cancelled.add(name)
        elif name not in self.epochs:
            self.epochs[name] = 0
            self.started.append(name)

    def observed(self) -> Observation:
        runs = {t.number: self.run_of(t) for t in self.sweep.trials if t.is_open}
        proposals: list[Proposal] = []
        sweep = self.sweep
        for _ in range(sweep.free - sweep.count(TrialState.QUEUED)):
            number = len(sweep.trials) + 1
            propose = self.model.propose if self.model else next_settings
            if (settings := propose(sweep, number)) is None:
                break
            proposals.append(Proposal(settings))
            sweep = replace(sweep, trials=(*sweep.trials, Trial(number, settings)))
        correction = Correction(0.5, 0.1, "folds", 2, 2) if self.sweep.finishing else None
        return Observation(runs, tuple(proposals), correction)

    def run_of(self, trial) -> TrialRun:
        name = trial.runs[-1]
        if name not in self.epochs:
            return TrialRun()
        values = self.values(trial.settings, len(trial.runs) - 1)
        done = min(self.epochs[name], len(values))
        reports = tuple(
            Report(epoch, value) for epoch, value in enumerate(values[:done], 1) if math.isfinite(value)
        )
        running = TrialRun(exists=True, has_workers=True, reports=reports)
        if name in self.cancelled:
            return replace(running, outcome="CANCELLED")
        if reason := self.failure(trial.settings):
            return replace(running, outcome="FAILED", reports=(), failure=Failure(reason, "It failed."))
        if done < len(values):
            return running
        return replace(running, outcome="SUCCEEDED", value=values[-1], seconds=done * self.seconds_an_epoch)


def points(sweep: Sweep) -> list[Settings]:
    return [trial.settings for trial in sweep.trials]


def test_trials_run_one_after_another_and_the_best_one_wins():
    sweep = World(SWEEP).run()
    assert sweep.state is State.SUCCEEDED
    assert [trial.state for trial in sweep.trials] == [TrialState.COMPLETED] * 6
    best = max(sweep.trials, key=lambda trial: trial.value)
    assert sweep.best == best and best.value == score(best.settings)
    assert sweep.trials[0].runs == ("projects/p/trainingRuns/s-1",)
    assert sweep.correction is not None
    assert sweep.hours == pytest.approx(6 / 60)


@pytest.mark.parametrize("model", [None, TpeModel()])
def test_t43_a_sweep_that_is_killed_at_any_tick_has_the_trials_of_one_that_is_not(model):
    whole = World(replace(SWEEP, budget=SweepBudget(max_trials=14)), model=model).run()
    world = World(replace(SWEEP, budget=SweepBudget(max_trials=14)), model=model)
    while not world.sweep.state.ended:
        world.tick()
        if world.sweep.state.ended:
            break
        stored, before = world.sweep, list(world.started)
        # A restart knows what is stored; actions of the last tick may be repeated.
        world = replace(world, sweep=stored)
        assert world.started == before
    assert points(world.sweep) == points(whole)
    assert len({tuple(each.items()) for each in points(whole)}) == 14
    assert len(world.started) == len(set(world.started)) == 14


def test_t43_a_sweep_that_ended_goes_on_after_its_trials():
    whole = World(SWEEP).run()
    half = World(replace(SWEEP, budget=SweepBudget(max_trials=3)))
    half.run()
    half.sweep = resumed(half.sweep, SweepBudget(max_trials=6))
    half.run()
    assert points(half.sweep) == points(whole)
    assert half.sweep.state is State.SUCCEEDED


def test_t43_parallel_trials_have_different_settings():
    world = World(replace(SWEEP, parallel_trials=4, budget=SweepBudget(max_trials=8)))
    world.tick()
    assert sum(trial.is_open for trial in world.sweep.trials) == 4
    sweep = world.run()
    assert len({tuple(each.items()) for each in points(sweep)}) == 8


def test_t43_a_direction_follows_from_the_metric_and_a_contradiction_is_refused():
    assert direction_of("macro_f1", None) is Direction.MAXIMIZE
    assert direction_of("loss", None) is Direction.MINIMIZE
    assert direction_of("own", Direction.MINIMIZE) is Direction.MINIMIZE
    for metric, stated in [("accuracy", Direction.MINIMIZE), ("mae", Direction.MAXIMIZE), ("own", None)]:
        with pytest.raises(BadSweep):
            direction_of(metric, stated)


def test_t43_failed_trials_do_not_use_up_the_budget_and_are_counted():
    world = World(SWEEP)
    world.values = lambda settings, fold: [float("nan") if points(world.sweep).index(settings) < 3 else 0.5]
    sweep = world.run()
    assert sweep.state is State.SUCCEEDED
    assert (sweep.count(TrialState.FAILED), sweep.count(TrialState.COMPLETED)) == (3, 6)
    assert {trial.reason for trial in sweep.trials[:3]} == {"NO_VALUE"}


def test_a_sweep_whose_trials_fail_ends_with_the_reason():
    sweep = World(SWEEP, failure=lambda settings: "LOSS_NOT_FINITE").run()
    assert (sweep.state, sweep.failure_reason) == (State.FAILED, "TOO_MANY_FAILED_TRIALS")
    assert "It failed." in sweep.failure_message
    assert len(sweep.trials) == sweep.budget.max_failures


def test_asha_ends_trials_early():
    # The value of a trial is its batch size, so that half of the trials are worse than those before.
    world = World(
        replace(SWEEP, pruning=Pruning(PruningMethod.ASHA), budget=SweepBudget(max_trials=12)),
        values=lambda settings, fold: [float(settings["batch_size"]) / 64] * 9,
    )
    sweep = world.run(500)
    pruned = [trial for trial in sweep.trials if trial.state is TrialState.PRUNED]
    assert pruned and sweep.count(TrialState.COMPLETED) < 12
    assert all(len(trial.reports) < 9 for trial in pruned)
    assert {trial.runs[0] for trial in pruned} == world.cancelled
    assert all("not among the best" in trial.message for trial in pruned)
    assert sweep.best is not None and sweep.best.state is TrialState.COMPLETED


FOLDED = replace(
    SWEEP,
    train_digest="",
    validation_digest="",
    folds=tuple(Fold(str(n) * 64, str(n + 5) * 64) for n in range(5)),
    budget=SweepBudget(max_trials=6),
)


def test_a_trial_trains_on_every_fold_and_its_value_is_their_mean():
    world = World(replace(FOLDED, budget=SweepBudget(max_trials=2)), values=lambda s, fold: [0.1 * fold])
    sweep = world.run()
    assert [len(trial.runs) for trial in sweep.trials] == [5, 5]
    assert sweep.trials[0].value == pytest.approx(0.2)
    assert sweep.trials[0].runs[-1] == "projects/p/trainingRuns/s-1-f5"


def test_the_signed_rank_test_ends_trials_that_are_worse_on_the_folds():
    world = World(replace(FOLDED, pruning=Pruning(PruningMethod.WILCOXON)))
    world.values = lambda settings, fold: [1.0 - 0.1 * points(world.sweep).index(settings) + 0.01 * fold]
    sweep = world.run()
    assert sweep.best == sweep.trials[0]
    assert [trial.state for trial in sweep.trials[1:]] == [TrialState.PRUNED] * 5
    assert {len(trial.runs) for trial in sweep.trials[1:]} == {4}  # p = 1/16 after four folds


def test_the_budget_of_hours_holds():
    world = World(replace(SWEEP, budget=SweepBudget(max_trials=100, max_hours=5 / 60)))
    world.values = lambda settings, fold: [score(settings)] * 4
    sweep = world.run()
    assert sweep.state is State.SUCCEEDED and "hours" in sweep.note
    assert sweep.hours <= 7 / 60
    assert sweep.trials[-1].state is TrialState.CANCELLED
    assert sweep.trials[-1].runs[-1] in world.cancelled


def test_a_sweep_whose_trial_reports_nothing_new_is_not_stored_again():
    world = World(SWEEP, values=lambda settings, fold: [score(settings)] * 1000, seconds_an_epoch=60.0)
    for _ in range(3):
        world.tick()
    before, observation = world.sweep, world.observed()
    later = [step(before, observation, world.now + timedelta(seconds=after)).sweep for after in (0, 1, 4, 5)]
    assert later[0] == later[1] == later[2] != before
    assert later[3].trials[-1].seconds == later[0].trials[-1].seconds + 5.0


def test_the_budget_of_cost_counts_workers():
    budget = SweepBudget(max_trials=50, max_cost=6.0, hourly_cost=30.0)
    resources = replace(SWEEP.resources, workers=2)
    sweep = World(replace(SWEEP, budget=budget, resources=resources)).run()
    assert sweep.count(TrialState.COMPLETED) == 6
    assert sweep.cost == pytest.approx(6.0)


def test_a_cancelled_sweep_goes_on_with_the_trial_that_was_cancelled():
    world = World(SWEEP, values=lambda settings, fold: [score(settings)] * 4)
    for _ in range(7):
        world.tick()
    world.sweep = replace(world.sweep, cancel_requested=True)
    sweep = world.run()
    assert sweep.state is State.CANCELLED
    interrupted = sweep.trials[-1]
    assert interrupted.state is TrialState.CANCELLED and not interrupted.is_open
    world.sweep = resumed(sweep, None)
    sweep = world.run()
    assert sweep.trials[interrupted.number - 1].runs == (
        f"projects/p/trainingRuns/s-{interrupted.number}-a2",
    )
    assert points(sweep) == points(World(SWEEP).run())


def test_a_grid_ends_when_it_is_complete():
    parameters = (BATCH, Parameter("packed", values=("true", "false")))
    sweep = World(replace(SWEEP, sampler=Sampler.GRID, parameters=parameters, budget=SweepBudget())).run()
    assert len(sweep.trials) == 16
    assert sweep.note == "The search is complete."


def test_the_rate_falls_by_ten_until_the_loss_falls_steadily():
    sweep = replace(SWEEP, kind=Kind.LEARNING_RATE, parameters=(), budget=SweepBudget())
    world = World(sweep)
    observed = world.run_of
    world.run_of = lambda trial: replace(
        observed(trial), trend="FALLS" if float(trial.settings["learning_rate"]) < 0.005 else "SWINGS"
    )
    sweep = world.run()
    assert [float(t.settings["learning_rate"]) for t in sweep.trials] == pytest.approx([0.01, 0.001])
    assert sweep.best == sweep.trials[1]


def test_a_rate_at_which_training_diverges_is_followed_by_a_lower_one():
    sweep = replace(SWEEP, kind=Kind.LEARNING_RATE, parameters=(), budget=SweepBudget())
    sweep = World(sweep, failure=lambda settings: "LOSS_NOT_FINITE").run()
    assert len(sweep.trials) == 4
    assert (sweep.state, sweep.failure_reason) == (State.FAILED, "NO_TRIAL_COMPLETED")


def test_the_batch_ladder_ends_below_the_batch_that_does_not_fit():
    sweep = replace(SWEEP, kind=Kind.BATCH_LADDER, parameters=(), budget=SweepBudget())
    too_large = lambda settings: "OUT_OF_MEMORY" if int(settings["batch_size"]) > 64 else ""  # noqa: E731
    sweep = World(sweep, failure=too_large).run()
    assert [trial.settings["batch_size"] for trial in sweep.trials] == ["16", "32", "64", "128"]
    assert sweep.state is State.SUCCEEDED


def test_a_setting_that_no_run_can_have_is_a_failed_trial():
    first = step(
        SWEEP,
        Observation(
            {},
            (
                Proposal(
                    {"x": "1"},
                    Failure("BAD_RECIPE", "No."),
                ),
            ),
        ),
        NOW,
    ).sweep
    assert (first.trials[0].state, first.trials[0].reason) == (TrialState.FAILED, "BAD_RECIPE")
    assert first.trials[0].runs == ()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"parameters": ()}, "parameters"),
        ({"parameters": (RATE, RATE)}, "parameters"),
        ({"parameters": (Parameter("x"),)}, "parameters[0]"),
        ({"kind": Kind.BATCH_LADDER}, "parameters"),
        ({"sampler": Sampler.GRID}, "parameters[0]"),
        ({"train_digest": ""}, "train_digest"),
        ({"validation_digest": ""}, "validation_digest"),
        ({"folds": FOLDED.folds}, "folds"),
        ({"parallel_trials": 65}, "parallel_trials"),
        ({"pruning": Pruning(PruningMethod.WILCOXON)}, "pruning"),
        ({"pruning": Pruning(reduction_factor=1)}, "pruning.reduction_factor"),
        ({"budget": SweepBudget(max_trials=501)}, "budget.max_trials"),
        ({"budget": SweepBudget(max_cost=1.0)}, "budget.hourly_cost"),
        ({"train_parts": (TrainPart("a", "3" * 64),)}, "train_parts"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_searched_is_refused(changes, field):
    with pytest.raises(BadSweep) as refused:
        checked(replace(SWEEP, **changes))
    assert refused.value.field == f"sweep.{field}"
