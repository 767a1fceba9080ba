"""Procedures of rollouts and deployments: observe, let the domain decide, execute its actions."""

from dataclasses import replace
from datetime import datetime, timedelta

from ratoon.operations.operations import Claim, Step
from ratoon.process.clock import Clock
from ratoon.process.errors import Description
from ratoon.storage.store import Store
from ratoon.tasks.votes import Votes
from ratoon_serving.application.executor import Executor
from ratoon_serving.application.lease_continuity import LeaseContinuity
from ratoon_serving.application.ports import Models, TrafficBook
from ratoon_serving.domain.deployment import Deployment, DeploymentObservation, reconcile
from ratoon_serving.domain.engine import Check, Engine, EngineState, EngineView, Fence
from ratoon_serving.domain.rollouts import state_machine
from ratoon_serving.domain.rollouts.analysis import Traffic
from ratoon_serving.domain.rollouts.plan import Action, Observation
from ratoon_serving.domain.rollouts.rollout import Phase, Rollout
from ratoon_serving.domain.routes import TABLE, RouteTable
from ratoon_serving.domain.scaling import POLICY, Load, Policy

_BASELINE_S = 60.0
_PROBED = (Phase.PROBING, Phase.SHIFTING, Phase.BAKING)
_FINAL_PHASES = (Phase.PROMOTING, Phase.RESTORING)
_RETRY_S = 10.0


class RolloutProcedure:
    """The long work behind CreateRollout."""

    kind = Rollout

    def __init__(
        self, store: Store, models: Models, executor: Executor, book: TrafficBook, clock: Clock
    ) -> None:
        self._store, self._models, self._executor = store, models, executor
        self._book, self._clock = book, clock
        self._last_probe: dict[str, float] = {}
        self._continuity = LeaseContinuity()

    def observe(self, rollout: Rollout, claim: Claim) -> Observation:
        """Observe both engines, the route table, their traffic, and what this phase requires."""
        self._continuity.tick(claim)
        with self._store.read() as tx:
            green = tx.get(Engine, rollout.green)
            blue = tx.find(Engine, rollout.blue) if rollout.blue else None
            split = tx.get(RouteTable, TABLE).route(rollout.deployment).split
            deployment = tx.get(Deployment, rollout.deployment)
        self._executor.report(rollout, green)
        green_view, blue_view = self._executor.view(green), self._executor.view(blue)
        is_final = rollout.phase in _FINAL_PHASES
        return Observation(
            green=green_view,
            blue=blue_view,
            split=split,
            green_digest=green.artifact_digest,
            blue_digest=blue.artifact_digest if blue else "",
            shares_process=blue is not None and green.process == blue.process,
            green_golden=self._attest(green, green_view) if rollout.phase is Phase.ATTESTING else None,
            blue_golden=None if rollout.blue_attested or blue is None else self._attest(blue, blue_view),
            probe=self._probe(rollout, green, green_view) if rollout.phase in _PROBED else None,
            traffic=self._since_shift(rollout),
            baseline=self._baseline(rollout),
            votes=self._votes(rollout),
            alias=self._models.production(deployment.model) if is_final else "",
            serving=deployment.version,
        )

    def step(self, rollout: Rollout, observation: Observation, now: datetime) -> Step[Rollout]:
        """Return the step that follows from the observation."""
        plan = state_machine.step(rollout, observation, now)
        return Step(plan.rollout, plan.actions, plan.events, plan.wake_after, plan.rollout.ended)

    def act(self, rollout: Rollout, action: Action, claim: Claim) -> None:
        """Execute one action."""
        action_id, fence = claim.action_id(f"{rollout.phase}"), Fence(claim.name, claim.fence)
        self._continuity.act(claim, lambda: self._executor.take_over((rollout.green, rollout.blue), fence))
        self._executor.act(rollout.deployment, action, action_id, fence)

    def failed(self, rollout: Rollout, error: Description, now: datetime) -> Step[Rollout]:
        """Roll back after a permanent error; the final phases and a rollback are retried."""
        plan = state_machine.roll_back(rollout, f"{error.reason}: {error.message}", now)
        return Step(plan.rollout, plan.actions, plan.events, _RETRY_S, plan.rollout.ended)

    def _attest(self, engine: Engine, view: EngineView) -> Check | None:
        if view.state is not EngineState.READY or not view.loaded_digest:
            return None
        return self._executor.attest(engine, view)

    def _probe(self, rollout: Rollout, green: Engine, view: EngineView) -> Check | None:
        """Probe every few seconds; during warm-up without a pause."""
        now = self._clock.monotonic()
        interval_s = min(rollout.limits.probe_every_s, rollout.bake.seconds / 4)
        wait_s = 0.0 if rollout.phase is Phase.PROBING else interval_s
        if view.state is not EngineState.READY or now - self._last_probe.get(rollout.name, 0.0) < wait_s:
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
    """Reconciliation of each deployment between its rollouts; it never ends."""

    kind = Deployment

    def __init__(
        self, store: Store, executor: Executor, book: TrafficBook, clock: Clock, rules: Policy = POLICY
    ) -> None:
        self._store, self._executor, self._book, self._clock = store, executor, book, clock
        self._rules = rules
        self._continuity = LeaseContinuity()

    def observe(self, deployment: Deployment, claim: Claim) -> DeploymentObservation:
        """Observe its engine, its route, and whether a rollout is active."""
        self._continuity.tick(claim)
        with self._store.read() as tx:
            active = tx.find(Rollout, deployment.active_rollout) if deployment.active_rollout else None
            engine = tx.find(Engine, deployment.engine) if deployment.engine else None
            split = tx.get(RouteTable, TABLE).route(deployment.name).split
            green = tx.find(Engine, active.green) if active is not None else None
        rollout_over = bool(deployment.active_rollout) and (active is None or active.ended)
        if rollout_over and active is not None and green is not None:
            self._executor.report(active, green)
        if engine is None or (active is not None and not active.ended):
            rollout_active = active is not None and not active.ended
            return DeploymentObservation(
                EngineView(), rollout_active=rollout_active, rollout_over=rollout_over
            )
        view = self._executor.view(engine)
        unattested = view.state is EngineState.READY and not engine.attested
        golden = self._executor.attest(engine, view) if unattested else None
        load = None if deployment.bounds.fixed or not deployment.replicas else self._load(engine)
        return DeploymentObservation(
            view, engine.artifact_digest, engine.attested, golden, split, load=load, rollout_over=rollout_over
        )

    def _load(self, engine: Engine) -> Load:
        """Return the load that its processes and the gateways report."""
        now = self._clock.now()
        recent = self._book.traffic(engine.name, now - timedelta(seconds=_BASELINE_S)).requests
        requests = self._book.traffic(engine.name, now - timedelta(seconds=self._rules.idle_s)).requests
        load = self._executor.load(engine)
        idle_s = 0.0 if requests or load.waiting else self._rules.idle_s
        return replace(load, requests_per_s=recent / _BASELINE_S, idle_s=idle_s)

    def step(
        self, deployment: Deployment, observation: DeploymentObservation, now: datetime
    ) -> Step[Deployment]:
        """Return the step that follows from the observation."""
        plan = reconcile(deployment, observation, now, self._rules)
        return Step(plan.deployment, plan.actions, (), plan.wake_after)

    def act(self, deployment: Deployment, action: Action, claim: Claim) -> None:
        """Execute one action."""
        fence = Fence(claim.name, claim.fence)
        self._continuity.act(claim, lambda: self._executor.take_over((deployment.engine,), fence))
        self._executor.act(deployment.name, action, claim.action_id("keep"), fence)

    def failed(self, deployment: Deployment, error: Description, now: datetime) -> Step[Deployment]:
        """Retry later: no error ends the reconciliation of a deployment."""
        return Step(deployment, wake_after=_RETRY_S)
