"""A small world for searching the rollout machine: processes that start, load, stream and die; routes; an executor.

It behaves as the engine hosts do, strictly: what a real engine refuses raises `Refused`, and what must never happen
raises AssertionError at once. Times are whole seconds with short limits, so that worlds can be told apart by a key.
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
"""A rollout that may go on in place where there is no place for a second engine."""


class Refused(Exception):
    """An engine does not do it now; the executor tries again later."""


@dataclass(frozen=True)
class Process:
    state: EngineState = ABSENT
    target: str = ""
    """The whole model that it is to hold, or the adapter that it was started for."""
    holds: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()
    """Doors behind which an answer is being written."""


@dataclass(frozen=True)
class World:
    """A moment: a rollout, and all that it can see or change."""

    rollout: Rollout
    now: int = 0
    adapters: bool = False
    """Whether the versions are adapters of one base, or whole models."""
    in_pods: bool = False
    """Whether what is loaded is closed until it is opened."""
    full: bool = False
    """Whether there is no place for a second engine."""
    processes: tuple[tuple[str, Process], ...] = ()
    homes: tuple[tuple[str, str], ...] = ()
    alive: frozenset[str] = frozenset()
    """Engines that are written down as not ended."""
    proved: frozenset[str] = frozenset()
    """Engines that were seen to be honest since they were last loaded."""
    liars: frozenset[str] = frozenset()
    weights: tuple[tuple[str, int], ...] = ()
    hold_s: float = 30.0
    alias: str = ""
    serving: str = ""
    engine: str = ""
    moves: int = 0
    """How often the alias moved in this rollout."""
    bad_traffic: bool = False
    bad_probes: bool = False
    killed: bool = False

    @staticmethod
    def serving_old(
        strategy: Strategy,
        liars: frozenset[str] = frozenset(),
        *,
        in_pods: bool = False,
        full: bool = False,
    ) -> "World":
        held = Process(READY, "v0", frozenset({"v0"}))
        base = World(
            replace(rollout_of(strategy, "v0", "v1", 0), **(_ALL_AT_ONCE if full else {})),
            adapters=strategy is Strategy.ADAPTER_SWAP,
            in_pods=in_pods,
            full=full,
            processes=(("v0", held),),
            homes=(("v0", "v0"),),
            alive=frozenset({"v0"}),
            proved=frozenset({"v0"}),
            liars=liars,
            weights=(("v0", 100),),
            alias="v0",
            serving="v0",
            engine="v0",
        )
        return base.with_home("v1", "v1" if strategy is Strategy.SECOND_ENGINE else "v0")

    # What it looks like.

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
        process, door = self.process(self.home(engine)), self.door(engine)
        if not self.adapters and process.target != engine:
            return EngineView()
        if process.state is READY and engine not in process.holds:
            return EngineView()
        if process.state is not READY:
            unplaced = self.full and process.state is STARTING
            return EngineView(process.state, killed=process.state is GONE, unplaced=unplaced)
        return EngineView(READY, engine, door not in process.closed, int(door in process.streams))

    def door(self, engine: str) -> str:
        """Whole models share their process's door, adapters have one each."""
        home = self.home(engine)
        return engine if self.adapters else home

    def look(self, engine: str) -> tuple["World", Check | None]:
        if self.view(engine).state is not READY:
            return self, None
        if engine in self.liars:
            return self, Check(False, "other weights")
        return replace(self, proved=self.proved | {engine}), Check(True, "golden")

    def observe(self) -> tuple["World", Observation]:
        rollout, world = self.rollout, self
        green_golden = blue_golden = None
        if rollout.phase is Phase.ATTESTING:
            world, green_golden = world.look(rollout.green)
        if rollout.blue and not rollout.blue_attested:
            world, blue_golden = world.look(rollout.blue)
        probed = rollout.phase in (Phase.PROBING, Phase.SHIFTING, Phase.BAKING)
        seen = Observation(
            green=self.view(rollout.green),
            blue=self.view(rollout.blue),
            split=self.weights,
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
        return world, seen

    # What happens in it.

    def turn(self, seconds: int = 1, done: int | None = None) -> "World":
        """One observe → step → save → act; an executor that dies does only the first `done` actions."""
        world, seen = replace(self, now=self.now + seconds).observe()
        move = step(world.rollout, seen, world.time)
        world = replace(world, rollout=move.rollout)
        for action in move.actions[:done]:
            try:
                world = world.act(action)
            except Refused:
                break
        return world

    def act(self, action: object) -> "World":
        match action:
            case StartEngine() | StartInOwnProcess() | StartInSharedProcess():
                return self._begin(action)
            case CloseEngine(name):
                return self._set_door(name, closed=True)
            case OpenEngine(name):
                return self._set_door(name, closed=False)
            case StopEngine(name):
                return self._stop(name)
            case SetRoutes(weights, hold_s):
                routed = replace(self, weights=weights, hold_s=hold_s)
                for name, weight in weights:
                    assert name in routed.proved or not weight or self.view(name).state is not READY, name
                return routed
            case RecordServing(version, engine):
                return replace(self, serving=version, engine=engine)
            case MoveAlias(version, _):
                assert self.rollout.phase in (Phase.PROMOTING, Phase.RESTORING), "the alias moved too early"
                return replace(self, alias=version, moves=self.moves + 1)
        raise AssertionError(f"{action} is no action")

    def _begin(self, action: StartEngine | StartInOwnProcess | StartInSharedProcess) -> "World":
        match action:
            case StartInOwnProcess(name):
                return self._move_out(name)._start(name)
            case StartInSharedProcess(name, other):
                return self._move_in(name, other)._start(name)
        return self._start(action.engine)

    def come_up(self, name: str) -> "World":
        """A starting process becomes ready, with the one engine that it was started for."""
        process = self.process(name)
        holds = frozenset({process.target})
        closed = frozenset({self.door(process.target)} if self.in_pods else ())
        return self.with_process(name, replace(process, state=READY, holds=holds, closed=closed))._unproved(
            holds
        )

    def kill(self, name: str) -> "World":
        lost = self._unproved(self.process(name).holds)
        dead = replace(
            self.process(name), state=GONE, holds=frozenset(), streams=frozenset(), closed=frozenset()
        )
        return replace(lost.with_process(name, dead), killed=True)

    def stream(self, engine: str) -> "World":
        """A routed and open engine begins to answer; whoever signs is what the process holds under that name."""
        assert engine in self.proved
        home, door = self.home(engine), self.door(engine)
        process = self.process(home)
        return self.with_process(home, replace(process, streams=process.streams | {door}))

    def end_streams(self, name: str) -> "World":
        return self.with_process(name, replace(self.process(name), streams=frozenset()))

    def with_process(self, name: str, process: Process) -> "World":
        known = {**dict(self.processes), name: process}
        if process.state is ABSENT:
            del known[name]
        return replace(self, processes=tuple(sorted(known.items())))

    def with_home(self, engine: str, home: str) -> "World":
        return replace(self, homes=tuple(sorted({**dict(self.homes), engine: home}.items())))

    def others(self, engine: str) -> set[str]:
        return {e for e in self.alive if e != engine and self.home(e) == self.home(engine)}

    def _start(self, name: str) -> "World":
        home, adapters = self.home(name), self.adapters
        process = self.process(home)
        gone = set() if adapters else self.others(name)
        world = replace(self, alive=(self.alive | {name}) - gone)
        if process.state in (ABSENT, GONE):
            return world.with_process(home, Process(STARTING, name))
        if process.state is STARTING:
            return world
        if name in process.holds:
            return world.with_process(home, replace(process, target=name))
        if adapters:
            closed = process.closed | ({name} if self.in_pods else set())
            loaded = replace(process, holds=process.holds | {name}, closed=closed)
            return world.with_process(home, loaded)._unproved({name})
        if home not in process.closed or process.streams:
            raise Refused
        return world.with_process(home, replace(process, target=name, holds=frozenset({name})))._unproved(
            {name}
        )

    def _stop(self, name: str) -> "World":
        assert name not in dict(self.weights), "a routed engine was stopped"
        home = self.home(name)
        process = self.process(home)
        world = replace(self, alive=self.alive - {name})._unproved({name})
        if not self.adapters and process.target != name:
            return world
        shared = any(world.view(other).state is not ABSENT for other in world.others(name))
        if self.adapters and shared and process.state is not GONE:
            gone = {name}
            kept = replace(
                process,
                holds=process.holds - gone,
                streams=process.streams - gone,
                closed=process.closed - gone,
            )
            return world.with_process(home, kept)
        return world._unproved(process.holds).with_process(home, Process())

    def _move_in(self, name: str, other: str) -> "World":
        """Its own process ends, and it lives in the other one's."""
        if self.home(name) == self.home(other):
            return self
        return self._stop(name).with_home(name, self.home(other))

    def _move_out(self, name: str) -> "World":
        return self.with_home(name, f"{name}-apart{self.now}") if self.others(name) else self

    def _set_door(self, engine: str, closed: bool) -> "World":
        home, door = self.home(engine), self.door(engine)
        process = self.process(home)
        if process.state is not READY or (self.adapters and engine not in process.holds):
            raise Refused
        doors = process.closed | {door} if closed else process.closed - {door}
        return self.with_process(home, replace(process, closed=doors))

    def _unproved(self, engines: frozenset[str] | set[str]) -> "World":
        return replace(self, proved=self.proved - engines)

    # What may happen next, and what must hold.

    def moves_on(self) -> Iterator[tuple[str, "World"]]:
        """Every next moment: the executor's turns, whole, late or cut short, and what the world does."""
        if not self.rollout.ended:
            yield "turn", self.turn()
            yield "turn, dead before acting", self.turn(done=0)
            yield "turn, dead after one action", self.turn(done=1)
            yield "turn, late", self.turn(LONG_S)
        yield from self._accidents()
        if self.rollout.phase in REVERSIBLE:
            if not self.rollout.abort_reason:
                yield "abort", replace(self, rollout=abort(self.rollout, "because"))
            held = replace(self.rollout, paused=True)
            steered = resume(self.rollout, "", self.time) if self.rollout.paused else held
            yield "pause or resume", replace(self, rollout=steered)
        yield "traffic turns", replace(self, bad_traffic=not self.bad_traffic)
        yield "probes turn", replace(self, bad_probes=not self.bad_probes)

    def _accidents(self) -> Iterator[tuple[str, "World"]]:
        for name, process in self.processes:
            if process.state is STARTING and not (self.full and name == self.rollout.green):
                yield f"{name} comes up", self.come_up(name)
            if process.state in (STARTING, READY):
                yield f"{name} is killed", self.kill(name)
            if process.streams:
                yield f"{name} ends its streams", self.end_streams(name)
        for engine, weight in self.weights:
            view = self.view(engine)
            if weight and view.state is READY and view.accepting and not view.in_flight:
                yield f"{engine} streams", self.stream(engine)

    def check(self) -> None:
        """What must hold at every moment."""
        rollout, routed = self.rollout, dict(self.weights)
        assert sum(routed.values()) in (0, 100), "shares do not add up"
        for name, weight in routed.items():
            assert not weight or self.view(name).state is not READY or name in self.proved, (
                f"{name} is unproven"
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

    def to_the_end(self, turns: int = 400, lost: int | None = None) -> "World":
        """Faults stop: engines come up, streams end, nobody commands; the rollout must end.

        What was decided in turn number `lost` is not done.
        """
        world = replace(self, rollout=replace(self.rollout, paused=False))
        for number in range(turns):
            if world.rollout.ended:
                for name, _ in world.weights:
                    view = world.view(name)
                    assert view.state is not READY or view.accepting, f"{name} is routed and closed"
                return world
            for name, process in world.processes:
                if process.state is STARTING and not (world.full and name == world.rollout.green):
                    world = world.come_up(name)
                world = world.end_streams(name)
            world = world.turn(done=0 if number == lost else None)
            world.check()
        raise AssertionError(f"it does not end: {world.rollout.phase} {world.rollout.reason}")

    def key(self) -> tuple[object, ...]:
        """What tells worlds apart that can go on differently."""
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
        )
        seen = (
            r.blue,
            r.blue_attested,
            r.shifted_at is not None,
            min(r.probes.good, 1),
            min(r.probes.bad_in_a_row, 2),
        )
        world = (self.processes, self.homes, self.alive, self.proved, self.weights, self.alias, self.serving)
        return (
            *machine,
            *seen,
            *world,
            self.moves,
            self.bad_traffic,
            self.bad_probes,
            self.killed,
            self.liars,
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


def over(world: World) -> bool:
    """Whether nothing more is to come of it."""
    return world.rollout.phase in ENDED
