"""Exports of models: creation, the job behind them, deletion."""

import json
from dataclasses import dataclass, field, replace
from typing import Protocol

from ratoon.operations.job_machine import JobObservation, Phase, step
from ratoon.operations.job_procedure import JobProcedure, JobRunner
from ratoon.operations.operations import Claim, Operations
from ratoon.process.clock import Clock
from ratoon.process.errors import InvalidArgument
from ratoon.storage.names import checked_id, matched, project_of
from ratoon.storage.store import Store, Transaction
from ratoon.tasks.parity import Link, link_of
from ratoon_training.application.ports import BaseModels
from ratoon_training.domain.errors import BadModelExport, RunInUse
from ratoon_training.domain.model_exports import Exported, ModelExport, checked, exported

MODEL_EXPORT = "projects/*/modelExports/*"
_POLL_INTERVAL_S = 0.5

ModelExports = JobRunner[ModelExport, Exported]


class Certificates(Protocol):
    """Parity certificates of model versions."""

    def record(self, version: str, link: Link) -> None:
        """Add a link to the certificate of a version; Unavailable while its service does not answer."""
        ...


@dataclass(frozen=True)
class CreateModelExport:
    """Create this export, whose name is still `parent` (a project)."""

    export: ModelExport
    export_id: str
    request_id: str = ""


def create_model_export(
    command: CreateModelExport, store: Store, operations: Operations, clock: Clock, bases: BaseModels
) -> ModelExport:
    """Create an export; the work starts with the commit."""
    parent, requested = command.export.name, command.export
    matched(parent, "projects/*", "parent")
    if not requested.source_digest:
        raise InvalidArgument(
            "source_digest is missing: name a model artifact.",
            reason="DIGEST_MISSING",
            field="model_export.source_digest",
        )
    if requested.source_version and project_of(requested.source_version) != project_of(parent):
        raise BadModelExport(
            f"{requested.source_version} belongs to another project.", "model_export.source_version"
        )
    now = clock.now()
    export = replace(
        checked(requested, is_adapter=bool(bases.describe(requested.source_digest).lora_rank)),
        name=f"{parent}/modelExports/{checked_id(command.export_id, 'model_export_id')}",
        create_time=now,
        update_time=now,
    )
    with store.write() as tx:
        export, new = tx.create(export, command.request_id)
        if new:
            operations.begin(tx, export)
    return export


def delete_model_export(export: ModelExport, tx: Transaction) -> None:
    """Delete an export that has ended; RunInUse in any other state."""
    if not export.state.ended:
        raise RunInUse(f"{export.name} is in progress. Cancel it, or wait for its end.")
    tx.retire(export)


@dataclass(frozen=True)
class _ExportProcedure(JobProcedure[ModelExport, ModelExport, Exported]):
    """Procedure of an export, whose comparison becomes a link of the certificate of the exported version."""

    certificates: Certificates = field(kw_only=True)

    def observe(self, resource: ModelExport, claim: Claim) -> JobObservation[Exported]:
        """Return the state of the job; its comparison is recorded before the export ends."""
        observation = self.jobs.observe(self.job_id(claim))
        result = observation.result
        if observation.phase is Phase.SUCCEEDED and result and result.parity and resource.source_version:
            link = link_of(json.loads(result.parity))
            self.certificates.record(resource.source_version, replace(link, source=resource.name))
        return observation


def model_export_procedure(
    jobs: ModelExports, certificates: Certificates
) -> JobProcedure[ModelExport, ModelExport, Exported]:
    """Return the procedure behind CreateModelExport; the input of the job is the export itself."""
    return _ExportProcedure(
        ModelExport,
        "model-export",
        jobs,
        lambda export: export,
        lambda export, observation, now: step(export, observation, now, exported),
        _POLL_INTERVAL_S,
        certificates=certificates,
    )
