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
from ratoon_serving.application.ports import EngineHost, Models, ServableVersion, TrafficBook
from ratoon_serving.domain import machine
from ratoon_serving.domain.deployment import Deployment
from ratoon_serving.domain.engine import Engine
from ratoon_serving.domain.errors import (
    AlreadyServing,
    FaultsForbidden,
    NothingToUndo,
    RolloutActive,
    RolloutEnded,
    StrategyUnavailable,
    VersionNotReady,
)
from ratoon_serving.domain.rollout import REVERSIBLE, Phase, Rollout, Strategy
from ratoon_serving.domain.routes import TABLE, RouteTable

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
    host.prepare()
    now = clock.now()
    name = f"{command.parent}/deployments/{checked_id(command.deployment_id, 'deployment_id')}"
    with store.write() as tx:
        deployment, new = tx.create(Deployment(name, now, now, 0, command.model), command.request_id)
        if new:
            operations.begin(tx, deployment)
    return deployment


def get_deployment(name: str, store: Store) -> Deployment:
    """One deployment."""
    matched(name, DEPLOYMENT)
    with store.read() as tx:
        return tx.get(Deployment, name)


def list_deployments(parent: str, size: int, token: str, store: Store) -> Page[Deployment]:
    """The deployments of a project, oldest first."""
    matched(parent, "projects/*", "parent")
    with store.read() as tx:
        return tx.page(Deployment, parent, size, token)


def get_engine(name: str, store: Store) -> Engine:
    """One engine."""
    matched(name, ENGINE)
    with store.read() as tx:
        return tx.get(Engine, name)


def list_engines(parent: str, size: int, token: str, store: Store) -> Page[Engine]:
    """The engines that a deployment has had, oldest first."""
    matched(parent, DEPLOYMENT, "parent")
    with store.read() as tx:
        return tx.page(Engine, parent, size, token)


def create_rollout(
    command: CreateRollout, store: Store, operations: Operations, models: Models, clock: Clock
) -> Rollout:
    """Begin the way to a version; refused while another one is under way."""
    matched(command.parent, DEPLOYMENT, "parent")
    matched(command.to_version, VERSION, "rollout.to_version")
    if command.strategy is not Strategy.SECOND_ENGINE:
        raise StrategyUnavailable(
            f"{command.strategy} is not offered for these versions: use SECOND_ENGINE, which is safe for any."
        )
    version = models.version(command.to_version)
    rollout_id = checked_id(command.rollout_id, "rollout_id")
    with store.write() as tx:
        deployment = tx.get(Deployment, command.parent)
        _check_model(deployment, version)
        rollout = _rollout(command, rollout_id, deployment, tx.find(Engine, deployment.engine), clock)
        rollout, new = tx.create(rollout, command.request_id)
        if not new:
            return rollout
        _check_free(tx, deployment, command.to_version)
        tx.create(_engine(rollout, version, clock))
        tx.save(replace(deployment, active_rollout=rollout.name))
        operations.begin(tx, rollout)
    return rollout


def get_rollout(name: str, store: Store) -> Rollout:
    """One rollout."""
    matched(name, ROLLOUT)
    with store.read() as tx:
        return tx.get(Rollout, name)


def list_rollouts(parent: str, size: int, token: str, store: Store) -> Page[Rollout]:
    """The rollouts of a deployment, oldest first."""
    matched(parent, DEPLOYMENT, "parent")
    with store.read() as tx:
        return tx.page(Rollout, parent, size, token)


def pause_rollout(name: str, store: Store, operations: Operations) -> Rollout:
    """Hold it where it is; what is wrong still leads back."""
    return _steer(name, store, operations, lambda rollout: replace(rollout, paused=True))


def resume_rollout(name: str, store: Store, operations: Operations) -> Rollout:
    """Let it go on."""
    return _steer(name, store, operations, lambda rollout: replace(rollout, paused=False))


def abort_rollout(name: str, reason: str, store: Store, operations: Operations) -> Rollout:
    """Go back to the version that served before."""
    return _steer(name, store, operations, lambda rollout: machine.abort(rollout, reason))


def undo_rollout(
    name: str,
    reason: str,
    request_id: str,
    store: Store,
    operations: Operations,
    models: Models,
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
        raise NothingToUndo(f"{deployment.name} serves {deployment.version} by now: undo the latest rollout.")
    command = CreateRollout(
        rollout.deployment, "", rollout.from_version, bake=rollout.bake, request_id=request_id
    )
    return create_rollout(command, store, operations, models, clock)


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
            f"{command.deployment} has no engine of {command.version or 'that version'} to disturb."
        )
    for engine in engines:
        host.inject(engine, command.error_rate, command.seconds)
    return engines[0]


def route_table(store: Store) -> RouteTable:
    """What serves."""
    with store.read() as tx:
        return tx.get(RouteTable, TABLE)


def ensure_route_table(store: Store, clock: Clock) -> None:
    """Make the table of a new installation."""
    now = clock.now()
    with store.write() as tx:
        if tx.find(RouteTable, TABLE) is None:
            tx.create(RouteTable(TABLE, now, now, 0))


def report_traffic(reports: Sequence[TrafficSeen], book: TrafficBook) -> None:
    """Take down what gateways saw."""
    for report in reports:
        book.add_traffic(report.gateway, report.engine, report.window, report.traffic)


def report_quality(reports: Sequence[VotesSeen], book: TrafficBook) -> None:
    """Take down what users thought."""
    for report in reports:
        book.add_votes(report.version, report.window, report.votes)


def _rollout(
    command: CreateRollout, rollout_id: str, deployment: Deployment, blue: Engine | None, clock: Clock
) -> Rollout:
    now = clock.now()
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
        strategy=command.strategy,
        bake=command.bake,
        phase_since=now,
        reason="a second engine is safe for any pair of versions",
    )


def _engine(rollout: Rollout, version: ServableVersion, clock: Clock) -> Engine:
    now = clock.now()
    deployment_id = matched(rollout.deployment, DEPLOYMENT)[1]
    return Engine(
        name=rollout.green,
        create_time=now,
        update_time=now,
        revision=0,
        version=version.name,
        artifact_digest=version.artifact_digest,
        signature_digest=version.signature_digest,
        golden_digest=version.golden_digest,
        served_name=deployment_id,
    )


def _check_model(deployment: Deployment, version: ServableVersion) -> None:
    if parent_of(version.name) != deployment.model:
        raise InvalidArgument(
            f"{version.name} is no version of {deployment.model}.",
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
        raise AlreadyServing(f"{deployment.name} serves {to_version} already.")


def _steer(name: str, store: Store, operations: Operations, change: Callable[[Rollout], Rollout]) -> Rollout:
    matched(name, ROLLOUT)
    with store.write() as tx:
        rollout = tx.get(Rollout, name)
        if rollout.phase not in REVERSIBLE:
            raise RolloutEnded(
                f"{name} is {rollout.phase}: it can no longer be steered; undo starts the way back."
            )
        operations.wake(tx, name)
        return tx.save(change(rollout))
