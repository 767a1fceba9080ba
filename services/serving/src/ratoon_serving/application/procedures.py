"""How rollouts and deployments are worked on: look at the world, let the domain decide, do what it says."""

from dataclasses import replace
from datetime import datetime, timedelta

from ratoon.chassis.clock import Clock
from ratoon.chassis.errors import Description
from ratoon.chassis.operations import Claim, Step
from ratoon.chassis.store import Store
from ratoon.tasks.votes import Votes
from ratoon_serving.application.executor import Executor
from ratoon_serving.application.ports import Models, TrafficBook
from ratoon_serving.application.tenure import Tenures
from ratoon_serving.domain.deployment import Deployment, Sight, keep
from ratoon_serving.domain.engine import Check, Engine, EngineState, EngineView, Fence
from ratoon_serving.domain.rollouts import state_machine
from ratoon_serving.domain.rollouts.analysis import Traffic
from ratoon_serving.domain.rollouts.plan import Action, Observation
from ratoon_serving.domain.rollouts.rollout import Phase, Rollout
from ratoon_serving.domain.routes import TABLE, RouteTable
from ratoon_serving.domain.scaling import POLICY, Load, Policy

_BASELINE_S = 60.0
_PROBED = (Phase.PROBING, Phase.SHIFTING, Phase.BAKING)
_LAST_ACTS = (Phase.PROMOTING, Phase.RESTORING)
_LOOK_AGAIN_S = 10.0


class RolloutProcedure:
    """The long work behind CreateRollout."""

    kind = Rollout

    def __init__(
        self, store: Store, models: Models, executor: Executor, book: TrafficBook, clock: Clock
    ) -> None:
        self._store, self._models, self._executor = store, models, executor
        self._book, self._clock = book, clock
        self._last_probe: dict[str, float] = {}
        self._tenures = Tenures()

    def observe(self, rollout: Rollout, claim: Claim) -> Observation:
        """Both engines, the route table, what was heard of them, and what this phase wants to know."""
        self._tenures.turn(claim)
        with self._store.read() as tx:
            green = tx.get(Engine, rollout.green)
            blue = tx.find(Engine, rollout.blue) if rollout.blue else None
            weights = tx.get(RouteTable, TABLE).route(rollout.deployment).weights
            deployment = tx.get(Deployment, rollout.deployment)
        self._executor.tell(rollout, green)
        green_view, blue_view = self._executor.view(green), self._executor.view(blue)
        last = rollout.phase in _LAST_ACTS
        return Observation(
            green=green_view,
            blue=blue_view,
            split=weights,
            green_digest=green.artifact_digest,
            blue_digest=blue.artifact_digest if blue else "",
            shares_process=blue is not None and green.process == blue.process,
            green_golden=self._attest(green, green_view) if rollout.phase is Phase.ATTESTING else None,
            blue_golden=None if rollout.blue_attested or blue is None else self._attest(blue, blue_view),
            probe=self._probe(rollout, green, green_view) if rollout.phase in _PROBED else None,
            traffic=self._since_shift(rollout),
            baseline=self._baseline(rollout),
            votes=self._votes(rollout),
            alias=self._models.production(deployment.model) if last else "",
            serving=deployment.version,
        )

    def step(self, rollout: Rollout, seen: Observation, now: datetime) -> Step[Rollout]:
        """What follows from it."""
        move = state_machine.step(rollout, seen, now)
        return Step(move.rollout, move.actions, move.events, move.wake_after, move.rollout.ended)

    def act(self, rollout: Rollout, action: Action, claim: Claim) -> None:
        """Do one thing."""
        action_id, fence = claim.action_id(f"{rollout.phase}"), Fence(claim.name, claim.fence)
        self._tenures.act(claim, lambda: self._executor.take_over((rollout.green, rollout.blue), fence))
        self._executor.act(rollout.deployment, action, action_id, fence)

    def failed(self, rollout: Rollout, error: Description, now: datetime) -> Step[Rollout]:
        """An error that repeating will not mend leads back; the last acts and the way back go on trying."""
        move = state_machine.roll_back(rollout, f"{error.reason}: {error.message}", now)
        return Step(move.rollout, move.actions, move.events, _LOOK_AGAIN_S, move.rollout.ended)

    def _attest(self, engine: Engine, view: EngineView) -> Check | None:
        if view.state is not EngineState.READY or not view.loaded_digest:
            return None
        return self._executor.attest(engine, view)

    def _probe(self, rollout: Rollout, green: Engine, view: EngineView) -> Check | None:
        """One probe every few seconds; while it warms up, one after the other."""
        now = self._clock.monotonic()
        calm = min(rollout.limits.probe_every_s, rollout.bake.seconds / 4)
        every = 0.0 if rollout.phase is Phase.PROBING else calm
        if view.state is not EngineState.READY or now - self._last_probe.get(rollout.name, 0.0) < every:
            return None
        self._last_probe[rollout.name] = now
        return self._executor.probe(green)

    def _since_shift(self, rollout: Rollout) -> Traffic:
        return self._book.traffic(rollout.green, rollout.shifted_at) if rollout.shifted_at else Traffic()

    def _votes(self, rollout: Rollout) -> Votes:
        return self._book.votes(rollout.to_version, rollout.shifted_at) if rollout.shifted_at else Votes()

    def _baseline(self, rollout: Rollout) -> Traffic:
        if not rollout.blue or rollout.phase not in (Phase.QUEUED, Phase.PROBING):
            return Traffic()
        since = self._clock.now() - timedelta(seconds=_BASELINE_S)
        return replace(self._book.traffic(rollout.blue, since), seconds=_BASELINE_S)


class DeploymentProcedure:
    """Looks after each deployment between its rollouts; it never ends."""

    kind = Deployment

    def __init__(
        self, store: Store, executor: Executor, book: TrafficBook, clock: Clock, rules: Policy = POLICY
    ) -> None:
        self._store, self._executor, self._book, self._clock = store, executor, book, clock
        self._rules = rules
        self._tenures = Tenures()

    def observe(self, deployment: Deployment, claim: Claim) -> Sight:
        """Its engine, its route, and whether a rollout is under way."""
        self._tenures.turn(claim)
        with self._store.read() as tx:
            active = tx.find(Rollout, deployment.active_rollout) if deployment.active_rollout else None
            engine = tx.find(Engine, deployment.engine) if deployment.engine else None
            weights = tx.get(RouteTable, TABLE).route(deployment.name).weights
            green = tx.find(Engine, active.green) if active is not None else None
        over = bool(deployment.active_rollout) and (active is None or active.ended)
        if over and active is not None and green is not None:
            self._executor.tell(active, green)
        if engine is None or (active is not None and not active.ended):
            under_way = active is not None and not active.ended
            return Sight(EngineView(), rollout_active=under_way, rollout_over=over)
        view = self._executor.view(engine)
        unattested = view.state is EngineState.READY and not engine.attested
        golden = self._executor.attest(engine, view) if unattested else None
        load = None if deployment.bounds.fixed or not deployment.replicas else self._load(engine)
        return Sight(
            view, engine.artifact_digest, engine.attested, golden, weights, load=load, rollout_over=over
        )

    def _load(self, engine: Engine) -> Load:
        """What its processes and the gateways tell."""
        now = self._clock.now()
        lately = self._book.traffic(engine.name, now - timedelta(seconds=_BASELINE_S)).requests
        asked = self._book.traffic(engine.name, now - timedelta(seconds=self._rules.idle_s)).requests
        told = self._executor.load(engine)
        idle_s = 0.0 if asked or told.waiting else self._rules.idle_s
        return replace(told, requests_per_s=lately / _BASELINE_S, idle_s=idle_s)

    def step(self, deployment: Deployment, seen: Sight, now: datetime) -> Step[Deployment]:
        """What follows from it."""
        care = keep(deployment, seen, now, self._rules)
        return Step(care.deployment, care.actions, (), care.wake_after)

    def act(self, deployment: Deployment, action: Action, claim: Claim) -> None:
        """Do one thing."""
        fence = Fence(claim.name, claim.fence)
        self._tenures.act(claim, lambda: self._executor.take_over((deployment.engine,), fence))
        self._executor.act(deployment.name, action, claim.action_id("keep"), fence)

    def failed(self, deployment: Deployment, error: Description, now: datetime) -> Step[Deployment]:
        """Nothing ends a deployment's care: look again later."""
        return Step(deployment, wake_after=_LOOK_AGAIN_S)
