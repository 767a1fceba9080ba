"""Does what the domain asks for: engines, routes, the record of what serves, the alias."""

import secrets
from collections.abc import Sequence
from dataclasses import replace

from ratoon.chassis.names import parent_of, uuid7
from ratoon.chassis.store import Store, Transaction
from ratoon_serving.application.ports import EngineHost, Happened, Models
from ratoon_serving.domain import attestation
from ratoon_serving.domain.deployment import Deployment
from ratoon_serving.domain.engine import (
    Check,
    Engine,
    EngineReady,
    EngineState,
    EngineStopped,
    EngineView,
    Fence,
    Member,
    Proof,
)
from ratoon_serving.domain.members import as_one, counts, unproven
from ratoon_serving.domain.rollouts.plan import (
    Action,
    CloseEngine,
    MoveAlias,
    OpenEngine,
    ReconcileEngine,
    RecordServing,
    ScaleEngine,
    SetRoutes,
    StartEngine,
    StartInOwnProcess,
    StartInSharedProcess,
    StopEngine,
)
from ratoon_serving.domain.rollouts.rollout import Rollout
from ratoon_serving.domain.routes import TABLE, Route, RouteTable, Target, TrafficSplit, split
from ratoon_serving.domain.scaling import Load


class Executor:
    """One deployment's hands; every action may be done twice."""

    def __init__(self, store: Store, host: EngineHost, models: Models) -> None:
        self._store, self._host, self._models = store, host, models
        self._told: dict[str, int] = {}

    def view(self, engine: Engine | None) -> EngineView:
        """The engine as it is now; one that is not known is absent."""
        return EngineView() if engine is None else as_one(engine, self._host.view(engine))

    def tell(self, rollout: Rollout, engine: Engine) -> None:
        """Let whoever looks at the engine from outside see how far its rollout came; told twice is told once."""
        told = self._told.get(rollout.name, 0)
        for number, note in enumerate(rollout.notes[told:], told):
            self._host.tell(engine, Happened(f"{rollout.name}/{number}", note.time, note.phase, note.message))
        self._told[rollout.name] = len(rollout.notes)

    def attest(self, engine: Engine, seen: EngineView) -> Check:
        """Whether each process of it continues the golden prompts as the registered weights do.

        That they do is written down at once: it is true of these loads of the weights, whoever acts on it.
        """
        golden = self._models.golden(engine.golden_digest)
        if not seen.members:
            return attestation.compare(golden, self._host.continue_prompts(engine, golden))
        proofs, failed = self._proofs(engine, seen)
        self._save_proofs(engine.name, proofs)
        return failed or Check(
            bool(proofs), f"{len(proofs)} processes reproduce the recorded answers to the golden prompts."
        )

    def probe(self, engine: Engine) -> Check:
        """One synthetic request."""
        reached = (replace(engine, endpoint=proof.endpoint) for proof in engine.proofs[:1])
        return self._host.probe(next(reached, engine))

    def take_over(self, engines: Sequence[str], fence: Fence) -> None:
        """Let nobody act on these engines by an older right of this operation."""
        with self._store.read() as tx:
            known = [tx.find(Engine, name) for name in engines if name]
        for engine in known:
            if (
                engine is not None
            ):  # also one that is written down as ended: the older right may be about to end it
                self._host.claim(engine, fence)

    def load(self, engine: Engine) -> Load:
        """What its processes have to do, as they tell."""
        return self._host.load(engine)

    def act(self, deployment: str, action: Action, action_id: str, fence: Fence) -> None:
        """Do one action for a deployment, by this right."""
        match action:
            case SetRoutes(weights, hold_s):
                self._set_routes(Route(deployment, hold_s=hold_s), weights)
            case ReconcileEngine(name):
                self._reconcile(deployment, name)
            case RecordServing(version, engine):
                self._record(deployment, version, engine)
            case MoveAlias(version, reason):
                model = self._deployment(deployment).model
                self._models.move_production(model, version, reason, f"{action_id}:{version}")
            case _:
                self._act_on_engine(action, fence)

    def _act_on_engine(self, action: Action, fence: Fence) -> None:
        match action:
            case StartEngine(name):
                self._start(name, fence)
            case StartInOwnProcess(name):
                self._move_out(name)
                self._start(name, fence)
            case StartInSharedProcess(name, host):
                self._move_in(name, host, fence)
                self._start(name, fence)
            case CloseEngine(name):
                self._host.close(self._note(name, EngineState.DRAINING))
            case OpenEngine(name):
                self._host.open(self._note(name, EngineState.READY))
            case StopEngine(name):
                self._stop(name, fence)
            case ScaleEngine(name, replicas):
                self._scale(name, replicas, fence)

    def _start(self, name: str, fence: Fence) -> None:
        with self._store.write() as tx:
            engine = tx.get(Engine, name)
            secret = engine.secret or secrets.token_urlsafe(32)
            started = replace(
                engine,
                state=EngineState.STARTING,
                attested=False,
                secret=secret,
                endpoint=self._host.endpoint(engine),
                proofs=(),
            )
            engine = tx.save(started) if started != engine else engine
            if not engine.is_adapter:
                for displaced in _others(tx, engine):
                    _ended(tx, displaced)
        self._host.start(engine, fence)

    def _move_out(self, name: str) -> None:
        """Give an engine a process of its own, with a secret of its own, unless it has one."""
        with self._store.write() as tx:
            engine = tx.get(Engine, name)
            if _others(tx, engine):
                process = f"{name}-{uuid7().hex[-8:]}"
                tx.save(replace(engine, shared_process=process, secret="", endpoint=""))

    def _move_in(self, name: str, other: str, fence: Fence) -> None:
        """End an engine's own process, and let it live in another one's, reached by that one's secret."""
        with self._store.read() as tx:
            engine, home = tx.get(Engine, name), tx.get(Engine, other)
        if engine.process == home.process:
            return
        self._host.stop(engine, fence)
        with self._store.write() as tx:
            moved = replace(
                tx.get(Engine, name), shared_process=home.process, secret=home.secret, endpoint=""
            )
            tx.save(moved)

    def _stop(self, name: str, fence: Fence) -> None:
        with self._store.write() as tx:
            engine = _ended(tx, tx.get(Engine, name))
            others = _others(tx, engine) if engine.is_adapter else []
        shared = any(self._host.view(other).state is not EngineState.ABSENT for other in others)
        # A process that is gone has nothing to unload: it is buried for all who lived in it.
        if not shared or self._host.view(engine).state is EngineState.GONE:
            self._host.stop(engine, fence)
        else:
            self._host.unload(engine)

    def _note(self, name: str, state: EngineState) -> Engine:
        """Write down what becomes of an engine."""
        with self._store.write() as tx:
            engine = tx.get(Engine, name)
            return engine if engine.state is state else tx.save(replace(engine, state=state))

    def _scale(self, name: str, replicas: int, fence: Fence) -> None:
        with self._store.write() as tx:
            engine = tx.get(Engine, name)
            if engine.replicas != replicas:
                engine = tx.save(replace(engine, replicas=replicas))
        self._host.scale(engine, fence)

    def _reconcile(self, deployment: str, name: str) -> None:
        """New processes prove themselves and are opened; the route names those that count and are there."""
        with self._store.read() as tx:
            engine = tx.get(Engine, name)
        proofs, _ = self._proofs(engine, self._host.view(engine))
        if not proofs:
            return
        self._host.open(self._save_proofs(name, proofs))
        with self._store.write() as tx:
            route = tx.get(RouteTable, TABLE).route(deployment)
            self._retarget(tx, route, route.weights)

    def _proofs(self, engine: Engine, seen: EngineView) -> tuple[tuple[Proof, ...], Check | None]:
        """Those of its processes that count or prove themselves now, and what failed of the others."""
        kept, failed = [_proof(member) for member in seen.members if counts(engine, member)], None
        for member in unproven(engine, seen):
            checked = self._attest_one(replace(engine, endpoint=member.endpoint), member)
            if checked.passed:
                kept.append(_proof(member))
            else:
                failed = checked
        return tuple(_known(kept, engine.proofs)), failed

    def _attest_one(self, engine: Engine, member: Member) -> Check:
        if member.loaded_digest != engine.artifact_digest:
            return Check(False, f"it loaded {member.loaded_digest or 'nothing'}, not the registered artifact")
        golden = self._models.golden(engine.golden_digest)
        return attestation.compare(golden, self._host.continue_prompts(engine, golden))

    def _save_proofs(self, name: str, proofs: tuple[Proof, ...]) -> Engine:
        with self._store.write() as tx:
            engine = tx.get(Engine, name)
            return engine if engine.proofs == proofs else tx.save(replace(engine, proofs=proofs))

    def _set_routes(self, route: Route, weights: TrafficSplit) -> None:
        with self._store.write() as tx:
            self._retarget(tx, route, weights)

    def _retarget(self, tx: Transaction, route: Route, weights: TrafficSplit) -> None:
        table = tx.get(RouteTable, TABLE)
        targets = tuple(each for name, weight in weights for each in self._targets(tx, name, weight))
        changed = table.with_route(replace(route, targets=targets))
        if changed != table:
            tx.save(changed)

    def _targets(self, tx: Transaction, name: str, weight: int) -> list[Target]:
        """The processes of an engine that gateways go to, and their shares."""
        engine = tx.get(Engine, name)
        if engine.state is not EngineState.READY or not engine.attested:
            engine = tx.save(replace(engine, state=EngineState.READY, attested=True))
            tx.publish(EngineReady(engine.version), engine)
        endpoints = [proof.endpoint for proof in engine.proofs] or [engine.endpoint]
        shares = zip(endpoints, split(weight, len(endpoints)), strict=True)
        one = Target(
            name,
            engine.version,
            engine.endpoint,
            engine.secret,
            engine.served_name,
            weight,
            engine.generation,
            engine.prompt,
        )
        return [replace(one, endpoint=endpoint, weight=share) for endpoint, share in shares]

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


def _others(tx: Transaction, engine: Engine) -> list[Engine]:
    """The engines that live in its process beside it."""
    live = tx.live(Engine, parent_of(engine.name))
    return [other for other in live if other.process == engine.process and other.name != engine.name]


def _ended(tx: Transaction, engine: Engine) -> Engine:
    """Write down that an engine ends, and tell it once."""
    if engine.state is EngineState.ABSENT:
        return engine
    ended = tx.save(replace(engine, state=EngineState.ABSENT, attested=False, proofs=()))
    tx.publish(EngineStopped(ended.version), ended)
    return ended


def _proof(member: Member) -> Proof:
    return Proof(member.load_id, member.endpoint)


def _known(found: Sequence[Proof], before: Sequence[Proof]) -> list[Proof]:
    """These proofs; for a process that is silent just now, the one that it gave before."""
    silent = [proof.load_id for proof in found if proof.load_id.endswith("/")]
    told = [proof for proof in found if proof.load_id not in silent]
    return [*told, *(proof for proof in before if any(proof.load_id.startswith(each) for each in silent))]
