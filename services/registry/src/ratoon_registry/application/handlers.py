"""One function a use case: the message first, the ports after."""

from dataclasses import replace

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.process.errors import Aborted, InvalidArgument
from ratoon.storage.names import checked_id, matched, parent_of, uuid7
from ratoon.storage.store import Store, Transaction
from ratoon.tasks.compute import SCORING_ACCELERATORS, check_compute
from ratoon.tasks.parity import Link, with_link
from ratoon_registry.application.commands import CreateModel, CreateVersion, SetAlias
from ratoon_registry.application.ports import Certificates, Verification, Weights
from ratoon_registry.domain.errors import AliasReserved, ModelInUse, ParentMismatch, VersionNotReady
from ratoon_registry.domain.events import AliasMoved
from ratoon_registry.domain.models import PRODUCTION, Alias, AliasChange, Model, VersionId, next_version_id
from ratoon_registry.domain.versions import ModelVersion, State
from ratoon_registry.domain.weights import MAX_NEIGHBOURS, USUAL_NEIGHBOURS, Neighbour, Summary

MODEL = "projects/*/models/*"
VERSION = f"{MODEL}/versions/*"
ALIAS = f"{MODEL}/aliases/*"
ALIAS_CHANGE = f"{MODEL}/aliasChanges/*"
_ATTEMPTS = 5
"""Attempts to add a link while other links are added."""


def create_model(command: CreateModel, store: Store, clock: Clock) -> Model:
    """Begin a line of versions."""
    matched(command.parent, "projects/*", "parent")
    now = clock.now()
    name = f"{command.parent}/models/{checked_id(command.model_id, 'model_id')}"
    with store.write() as tx:
        model, _ = tx.create(Model(name, now, now, command.display_name), command.request_id)
    return model


def create_version(
    command: CreateVersion, store: Store, operations: Operations, verification: Verification, clock: Clock
) -> ModelVersion:
    """Register an artifact; from the commit on it is verified."""
    if not command.artifact_digest:
        raise InvalidArgument(
            "artifact_digest is missing.", reason="ARTIFACT_MISSING", field="artifact_digest"
        )
    check_compute(command.compute, "verification_compute", SCORING_ACCELERATORS)
    verification.check_devices(command.compute)
    verification.check_named(command.artifact_digest)
    now = clock.now()
    with store.write() as tx:
        tx.get(Model, command.parent)
        reference = _reference(tx, command)
        version = ModelVersion(
            name=f"{command.parent}/versions/{_version_id(tx, command)}",
            create_time=now,
            update_time=now,
            artifact_digest=command.artifact_digest,
            golden_source_digest=command.golden_source_digest,
            lineage=command.lineage,
            changelog=command.changelog,
            scores=command.scores,
            compute=command.compute,
            serving_dtypes=command.serving_dtypes,
            reference_digest=reference,
            training_usage=command.training_usage,
        )
        version, new = tx.create(version, command.request_id)
        if new:
            operations.begin(tx, version)
    return version


def delete_model(model: Model, tx: Transaction) -> None:
    """Delete a model; ModelInUse while it has versions."""
    if versions := tx.page(ModelVersion, model.name, 1).items:
        raise ModelInUse(f"{model.name} has {versions[0].name}. A model with versions is not deleted.")
    tx.delete(model)


def delete_version(version: ModelVersion, tx: Transaction) -> None:
    """Delete a version that failed or was cancelled; ModelInUse in any other state."""
    name = version.name
    if not version.state.ended:
        raise ModelInUse(f"{name} is in progress. Cancel it, or wait for its end.")
    if not version.state.without_result:
        raise ModelInUse(f"{name} is READY: aliases, deployments and later versions may refer to it.")
    siblings = tx.all(ModelVersion, parent_of(name))
    if child := next((other.name for other in siblings if other.lineage.parent_version == name), ""):
        raise ModelInUse(f"{child} continues {name}. Delete it first.")
    tx.retire(version)


def set_alias(command: SetAlias, store: Store, clock: Clock) -> Alias:
    """Move an alias, and keep the move in its history."""
    model, alias_id = parent_of(command.name), matched(command.name, ALIAS)[2]
    if alias_id == PRODUCTION and not command.by_serving:
        raise AliasReserved(
            "The alias production records the version that serves: start a rollout, which moves the "
            "alias at its end."
        )
    now = clock.now()
    with store.write() as tx:
        _check_takes_alias(tx, model, command.version)
        before = tx.find(Alias, command.name)
        if before is not None and before.version == command.version:
            return before
        change = AliasChange(
            name=f"{model}/aliasChanges/{uuid7()}",
            create_time=now,
            update_time=now,
            alias=command.name,
            from_version=before.version if before else "",
            to_version=command.version,
            reason=command.reason,
            principal=command.principal,
        )
        _, new = tx.create(change, command.request_id)
        if not new:
            return tx.get(Alias, command.name)
        alias = _moved(tx, before, Alias(command.name, now, now, command.version))
        tx.publish(AliasMoved(change.from_version, change.to_version), alias)
    return alias


def _version_id(tx: Transaction, command: CreateVersion) -> VersionId:
    """Return the requested id, or the next one of the version that this continues."""
    if command.version_id:
        return VersionId.parse(command.version_id)
    parent = command.lineage.parent_version or command.lineage.derived_from
    if parent and parent_of(parent) != command.parent:
        raise ParentMismatch(f"{parent} is not a version of {command.parent}.")
    names = [version.name for version in tx.all(ModelVersion, command.parent)]
    names += tx.retired(ModelVersion, command.parent)
    existing = [VersionId.parse(matched(name, VERSION)[2]) for name in names]
    return next_version_id(existing, VersionId.parse(matched(parent, VERSION)[2]) if parent else None)


def _reference(tx: Transaction, command: CreateVersion) -> str:
    """Return the artifact of the version of which the new one is another form; empty: it is none."""
    name = command.lineage.derived_from
    if not name:
        return ""
    if parent_of(name) != command.parent:
        raise ParentMismatch(f"{name} is not a version of {command.parent}.")
    return _ready_version(tx.get(ModelVersion, name)).artifact_digest


def _ready_version(version: ModelVersion) -> ModelVersion:
    if version.state is not State.READY:
        raise VersionNotReady(f"{version.name} is {version.state}; only a READY version counts as a model.")
    return version


def _check_takes_alias(tx: Transaction, model: str, version_name: str) -> None:
    if parent_of(version_name) != model:
        raise InvalidArgument(
            f"{version_name} is not a version of {model}.", reason="BAD_NAME", field="version"
        )
    version = tx.get(ModelVersion, version_name)
    if version.state is not State.READY:
        raise VersionNotReady(f"{version_name} is {version.state}; only a READY version takes an alias.")


def _moved(tx: Transaction, before: Alias | None, after: Alias) -> Alias:
    if before is None:
        return tx.create(after)[0]
    return tx.save(Alias(after.name, before.create_time, after.update_time, after.version, before.revision))


def describe_version(name: str, store: Store, weights: Weights) -> Summary:
    """Return the tensors of a version."""
    matched(name, VERSION)
    return weights.describe(store.get(ModelVersion, name).artifact_digest)


def token_neighbours(
    name: str, token: str, count: int, store: Store, weights: Weights
) -> tuple[Neighbour, list[Neighbour]]:
    """Return a token of a version, and the tokens with the nearest embeddings."""
    matched(name, VERSION)
    if not token:
        raise InvalidArgument("token is missing.", reason="BAD_FIELD", field="token")
    if not 0 <= count <= MAX_NEIGHBOURS:
        raise InvalidArgument(f"count must be 0 to {MAX_NEIGHBOURS}.", reason="BAD_FIELD", field="count")
    digest = store.get(ModelVersion, name).artifact_digest
    return weights.neighbours(digest, token, count or USUAL_NEIGHBOURS)


def parity_certificate(
    name: str, store: Store, certificates: Certificates
) -> tuple[ModelVersion, tuple[Link, ...]]:
    """Return a READY version with the links of its parity certificate."""
    matched(name, VERSION)
    version = _ready_version(store.get(ModelVersion, name))
    return version, certificates.links(version.parity_digest)


def record_parity_link(
    name: str, link: Link, store: Store, certificates: Certificates
) -> tuple[ModelVersion, tuple[Link, ...]]:
    """Add a link to the parity certificate of a READY version; links that others add meanwhile stay.

    Aborted if the version keeps changing.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return _with_parity_link(name, link, store, certificates)
        except Aborted:
            continue
    return _with_parity_link(name, link, store, certificates)


def _with_parity_link(
    name: str, link: Link, store: Store, certificates: Certificates
) -> tuple[ModelVersion, tuple[Link, ...]]:
    version, links = parity_certificate(name, store, certificates)
    extended = with_link(links, link)
    if extended == links:
        return version, links
    digest = certificates.sealed(version.artifact_digest, extended)
    with store.write() as tx:
        return tx.save(replace(version, parity_digest=digest)), extended
