"""The registry as a service: its gRPC API over a real socket, database and event log; verification is a fake job."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ratoon.common.v1.compute_pb2 import Compute as Kinds
from ratoon.common.v1.parity_pb2 import ParityLink
from ratoon.common.v1.reference_service_pb2 import FindReferrersRequest
from ratoon.common.v1.reference_service_pb2_grpc import ReferenceServiceStub
from ratoon.operations.job_machine import Failure, JobObservation, Phase
from ratoon.process.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from ratoon.registry.v1 import model_pb2, model_version_pb2
from ratoon.registry.v1 import registry_service_pb2 as pb
from ratoon.registry.v1.registry_service_pb2_grpc import (
    RegistryServiceStub,
    add_RegistryServiceServicer_to_server,
)
from ratoon.runtime.lifecycle import App, Rpc
from ratoon.security.identity import Role, make_signing_key
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.migrations import migrate
from ratoon.tasks.compute import Accelerator, Compute
from ratoon.testkit.postgresql import Databases
from ratoon.testkit.services import State, serving
from ratoon_registry import mapping
from ratoon_registry.adapters import tables
from ratoon_registry.adapters.certificates import StoredCertificates
from ratoon_registry.adapters.seals import Sealer
from ratoon_registry.adapters.weights import StoredWeights
from ratoon_registry.application.procedures import version_procedure
from ratoon_registry.domain.versions import ModelVersion, Verified
from ratoon_registry.entrypoints.grpc import RegistryServicer
from ratoon_registry.settings import Settings

MODEL = "projects/p/models/mail"


class FakeVerification:
    """Succeeds at the second look; fails what is called 'bad'."""

    def __init__(self) -> None:
        self.started: dict[str, ModelVersion] = {}

    def check_devices(self, compute: Compute) -> None:
        if compute.accelerator is Accelerator.CUDA:
            raise FailedPrecondition("There is no GPU.", reason="ACCELERATOR_UNAVAILABLE")

    def check_named(self, artifact_digest: str) -> None:
        if artifact_digest.startswith("0"):
            raise InvalidArgument("A tree may not hold '../x'.", reason="BAD_TREE_PATH")

    def observe(self, job_id: str) -> JobObservation[Verified]:
        version = self.started.get(job_id)
        if version is None:
            return JobObservation(Phase.ABSENT)
        if version.artifact_digest.startswith("bad"):
            failure = Failure("PICKLE_FOUND", "model.bin is no safetensors file.")
            return JobObservation(Phase.FAILED, failure=failure)
        verified = Verified(version.artifact_digest, "s" * 64, "g" * 64, 10, 40)
        return JobObservation(Phase.SUCCEEDED, result=verified)

    def start(self, job_id: str, version: ModelVersion) -> None:
        self.started.setdefault(job_id, version)

    def stop(self, job_id: str) -> None:
        self.started.pop(job_id, None)

    def forget(self, job_id: str) -> None:
        self.stop(job_id)


def build(settings: Settings) -> App:
    base = ServiceRuntime(settings, Platform.of_process(), tables.METADATA)
    store = base.store(tables.RESOURCES, mapping.event)
    verification = FakeVerification()
    operations = base.operations(store, [version_procedure(verification)])
    artifacts = ArtifactStore(settings.artifacts_url)
    certificates = StoredCertificates(artifacts, Sealer(make_signing_key(settings.keys)))
    ports = (store, operations, verification, StoredWeights(artifacts), certificates, base.changes(store))
    servicer = RegistryServicer(*ports, base.threads, base.clock)
    return base.app(
        [Rpc("ratoon.registry.v1.RegistryService", add_RegistryServiceServicer_to_server, servicer)],
        [operations],
    )


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[State]:
    folder: Path = tmp_path_factory.mktemp("registry")
    settings = Settings(state=folder, database_url=databases.url("registry", folder))
    migrate("registry", settings.database_url)
    with State(folder) as state, serving([build(settings)]):
        yield state


@pytest.fixture
def registry(state: State) -> RegistryServiceStub:
    return RegistryServiceStub(state.as_role(Role.ENGINEER, "registry"))


@pytest.fixture(scope="module", autouse=True)
def a_model(state: State) -> None:
    RegistryServiceStub(state.as_role(Role.ENGINEER, "registry")).CreateModel(
        pb.CreateModelRequest(
            parent="projects/p", model_id="mail", model=model_pb2.Model(display_name="Mail")
        )
    )


def register(
    registry: RegistryServiceStub, digest: str = "a" * 64, request_id: str = "", parent_version: str = ""
):
    lineage = model_version_pb2.Lineage(parent_version=parent_version)
    version = model_version_pb2.ModelVersion(
        artifact_digest=digest, golden_source_digest="b" * 64, lineage=lineage
    )
    created = registry.CreateModelVersion(
        pb.CreateModelVersionRequest(parent=MODEL, model_version=version, request_id=request_id)
    )
    *_, last = registry.WatchModelVersion(pb.WatchModelVersionRequest(name=created.name), timeout=20)
    return last


def test_a_version_is_watched_until_it_is_ready_and_the_next_continues_its_number(registry):
    first = register(registry)
    assert first.state == model_version_pb2.ModelVersion.STATE_READY
    assert first.signature_digest == "s" * 64
    second = register(registry, parent_version=first.name)
    major, minor = first.name.rpartition("/v")[2].split(".")
    assert second.name.startswith(f"{MODEL}/versions/v{major}.")
    assert int(second.name.rpartition(".")[2]) > int(minor)


def test_a_tree_with_a_bad_entry_is_refused_when_it_is_named(registry):
    with pytest.raises(InvalidArgument, match=r"\.\./x"):
        register(registry, "0" * 64)


def test_devices_that_are_missing_or_not_used_are_refused_and_others_stay_with_the_version(registry):
    def create(**compute) -> model_version_pb2.ModelVersion:
        version = model_version_pb2.ModelVersion(
            artifact_digest="a" * 64,
            verification_compute=Kinds(**compute),
            serving_dtypes=[Kinds.DTYPE_BFLOAT16],
        )
        return registry.CreateModelVersion(pb.CreateModelVersionRequest(parent=MODEL, model_version=version))

    with pytest.raises(FailedPrecondition, match="no GPU"):
        create(accelerator=Kinds.ACCELERATOR_CUDA)
    with pytest.raises(FailedPrecondition, match=r"verification_compute\.accelerator to cpu or cuda"):
        create(accelerator=Kinds.ACCELERATOR_NEURON)
    with pytest.raises(FailedPrecondition, match="one device, not 4"):
        create(devices=4)
    created = create(dtype=Kinds.DTYPE_FLOAT16)
    stored = registry.GetModelVersion(pb.GetModelVersionRequest(name=created.name))
    assert stored.verification_compute == Kinds(accelerator=Kinds.ACCELERATOR_CPU, dtype=Kinds.DTYPE_FLOAT16)
    assert stored.serving_dtypes == [Kinds.DTYPE_BFLOAT16]


def test_the_same_request_id_gives_the_same_version(registry):
    assert register(registry, request_id="r-1").name == register(registry, request_id="r-1").name


def test_a_version_that_fails_says_why_and_takes_no_alias(registry):
    failed = register(registry, digest="bad")
    assert (failed.failure.reason, failed.state) == (
        "PICKLE_FOUND",
        model_version_pb2.ModelVersion.STATE_FAILED,
    )
    with pytest.raises(FailedPrecondition) as refused:
        registry.SetAlias(pb.SetAliasRequest(name=f"{MODEL}/aliases/staging", version=failed.name))
    assert refused.value.reason == "VERSION_NOT_READY"


def test_a_version_without_a_result_is_deleted_and_what_is_in_use_is_named(registry):
    def delete(name, **options):
        registry.DeleteModelVersion(pb.DeleteModelVersionRequest(name=name, **options))

    ready, failed = register(registry), register(registry, digest="bad")
    with pytest.raises(FailedPrecondition, match=f"{ready.name} is READY") as refused:
        delete(ready.name)
    assert refused.value.reason == "IN_USE"
    next_one = register(registry, digest="bad again", parent_version=failed.name)
    with pytest.raises(FailedPrecondition, match=f"{next_one.name} continues {failed.name}"):
        delete(failed.name)
    for name in (next_one.name, failed.name):
        delete(name)
        with pytest.raises(NotFound):
            delete(name)
        delete(name, allow_missing=True)
    with pytest.raises(FailedPrecondition, match=f"{MODEL} has {MODEL}/versions/"):
        registry.DeleteModel(pb.DeleteModelRequest(name=MODEL))
    empty = registry.CreateModel(pb.CreateModelRequest(parent="projects/p", model_id="empty")).name
    registry.DeleteModel(pb.DeleteModelRequest(name=empty))
    registry.DeleteModel(pb.DeleteModelRequest(name=empty, allow_missing=True))


def test_only_serving_moves_production_and_every_move_is_recorded(state, registry):
    version = register(registry)
    move = pb.SetAliasRequest(name=f"{MODEL}/aliases/production", version=version.name, reason="rollout r1")
    with pytest.raises(PermissionDenied) as refused:
        registry.SetAlias(move)
    assert refused.value.reason == "ALIAS_RESERVED"
    assert RegistryServiceStub(state.as_service("serving", "registry")).SetAlias(move).version == version.name
    history = registry.ListAliasChanges(pb.ListAliasChangesRequest(parent=MODEL)).alias_changes
    assert (history[-1].to_version, history[-1].reason, history[-1].principal) == (
        version.name,
        "rollout r1",
        "serving",
    )


def test_listings_are_paged_with_tokens_that_cannot_be_forged(registry):
    for _ in range(3):
        register(registry)
    first = registry.ListModelVersions(pb.ListModelVersionsRequest(parent=MODEL, page_size=2))
    rest = registry.ListModelVersions(
        pb.ListModelVersionsRequest(parent=MODEL, page_token=first.next_page_token)
    )
    names = [v.name for v in [*first.model_versions, *rest.model_versions]]
    assert len(first.model_versions) == 2
    assert len(names) == len(set(names)) >= 3
    with pytest.raises(Exception, match="page token"):
        registry.ListModelVersions(pb.ListModelVersionsRequest(parent=MODEL, page_token="AAAA" * 10))


def test_errors_have_codes_and_reasons(state, registry):
    with pytest.raises(NotFound) as missing:
        registry.GetModel(pb.GetModelRequest(name="projects/p/models/none"))
    assert missing.value.reason == "MODEL_NOT_FOUND"
    with pytest.raises(AlreadyExists):
        registry.CreateModel(pb.CreateModelRequest(parent="projects/p", model_id="mail"))
    with pytest.raises(PermissionDenied) as low:
        RegistryServiceStub(state.as_role(Role.VIEWER, "registry")).CreateModel(
            pb.CreateModelRequest(parent="projects/p", model_id="x")
        )
    assert low.value.reason == "ROLE_TOO_LOW"
    with pytest.raises(PermissionDenied) as foreign:
        RegistryServiceStub(state.as_role(Role.ENGINEER, "registry", project="other")).GetModel(
            pb.GetModelRequest(name=MODEL)
        )
    assert foreign.value.reason == "PROJECT_NOT_YOURS"


def test_a_call_without_a_token_is_refused(state):
    import grpc

    from ratoon.runtime.settings import socket_address

    with grpc.insecure_channel(socket_address(state.folder, "registry")) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            RegistryServiceStub(channel).ListModels(pb.ListModelsRequest(parent="projects/p"))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert Unauthenticated.code == "UNAUTHENTICATED"


def test_services_learn_which_versions_name_a_resource(registry, state):
    run = "projects/p/trainingRuns/named"
    version = model_version_pb2.ModelVersion(
        artifact_digest="c" * 64,
        golden_source_digest="b" * 64,
        lineage=model_version_pb2.Lineage(training_run=run),
    )
    named = registry.CreateModelVersion(pb.CreateModelVersionRequest(parent=MODEL, model_version=version))
    references = ReferenceServiceStub(state.as_service("training", "registry"))
    request = FindReferrersRequest(parent="projects/p", values=[run])
    assert list(references.FindReferrers(request).referrers) == [named.name]
    shorter = FindReferrersRequest(parent="projects/p", values=[run[:-1]])
    assert not references.FindReferrers(shorter).referrers
    with pytest.raises(PermissionDenied):
        ReferenceServiceStub(state.as_role(Role.OPERATOR, "registry", "p")).FindReferrers(request)


def test_measured_links_become_a_signed_certificate(registry, state):
    version = register(registry)
    empty = registry.GetParityCertificate(pb.GetParityCertificateRequest(name=version.name))
    assert (empty.digest, list(empty.links), empty.verdict) == ("", [], 0)
    link = ParityLink(
        step=ParityLink.STEP_SERVE,
        format="float32",
        runtime="vllm 1.0",
        artifact_digest=version.artifact_digest,
        comparison=ParityLink.Comparison(places=8, equal_places=8, max_difference=0.01),
        verdict=ParityLink.VERDICT_WITHIN,
    )
    serving_role = RegistryServiceStub(state.as_service("serving", "registry"))
    request = pb.RecordParityLinkRequest(name=version.name, link=link)
    recorded = serving_role.RecordParityLink(request)
    assert serving_role.RecordParityLink(request) == recorded, "measured again with the same result"
    assert registry.GetModelVersion(pb.GetModelVersionRequest(name=version.name)).parity_digest == (
        recorded.digest
    )
    (written,) = recorded.links
    assert (written.comparison, written.verdict) == (link.comparison, recorded.verdict)
    assert written.HasField("measure_time")
    failed = ParityLink(
        step=ParityLink.STEP_EXPORT, format="onnx", verdict=ParityLink.VERDICT_BEYOND, reason="HEAD_LOST"
    )
    both = serving_role.RecordParityLink(pb.RecordParityLinkRequest(name=version.name, link=failed))
    assert [each.step for each in both.links] == [ParityLink.STEP_EXPORT, ParityLink.STEP_SERVE]
    assert both.verdict == ParityLink.VERDICT_BEYOND
    assert registry.GetParityCertificate(pb.GetParityCertificateRequest(name=version.name)) == both
    with pytest.raises(PermissionDenied):
        registry.RecordParityLink(request)
    with pytest.raises(InvalidArgument, match="no step"):
        serving_role.RecordParityLink(pb.RecordParityLinkRequest(name=version.name))


def test_links_that_are_added_at_once_all_stay(registry, state):
    version = register(registry)
    serving_role = RegistryServiceStub(state.as_service("serving", "registry"))

    def record(number):
        link = ParityLink(
            step=ParityLink.STEP_SERVE,
            format="float32",
            runtime=f"vllm {number}",
            verdict=ParityLink.VERDICT_WITHIN,
        )
        serving_role.RecordParityLink(pb.RecordParityLinkRequest(name=version.name, link=link))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record, range(4)))
    request = pb.GetParityCertificateRequest(name=version.name)
    assert {each.runtime for each in registry.GetParityCertificate(request).links} == {
        f"vllm {number}" for number in range(4)
    }


def test_a_form_of_a_version_is_compared_with_its_artifact(registry):
    whole = register(registry)

    def derived(name):
        named = model_version_pb2.ModelVersion(
            artifact_digest="d" * 64, lineage=model_version_pb2.Lineage(derived_from=name)
        )
        return registry.CreateModelVersion(pb.CreateModelVersionRequest(parent=MODEL, model_version=named))

    child = derived(whole.name)
    major = whole.name.rpartition("/v")[2].partition(".")[0]
    assert child.name.rpartition("/v")[2].startswith(f"{major}.")
    failed = register(registry, digest="bad" + "0" * 61)
    with pytest.raises(FailedPrecondition) as refused:
        derived(failed.name)
    assert refused.value.reason == "VERSION_NOT_READY"
    with pytest.raises(FailedPrecondition):
        registry.GetParityCertificate(pb.GetParityCertificateRequest(name=failed.name))
    with pytest.raises(InvalidArgument) as foreign:
        derived("projects/p/models/other/versions/v1.0")
    assert foreign.value.reason == "PARENT_OF_OTHER_MODEL"
