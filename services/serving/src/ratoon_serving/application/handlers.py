"""One function a use case: the message first, the ports after."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.process.errors import InvalidArgument, RatoonError
from ratoon.storage.names import checked_id, matched, parent_of, uuid7
from ratoon.storage.store import Store, Transaction
from ratoon.tasks.compute import Compute, Dtype, check_compute, weights_misfit
from ratoon_serving.application.commands import (
    CreateDeployment,
    CreateRollout,
    DeleteDeployment,
    InjectFault,
    ReportShadowComparison,
    TrafficReport,
    VoteReport,
)
from ratoon_serving.application.ports import EngineHost, EngineTimeouts, Models, ServableVersion, TrafficBook
from ratoon_serving.domain.capacity import Demand, ServingPlan, plan_capacity
from ratoon_serving.domain.deployment import Deployment
from ratoon_serving.domain.engine import Engine, EngineState, EngineStopped
from ratoon_serving.domain.errors import (
    AlreadyServing,
    DeploymentInUse,
    FaultsForbidden,
    NothingToUndo,
    RolloutActive,
    RolloutEnded,
    ScalingUnavailable,
    StrategyUnavailable,
    VersionNotReady,
    WeightsNotServable,
)
from ratoon_serving.domain.rollouts import state_machine
from ratoon_serving.domain.rollouts.adapter_swap import max_rank_for, shares_base_model
from ratoon_serving.domain.rollouts.in_place import IN_PLACE_LIMITS, are_interchangeable
from ratoon_serving.domain.rollouts.model_spec import ModelSpec
from ratoon_serving.domain.rollouts.rollout import REVERSIBLE, Limits, Phase, Rollout, Strategy
from ratoon_serving.domain.rollouts.second_engine import Headroom
from ratoon_serving.domain.rollouts.selection import Choice, choose
from ratoon_serving.domain.routes import TABLE, RouteTable
from ratoon_serving.domain.scaling import Bounds, woken

_PLANNED_BY_S = 1800.0
"""Length of the traffic that a serving plan follows from, in seconds."""
DEPLOYMENT = "projects/*/deployments/*"
ENGINE = f"{DEPLOYMENT}/engines/*"
ROLLOUT = f"{DEPLOYMENT}/rollouts/*"
VERSION = "projects/*/models/*/versions/*"


def create_deployment(
    command: CreateDeployment, store: Store, operations: Operations, host: EngineHost, clock: Clock
) -> Deployment:
    """Create a deployment; from the commit on it is reconciled."""
    matched(command.parent, "projects/*", "parent")
    matched(command.model, "projects/*/models/*", "deployment.model")
    host.prepare(_pool(host, command.pool, command.compute, "deployment.compute"))
    now = clock.now()
    name = f"{command.parent}/deployments/{checked_id(command.deployment_id, 'deployment_id')}"
    with store.write() as tx:
        deployment, new = tx.create(
            Deployment(name, now, now, 0, command.model, pool=command.pool, compute=command.compute),
            command.request_id,
        )
        if new:
            operations.begin(tx, deployment)
    return deployment


def delete_deployment(
    command: DeleteDeployment, store: Store, operations: Operations, host: EngineHost
) -> None:
    """Delete a deployment with its engines and rollouts; refused during a rollout, and while it serves unless forced.

    Its processes end after the commit; the next start of serving ends those that a crash leaves.
    """
    matched(command.name, DEPLOYMENT)
    with store.write() as tx:
        deployment = tx.find(Deployment, command.name)
        if deployment is None and command.allow_missing:
            return
        deployment = deployment or tx.get(Deployment, command.name)
        _check_idle(tx, deployment, command.force)
        own = tx.live(Engine, deployment.name)
        _delete(tx, deployment, operations)
        shared = {each.process for each in tx.live(Engine)}
    for engine in own:
        if engine.process in shared:
            with suppress(RatoonError):  # a process that has ended has nothing to unload
                host.unload(engine)
    host.stop_unknown(lambda process: process in shared or parent_of(process) != command.name)


def _check_idle(tx: Transaction, deployment: Deployment, force: bool) -> None:
    """RolloutActive during a rollout; DeploymentInUse while engines are live, unless forced."""
    active = tx.find(Rollout, deployment.active_rollout) if deployment.active_rollout else None
    if active is not None and not active.ended:
        raise RolloutActive(f"{active.name} is under way. Abort it, or wait for its end.")
    if not force and (live := tx.live(Engine, deployment.name)):
        raise DeploymentInUse(
            f"{deployment.name} serves {live[0].version} by {live[0].name}. Scale it to 0 replicas, or set `force`."
        )


def _delete(tx: Transaction, deployment: Deployment, operations: Operations) -> None:
    table = tx.get(RouteTable, TABLE)
    routed = table.without_route(deployment.name)
    if routed != table:
        tx.save(routed)
    for engine in tx.live(Engine, deployment.name):
        tx.publish(EngineStopped(engine.version), engine)
    for engine in tx.all(Engine, deployment.name):
        tx.retire(engine)
    for rollout in tx.all(Rollout, deployment.name):
        operations.end(tx, rollout.name)
        tx.retire(rollout)
    operations.end(tx, deployment.name)
    tx.delete(deployment)


def create_rollout(
    command: CreateRollout,
    store: Store,
    operations: Operations,
    models: Models,
    host: EngineHost,
    clock: Clock,
) -> Rollout:
    """Start a rollout to a version; refused while another one is active."""
    matched(command.parent, DEPLOYMENT, "parent")
    matched(command.to_version, VERSION, "rollout.to_version")
    version, known = models.version(command.to_version), store.get(Deployment, command.parent)
    compute = command.compute or known.compute or _natural_compute(version.model)
    pool = _pool(host, known.pool, compute, "rollout.compute")
    _check_weights(version, compute, host, pool)
    headroom = host.headroom(pool)
    rollout_id = checked_id(command.rollout_id, "rollout_id")
    with store.write() as tx:
        deployment = tx.get(Deployment, command.parent)
        _check_model(deployment, version)
        blue = tx.find(Engine, deployment.engine)
        warm = _model_spec(blue) if blue is not None and blue.compute == compute else None
        neighbour = None
        if command.strategy in (None, Strategy.ADAPTER_SWAP) and not shares_base_model(warm, version.model):
            neighbour = _neighbour(tx, version, compute, pool, host.max_shared_adapters)
        choice = (
            Choice(Strategy.ADAPTER_SWAP, "an engine has the base model of the adapter")
            if neighbour
            else _choice(command, warm, version.model, headroom, max(1, deployment.replicas))
        )
        rollout = _rollout(command, rollout_id, deployment, blue, choice, host.timeouts, clock)
        interchangeable = are_interchangeable(warm, version.model)
        rollout = replace(rollout, interchangeable=interchangeable, compute=compute)
        rollout, new = tx.create(rollout, command.request_id)
        if not new:
            return rollout
        _check_free(tx, deployment, command.to_version)
        awake = replace(deployment, replicas=deployment.replicas or woken(deployment.bounds))
        warm_engine = None if choice.strategy is Strategy.SECOND_ENGINE else neighbour or blue
        shared = host.max_shared_adapters > 1
        tx.create(
            _engine(rollout, version, warm_engine, replace(awake, pool=pool), clock, names_project=shared)
        )
        tx.save(replace(awake, active_rollout=rollout.name))
        operations.begin(tx, rollout)
    return rollout


def pause_rollout(name: str, reason: str, store: Store, operations: Operations, clock: Clock) -> Rollout:
    """Pause a rollout at its current step; a fault still rolls it back."""
    return _steer(name, store, operations, lambda rollout: state_machine.pause(rollout, reason, clock.now()))


def resume_rollout(name: str, reason: str, store: Store, operations: Operations, clock: Clock) -> Rollout:
    """Resume a paused rollout."""
    return _steer(name, store, operations, lambda rollout: state_machine.resume(rollout, reason, clock.now()))


def abort_rollout(name: str, reason: str, store: Store, operations: Operations) -> Rollout:
    """Roll back to the version that served before."""
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
    """Abort an active rollout, or start one to the previous version."""
    matched(name, ROLLOUT)
    rollout = store.get(Rollout, name)
    if not rollout.ended and rollout.phase in REVERSIBLE:
        return abort_rollout(name, reason or "undone", store, operations)
    deployment = store.get(Deployment, rollout.deployment)
    if not rollout.from_version or rollout.phase is not Phase.SUCCEEDED:
        raise NothingToUndo(f"{name} ended as {rollout.phase}: there is nothing to undo.")
    if deployment.version != rollout.to_version:
        raise NothingToUndo(f"{deployment.name} serves {deployment.version} now: undo the latest rollout.")
    strategy = Strategy.IN_PLACE if rollout.strategy is Strategy.IN_PLACE else None
    command = CreateRollout(
        rollout.deployment,
        "",
        rollout.from_version,
        strategy,
        rollout.bake,
        request_id=request_id,
        compute=_compute_of(store, rollout.blue),
    )
    return create_rollout(command, store, operations, models, host, clock)


def scale_deployment(
    name: str, bounds: Bounds, store: Store, operations: Operations, host: EngineHost
) -> Deployment:
    """Set the bounds of scaling; the engine is scaled between rollouts."""
    matched(name, DEPLOYMENT)
    if bounds.max_replicas > host.max_replicas or (bounds.min_replicas == 0 and host.max_replicas == 1):
        raise ScalingUnavailable(
            f"A local engine has {host.max_replicas} replica: other numbers of replicas require engines "
            "on Kubernetes."
        )
    with store.write() as tx:
        deployment = tx.get(Deployment, name)
        operations.wake(tx, name)
        return deployment if deployment.bounds == bounds else tx.save(replace(deployment, bounds=bounds))


def plan_deployment(
    name: str, demand: Demand, store: Store, traffic: TrafficBook, host: EngineHost, clock: Clock
) -> ServingPlan:
    """Return how many engines and gateways a rate takes, by the traffic of the last half hour or stated rates.

    With a stated rate of an engine, the deployment need not exist: plan before the first rollout.
    """
    matched(name, DEPLOYMENT)
    if demand.engine_requests_per_second:
        return plan_capacity(demand, 0.0, host.max_replicas)
    deployment = store.get(Deployment, name)
    since = clock.now() - timedelta(seconds=_PLANNED_BY_S)
    rate = traffic.peak_rate(deployment.engine, since) if deployment.engine else 0.0
    return plan_capacity(demand, rate / max(1, deployment.replicas), host.max_replicas)


def wake_deployment(name: str, store: Store, operations: Operations, clock: Clock) -> Deployment:
    """Request a deployment: one that was scaled to zero starts again."""
    matched(name, DEPLOYMENT)
    with store.write() as tx:
        deployment = tx.get(Deployment, name)
        if deployment.replicas or deployment.wake_requested:
            return deployment
        operations.wake(tx, name)
        return tx.save(replace(deployment, wake_requested_at=clock.now()))


def inject_fault(command: InjectFault, store: Store, host: EngineHost) -> Engine:
    """Let a share of the answers of a version fail, as a drill."""
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


def ensure_route_table(store: Store, clock: Clock) -> None:
    """Create the route table of a new installation."""
    now = clock.now()
    with store.write() as tx:
        if tx.find(RouteTable, TABLE) is None:
            tx.create(RouteTable(TABLE, now, now, 0))


def report_traffic(gateway: str, reports: Sequence[TrafficReport], book: TrafficBook, clock: Clock) -> None:
    """Store the traffic that a gateway reports."""
    book.add_traffic(gateway, reports, clock.now())


def report_quality(reports: Sequence[VoteReport], book: TrafficBook) -> None:
    """Store the votes of users."""
    book.add_votes(reports)


def report_shadow_comparison(command: ReportShadowComparison, store: Store, operations: Operations) -> None:
    """Store the comparison of a rollout, ended or not, in place of an older one."""
    matched(command.name, ROLLOUT)
    with store.write() as tx:
        rollout = tx.get(Rollout, command.name)
        known = rollout.comparison
        if known is not None and known.time >= command.comparison.time:
            return
        tx.save(replace(rollout, comparison=command.comparison))
        if rollout.waits_for_pairs:
            operations.wake(tx, command.name)


def _choice(
    command: CreateRollout, old: ModelSpec | None, new: ModelSpec, headroom: Headroom, processes: int
) -> Choice:
    """Return the strategy; one in which both versions serve at once if they share the traffic."""
    choice = choose(command.strategy, old, new, headroom, processes)
    both = "shares" if command.shares.percents else "shadow" if command.shadow.share else ""
    if not both or choice.strategy is not Strategy.IN_PLACE:
        return choice
    if command.strategy is not None:
        raise StrategyUnavailable(
            f"IN_PLACE lets only one version answer at a time: leave `{both}` out, or use SECOND_ENGINE."
        )
    why = "two versions share the traffic" if both == "shares" else "both versions answer the same requests"
    return Choice(Strategy.SECOND_ENGINE, f"{why} for a while")


def _rollout(
    command: CreateRollout,
    rollout_id: str,
    deployment: Deployment,
    blue: Engine | None,
    choice: Choice,
    timeouts: EngineTimeouts,
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
        weights=((0,) if command.shadow.waits and deployment.version else ()) + command.shares.weights,
        step_s=command.shares.step_s,
        limits=replace(limits, start_s=timeouts.start_s, placement_timeout_s=timeouts.placement_timeout_s),
        phase_since=now,
        reason=choice.reason,
        shadow=command.shadow,
    )


def _neighbour(
    tx: Transaction, version: ServableVersion, compute: Compute | None, pool: str, max_deployments: int
) -> Engine | None:
    """Return an adapter, of any deployment, whose process can load the adapter too; None if there is none."""
    if max_deployments <= 1 or not version.model.base_digest:
        return None
    live = tx.live(Engine)
    for other in live:
        serves = other.attested and other.state is EngineState.READY and other.replicas == 1
        same = (other.compute, other.pool) == (compute, pool)
        if serves and same and shares_base_model(_model_spec(other), version.model):
            deployments = {parent_of(each.name) for each in live if each.process == other.process}
            if len(deployments) < max_deployments:
                return other
    return None


def _model_spec(engine: Engine) -> ModelSpec:
    return ModelSpec(engine.shape, engine.base_digest, rank=engine.max_rank)


def _pool(host: EngineHost, name: str, compute: Compute | None, field: str) -> str:
    """Return the pool of an engine; ComputeNotSupported or FailedPrecondition if there is none for its devices."""
    if compute is not None:
        check_compute(compute, field)
    return host.pool(name, compute)


def _natural_compute(model: ModelSpec) -> Compute | None:
    """Return what a compressed version was made for; None: what the pool has."""
    dtype = model.dtype or (Dtype.BFLOAT16 if model.weights else None)
    return Compute(dtype=dtype) if dtype else None


def _check_weights(version: ServableVersion, compute: Compute | None, host: EngineHost, pool: str) -> None:
    """Raise WeightsNotServable if engines of the pool cannot compute the weights: vLLM would fail at a request."""
    misfit = weights_misfit(version.model.weights, compute or Compute(), host.cpu_flags(pool))
    if misfit:
        raise WeightsNotServable(f"{version.name} cannot be served: {misfit}")


def _compute_of(store: Store, engine: str) -> Compute | None:
    """Return the devices of an engine, ended or not."""
    with store.read() as tx:
        known = tx.find(Engine, engine)
    return known.compute if known else None


def _engine(
    rollout: Rollout,
    version: ServableVersion,
    host: Engine | None,
    deployment: Deployment,
    clock: Clock,
    *,
    names_project: bool,
) -> Engine:
    """Return the engine of the new version; in the process of `host` it has the secret of that."""
    now = clock.now()
    project, deployment_id = matched(rollout.deployment, DEPLOYMENT)
    adapter_name = f"{deployment_id}@{matched(version.name, VERSION)[2]}"
    if names_project or (host and parent_of(host.process) != deployment.name):
        adapter_name += f"@{project}"  # deployments of other projects may have the same id
    is_adapter = bool(version.model.base_digest)
    return Engine(
        name=rollout.green,
        create_time=now,
        update_time=now,
        revision=0,
        version=version.name,
        artifact_digest=version.artifact_digest,
        signature_digest=version.signature_digest,
        golden_digest=version.golden_digest,
        served_name=adapter_name if is_adapter else deployment_id,
        secret=host.secret if host else "",
        base_digest=version.model.base_digest,
        base_signature_digest=version.base_signature_digest,
        max_rank=host.max_rank if host else max_rank_for(version.model.rank),
        shape=version.model.shape,
        shared_process=host.process if host else "",
        replicas=deployment.replicas,
        pool=deployment.pool,
        generation=version.generation,
        prompt=version.prompt,
        compute=rollout.compute,
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


def _refusal(rollout: Rollout) -> str:
    """Return why a rollout cannot be changed any more, and what can be done instead."""
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
            raise RolloutEnded(f"{name} can no longer be changed: {_refusal(rollout)}.")
        operations.wake(tx, name)
        return tx.save(change(rollout))
