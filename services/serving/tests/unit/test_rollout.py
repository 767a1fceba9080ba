"""Rollouts by second engine: success, every rollback, and the invariants of any order of events."""

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

sys.path.insert(0, str(Path(__file__).parent))

from rollout_simulation import BLUE, GREEN, NEW, OLD, Simulation

from ratoon.tasks.votes import Votes, count_votes
from ratoon_serving.domain.engine import EngineState
from ratoon_serving.domain.rollouts.analysis import Bake, Traffic
from ratoon_serving.domain.rollouts.plan import (
    RolloutFailed,
    RolloutRolledBack,
    RolloutShifted,
    RolloutStarted,
    RolloutSucceeded,
)
from ratoon_serving.domain.rollouts.rollout import ENDED, Phase
from ratoon_serving.domain.rollouts.state_machine import abort, pause, resume


def until(simulation: Simulation, phase: Phase) -> Simulation:
    for _ in range(1000):
        if simulation.rollout.phase is phase:
            return simulation
        simulation.tick()
    raise AssertionError(f"{phase} was never reached: {simulation.rollout.phase} {simulation.rollout.reason}")


def test_a_rollout_ends_in_the_new_version_and_moves_the_alias_last():
    simulation = Simulation.serving_blue()
    assert simulation.run() is Phase.SUCCEEDED
    assert (simulation.split, simulation.alias, simulation.serving) == (((GREEN, 100),), NEW, NEW)
    assert simulation.engines[BLUE].state is EngineState.ABSENT
    assert [type(e) for e in simulation.events] == [RolloutStarted, RolloutShifted, RolloutSucceeded]
    assert simulation.rollout.reason.startswith("there was no traffic; ")


def test_the_first_rollout_has_nothing_to_bake_against():
    simulation = Simulation.empty()
    assert simulation.run(ticks=40) is Phase.SUCCEEDED
    assert (simulation.split, simulation.alias) == (((GREEN, 100),), NEW)


def test_the_reason_of_a_failure_is_noted_once_and_the_last_note_names_what_serves():
    simulation = until(Simulation.serving_blue(), Phase.STARTING)
    simulation.engines[GREEN].state = EngineState.GONE
    assert simulation.run() is Phase.FAILED
    reason = simulation.rollout.reason
    assert [note.message for note in simulation.rollout.notes].count(reason) == 1
    assert simulation.rollout.notes[-1].message == f"{OLD.rsplit('/', 1)[-1]} serves"


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.ATTESTING, Phase.PROBING])
@pytest.mark.parametrize(("kills", "end"), [(3, Phase.SUCCEEDED), (4, Phase.FAILED)])
def test_a_new_engine_that_something_kills_is_started_again_a_few_times(phase, kills, end):
    simulation = Simulation.serving_blue()
    for _ in range(kills):
        until(simulation, phase)
        simulation.kill(GREEN)
        simulation.tick()
    assert simulation.run() is end
    assert sum("it is started again" in note.message for note in simulation.rollout.notes) == 3


def test_traffic_moves_step_by_step_on_request():
    simulation = Simulation.serving_blue(weights=(10, 50, 100), step_s=5.0)
    shares = []
    while not simulation.rollout.ended:
        simulation.tick()
        share = dict(simulation.split).get(GREEN, 0)
        if not shares or shares[-1] != share:
            shares.append(share)
    assert shares == [0, 10, 50, 100]


def test_blue_is_retired_after_its_streams_end():
    simulation = until(Simulation.serving_blue(), Phase.DRAINING)
    simulation.engines[BLUE].in_flight = 3
    for _ in range(50):
        simulation.tick()
    assert simulation.rollout.phase is Phase.DRAINING
    assert simulation.engines[BLUE].state is EngineState.READY
    simulation.engines[BLUE].in_flight = 0
    assert simulation.run() is Phase.SUCCEEDED


def test_an_engine_that_serves_other_weights_never_gets_a_request():
    simulation = Simulation.serving_blue()
    simulation.engines[GREEN].honest = False
    assert simulation.run() is Phase.FAILED
    assert (simulation.split, simulation.alias, simulation.aliases) == (((BLUE, 100),), OLD, [])
    assert simulation.engines[GREEN].state is EngineState.ABSENT
    assert isinstance(simulation.events[-1], RolloutFailed)


def test_errors_after_the_switch_roll_it_back():
    simulation = until(Simulation.serving_blue(), Phase.BAKING)
    simulation.traffic = Traffic(requests=40, errors=20, seconds=10)
    assert simulation.run() is Phase.ROLLED_BACK
    assert (simulation.split, simulation.alias) == (((BLUE, 100),), OLD)
    assert "20 of 40 requests failed" in simulation.rollout.reason
    assert isinstance(simulation.events[-1], RolloutRolledBack)


def test_bad_votes_and_failing_probes_roll_it_back():
    voted = until(Simulation.serving_blue(), Phase.BAKING)
    voted.votes = Votes(positive=5, negative=20)
    assert voted.run() is Phase.ROLLED_BACK
    silent = until(Simulation.serving_blue(), Phase.BAKING)
    silent.probe_passes = False
    assert silent.run() is Phase.ROLLED_BACK
    assert "probes failed in a row" in silent.rollout.reason


def test_one_callers_thumbs_down_roll_nothing_back_and_those_of_ten_do():
    disliked = until(Simulation.serving_blue(), Phase.BAKING)
    disliked.votes = count_votes([("caller", 0, 50)])
    assert disliked.run() is Phase.SUCCEEDED
    disliked = until(Simulation.serving_blue(), Phase.BAKING)
    disliked.votes = count_votes((f"caller {number}", 0, 50) for number in range(10))
    assert disliked.run() is Phase.ROLLED_BACK


def test_a_rollback_takes_two_ticks():
    simulation = until(Simulation.serving_blue(), Phase.BAKING)
    simulation.traffic = Traffic(requests=40, errors=40, seconds=1)
    simulation.tick()
    simulation.tick()
    assert simulation.split == ((BLUE, 100),)


@pytest.mark.parametrize(
    "phase", [Phase.STARTING, Phase.PROBING, Phase.SHIFTING, Phase.BAKING, Phase.DRAINING]
)
def test_an_abort_rolls_back_from_any_phase(phase):
    simulation = until(Simulation.serving_blue(weights=(50, 100)), phase)
    simulation.rollout = abort(simulation.rollout, "not today")
    assert simulation.run() is Phase.CANCELLED
    assert (simulation.split, simulation.alias, simulation.serving) == (((BLUE, 100),), OLD, OLD)


def test_a_paused_rollout_waits_and_does_not_wait_for_ever():
    simulation = until(Simulation.serving_blue(), Phase.BAKING)
    simulation.rollout = replace(simulation.rollout, paused=True)
    for _ in range(200):
        simulation.tick()
    assert simulation.rollout.phase is Phase.BAKING
    simulation.tick(seconds=simulation.rollout.limits.pause_s + 1)
    assert simulation.run() is Phase.CANCELLED


def test_a_pause_is_not_counted_against_the_phase_it_falls_in():
    simulation = until(Simulation.serving_blue(), Phase.PROBING)
    simulation.rollout = pause(simulation.rollout, "lunch", simulation.now)
    simulation.tick(seconds=simulation.rollout.limits.probe_s + 1)
    simulation.rollout = resume(simulation.rollout, "", simulation.now)
    assert simulation.run() is Phase.SUCCEEDED
    messages = [note.message for note in simulation.rollout.notes]
    assert [message for message in messages if "lunch" in message or "resumed" in message] == [
        "paused: lunch",
        "resumed on request",
    ]


def test_blue_that_dies_while_green_bakes_is_attested_again_before_it_counts():
    simulation = until(Simulation.serving_blue(), Phase.BAKING)
    simulation.kill(BLUE)
    simulation.tick()
    assert simulation.engines[BLUE].state is EngineState.READY
    simulation.traffic = Traffic(requests=10, errors=10, seconds=1)
    assert simulation.run() is Phase.ROLLED_BACK
    assert simulation.engines[BLUE].attested


def test_if_the_old_version_cannot_be_restored_the_new_one_goes_on():
    simulation = until(Simulation.serving_blue(), Phase.BAKING)
    simulation.engines[BLUE].never_starts = True
    simulation.kill(BLUE)
    simulation.tick()
    simulation.rollout = abort(simulation.rollout, "try to go back")
    assert simulation.run() is Phase.FAILED
    assert (simulation.split, simulation.alias, simulation.serving) == (((GREEN, 100),), NEW, NEW)


def test_silence_where_traffic_was_expected_is_a_failure():
    simulation = Simulation.serving_blue(bake=Bake(seconds=10))
    until(simulation, Phase.BAKING)
    simulation.rollout = replace(simulation.rollout, baseline=Traffic(requests=600, seconds=60))
    assert simulation.run() is Phase.ROLLED_BACK
    assert "missing data counts as failure" in simulation.rollout.reason


def test_callers_who_go_home_are_no_failure_where_gateways_say_so():
    simulation = Simulation.serving_blue(bake=Bake(seconds=10))
    until(simulation, Phase.BAKING)
    simulation.rollout = replace(simulation.rollout, baseline=Traffic(requests=600, seconds=60))
    simulation.traffic = Traffic(seconds=9)
    assert simulation.run() is Phase.SUCCEEDED
    assert "there was no traffic" in simulation.rollout.reason


def test_reports_that_are_late_after_a_restart_are_waited_for():
    simulation = Simulation.serving_blue(bake=Bake(seconds=10))
    until(simulation, Phase.BAKING)
    simulation.rollout = replace(simulation.rollout, baseline=Traffic(requests=600, seconds=60))
    simulation.now += timedelta(seconds=120)
    simulation.tick()
    assert simulation.rollout.phase is Phase.BAKING
    simulation.traffic = Traffic(requests=90, seconds=125)
    assert simulation.run() is Phase.SUCCEEDED


def test_an_alias_that_another_deployment_moves_at_the_same_time_is_not_fought_over():
    simulation = until(Simulation.serving_blue(), Phase.PROMOTING)
    while simulation.alias != NEW:
        simulation.tick()
    simulation.alias = "projects/p/models/m/versions/v9.0"
    assert simulation.run() is Phase.SUCCEEDED
    assert simulation.aliases == [NEW]


class AnyRollout(RuleBasedStateMachine):
    """Ticks, crashes, kills, commands and faults in any order; when the faults end, the rollout must end."""

    def __init__(self) -> None:
        super().__init__()
        self.simulation = Simulation.serving_blue(weights=(50, 100), step_s=3.0, bake=Bake(seconds=8))

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 400.0]))
    def tick(self, seconds: float) -> None:
        self.simulation.tick(seconds)

    @rule(done=st.integers(0, 1))
    def crash_between_deciding_and_doing(self, done: int) -> None:
        self.simulation.tick(1.0, lose_after=done)

    @rule(name=st.sampled_from([BLUE, GREEN]))
    def kill(self, name: str) -> None:
        self.simulation.kill(name)

    @precondition(lambda self: not self.simulation.rollout.ended)
    @rule()
    def abort(self) -> None:
        self.simulation.rollout = abort(self.simulation.rollout, "because")

    @precondition(lambda self: not self.simulation.rollout.ended)
    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        held = replace(self.simulation.rollout, paused=True)
        self.simulation.rollout = held if paused else resume(self.simulation.rollout, "", self.simulation.now)

    @rule(errors=st.sampled_from([0, 30]))
    def traffic(self, errors: int) -> None:
        self.simulation.traffic = Traffic(requests=30, errors=errors, seconds=5)

    @rule(honest=st.booleans())
    def green_changes_its_weights(self, honest: bool) -> None:
        if self.simulation.engines[GREEN].state is EngineState.ABSENT:
            self.simulation.engines[GREEN].honest = honest

    @rule(passes=st.booleans())
    def probes(self, passes: bool) -> None:
        self.simulation.probe_passes = passes

    @rule(name=st.sampled_from([BLUE, GREEN]), streams=st.integers(0, 5))
    def streams(self, name: str, streams: int) -> None:
        self.simulation.engines[name].in_flight = streams

    @invariant()
    def shares_add_up(self) -> None:
        assert sum(weight for _, weight in self.simulation.split) in (0, 100)

    @invariant()
    def something_is_routed_unless_an_engine_was_killed(self) -> None:
        assert self.simulation.split or self.simulation.killed

    @invariant()
    def the_alias_moves_only_at_the_end(self) -> None:
        at_end = {Phase.PROMOTING, Phase.RESTORING, *ENDED}
        assert not self.simulation.aliases or self.simulation.rollout.phase in at_end

    def teardown(self) -> None:
        simulation = self.simulation
        simulation.rollout = replace(simulation.rollout, paused=False)
        for engine in simulation.engines.values():
            engine.in_flight = 0
        if simulation.rollout.ended:
            return
        killed = simulation.killed
        phase = simulation.run()
        assert killed == simulation.killed
        serving = GREEN if simulation.alias == NEW else BLUE
        retired = GREEN if serving is BLUE else BLUE
        assert phase is not Phase.SUCCEEDED or serving is GREEN
        assert simulation.alias == simulation.serving
        # If neither engine could be restored, the reconciliation of the deployment starts the old one again.
        assert dict(simulation.split) == {serving: 100} or (phase is Phase.FAILED and simulation.killed)
        assert simulation.engines[retired].state in (EngineState.ABSENT, EngineState.GONE)


TestAnyRollout = AnyRollout.TestCase
TestAnyRollout.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
