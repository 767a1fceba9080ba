"""Simulation for the rollout state machine: engines that start, die and stream; routes; an alias."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ratoon.tasks.votes import Votes
from ratoon_serving.domain.engine import Check, EngineState, EngineView
from ratoon_serving.domain.rollouts.analysis import Traffic
from ratoon_serving.domain.rollouts.plan import (
    CloseEngine,
    Event,
    MoveAlias,
    Observation,
    OpenEngine,
    RecordServing,
    SetRoutes,
    StartEngine,
    StopEngine,
)
from ratoon_serving.domain.rollouts.rollout import Phase, Rollout
from ratoon_serving.domain.rollouts.state_machine import step

START = datetime(2026, 1, 1, tzinfo=UTC)
DEPLOYMENT = "projects/p/deployments/d"
OLD, NEW = (f"projects/p/models/m/versions/{v}" for v in ("v1.0", "v1.1"))
BLUE, GREEN = (f"{DEPLOYMENT}/engines/{c}" for c in ("blue", "green"))
DIGESTS = {BLUE: "b" * 64, GREEN: "a" * 64}


def rollout(**changes: object) -> Rollout:
    values = dict(
        name=f"{DEPLOYMENT}/rollouts/r",
        create_time=START,
        update_time=START,
        revision=1,
        deployment=DEPLOYMENT,
        to_version=NEW,
        green=GREEN,
        from_version=OLD,
        blue=BLUE,
        phase_since=START,
    )
    return Rollout(**{**values, **changes})


@dataclass
class FakeEngine:
    state: EngineState = EngineState.ABSENT
    honest: bool = True
    attested: bool = False
    """True if it passed attestation since its last start."""
    accepting: bool = True
    in_flight: int = 0
    never_starts: bool = False
    killed: bool = False
    """True if it ended without an error of its own."""


@dataclass
class Simulation:
    rollout: Rollout
    now: datetime = START
    engines: dict[str, FakeEngine] = field(default_factory=dict)
    split: tuple[tuple[str, int], ...] = ()
    alias: str = ""
    serving: str = ""
    traffic: Traffic = Traffic()
    votes: Votes = Votes()
    probe_passes: bool = True
    killed: int = 0
    aliases: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @staticmethod
    def serving_blue(**changes: object) -> "Simulation":
        blue = FakeEngine(EngineState.READY, attested=True)
        engines = {BLUE: blue, GREEN: FakeEngine()}
        return Simulation(rollout(**changes), engines=engines, split=((BLUE, 100),), alias=OLD, serving=OLD)

    @staticmethod
    def empty(**changes: object) -> "Simulation":
        first = rollout(from_version="", blue="", **changes)
        return Simulation(first, engines={GREEN: FakeEngine()})

    def view(self, name: str) -> EngineView:
        engine = self.engines.get(name, FakeEngine())
        ready = engine.state is EngineState.READY
        digest = DIGESTS.get(name, "") if ready else ""
        in_flight = engine.in_flight if ready else 0
        return EngineView(engine.state, digest, engine.accepting, in_flight, killed=engine.killed)

    def attest(self, name: str) -> Check | None:
        engine = self.engines.get(name)
        if engine is None or engine.state is not EngineState.READY or not engine.accepting:
            return None
        engine.attested = engine.honest
        return Check(engine.honest, "golden")

    def observe(self) -> Observation:
        rollout = self.rollout
        probing = rollout.phase in (Phase.PROBING, Phase.SHIFTING, Phase.BAKING)
        green_ready = self.engines[GREEN].state is EngineState.READY
        return Observation(
            green=self.view(GREEN),
            blue=self.view(rollout.blue),
            split=self.split,
            green_digest=DIGESTS[GREEN],
            blue_digest=DIGESTS[BLUE],
            green_golden=self.attest(GREEN) if rollout.phase is Phase.ATTESTING else None,
            blue_golden=None if rollout.blue_attested else self.attest(BLUE),
            probe=Check(self.probe_passes) if probing and green_ready else None,
            traffic=self.traffic if rollout.shifted_at else Traffic(),
            votes=self.votes,
            alias=self.alias,
            serving=self.serving,
        )

    def tick(self, seconds: float = 1.0, lose_after: int | None = None) -> None:
        """One observe → step → save → act; a crash loses all actions after the first `lose_after`."""
        if self.rollout.ended:
            return
        self.now += timedelta(seconds=seconds)
        plan = step(self.rollout, self.observe(), self.now)
        self.rollout = plan.rollout
        self.events.extend(plan.events)
        for action in plan.actions[:lose_after]:
            self.act(action)

    def act(self, action: object) -> None:
        match action:
            case StartEngine(name):
                engine = self.engines[name]
                if engine.state in (EngineState.ABSENT, EngineState.GONE):
                    stuck = EngineState.STARTING if engine.never_starts else EngineState.READY
                    self.engines[name] = FakeEngine(stuck, engine.honest, never_starts=engine.never_starts)
            case CloseEngine(name):
                self.engines[name].accepting = False
            case OpenEngine(name):
                self.engines[name].accepting = True
            case StopEngine(name):
                assert name not in dict(self.split), "a routed engine was stopped"
                self.engines[name].state = EngineState.ABSENT
            case SetRoutes(split):
                for name, weight in split:
                    engine = self.engines[name]
                    lost = engine.state is not EngineState.READY
                    assert engine.attested or not weight or lost, f"{name} was routed unattested"
                self.split = split
            case RecordServing(version, _):
                self.serving = version
            case MoveAlias(version, _):
                self.alias = version
                self.aliases.append(version)

    def kill(self, name: str) -> None:
        engine = self.engines[name]
        if engine.state in (EngineState.READY, EngineState.STARTING):
            gone = FakeEngine(EngineState.GONE, engine.honest, never_starts=engine.never_starts, killed=True)
            self.engines[name] = gone
            self.killed += 1

    def run(self, ticks: int = 3000, seconds: float = 1.0) -> Phase:
        for _ in range(ticks):
            if self.rollout.ended:
                return self.rollout.phase
            self.tick(seconds)
        raise AssertionError(f"the rollout did not end: {self.rollout.phase}, {self.rollout.reason}")
