"""Rollouts by second engine: the way there, every way back, and what must hold whatever happens."""

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

sys.path.insert(0, str(Path(__file__).parent))

from rollout_world import BLUE, GREEN, NEW, OLD, World

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


def until(world: World, phase: Phase) -> World:
    for _ in range(1000):
        if world.rollout.phase is phase:
            return world
        world.turn()
    raise AssertionError(f"{phase} was never reached: {world.rollout.phase} {world.rollout.reason}")


def test_a_rollout_ends_in_the_new_version_and_moves_the_alias_last():
    world = World.serving_blue()
    assert world.run() is Phase.SUCCEEDED
    assert (world.weights, world.alias, world.serving) == (((GREEN, 100),), NEW, NEW)
    assert world.engines[BLUE].state is EngineState.ABSENT
    assert [type(e) for e in world.events] == [RolloutStarted, RolloutShifted, RolloutSucceeded]
    assert world.rollout.reason.startswith("there was no traffic; ")


def test_the_first_rollout_has_nothing_to_bake_against():
    world = World.empty()
    assert world.run(turns=40) is Phase.SUCCEEDED
    assert (world.weights, world.alias) == (((GREEN, 100),), NEW)


def test_the_reason_of_a_failure_is_said_once_and_the_last_note_says_what_serves():
    world = until(World.serving_blue(), Phase.STARTING)
    world.engines[GREEN].state = EngineState.GONE
    assert world.run() is Phase.FAILED
    reason = world.rollout.reason
    assert [note.message for note in world.rollout.notes].count(reason) == 1
    assert world.rollout.notes[-1].message == f"{OLD.rsplit('/', 1)[-1]} serves"


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.ATTESTING, Phase.PROBING])
@pytest.mark.parametrize(("kills", "end"), [(3, Phase.SUCCEEDED), (4, Phase.FAILED)])
def test_a_new_engine_that_something_kills_is_started_again_a_few_times(phase, kills, end):
    world = World.serving_blue()
    for _ in range(kills):
        until(world, phase)
        world.kill(GREEN)
        world.turn()
    assert world.run() is end
    assert sum("it is started again" in note.message for note in world.rollout.notes) == 3


def test_traffic_moves_step_by_step_when_asked():
    world = World.serving_blue(weights=(10, 50, 100), step_s=5.0)
    shares = []
    while not world.rollout.ended:
        world.turn()
        share = dict(world.weights).get(GREEN, 0)
        if not shares or shares[-1] != share:
            shares.append(share)
    assert shares == [0, 10, 50, 100]


def test_blue_is_kept_until_its_streams_end():
    world = until(World.serving_blue(), Phase.DRAINING)
    world.engines[BLUE].in_flight = 3
    for _ in range(50):
        world.turn()
    assert world.rollout.phase is Phase.DRAINING
    assert world.engines[BLUE].state is EngineState.READY
    world.engines[BLUE].in_flight = 0
    assert world.run() is Phase.SUCCEEDED


def test_an_engine_that_serves_other_weights_never_gets_a_request():
    world = World.serving_blue()
    world.engines[GREEN].honest = False
    assert world.run() is Phase.FAILED
    assert (world.weights, world.alias, world.aliases) == (((BLUE, 100),), OLD, [])
    assert world.engines[GREEN].state is EngineState.ABSENT
    assert isinstance(world.events[-1], RolloutFailed)


def test_errors_after_the_switch_roll_it_back():
    world = until(World.serving_blue(), Phase.BAKING)
    world.traffic = Traffic(requests=40, errors=20, seconds=10)
    assert world.run() is Phase.ROLLED_BACK
    assert (world.weights, world.alias) == (((BLUE, 100),), OLD)
    assert "20 of 40 requests failed" in world.rollout.reason
    assert isinstance(world.events[-1], RolloutRolledBack)


def test_bad_votes_and_failing_probes_roll_it_back():
    voted = until(World.serving_blue(), Phase.BAKING)
    voted.votes = Votes(positive=5, negative=20)
    assert voted.run() is Phase.ROLLED_BACK
    silent = until(World.serving_blue(), Phase.BAKING)
    silent.probe_passes = False
    assert silent.run() is Phase.ROLLED_BACK
    assert "probes failed in a row" in silent.rollout.reason


def test_one_callers_thumbs_down_roll_nothing_back_and_those_of_ten_do():
    disliked = until(World.serving_blue(), Phase.BAKING)
    disliked.votes = count_votes([("caller", 0, 50)])
    assert disliked.run() is Phase.SUCCEEDED
    disliked = until(World.serving_blue(), Phase.BAKING)
    disliked.votes = count_votes((f"caller {number}", 0, 50) for number in range(10))
    assert disliked.run() is Phase.ROLLED_BACK


def test_the_switch_back_takes_two_looks():
    world = until(World.serving_blue(), Phase.BAKING)
    world.traffic = Traffic(requests=40, errors=40, seconds=1)
    world.turn()
    world.turn()
    assert world.weights == ((BLUE, 100),)


@pytest.mark.parametrize(
    "phase", [Phase.STARTING, Phase.PROBING, Phase.SHIFTING, Phase.BAKING, Phase.DRAINING]
)
def test_an_abort_leads_back_from_anywhere(phase):
    world = until(World.serving_blue(weights=(50, 100)), phase)
    world.rollout = abort(world.rollout, "not today")
    assert world.run() is Phase.CANCELLED
    assert (world.weights, world.alias, world.serving) == (((BLUE, 100),), OLD, OLD)


def test_a_paused_rollout_waits_and_does_not_wait_for_ever():
    world = until(World.serving_blue(), Phase.BAKING)
    world.rollout = replace(world.rollout, paused=True)
    for _ in range(200):
        world.turn()
    assert world.rollout.phase is Phase.BAKING
    world.turn(seconds=world.rollout.limits.pause_s + 1)
    assert world.run() is Phase.CANCELLED


def test_a_pause_is_not_counted_against_the_phase_it_falls_in():
    world = until(World.serving_blue(), Phase.PROBING)
    world.rollout = pause(world.rollout, "lunch", world.now)
    world.turn(seconds=world.rollout.limits.probe_s + 1)
    world.rollout = resume(world.rollout, "", world.now)
    assert world.run() is Phase.SUCCEEDED
    messages = [note.message for note in world.rollout.notes]
    assert [message for message in messages if "lunch" in message or "resumed" in message] == [
        "paused: lunch",
        "resumed on request",
    ]


def test_blue_that_dies_while_green_bakes_is_brought_back_before_it_counts():
    world = until(World.serving_blue(), Phase.BAKING)
    world.kill(BLUE)
    world.turn()
    assert world.engines[BLUE].state is EngineState.READY
    world.traffic = Traffic(requests=10, errors=10, seconds=1)
    assert world.run() is Phase.ROLLED_BACK
    assert world.engines[BLUE].proved


def test_when_the_old_version_cannot_come_back_the_new_one_goes_on():
    world = until(World.serving_blue(), Phase.BAKING)
    world.engines[BLUE].never_starts = True
    world.kill(BLUE)
    world.turn()
    world.rollout = abort(world.rollout, "try to go back")
    assert world.run() is Phase.FAILED
    assert (world.weights, world.alias, world.serving) == (((GREEN, 100),), NEW, NEW)


def test_silence_where_traffic_was_expected_is_a_failure():
    world = World.serving_blue(bake=Bake(seconds=10))
    until(world, Phase.BAKING)
    world.rollout = replace(world.rollout, baseline=Traffic(requests=600, seconds=60))
    assert world.run() is Phase.ROLLED_BACK
    assert "missing data counts as failure" in world.rollout.reason


def test_callers_who_go_home_are_no_failure_where_gateways_say_so():
    world = World.serving_blue(bake=Bake(seconds=10))
    until(world, Phase.BAKING)
    world.rollout = replace(world.rollout, baseline=Traffic(requests=600, seconds=60))
    world.traffic = Traffic(seconds=9)
    assert world.run() is Phase.SUCCEEDED
    assert "there was no traffic" in world.rollout.reason


def test_reports_that_are_late_after_a_restart_are_waited_for():
    world = World.serving_blue(bake=Bake(seconds=10))
    until(world, Phase.BAKING)
    world.rollout = replace(world.rollout, baseline=Traffic(requests=600, seconds=60))
    world.now += timedelta(seconds=120)
    world.turn()
    assert world.rollout.phase is Phase.BAKING
    world.traffic = Traffic(requests=90, seconds=125)
    assert world.run() is Phase.SUCCEEDED


def test_an_alias_that_another_deployment_moves_at_the_same_time_is_not_fought_over():
    world = until(World.serving_blue(), Phase.PROMOTING)
    while world.alias != NEW:
        world.turn()
    world.alias = "projects/p/models/m/versions/v9.0"
    assert world.run() is Phase.SUCCEEDED
    assert world.aliases == [NEW]


class AnyWorld(RuleBasedStateMachine):
    """Steps, crashes, kills, commands, bad news in any order; then faults end, and so must the rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World.serving_blue(weights=(50, 100), step_s=3.0, bake=Bake(seconds=8))

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 400.0]))
    def turn(self, seconds: float) -> None:
        self.world.turn(seconds)

    @rule(done=st.integers(0, 1))
    def crash_between_deciding_and_doing(self, done: int) -> None:
        self.world.turn(1.0, lose_after=done)

    @rule(name=st.sampled_from([BLUE, GREEN]))
    def kill(self, name: str) -> None:
        self.world.kill(name)

    @precondition(lambda self: not self.world.rollout.ended)
    @rule()
    def abort(self) -> None:
        self.world.rollout = abort(self.world.rollout, "because")

    @precondition(lambda self: not self.world.rollout.ended)
    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        held = replace(self.world.rollout, paused=True)
        self.world.rollout = held if paused else resume(self.world.rollout, "", self.world.now)

    @rule(errors=st.sampled_from([0, 30]))
    def traffic(self, errors: int) -> None:
        self.world.traffic = Traffic(requests=30, errors=errors, seconds=5)

    @rule(honest=st.booleans())
    def green_changes_its_mind(self, honest: bool) -> None:
        if self.world.engines[GREEN].state is EngineState.ABSENT:
            self.world.engines[GREEN].honest = honest

    @rule(passes=st.booleans())
    def probes(self, passes: bool) -> None:
        self.world.probe_passes = passes

    @rule(name=st.sampled_from([BLUE, GREEN]), streams=st.integers(0, 5))
    def streams(self, name: str, streams: int) -> None:
        self.world.engines[name].in_flight = streams

    @invariant()
    def shares_add_up(self) -> None:
        assert sum(weight for _, weight in self.world.weights) in (0, 100)

    @invariant()
    def something_is_routed_unless_an_engine_was_killed(self) -> None:
        assert self.world.weights or self.world.killed

    @invariant()
    def the_alias_moves_only_at_the_end(self) -> None:
        at_end = {Phase.PROMOTING, Phase.RESTORING, *ENDED}
        assert not self.world.aliases or self.world.rollout.phase in at_end

    def teardown(self) -> None:
        world = self.world
        world.rollout = replace(world.rollout, paused=False)
        for engine in world.engines.values():
            engine.in_flight = 0
        if world.rollout.ended:
            return
        killed = world.killed
        phase = world.run()
        assert killed == world.killed
        kept = GREEN if world.alias == NEW else BLUE
        lost = GREEN if kept is BLUE else BLUE
        assert phase is not Phase.SUCCEEDED or kept is GREEN
        assert world.alias == world.serving
        # A rollout that could bring back neither leaves the deployment's keeper to bring the old one back.
        assert dict(world.weights) == {kept: 100} or (phase is Phase.FAILED and world.killed)
        assert world.engines[lost].state in (EngineState.ABSENT, EngineState.GONE)


TestAnyWorld = AnyWorld.TestCase
TestAnyWorld.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
