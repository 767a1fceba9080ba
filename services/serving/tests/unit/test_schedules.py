"""Random schedules: chains of rollouts, there and back and on, with every kind of trouble on the way.

Between rollouts the deployment's keeper works, as it does in the room. Two executors take turns; one that lost its
lease to the other can no longer save. `RATOON_SCHEDULES=10000` is the full form.
"""

import os
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from search_world import DEPLOYMENT, LONG_S, START, World, rollout_of

from ratoon_serving.domain.deployment import Deployment, Sight, keep
from ratoon_serving.domain.engine import EngineState
from ratoon_serving.domain.rollouts.rollout import Phase, Strategy

SCHEDULES = int(os.environ.get("RATOON_SCHEDULES", "100"))
CHAIN, TURNS = 4, 60


class Schedule:
    """One life of a deployment, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.adapters = self.draw.random() < 0.4
        first = Strategy.ADAPTER_SWAP if self.adapters else Strategy.SECOND_ENGINE
        self.world = World.serving_old(first, in_pods=self.draw.random() < 0.4)
        self.log: list[str] = []
        self.count = 0

    def live(self) -> None:
        for _ in range(CHAIN):
            self.begin()
            self.trouble()
            self.settle()
            self.undo()

    def begin(self) -> None:
        """Begin a rollout from what serves to a version that may be new, or one that served before."""
        world, self.count = self.world, self.count + 1
        ways = [Strategy.SECOND_ENGINE, Strategy.ADAPTER_SWAP if self.adapters else Strategy.IN_PLACE]
        strategy, new = self.draw.choice(ways), f"e{self.count}"
        home = new if strategy is Strategy.SECOND_ENGINE else world.home(world.engine)
        liars = frozenset({new}) if self.draw.random() < 0.15 else frozenset()
        rollout = replace(rollout_of(strategy, world.engine, new, self.count), phase_since=world.time)
        rollout = replace(rollout, blue_attested=world.engine in world.proved)
        fresh = replace(world, rollout=rollout, liars=liars, moves=0, bad_traffic=False, bad_probes=False)
        self.world = replace(fresh, killed=not world.weights).with_home(new, home)
        self.log.append(f"{strategy} to {new}")

    def trouble(self) -> None:
        for _ in range(self.draw.randrange(TURNS)):
            if self.world.rollout.ended:
                return
            moves = list(self.world.moves_on())
            weights = [8 if label == "turn" else 1 for label, _ in moves]
            label, self.world = self.draw.choices(moves, weights)[0]
            self.log.append(label)
            self.world.check()

    def settle(self) -> None:
        """Faults end, so the rollout does, and the keeper makes whole what is left."""
        self.world = self.world.to_the_end()
        self.log.append(f"ended as {self.world.rollout.phase}")
        self.keep()
        world = self.world
        assert world.weights == ((world.engine, 100),), world.weights
        assert world.engine in world.proved
        assert world.view(world.engine).accepting
        kept = world.home(world.engine)
        assert [name for name, _ in world.processes] == [kept], "a process is left over"

    def undo(self) -> None:
        """Going back to the version before always works, by whichever way."""
        if self.world.rollout.phase is not Phase.SUCCEEDED or self.draw.random() < 0.5:
            return
        self.begin()
        self.world = replace(self.world, liars=frozenset())
        self.settle()
        assert self.world.rollout.phase is Phase.SUCCEEDED, self.world.rollout.reason

    def keep(self) -> None:
        deployment = Deployment(DEPLOYMENT, START, START, 1, "projects/p/models/m")
        for _ in range(40):
            world = replace(self.world, now=self.world.now + LONG_S)
            deployment = replace(deployment, version=world.serving, engine=world.engine)
            view = world.view(world.engine)
            unproven = view.state is EngineState.READY and world.engine not in world.proved
            world, golden = world.look(world.engine) if unproven else (world, None)
            attested = world.engine in world.proved and not unproven
            sight = Sight(view, world.engine, attested, golden, world.weights)
            care = keep(deployment, sight, world.time)
            deployment = care.deployment
            for action in care.actions:
                world = world.act(action)
            for name, process in world.processes:
                world = world.come_up(name) if process.state is EngineState.STARTING else world
            self.world = world


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(10))
def test_whatever_happens_each_rollout_ends_and_what_serves_is_proved(part):
    for seed in range(part, SCHEDULES, 10):
        schedule = Schedule(seed)
        try:
            schedule.live()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{' | '.join(schedule.log)}") from error
