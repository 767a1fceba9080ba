"""Does what the domain asks for: engines, routes, the record of what serves, the alias."""

import secrets
from dataclasses import replace

from ratoon.chassis.store import Store, Transaction
from ratoon_serving.application.ports import EngineHost, Models
from ratoon_serving.domain import attestation
from ratoon_serving.domain.deployment import Deployment
from ratoon_serving.domain.engine import Check, Engine, EngineReady, EngineState, EngineStopped, EngineView
from ratoon_serving.domain.rollout import (
    Action,
    CloseEngine,
    MoveAlias,
    OpenEngine,
    RecordServing,
    SetRoutes,
    StartEngine,
    StopEngine,
)
from ratoon_serving.domain.routes import TABLE, Route, RouteTable, Target, Weights


class Executor:
    """One deployment's hands; every action may be done twice."""

    def __init__(self, store: Store, host: EngineHost, models: Models) -> None:
        self._store, self._host, self._models = store, host, models

    def view(self, engine: Engine | None) -> EngineView:
        """The engine as it is now; one that is not known is absent."""
        return EngineView() if engine is None else self._host.view(engine)

    def attest(self, engine: Engine) -> Check:
        """Whether it continues the golden prompts as the registered weights do."""
        golden = self._models.golden(engine.golden_digest)
        return attestation.compare(golden, self._host.continue_prompts(engine, golden))

    def probe(self, engine: Engine) -> Check:
        """One synthetic request."""
        return self._host.probe(engine)

    def act(self, deployment: str, action: Action, action_id: str) -> None:
        """Do one action for a deployment."""
        match action:
            case StartEngine(name):
                self._start(name)
            case CloseEngine(name):
                self._host.close(self._note(name, EngineState.DRAINING))
            case OpenEngine(name):
                self._host.open(self._note(name, EngineState.READY))
            case StopEngine(name):
                self._stop(name)
            case SetRoutes(weights):
                self._set_routes(deployment, weights)
            case RecordServing(version, engine):
                self._record(deployment, version, engine)
            case MoveAlias(version, reason):
                model = self._deployment(deployment).model
                self._models.move_production(model, version, reason, f"{action_id}:{version}")

    def _start(self, name: str) -> None:
        with self._store.write() as tx:
            engine = tx.get(Engine, name)
            secret = engine.secret or secrets.token_urlsafe(32)
            started = replace(
                engine,
                state=EngineState.STARTING,
                attested=False,
                secret=secret,
                endpoint=self._host.endpoint(engine),
            )
            engine = tx.save(started) if started != engine else engine
        self._host.start(engine)

    def _stop(self, name: str) -> None:
        engine = self._note(name, EngineState.ABSENT, EngineStopped)
        self._host.stop(engine)

    def _note(self, name: str, state: EngineState, event: type[EngineStopped] | None = None) -> Engine:
        """Write down what becomes of an engine, and tell it once."""
        with self._store.write() as tx:
            engine = tx.get(Engine, name)
            if engine.state is state:
                return engine
            engine = tx.save(
                replace(engine, state=state, attested=engine.attested and state is not EngineState.ABSENT)
            )
            if event is not None:
                tx.publish(event(engine.version), engine)
        return engine

    def _set_routes(self, deployment: str, weights: Weights) -> None:
        with self._store.write() as tx:
            table = tx.get(RouteTable, TABLE)
            targets = tuple(self._target(tx, name, weight) for name, weight in weights)
            changed = table.with_route(Route(deployment, targets))
            if changed != table:
                tx.save(changed)

    def _target(self, tx: Transaction, name: str, weight: int) -> Target:
        engine = tx.get(Engine, name)
        if engine.state is not EngineState.READY or not engine.attested:
            engine = tx.save(replace(engine, state=EngineState.READY, attested=True))
            tx.publish(EngineReady(engine.version), engine)
        return Target(name, engine.version, engine.endpoint, engine.secret, engine.served_name, weight)

    def _record(self, deployment: str, version: str, engine: str) -> None:
        with self._store.write() as tx:
            before = tx.get(Deployment, deployment)
            previous = before.version if before.version != version else before.previous_version
            after = replace(before, version=version, engine=engine, previous_version=previous)
            if after != before:
                tx.save(after)

    def _deployment(self, name: str) -> Deployment:
        with self._store.read() as tx:
            return tx.get(Deployment, name)
