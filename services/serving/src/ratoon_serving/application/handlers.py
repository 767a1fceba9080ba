"""One function a use case: the message first, the ports after."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ratoon.chassis.clock import Clock
from ratoon.chassis.errors import InvalidArgument
from ratoon.chassis.names import checked_id, matched, parent_of, uuid7
from ratoon.chassis.operations import Operations
from ratoon.chassis.paging import Page
from ratoon.chassis.store import Store, Transaction
from ratoon_serving.application.commands import (
    CreateDeployment,
    CreateRollout,
    InjectFault,
    TrafficSeen,
    VotesSeen,
)
from ratoon_serving.application.ports import EngineHost, Models, Patience, ServableVersion, TrafficBook
from ratoon_serving.domain.deployment import Deployment
from ratoon_serving.domain.engine import Engine
from ratoon_serving.domain.errors import (
    AlreadyServing,
    FaultsForbidden,
    NothingToUndo,
    RolloutActive,
    RolloutEnded,
    ScalingUnavailable,
    StrategyUnavailable,
    VersionNotReady,
)
from ratoon_serving.domain.rollouts import state_machine
from ratoon_serving.domain.rollouts.adapter_swap import max_rank_for
from ratoon_serving.domain.rollouts.in_place import IN_PLACE_LIMITS, are_interchangeable
from ratoon_serving.domain.rollouts.model_spec import ModelSpec
from ratoon_serving.domain.rollouts.rollout import REVERSIBLE, Limits, Phase, Rollout, Strategy
from ratoon_serving.domain.rollouts.second_engine import Headroom
from ratoon_serving.domain.rollouts.selection import Choice, choose
from ratoon_serving.domain.routes import TABLE, RouteTable
from ratoon_serving.domain.scaling import Bounds, woken

DEPLOYMENT = "projects/*/deployments/*"
ENGINE = f"{DEPLOYMENT}/engines/*"
ROLLOUT = f"{DEPLOYMENT}/rollouts/*"
VERSION = "projects/*/models/*/versions/*"


def create_deployment(
    command: CreateDeployment, store: Store, operations: Operations, host: EngineHost, clock: Clock
) -> Deployment:
    """Make a deployment; from the commit on it is looked after."""
    matched(command.parent, "projects/*", "parent")
    matched(command.model, "projects/*/models/*", "deployment.model")
    host.prepare(command.pool)
    now = clock.now()
    name = f"{command.parent}/deployments/{checked_id(command.deployment_id, 'deployment_id')}"
    with store.write() as tx:
        deployment, new = tx.create(
            Deployment(name, now, now, 0, command.model, pool=command.pool), command.request_id
        )
        if new:
            operations.begin(tx, deployment)
    return deployment


def get_deployment(name: str, store: Store) -> Deployment:
    """One deployment."""
    matched(name, DEPLOYMENT)
    return store.get(Deployment, name)


def list_deployments(parent: str, size: int, token: str, store: Store) -> Page[Deployment]:
    """The deployments of a project, oldest first."""
    matched(parent, "projects/*", "parent")
    with store.read() as tx:
        return tx.page(Deployment, parent, size, token)


def get_engine(name: str, store: Store) -> Engine:
    """One engine."""
    matched(name, ENGINE)
    return store.get(Engine, name)


def list_engines(parent: str, size: int, token: str, store: Store) -> Page[Engine]:
    """The engines that a deployment has had, oldest first."""
    matched(parent, DEPLOYMENT, "parent")
    with store.read() as tx:
        return tx.page(Engine, parent, size, token)


def create_rollout(
    command: CreateRollout,
    store: Store,
    operations: Operations,
    models: Models,
    host: EngineHost,
    clock: Clock,
) -> Rollout:
    """Begin the way to a version; refused while another one is under way."""
    matched(command.parent, DEPLOYMENT, "parent")
    matched(command.to_version, VERSION, "rollout.to_version")
    version, pool = models.version(command.to_version), get_deployment(command.parent, store).pool
    headroom = host.headroom(pool)
    rollout_id = checked_id(command.rollout_id, "rollout_id")
    with store.write() as tx:
        deployment = tx.get(Deployment, command.parent)
        _check_model(deployment, version)
        blue = tx.find(Engine, deployment.engine)
        choice = _choice(command, _weights(blue), version.weights, headroom, max(1, deployment.replicas))
        rollout = _rollout(command, rollout_id, deployment, blue, choice, host.patience, clock)
        rollout = replace(rollout, interchangeable=are_interchangeable(_weights(blue), version.weights))
        rollout, new = tx.create(rollout, command.request_id)
        if not new:
            return rollout
        _check_free(tx, deployment, command.to_version)
        awake = replace(deployment, replicas=deployment.replicas or woken(deployment.bounds))
        tx.create(_engine(rollout, version, blue, awake, clock))
        tx.save(replace(awake, active_rollout=rollout.name))
        operations.begin(tx, rollout)
    return rollout


def get_rollout(name: str, store: Store) -> Rollout:
    """One rollout."""
    matched(name, ROLLOUT)
    return store.get(Rollout, name)


def list_rollouts(parent: str, size: int, token: str, store: Store) -> Page[Rollout]:
    """The rollouts of a deployment, oldest first."""
    matched(parent, DEPLOYMENT, "parent")
    with store.read() as tx:
        return tx.page(Rollout, parent, size, token)


def pause_rollout(name: str, reason: str, store: Store, operations: Operations, clock: Clock) -> Rollout:
    """Pause a rollout at its current step; a fault still rolls it back."""
    return _steer(name, store, operations, lambda rollout: state_machine.pause(rollout, reason, clock.now()))


def resume_rollout(name: str, reason: str, store: Store, operations: Operations, clock: Clock) -> Rollout:
    """Resume a paused rollout."""
    return _steer(name, store, operations, lambda rollout: state_machine.resume(rollout, reason, clock.now()))


def abort_rollout(name: str, reason: str, store: Store, operations: Operations) -> Rollout:
    """Go back to the version that served before."""
    return _steer(name, store, operations, lambda rollout: state_machine.abort(rollout, reason))


def undo_rollout(
    name: str,
    reason: str,
    request_id: str,
    store: Store,
    operations: Operations,
    models: Models,
    host: EngineHost,
    clock: Clock,
) -> Rollout:
    """Go back: abort a rollout that is under way, or begin one to the version before."""
    rollout = get_rollout(name, store)
    if not rollout.ended and rollout.phase in REVERSIBLE:
        return abort_rollout(name, reason or "undone", store, operations)
    deployment = get_deployment(rollout.deployment, store)
    if not rollout.from_version or rollout.phase is not Phase.SUCCEEDED:
        raise NothingToUndo(f"{name} ended as {rollout.phase}: there is nothing to undo.")
    if deployment.version != rollout.to_version:
        raise NothingToUndo(f"{deployment.name} serves {deployment.version} now: undo the latest rollout.")
    as_it_came = None if rollout.strategy is Strategy.SECOND_ENGINE else rollout.strategy
    command = CreateRollout(
        rollout.deployment, "", rollout.from_version, as_it_came, rollout.bake, request_id=request_id
    )
    return create_rollout(command, store, operations, models, host, clock)


def scale_deployment(
    name: str, bounds: Bounds, store: Store, operations: Operations, host: EngineHost
) -> Deployment:
    """Let its engine have so many processes; what follows is done between rollouts."""
    matched(name, DEPLOYMENT)
    if bounds.most > host.most_replicas or (bounds.least == 0 and host.most_replicas == 1):
        raise ScalingUnavailable(
            f"A local engine has {host.most_replicas} replica: other numbers of replicas require engines "
            "on Kubernetes."
        )
    with store.write() as tx:
        deployment = tx.get(Deployment, name)
        operations.wake(tx, name)
        return deployment if deployment.bounds == bounds else tx.save(replace(deployment, bounds=bounds))


def wake_deployment(name: str, store: Store, operations: Operations, clock: Clock) -> Deployment:
    """Somebody asks for it: where it was scaled to none, it comes up again."""
    matched(name, DEPLOYMENT)
    with store.write() as tx:
        deployment = tx.get(Deployment, name)
        if deployment.replicas or deployment.wanted:
            return deployment
        operations.wake(tx, name)
        return tx.save(replace(deployment, wanted_at=clock.now()))


def inject_fault(command: InjectFault, store: Store, host: EngineHost) -> Engine:
    """Let a share of a version's answers fail: a drill for what watches them."""
    matched(command.deployment, DEPLOYMENT)
    if not 0 <= command.error_rate <= 1 or command.seconds < 0:
        raise InvalidArgument(
            "error_rate must be from 0 to 1, and seconds not negative.",
            reason="BAD_FAULT",
            field="error_rate",
        )
    with store.read() as tx:
        targets = tx.get(RouteTable, TABLE).route(command.deployment).targets
        engines = [tx.get(Engine, target.engine) for target in targets if target.version == command.version]
    if not engines:
        raise FaultsForbidden(
            f"{command.deployment} has no engine of {command.version or 'that version'} to inject a "
            "fault into."
        )
    for engine in engines:
        host.inject(engine, command.error_rate, command.seconds)
    return engines[0]


def route_table(store: Store) -> RouteTable:
    """What serves."""
    return store.get(RouteTable, TABLE)


def ensure_route_table(store: Store, clock: Clock) -> None:
    """Make the table of a new installation."""
    now = clock.now()
    with store.write() as tx:
        if tx.find(RouteTable, TABLE) is None:
            tx.create(RouteTable(TABLE, now, now, 0))


def report_traffic(gateway: str, reports: Sequence[TrafficSeen], book: TrafficBook, clock: Clock) -> None:
    """Take down what a gateway saw."""
    book.add_traffic(gateway, reports, clock.now())


def report_quality(reports: Sequence[VotesSeen], book: TrafficBook) -> None:
    """Take down what users thought."""
    book.add_votes(reports)


def _choice(
    command: CreateRollout, old: ModelSpec | None, new: ModelSpec, headroom: Headroom, processes: int
) -> Choice:
    """The strategy; one that lets both versions answer at once where they are to share the traffic."""
    choice = choose(command.strategy, old, new, headroom, processes)
    if not command.shares.percents or choice.strategy is not Strategy.IN_PLACE:
        return choice
    if command.strategy is not None:
        raise StrategyUnavailable(
            "IN_PLACE lets only one version answer at a time: leave `shares` out, or use SECOND_ENGINE."
        )
    return Choice(Strategy.SECOND_ENGINE, "two versions share the traffic for a while")


def _rollout(
    command: CreateRollout,
    rollout_id: str,
    deployment: Deployment,
    blue: Engine | None,
    choice: Choice,
    patience: Patience,
    clock: Clock,
) -> Rollout:
    now = clock.now()
    limits = IN_PLACE_LIMITS if choice.strategy is Strategy.IN_PLACE else Limits()
    version_id = matched(command.to_version, VERSION)[2]
    return Rollout(
        name=f"{deployment.name}/rollouts/{rollout_id}",
        create_time=now,
        update_time=now,
        revision=0,
        deployment=deployment.name,
        to_version=command.to_version,
        green=f"{deployment.name}/engines/{version_id}-{uuid7().hex[-8:]}",
        from_version=deployment.version,
        blue=deployment.engine,
        blue_attested=blue is not None and blue.attested,
        strategy=choice.strategy,
        bake=command.bake,
        weights=command.shares.weights,
        step_s=command.shares.step_s,
        limits=replace(limits, start_s=patience.start_s, placement_timeout_s=patience.room_s),
        phase_since=now,
        reason=choice.reason,
    )


def _weights(engine: Engine | None) -> ModelSpec | None:
    return None if engine is None else ModelSpec(engine.shape, engine.base_digest, rank=engine.most_rank)


def _engine(
    rollout: Rollout, version: ServableVersion, blue: Engine | None, deployment: Deployment, clock: Clock
) -> Engine:
    """The new version's engine; where it shares blue's process, it is reached by blue's secret."""
    now = clock.now()
    deployment_id = matched(rollout.deployment, DEPLOYMENT)[1]
    host = None if rollout.strategy is Strategy.SECOND_ENGINE else blue
    is_adapter = bool(version.weights.base_digest)
    return Engine(
        name=rollout.green,
        create_time=now,
        update_time=now,
        revision=0,
        version=version.name,
        artifact_digest=version.artifact_digest,
        signature_digest=version.signature_digest,
        golden_digest=version.golden_digest,
        served_name=f"{deployment_id}@{matched(version.name, VERSION)[2]}" if is_adapter else deployment_id,
        secret=host.secret if host else "",
        base_digest=version.weights.base_digest,
        base_signature_digest=version.base_signature_digest,
        most_rank=host.most_rank if host else max_rank_for(version.weights.rank),
        shape=version.weights.shape,
        shared_process=host.process if host else "",
        replicas=deployment.replicas,
        pool=deployment.pool,
        generation=version.generation,
        prompt=version.prompt,
    )


def _check_model(deployment: Deployment, version: ServableVersion) -> None:
    if parent_of(version.name) != deployment.model:
        raise InvalidArgument(
            f"{version.name} is not a version of {deployment.model}.",
            reason="BAD_NAME",
            field="rollout.to_version",
        )
    if not version.ready:
        raise VersionNotReady(f"{version.name} is not READY: wait until it is verified and signed.")


def _check_free(tx: Transaction, deployment: Deployment, to_version: str) -> None:
    active = tx.find(Rollout, deployment.active_rollout) if deployment.active_rollout else None
    if active is not None and not active.ended:
        raise RolloutActive(f"{active.name} is under way ({active.phase}): wait for its end, or abort it.")
    if deployment.version == to_version:
        raise AlreadyServing(f"{deployment.name} already serves {to_version}.")


def _why_not(rollout: Rollout) -> str:
    """Why a rollout takes no more commands, and what can be done instead."""
    if rollout.phase is Phase.SUCCEEDED:
        return "it has succeeded; undo starts a rollout to the previous version"
    if rollout.ended:
        return f"it ended as {rollout.phase}, and {rollout.from_version.rsplit('/', 1)[-1] or 'no version'} serves"
    if rollout.phase is Phase.PROMOTING:
        return "it is about to succeed; undo is possible once it has succeeded"
    return "it is already rolling back"


def _steer(name: str, store: Store, operations: Operations, change: Callable[[Rollout], Rollout]) -> Rollout:
    matched(name, ROLLOUT)
    with store.write() as tx:
        rollout = tx.get(Rollout, name)
        if rollout.phase not in REVERSIBLE:
            raise RolloutEnded(f"{name} can no longer be changed: {_why_not(rollout)}.")
        operations.wake(tx, name)
        return tx.save(change(rollout))
