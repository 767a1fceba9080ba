"""Domain to protobuf and back; entrypoints and adapters use it, nothing else does."""

from dataclasses import replace
from datetime import datetime

from google.protobuf.message import Message

from ratoon.common.v1 import generation_pb2, parity_pb2, progress_pb2
from ratoon.events.ports import Record
from ratoon.jobs.v1 import registry_jobs_pb2 as jobs_pb2
from ratoon.operations.job_machine import Cancelled, Failed
from ratoon.process.errors import InvalidArgument
from ratoon.registry.v1 import (
    model_pb2,
    model_summary_pb2,
    model_version_pb2,
    parity_certificate_pb2,
    registry_events_pb2,
    registry_service_pb2,
)
from ratoon.runtime.timestamps import timestamp
from ratoon.service.compute import compute_of, dtype_message, dtypes_of, message_of
from ratoon.service.events import record_of
from ratoon.service.parity import link_message, link_of_message, measured_at
from ratoon.tasks.compute import Compute
from ratoon.tasks.parity import Link, verdict_of
from ratoon_registry.application.commands import CreateModel, CreateVersion, SetAlias
from ratoon_registry.domain.events import AliasMoved
from ratoon_registry.domain.generation import Generation, PromptLimits
from ratoon_registry.domain.models import Alias, AliasChange, Model
from ratoon_registry.domain.versions import Lineage, ModelVersion, Registered, TrainingUsage, Verified
from ratoon_registry.domain.weights import Neighbour, Summary


def model(value: Model) -> model_pb2.Model:
    """A model as callers see it."""
    return model_pb2.Model(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        display_name=value.display_name,
        etag=str(value.revision),
    )


def summary(name: str, value: Summary) -> model_summary_pb2.ModelSummary:
    """The weights of a version as callers see them."""
    layers = [
        model_summary_pb2.ModelSummary.Layer(
            name=layer.name,
            dtype=layer.dtype,
            shape=layer.shape,
            parameter_count=layer.parameters,
            trained=layer.trained,
        )
        for layer in value.layers
    ]
    return model_summary_pb2.ModelSummary(
        name=name,
        architecture=value.architecture,
        parameter_count=value.parameters,
        trained_parameter_count=value.trained_parameters,
        size_bytes=value.size_bytes,
        layers=layers,
    )


def neighbours(name: str, token: Neighbour, nearest: list[Neighbour]) -> model_summary_pb2.TokenNeighbours:
    """The neighbours of a token as callers see them."""
    listed = [model_summary_pb2.TokenNeighbours.Neighbour(**vars(each)) for each in nearest]
    return model_summary_pb2.TokenNeighbours(
        name=name, token=token.token, token_id=token.token_id, neighbours=listed
    )


def version(value: ModelVersion) -> model_version_pb2.ModelVersion:
    """A version as callers see it."""
    message = model_version_pb2.ModelVersion(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        state=model_version_pb2.ModelVersion.State.Value(f"STATE_{value.state}"),
        artifact_digest=value.artifact_digest,
        lineage=model_version_pb2.Lineage(**vars(value.lineage)),
        changelog=value.changelog,
        progress=progress_pb2.Progress(fraction=value.progress.fraction, message=value.progress.message),
        signature_digest=value.signature_digest,
        golden_digest=value.golden_digest,
        parameter_count=value.parameter_count,
        size_bytes=value.size_bytes,
        base_artifact_digest=value.base_artifact_digest,
        base_signature_digest=value.base_signature_digest,
        golden_source_digest=value.golden_source_digest,
        scores=value.scores,
        generation_defaults=generation_pb2.GenerationDefaults(**vars(value.generation)),
        max_prompt_characters=value.prompt.max_characters,
        max_prompt_tokens=value.prompt.max_tokens,
        context_tokens=value.prompt.context_tokens,
        verification_compute=message_of(value.compute),
        serving_dtypes=map(dtype_message, value.serving_dtypes),
        parity_digest=value.parity_digest,
        training_usage=_usage(value.training_usage),
    )
    if value.failure_reason:
        message.failure.reason, message.failure.message = value.failure_reason, value.failure_message
    return message


def _card_usage(value: TrainingUsage) -> jobs_pb2.VerificationSpec.TrainingUsage | None:
    return None if value == TrainingUsage() else jobs_pb2.VerificationSpec.TrainingUsage(**vars(value))


def _usage(value: TrainingUsage) -> model_version_pb2.TrainingUsage | None:
    return None if value == TrainingUsage() else model_version_pb2.TrainingUsage(**vars(value))


def alias(value: Alias) -> model_pb2.Alias:
    """An alias as callers see it."""
    return model_pb2.Alias(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        version=value.version,
    )


def alias_change(value: AliasChange) -> model_pb2.AliasChange:
    """A move of an alias as callers see it."""
    return model_pb2.AliasChange(
        alias=value.alias,
        change_time=timestamp(value.create_time),
        from_version=value.from_version,
        to_version=value.to_version,
        reason=value.reason,
        principal=value.principal,
    )


def create_model(request: registry_service_pb2.CreateModelRequest) -> CreateModel:
    """Return the command of a CreateModel request."""
    return CreateModel(request.parent, request.model_id, request.model.display_name, request.request_id)


def create_version(request: registry_service_pb2.CreateModelVersionRequest) -> CreateVersion:
    """Return the command of a CreateModelVersion request."""
    version = request.model_version
    return CreateVersion(
        parent=request.parent,
        version_id=request.model_version_id,
        artifact_digest=version.artifact_digest,
        golden_source_digest=version.golden_source_digest,
        lineage=Lineage(**{field: getattr(version.lineage, field) for field in Lineage.__dataclass_fields__}),
        changelog=version.changelog,
        scores=dict(version.scores),
        request_id=request.request_id,
        compute=compute_of(version.verification_compute),
        serving_dtypes=dtypes_of(version.serving_dtypes),
        training_usage=TrainingUsage(
            **{name: getattr(version.training_usage, name) for name in TrainingUsage.__dataclass_fields__}
        ),
    )


def set_alias(request: registry_service_pb2.SetAliasRequest, principal: str, by_serving: bool) -> SetAlias:
    """Return the command of a SetAlias request."""
    return SetAlias(request.name, request.version, request.reason, principal, by_serving, request.request_id)


def verification_spec(version: ModelVersion, golden_count: int) -> jobs_pb2.VerificationSpec:
    """Return the spec of the job that verifies a version."""
    return jobs_pb2.VerificationSpec(
        artifact_digest=version.artifact_digest,
        golden_source_digest=version.golden_source_digest,
        golden_count=golden_count,
        card=jobs_pb2.VerificationSpec.Card(
            name=version.name,
            changelog=version.changelog,
            scores=version.scores,
        ),
        training_usage=_card_usage(version.training_usage),
        compute=None if version.compute == Compute() else message_of(version.compute),
        dtypes=map(dtype_message, version.serving_dtypes),
        reference_digest=version.reference_digest,
    )


def verified(result: jobs_pb2.VerificationResult, parity_digest: str = "") -> Verified:
    """Return the result of a verification."""
    stated = {field.name: value for field, value in result.generation.ListFields()}
    prompt = result.prompt
    return Verified(
        artifact_digest=result.artifact_digest,
        signature_digest=result.signature_digest,
        golden_digest=result.golden_digest,
        parameter_count=result.parameter_count,
        size_bytes=result.size_bytes,
        base_artifact_digest=result.base_artifact_digest,
        base_signature_digest=result.base_signature_digest,
        generation=Generation(**stated),
        prompt=PromptLimits(prompt.max_characters, prompt.max_tokens, prompt.context_tokens),
        notice=result.notice,
        parity_digest=parity_digest,
    )


def certificate(version: ModelVersion, links: tuple[Link, ...]) -> parity_certificate_pb2.ParityCertificate:
    """A parity certificate as callers see it."""
    message = parity_certificate_pb2.ParityCertificate(
        name=version.name,
        digest=version.parity_digest,
        artifact_digest=version.artifact_digest,
        links=map(link_message, links),
    )
    if verdict := verdict_of(links):
        message.verdict = parity_pb2.ParityLink.Verdict.Value(f"VERDICT_{verdict}")
    return message


def parity_link(request: registry_service_pb2.RecordParityLinkRequest, now: datetime) -> Link:
    """Return the link of a RecordParityLink request; InvalidArgument if its step or verdict is not set."""
    if not request.link.step or not request.link.verdict:
        raise InvalidArgument("The link has no step or no verdict.", reason="BAD_FIELD", field="link")
    return replace(link_of_message(request.link), measure_time=measured_at(now))


def event(happened: object, name: str, revision: int) -> Record:
    """A domain event as a record of its topic."""
    return record_of("registry", _envelope(happened, name, revision))


def _envelope(happened: object, name: str, revision: int) -> Message:
    pb = registry_events_pb2
    match happened:
        case Registered(digest):
            registered = pb.ModelVersionRegistered(artifact_digest=digest)
            return pb.ModelVersionEvent(name=name, revision=revision, registered=registered)
        case Failed(reason):
            return pb.ModelVersionEvent(
                name=name, revision=revision, failed=pb.ModelVersionFailed(reason=reason)
            )
        case Cancelled():
            return pb.ModelVersionEvent(name=name, revision=revision, cancelled=pb.ModelVersionCancelled())
        case AliasMoved(before, after):
            return pb.AliasEvent(
                name=name, revision=revision, moved=pb.AliasMoved(from_version=before, to_version=after)
            )
    raise TypeError(f"{happened!r} is not an event of the registry")
