"""Random schedules: chains of rollouts and undos, with every kind of fault.

Between rollouts the deployment is reconciled, as in the service. `RATOON_SCHEDULES=10000` is the full form.
"""

import os
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from search_simulation import DEPLOYMENT, LONG_S, START, Simulation, rollout_of

from ratoon_serving.domain.deployment import Deployment, DeploymentObservation, reconcile
from ratoon_serving.domain.engine import EngineState
from ratoon_serving.domain.rollouts.rollout import Phase, Strategy

SCHEDULES = int(os.environ.get("RATOON_SCHEDULES", "100"))
CHAIN, TICKS = 4, 60


class Schedule:
    """One random history of a deployment, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.adapters = self.draw.random() < 0.4
        first = Strategy.ADAPTER_SWAP if self.adapters else Strategy.SECOND_ENGINE
        self.simulation = Simulation.serving_old(first, in_pods=self.draw.random() < 0.4)
        self.log: list[str] = []
        self.count = 0

    def run(self) -> None:
        for _ in range(CHAIN):
            self.begin()
            self.inject_faults()
            self.settle()
            self.undo()

    def begin(self) -> None:
        """Begin a rollout from the serving version to a new or an earlier one."""
        simulation, self.count = self.simulation, self.count + 1
        strategies = [Strategy.SECOND_ENGINE, Strategy.ADAPTER_SWAP if self.adapters else Strategy.IN_PLACE]
        strategy, new = self.draw.choice(strategies), f"e{self.count}"
        home = new if strategy is Strategy.SECOND_ENGINE else simulation.home(simulation.engine)
        dishonest = frozenset({new}) if self.draw.random() < 0.15 else frozenset()
        rollout = replace(
            rollout_of(strategy, simulation.engine, new, self.count), phase_since=simulation.time
        )
        rollout = replace(rollout, blue_attested=simulation.engine in simulation.attested)
        fresh = replace(
            simulation, rollout=rollout, dishonest=dishonest, moves=0, bad_traffic=False, bad_probes=False
        )
        self.simulation = replace(fresh, killed=not simulation.split).with_home(new, home)
        self.log.append(f"{strategy} to {new}")

    def inject_faults(self) -> None:
        for _ in range(self.draw.randrange(TICKS)):
            if self.simulation.rollout.ended:
                return
            successors = list(self.simulation.successors())
            weights = [8 if label == "tick" else 1 for label, _ in successors]
            label, self.simulation = self.draw.choices(successors, weights)[0]
            self.log.append(label)
            self.simulation.check()

    def settle(self) -> None:
        """Without faults the rollout ends, and reconciliation restores the deployment."""
        self.simulation = self.simulation.run_to_end()
        self.log.append(f"ended as {self.simulation.rollout.phase}")
        self.reconcile()
        simulation = self.simulation
        assert simulation.split == ((simulation.engine, 100),), simulation.split
        assert simulation.engine in simulation.attested
        assert simulation.view(simulation.engine).accepting
        host = simulation.home(simulation.engine)
        assert [name for name, _ in simulation.processes] == [host], "a process is left over"

    def undo(self) -> None:
        """An undo to the previous version always succeeds, by any strategy."""
        if self.simulation.rollout.phase is not Phase.SUCCEEDED or self.draw.random() < 0.5:
            return
        self.begin()
        self.simulation = replace(self.simulation, dishonest=frozenset())
        self.settle()
        assert self.simulation.rollout.phase is Phase.SUCCEEDED, self.simulation.rollout.reason

    def reconcile(self) -> None:
        deployment = Deployment(DEPLOYMENT, START, START, 1, "projects/p/models/m")
        for _ in range(40):
            simulation = replace(self.simulation, now=self.simulation.now + LONG_S)
            deployment = replace(deployment, version=simulation.serving, engine=simulation.engine)
            view = simulation.view(simulation.engine)
            unattested = view.state is EngineState.READY and simulation.engine not in simulation.attested
            simulation, golden = simulation.attest(simulation.engine) if unattested else (simulation, None)
            attested = simulation.engine in simulation.attested and not unattested
            observation = DeploymentObservation(view, simulation.engine, attested, golden, simulation.split)
            plan = reconcile(deployment, observation, simulation.time)
            deployment = plan.deployment
            for action in plan.actions:
                simulation = simulation.act(action)
            for name, process in simulation.processes:
                simulation = (
                    simulation.become_ready(name) if process.state is EngineState.STARTING else simulation
                )
            self.simulation = simulation


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(10))
def test_each_rollout_ends_and_the_serving_engine_is_attested(part):
    for seed in range(part, SCHEDULES, 10):
        schedule = Schedule(seed)
        try:
            schedule.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{' | '.join(schedule.log)}") from error
