"""Executor of actions: engines, routes, the record of what serves, the alias."""

import secrets
from collections.abc import Sequence
from dataclasses import replace

from ratoon.storage.names import uuid7
from ratoon.storage.store import Store, Transaction
from ratoon.tasks.compute import Dtype
from ratoon_serving.application.ports import EngineHost, Models, RolloutProgress
from ratoon_serving.domain.attestation import compare, computed_dtype, served_link
from ratoon_serving.domain.deployment import Deployment
from ratoon_serving.domain.engine import (
    Attestation,
    Check,
    Engine,
    EngineReady,
    EngineState,
    EngineStopped,
    EngineView,
    Fence,
    Replica,
)
from ratoon_serving.domain.replicas import aggregate, is_attested, unattested
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
from ratoon_serving.domain.routes import TABLE, Route, RouteTable, Target, TrafficSplit, divide_weight
from ratoon_serving.domain.scaling import Load


class Executor:
    """Executes the actions of deployments and rollouts; all actions are idempotent."""

    def __init__(self, store: Store, host: EngineHost, models: Models) -> None:
        self._store, self._host, self._models = store, host, models
        self._reported: dict[str, int] = {}

    def view(self, engine: Engine | None) -> EngineView:
        """Return the current observation of an engine; None is absent."""
        return EngineView() if engine is None else aggregate(engine, self._host.view(engine))

    def report(self, rollout: Rollout, engine: Engine) -> None:
        """Report new notes of a rollout where operators inspect its engine; each note is reported once."""
        reported = self._reported.get(rollout.name, 0)
        for number, note in enumerate(rollout.notes[reported:], reported):
            self._host.report(
                engine, RolloutProgress(f"{rollout.name}/{number}", note.time, note.phase, note.message)
            )
        self._reported[rollout.name] = len(rollout.notes)

    def attest(self, engine: Engine, view: EngineView) -> Check:
        """Return whether each of its processes continues the golden prompts as the registered weights do.

        Passed attestations are saved at once: they hold for these loads of the weights, whichever executor acts.
        """
        if not view.replicas:
            return self._compare(engine, view.dtype, view.runtime)
        attestations, failed = self._attestations(engine, view)
        self._save_attestations(engine.name, attestations)
        return failed or Check(
            bool(attestations),
            f"{len(attestations)} processes reproduce the recorded answers to the golden prompts.",
        )

    def probe(self, engine: Engine) -> Check:
        """Send one synthetic request."""
        reachable = (
            replace(engine, endpoint=attestation.endpoint) for attestation in engine.attestations[:1]
        )
        return self._host.probe(next(reachable, engine))

    def take_over(self, engines: Sequence[str], fence: Fence) -> None:
        """Fence these engines: refuse executors of this operation with an older number."""
        with self._store.read() as tx:
            known = [tx.find(Engine, name) for name in engines if name]
        for engine in known:
            # Ended engines too: an executor with an older number may be about to stop one again.
            if engine is not None:
                self._host.claim(engine, fence)

    def load(self, engine: Engine) -> Load:
        """Return the load that its processes report."""
        return self._host.load(engine)

    def act(self, deployment: str, action: Action, action_id: str, fence: Fence) -> None:
        """Execute one action for a deployment, under this fence."""
        match action:
            case SetRoutes(split, hold_s, shadow_share):
                self._set_routes(Route(deployment, hold_s=hold_s, shadow_share=shadow_share), split)
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
                attestations=(),
            )
            engine = tx.save(started) if started != engine else engine
            if not engine.is_adapter:
                for displaced in _others(tx, engine):
                    _ended(tx, displaced)
        self._host.start(engine, fence)

    def _move_out(self, name: str) -> None:
        """Give an engine a process and a secret of its own, unless it has them."""
        with self._store.write() as tx:
            engine = tx.get(Engine, name)
            if _others(tx, engine):
                process = f"{name}-{uuid7().hex[-8:]}"
                tx.save(replace(engine, shared_process=process, secret="", endpoint=""))

    def _move_in(self, name: str, other: str, fence: Fence) -> None:
        """Stop the process of an engine, and place it into the process of another one, with its secret."""
        with self._store.read() as tx:
            engine, host = tx.get(Engine, name), tx.get(Engine, other)
        if engine.process == host.process:
            return
        self._host.stop(engine, fence)
        with self._store.write() as tx:
            moved = replace(
                tx.get(Engine, name), shared_process=host.process, secret=host.secret, endpoint=""
            )
            tx.save(moved)

    def _stop(self, name: str, fence: Fence) -> None:
        with self._store.write() as tx:
            engine = _ended(tx, tx.get(Engine, name))
            others = _others(tx, engine) if engine.is_adapter else []
        shared = any(self._host.view(other).state is not EngineState.ABSENT for other in others)
        # A process that is gone has nothing to unload: it is cleaned up for all of its engines.
        if not shared or self._host.view(engine).state is EngineState.GONE:
            self._host.stop(engine, fence)
        else:
            self._host.unload(engine)

    def _note(self, name: str, state: EngineState) -> Engine:
        """Save the state of an engine."""
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
        """Attest and open new processes, then route the attested ones."""
        with self._store.read() as tx:
            engine = tx.get(Engine, name)
        attestations, _ = self._attestations(engine, self._host.view(engine))
        if not attestations:
            return
        self._host.open(self._save_attestations(name, attestations))
        with self._store.write() as tx:
            route = tx.get(RouteTable, TABLE).route(deployment)
            self._retarget(tx, route, route.split)

    def _attestations(self, engine: Engine, view: EngineView) -> tuple[tuple[Attestation, ...], Check | None]:
        """Return the known and new attestations of its processes, and the last failed check of the others."""
        attestations, failed = (
            [_attestation_of(replica) for replica in view.replicas if is_attested(engine, replica)],
            None,
        )
        for replica in unattested(engine, view):
            check = self._attest_one(replace(engine, endpoint=replica.endpoint), replica)
            if check.passed:
                attestations.append(_attestation_of(replica))
            else:
                failed = check
        return tuple(_with_silent(attestations, engine.attestations)), failed

    def _attest_one(self, engine: Engine, replica: Replica) -> Check:
        if replica.loaded_digest != engine.artifact_digest:
            return Check(
                False, f"it loaded {replica.loaded_digest or 'nothing'}, not the registered artifact"
            )
        return self._compare(engine, replica.dtype, replica.runtime)

    def _compare(self, engine: Engine, reported_dtype: str, runtime: str) -> Check:
        """Compare the answers of one process with the record of the number format that it reports.

        The result becomes a link of the version's parity certificate.
        """
        dtype = computed_dtype(engine, reported_dtype)
        if isinstance(dtype, Check):
            return dtype
        golden = self._models.golden(engine.golden_digest, dtype)
        ask = self._host.continue_prompts if dtype is Dtype.FLOAT32 else self._host.score_prompts
        answers = ask(engine, golden.prompts)
        check = compare(golden, answers)
        if golden.prompts:
            self._models.record_parity(engine.version, served_link(engine, runtime, golden, answers, check))
        return check

    def _save_attestations(self, name: str, attestations: tuple[Attestation, ...]) -> Engine:
        with self._store.write() as tx:
            engine = tx.get(Engine, name)
            return (
                engine
                if engine.attestations == attestations
                else tx.save(replace(engine, attestations=attestations))
            )

    def _set_routes(self, route: Route, split: TrafficSplit) -> None:
        with self._store.write() as tx:
            self._retarget(tx, route, split)

    def _retarget(self, tx: Transaction, route: Route, split: TrafficSplit) -> None:
        table = tx.get(RouteTable, TABLE)
        targets = tuple(each for name, weight in split for each in self._targets(tx, name, weight))
        changed = table.with_route(replace(route, targets=targets))
        if changed != table:
            tx.save(changed)

    def _targets(self, tx: Transaction, name: str, weight: int) -> list[Target]:
        """Return the attested processes of an engine as targets of gateways."""
        engine = tx.get(Engine, name)
        if engine.state is not EngineState.READY or not engine.attested:
            engine = tx.save(replace(engine, state=EngineState.READY, attested=True))
            tx.publish(EngineReady(engine.version), engine)
        endpoints = [attestation.endpoint for attestation in engine.attestations] or [engine.endpoint]
        shares = zip(endpoints, divide_weight(weight, len(endpoints)), strict=True)
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
    """Return the other engines in its process, of any deployment."""
    live = tx.live(Engine)
    return [other for other in live if other.process == engine.process and other.name != engine.name]


def _ended(tx: Transaction, engine: Engine) -> Engine:
    """Save the end of an engine, and publish it once."""
    if engine.state is EngineState.ABSENT:
        return engine
    ended = tx.save(replace(engine, state=EngineState.ABSENT, attested=False, attestations=()))
    tx.publish(EngineStopped(ended.version), ended)
    return ended


def _attestation_of(replica: Replica) -> Attestation:
    return Attestation(replica.load_id, replica.endpoint)


def _with_silent(attestations: Sequence[Attestation], previous: Sequence[Attestation]) -> list[Attestation]:
    """Return the attestations, with the previous one of each process that is silent at the moment."""
    silent = [attestation.load_id for attestation in attestations if attestation.load_id.endswith("/")]
    answered = [attestation for attestation in attestations if attestation.load_id not in silent]
    return [
        *answered,
        *(
            attestation
            for attestation in previous
            if any(attestation.load_id.startswith(each) for each in silent)
        ),
    ]
