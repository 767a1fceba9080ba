"""Simulation for searching the rollout state machine: processes that start, load, stream and die; routes; an executor.

It behaves as the engine hosts do: what a real engine refuses raises `Refused`, and a violated invariant raises
AssertionError at once. Times are whole seconds with short limits, so that states can be compared by a key.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ratoon_serving.domain.engine import Check, EngineState, EngineView
from ratoon_serving.domain.rollouts.analysis import Bake, Traffic
from ratoon_serving.domain.rollouts.plan import (
    CloseEngine,
    MoveAlias,
    Observation,
    OpenEngine,
    RecordServing,
    SetRoutes,
    StartEngine,
    StartInOwnProcess,
    StartInSharedProcess,
    StopEngine,
)
from ratoon_serving.domain.rollouts.rollout import ENDED, REVERSIBLE, Limits, Phase, Rollout, Strategy
from ratoon_serving.domain.rollouts.shadow import Comparison, Paired
from ratoon_serving.domain.rollouts.state_machine import abort, resume, step
from ratoon_serving.domain.routes import HOLD_IN_PLACE_S

START = datetime(2026, 1, 1, tzinfo=UTC)
DEPLOYMENT = "projects/p/deployments/d"
LIMITS = Limits(
    start_s=3,
    placement_timeout_s=1,
    attest_s=2,
    probe_s=2,
    quiet_s=2,
    drain_s=3,
    revert_s=4,
    pause_s=5,
    probe_every_s=1,
    warm_probes=1,
)
BAKE = Bake(seconds=2)
LONG_S = 6
"""Longer than every limit."""
BAD = Traffic(requests=30, errors=30, seconds=1)
ABSENT, STARTING, READY, GONE = (
    EngineState.ABSENT,
    EngineState.STARTING,
    EngineState.READY,
    EngineState.GONE,
)


_ALL_AT_ONCE = {"weights": (100,), "interchangeable": True}
"""Fields of a rollout that may continue in place if there is no capacity for a second engine."""


class Refused(Exception):
    """An engine does not do it now; the executor tries again later."""


@dataclass(frozen=True)
class Process:
    state: EngineState = ABSENT
    target: str = ""
    """Whole model that it must hold, or adapter that it was started for."""
    holds: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()
    """Gates behind which an answer is being written."""


@dataclass(frozen=True)
class Simulation:
    """State at one moment: a rollout, and all that it can observe or change."""

    rollout: Rollout
    now: int = 0
    adapters: bool = False
    """True if the versions are adapters of one base, False if they are whole models."""
    in_pods: bool = False
    """True if an engine is closed after its load, until it is opened."""
    full: bool = False
    """True if there is no capacity for a second engine."""
    processes: tuple[tuple[str, Process], ...] = ()
    homes: tuple[tuple[str, str], ...] = ()
    alive: frozenset[str] = frozenset()
    """Engines that are recorded as not ended."""
    attested: frozenset[str] = frozenset()
    """Engines that passed attestation since they were last loaded."""
    dishonest: frozenset[str] = frozenset()
    split: tuple[tuple[str, int], ...] = ()
    hold_s: float = 30.0
    alias: str = ""
    serving: str = ""
    engine: str = ""
    moves: int = 0
    """Number of moves of the alias in this rollout."""
    bad_traffic: bool = False
    bad_probes: bool = False
    killed: bool = False

    @staticmethod
    def serving_old(
        strategy: Strategy,
        dishonest: frozenset[str] = frozenset(),
        *,
        in_pods: bool = False,
        full: bool = False,
    ) -> "Simulation":
        held = Process(READY, "v0", frozenset({"v0"}))
        base = Simulation(
            replace(rollout_of(strategy, "v0", "v1", 0), **(_ALL_AT_ONCE if full else {})),
            adapters=strategy is Strategy.ADAPTER_SWAP,
            in_pods=in_pods,
            full=full,
            processes=(("v0", held),),
            homes=(("v0", "v0"),),
            alive=frozenset({"v0"}),
            attested=frozenset({"v0"}),
            dishonest=dishonest,
            split=(("v0", 100),),
            alias="v0",
            serving="v0",
            engine="v0",
        )
        return base.with_home("v1", "v1" if strategy is Strategy.SECOND_ENGINE else "v0")

    # Observation.

    @property
    def time(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def process(self, name: str) -> Process:
        return dict(self.processes).get(name, Process())

    def home(self, engine: str) -> str:
        return dict(self.homes).get(engine, engine)

    def view(self, engine: str) -> EngineView:
        if not engine:
            return EngineView()
        process, gate = self.process(self.home(engine)), self.gate(engine)
        if not self.adapters and process.target != engine:
            return EngineView()
        if process.state is READY and engine not in process.holds:
            return EngineView()
        if process.state is not READY:
            unplaced = self.full and process.state is STARTING
            return EngineView(process.state, killed=process.state is GONE, unplaced=unplaced)
        return EngineView(READY, engine, gate not in process.closed, int(gate in process.streams))

    def gate(self, engine: str) -> str:
        """Return the name of its gate: whole models share the gate of their process, adapters have one each."""
        home = self.home(engine)
        return engine if self.adapters else home

    def attest(self, engine: str) -> tuple["Simulation", Check | None]:
        if self.view(engine).state is not READY:
            return self, None
        if engine in self.dishonest:
            return self, Check(False, "other weights")
        return replace(self, attested=self.attested | {engine}), Check(True, "golden")

    def observe(self) -> tuple["Simulation", Observation]:
        rollout, simulation = self.rollout, self
        green_golden = blue_golden = None
        if rollout.phase is Phase.ATTESTING:
            simulation, green_golden = simulation.attest(rollout.green)
        if rollout.blue and not rollout.blue_attested:
            simulation, blue_golden = simulation.attest(rollout.blue)
        probed = rollout.phase in (Phase.PROBING, Phase.SHIFTING, Phase.BAKING)
        observation = Observation(
            green=self.view(rollout.green),
            blue=self.view(rollout.blue),
            split=self.split,
            green_digest=rollout.green,
            blue_digest=rollout.blue,
            green_golden=green_golden,
            blue_golden=blue_golden,
            shares_process=self.home(rollout.green) == self.home(rollout.blue),
            probe=Check(not self.bad_probes) if probed and self.view(rollout.green).state is READY else None,
            traffic=BAD if self.bad_traffic and rollout.shifted_at else Traffic(),
            alias=self.alias,
            serving=self.serving,
        )
        return simulation, observation

    # Transitions.

    def tick(self, seconds: int = 1, done: int | None = None) -> "Simulation":
        """One observe → step → save → act; an executor that dies executes only the first `done` actions."""
        simulation, observation = replace(self, now=self.now + seconds).observe()
        plan = step(simulation.rollout, observation, simulation.time)
        simulation = replace(simulation, rollout=plan.rollout)
        for action in plan.actions[:done]:
            try:
                simulation = simulation.act(action)
            except Refused:
                break
        return simulation

    def act(self, action: object) -> "Simulation":
        match action:
            case StartEngine() | StartInOwnProcess() | StartInSharedProcess():
                return self._begin(action)
            case CloseEngine(name):
                return self._set_gate(name, closed=True)
            case OpenEngine(name):
                return self._set_gate(name, closed=False)
            case StopEngine(name):
                return self._stop(name)
            case SetRoutes(split, hold_s):
                routed = replace(self, split=split, hold_s=hold_s)
                for name, weight in split:
                    assert name in routed.attested or not weight or self.view(name).state is not READY, name
                return routed
            case RecordServing(version, engine):
                return replace(self, serving=version, engine=engine)
            case MoveAlias(version, _):
                assert self.rollout.phase in (Phase.PROMOTING, Phase.RESTORING), "the alias moved too early"
                return replace(self, alias=version, moves=self.moves + 1)
        raise AssertionError(f"{action} is no action")

    def _begin(self, action: StartEngine | StartInOwnProcess | StartInSharedProcess) -> "Simulation":
        match action:
            case StartInOwnProcess(name):
                return self._move_out(name)._start(name)
            case StartInSharedProcess(name, other):
                return self._move_in(name, other)._start(name)
        return self._start(action.engine)

    def become_ready(self, name: str) -> "Simulation":
        """A starting process becomes ready, with the one engine that it was started for."""
        process = self.process(name)
        holds = frozenset({process.target})
        closed = frozenset({self.gate(process.target)} if self.in_pods else ())
        return self.with_process(name, replace(process, state=READY, holds=holds, closed=closed))._unattested(
            holds
        )

    def kill(self, name: str) -> "Simulation":
        lost = self._unattested(self.process(name).holds)
        dead = replace(
            self.process(name), state=GONE, holds=frozenset(), streams=frozenset(), closed=frozenset()
        )
        return replace(lost.with_process(name, dead), killed=True)

    def stream(self, engine: str) -> "Simulation":
        """A routed and open engine begins to answer; the signing version is what the process holds under that name."""
        assert engine in self.attested
        home, gate = self.home(engine), self.gate(engine)
        process = self.process(home)
        return self.with_process(home, replace(process, streams=process.streams | {gate}))

    def end_streams(self, name: str) -> "Simulation":
        return self.with_process(name, replace(self.process(name), streams=frozenset()))

    def with_process(self, name: str, process: Process) -> "Simulation":
        known = {**dict(self.processes), name: process}
        if process.state is ABSENT:
            del known[name]
        return replace(self, processes=tuple(sorted(known.items())))

    def with_home(self, engine: str, home: str) -> "Simulation":
        return replace(self, homes=tuple(sorted({**dict(self.homes), engine: home}.items())))

    def others(self, engine: str) -> set[str]:
        return {e for e in self.alive if e != engine and self.home(e) == self.home(engine)}

    def _start(self, name: str) -> "Simulation":
        home, adapters = self.home(name), self.adapters
        process = self.process(home)
        gone = set() if adapters else self.others(name)
        simulation = replace(self, alive=(self.alive | {name}) - gone)
        if process.state in (ABSENT, GONE):
            return simulation.with_process(home, Process(STARTING, name))
        if process.state is STARTING:
            return simulation
        if name in process.holds:
            return simulation.with_process(home, replace(process, target=name))
        if adapters:
            closed = process.closed | ({name} if self.in_pods else set())
            loaded = replace(process, holds=process.holds | {name}, closed=closed)
            return simulation.with_process(home, loaded)._unattested({name})
        if home not in process.closed or process.streams:
            raise Refused
        return simulation.with_process(
            home, replace(process, target=name, holds=frozenset({name}))
        )._unattested({name})

    def _stop(self, name: str) -> "Simulation":
        assert name not in dict(self.split), "a routed engine was stopped"
        home = self.home(name)
        process = self.process(home)
        simulation = replace(self, alive=self.alive - {name})._unattested({name})
        if not self.adapters and process.target != name:
            return simulation
        shared = any(simulation.view(other).state is not ABSENT for other in simulation.others(name))
        if self.adapters and shared and process.state is not GONE:
            gone = {name}
            unloaded = replace(
                process,
                holds=process.holds - gone,
                streams=process.streams - gone,
                closed=process.closed - gone,
            )
            return simulation.with_process(home, unloaded)
        return simulation._unattested(process.holds).with_process(home, Process())

    def _move_in(self, name: str, other: str) -> "Simulation":
        """Stop its own process, and place it into the process of the other engine."""
        if self.home(name) == self.home(other):
            return self
        return self._stop(name).with_home(name, self.home(other))

    def _move_out(self, name: str) -> "Simulation":
        return self.with_home(name, f"{name}-apart{self.now}") if self.others(name) else self

    def _set_gate(self, engine: str, closed: bool) -> "Simulation":
        home, gate = self.home(engine), self.gate(engine)
        process = self.process(home)
        if process.state is not READY or (self.adapters and engine not in process.holds):
            raise Refused
        gates = process.closed | {gate} if closed else process.closed - {gate}
        return self.with_process(home, replace(process, closed=gates))

    def _unattested(self, engines: frozenset[str] | set[str]) -> "Simulation":
        return replace(self, attested=self.attested - engines)

    # Successors and invariants.

    def successors(self) -> Iterator[tuple[str, "Simulation"]]:
        """Yield each next state: ticks of the executor, complete, late or interrupted, and faults."""
        if not self.rollout.ended:
            yield "tick", self.tick()
            yield "tick, dead before acting", self.tick(done=0)
            yield "tick, dead after one action", self.tick(done=1)
            yield "tick, late", self.tick(LONG_S)
        yield from self._faults()
        if self.rollout.phase in REVERSIBLE:
            if not self.rollout.abort_reason:
                yield "abort", replace(self, rollout=abort(self.rollout, "because"))
            paused = replace(self.rollout, paused=True)
            changed = resume(self.rollout, "", self.time) if self.rollout.paused else paused
            yield "pause or resume", replace(self, rollout=changed)
        if self.rollout.shadow.waits and self.rollout.comparison is None:
            for gain in (-0.5, 0.5):
                compared = replace(self.rollout, comparison=comparison_of(gain))
                yield f"pairs show a gain of {gain}", replace(self, rollout=compared)
        yield "traffic changes", replace(self, bad_traffic=not self.bad_traffic)
        yield "probes change", replace(self, bad_probes=not self.bad_probes)

    def _faults(self) -> Iterator[tuple[str, "Simulation"]]:
        for name, process in self.processes:
            if process.state is STARTING and not (self.full and name == self.rollout.green):
                yield f"{name} becomes ready", self.become_ready(name)
            if process.state in (STARTING, READY):
                yield f"{name} is killed", self.kill(name)
            if process.streams:
                yield f"{name} ends its streams", self.end_streams(name)
        for engine, weight in self.split:
            view = self.view(engine)
            if weight and view.state is READY and view.accepting and not view.in_flight:
                yield f"{engine} streams", self.stream(engine)

    def check(self) -> None:
        """Check the invariants of every state."""
        rollout, routed = self.rollout, dict(self.split)
        assert sum(routed.values()) in (0, 100), "shares do not add up"
        for name, weight in routed.items():
            assert not weight or self.view(name).state is not READY or name in self.attested, (
                f"{name} is not attested"
            )
        if not routed and not self.killed:
            assert self.hold_s == HOLD_IN_PLACE_S, "nothing is routed, and requests do not wait long enough"
            assert (
                rollout.strategy is Strategy.IN_PLACE or rollout.placement or rollout.blue_attested is False
            )
        for _, process in self.processes:
            assert self.adapters or len(process.holds) <= 1, "one process holds two whole models"
        assert self.moves <= 1, "the alias moved twice"
        if rollout.phase is Phase.SUCCEEDED:
            assert self.alias == self.serving == rollout.to_version
        if rollout.ended and rollout.phase is not Phase.SUCCEEDED:
            assert self.alias == self.serving

    def run_to_end(self, ticks: int = 400, lost: int | None = None) -> "Simulation":
        """Run without faults and commands: engines become ready, streams end, and the rollout must end.

        The actions of tick number `lost` are not executed.
        """
        simulation = replace(self, rollout=replace(self.rollout, paused=False))
        for number in range(ticks):
            if simulation.rollout.ended:
                for name, _ in simulation.split:
                    view = simulation.view(name)
                    assert view.state is not READY or view.accepting, f"{name} is routed and closed"
                return simulation
            for name, process in simulation.processes:
                if process.state is STARTING and not (simulation.full and name == simulation.rollout.green):
                    simulation = simulation.become_ready(name)
                simulation = simulation.end_streams(name)
            simulation = simulation.tick(done=0 if number == lost else None)
            simulation.check()
        raise AssertionError(f"it does not end: {simulation.rollout.phase} {simulation.rollout.reason}")

    def key(self) -> tuple[object, ...]:
        """Return a key; states with equal keys have equal futures."""
        r = self.rollout
        waited = min(int((self.time - r.phase_since).total_seconds()), LONG_S + 1)
        machine = (
            r.phase,
            r.strategy,
            r.placement,
            waited,
            r.step,
            r.paused,
            bool(r.abort_reason),
            r.ending,
            r.comparison,
        )
        observed = (
            r.blue,
            r.blue_attested,
            r.shifted_at is not None,
            min(r.probes.good, 1),
            min(r.probes.bad_in_a_row, 2),
        )
        state = (self.processes, self.homes, self.alive, self.attested, self.split, self.alias, self.serving)
        return (
            *machine,
            *observed,
            *state,
            self.moves,
            self.bad_traffic,
            self.bad_probes,
            self.killed,
            self.dishonest,
        )


def rollout_of(strategy: Strategy, old: str, new: str, number: int) -> Rollout:
    return Rollout(
        name=f"{DEPLOYMENT}/rollouts/r{number}",
        create_time=START,
        update_time=START,
        revision=1,
        deployment=DEPLOYMENT,
        to_version=new,
        green=new,
        from_version=old,
        blue=old,
        strategy=strategy,
        limits=LIMITS,
        bake=BAKE,
        weights=(100,) if strategy is Strategy.IN_PLACE else (50, 100),
        step_s=1,
        phase_since=START,
    )


def comparison_of(gain: float) -> Comparison:
    """Return a comparison of many pairs that shows a gain of the new version beyond chance."""
    paired = Paired(1_000, 1_000, 0, 0.5 + gain, 0.5, gain, gain, gain)
    return Comparison(START, 1_000, 0.0, "accuracy", by_metric=paired)


def is_final(simulation: Simulation) -> bool:
    """Return whether the rollout is in a final phase."""
    return simulation.rollout.phase in ENDED
