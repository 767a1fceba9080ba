"""The other services as small scripted gRPC servers, and a flywheel that calls them over real sockets."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from grpc_status import rpc_status

from ratoon.evaluation.v1 import evaluation_service_pb2_grpc
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import signal_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.ingestion.v1 import ingestion_service_pb2_grpc
from ratoon.labeling.v1 import labeling_service_pb2_grpc
from ratoon.process.errors import FailedPrecondition, described
from ratoon.registry.v1 import model_pb2, registry_service_pb2_grpc
from ratoon.runtime.rpc import status_of
from ratoon.runtime.settings import socket_address
from ratoon.security.answers import AnswerIds
from ratoon.security.identity import Role
from ratoon.serving.v1 import serving_service_pb2, serving_service_pb2_grpc
from ratoon.storage.artifacts import ArtifactStore, TreeFile
from ratoon.storage.names import uuid7
from ratoon.testkit.postgresql import Databases
from ratoon.testkit.services import State, answering, running
from ratoon.training.v1 import training_service_pb2_grpc
from ratoon_flywheel.settings import Settings

PARENT = "projects/mail"
KINDS = {
    "Source": "sources",
    "Dataset": "datasets",
    "DatasetVersion": "versions",
    "Split": "splits",
    "Guideline": "guidelines",
    "LabelSet": "labelSets",
    "TrainingRun": "trainingRuns",
    "Sweep": "sweeps",
    "Compression": "compressions",
    "ModelExport": "modelExports",
    "EvaluationRun": "evaluationRuns",
    "Suite": "suites",
    "Judge": "judges",
    "Model": "models",
    "ModelVersion": "versions",
    "Deployment": "deployments",
    "Rollout": "rollouts",
}
LONG = (
    "DatasetVersion",
    "Split",
    "LabelSet",
    "TrainingRun",
    "Compression",
    "ModelExport",
    "EvaluationRun",
    "ModelVersion",
    "Rollout",
)


@dataclass
class Peers:
    """Resources of the other services; long work ends at the first read, unless it is held or has another ending."""

    artifacts: ArtifactStore
    held: set[str] = field(default_factory=set)
    endings: dict[str, str] = field(default_factory=dict)
    resources: dict[str, object] = field(default_factory=dict)
    requests: dict[str, object] = field(default_factory=dict)
    created: list[tuple[str, object]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    quality: list[object] = field(default_factory=list)
    comparisons: list[object] = field(default_factory=list)
    """Comparisons of rollouts on shadow answers, as they were reported."""
    reads: Counter[str] = field(default_factory=Counter)
    """Number of reads of each kind."""
    traces: dict[str, str] = field(default_factory=dict)
    """The traceparent of the latest request of each kind."""
    train_digest: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    """Metrics that evaluation measures of a candidate."""
    not_servable: set[str] = field(default_factory=set)
    """Versions whose weights engines cannot compute."""

    def create(self, kind: str, request: object, context: grpc.ServicerContext) -> object:
        value = getattr(request, _snake(kind))
        if kind == "Rollout" and value.to_version in self.not_servable:
            error = FailedPrecondition("int4 needs AVX-512.", reason="WEIGHTS_NOT_SERVABLE")
            context.abort_with_status(rpc_status.to_status(status_of(described(error))))
        if request.request_id and request.request_id in self.requests:
            return self.requests[request.request_id]
        chosen = getattr(request, f"{_snake(kind)}_id", "")
        names = [chosen] if chosen else [_numbered(kind, count) for count in range(1, 100)]
        free = [n for n in names if f"{request.parent}/{KINDS[kind]}/{n}" not in self.resources]
        name = f"{request.parent}/{KINDS[kind]}/{(free or names)[0]}"
        if name in self.resources:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f"{name} exists already.")
        resource = type(value)()
        resource.CopyFrom(value)
        resource.name, resource.revision = name, 1
        if kind in LONG:
            resource.state = resource.State.Value(
                "STATE_RUNNING" if "STATE_RUNNING" in _states(resource) else _begin(kind)
            )
        self.resources[name] = resource
        self.created.append((kind, resource))
        self.traces[kind] = dict(context.invocation_metadata()).get("traceparent", "")
        if request.request_id:
            self.requests[request.request_id] = resource
        return resource

    def get(self, kind: str, request: object, context: grpc.ServicerContext) -> object:
        self.reads[kind] += 1
        resource = self.resources.get(request.name)
        if resource is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{request.name} does not exist.")
        if kind in LONG and kind not in self.held and resource.state in _open(resource):
            self.finish(kind, resource)
        return resource

    def cancel(self, request: object) -> object:
        resource = self.resources[request.name]
        self.cancelled.append(request.name)
        resource.state = resource.State.Value("STATE_CANCELLED")
        return resource

    def roll_back(self, request: object) -> object:
        resource = self.resources[request.name]
        self.cancelled.append(request.name)
        resource.state, resource.reason = resource.STATE_ROLLED_BACK, request.reason
        return resource

    def finish(self, kind: str, resource: object) -> None:
        well = "STATE_READY" if "STATE_READY" in _states(resource) else "STATE_SUCCEEDED"
        resource.state = resource.State.Value(self.endings.get(kind, well))
        if self.endings.get(kind) == "STATE_FAILED":
            resource.failure.reason, resource.failure.message = "OUT_OF_MEMORY", "It needs 4 GiB more memory."
            return
        match kind:
            case "Split":
                resource.train_digest, resource.validation_digest = self.train_digest, "e" * 64
            case "LabelSet":
                resource.digest = "b" * 64
            case "TrainingRun":
                resource.artifact_digest = f"{sum(k == kind for k, _ in self.created):064x}"
                if resource.recipe.method == resource.recipe.METHOD_CLASSICAL:
                    file = TreeFile("classical.json", self.artifacts.put_bytes(b"{}"), 2)
                    resource.artifact_digest = self.artifacts.put_manifest([file])
            case "Compression" | "ModelExport":
                resource.artifact_digest = f"{0xC0 + sum(k == kind for k, _ in self.created):064x}"
                _measure(kind, resource)
            case "EvaluationRun":
                self._evaluate(resource)
            case "Rollout" if resource.state == resource.State.Value("STATE_SUCCEEDED"):
                alias = f"{PARENT}/models/mail/aliases/production"
                self.resources[alias] = model_pb2.Alias(name=alias, version=resource.to_version)

    def _evaluate(self, resource: object) -> None:
        name = "comparison" if resource.domains[0].name == "challenger" else "gate"
        name = "compression_gate" if " compresses " in resource.candidate_note else name
        resource.verdict.passed = self.endings.get(name) != "refuses"
        resource.verdict.summary = "macro-F1 +0.11 [0.07, 0.15] on new."
        result = resource.results.add(domain=resource.domains[0].name)
        result.candidate.macro_f1.value = 0.8
        for name, value in self.metrics.items():
            result.candidate.metrics[name].value = value
        for suite in resource.suites:
            measured = resource.suite_results.add(suite=suite)
            measured.tests.add(test="typos", metric="accuracy", record_count=20)
            for name, value in {"accuracy": 0.7, "macro_f1": 0.6}.items():
                measured.metrics[name].value = value
        for name, value in self.metrics.items() if resource.reference_digest else ():
            result.reference.metrics[name].value = value
        if resource.domains[0].name == "challenger":
            result.reference.macro_f1.value = 0.82
            result.candidate.record_count = 50
            result.difference.value, result.difference.lower, result.difference.upper = -0.02, -0.05, 0.01
        result.candidate.cost.core_seconds_per_million = 120.0

    def created_resources(self, kind: str) -> list[object]:
        return [resource for each, resource in self.created if each == kind]

    def deployments(self, request: object) -> object:
        resources = [
            each for name, each in self.resources.items() if name.startswith(f"{request.parent}/deployments/")
        ]
        listed = [each for each in resources if each.name.count("/") == 3]
        return serving_service_pb2.ListDeploymentsResponse(deployments=listed)

    def delete_deployment(self, request: object) -> object:
        del self.resources[request.name]
        return serving_service_pb2.DeleteDeploymentResponse()

    def report_quality(self, request: object) -> object:
        self.quality.extend(request.reports)
        return serving_service_pb2.ReportQualityResponse()

    def rollouts(self, request: object) -> object:
        own = [
            each for name, each in self.resources.items() if name.startswith(f"{request.parent}/rollouts/")
        ]
        newest = sorted(own, key=lambda each: each.create_time.ToDatetime(), reverse=True)
        return serving_service_pb2.ListRolloutsResponse(rollouts=newest[: request.page_size])

    def report_comparison(self, request: object) -> object:
        self.comparisons.append(request)
        return serving_service_pb2.ReportShadowComparisonResponse()


def _numbered(kind: str, count: int) -> str:
    return (
        f"v1.{count - 1}"
        if kind == "ModelVersion"
        else f"v{count}"
        if "Version" in kind
        else f"{kind.lower()}-{count}"
    )


def _begin(kind: str) -> str:
    return {"ModelVersion": "STATE_VERIFYING", "Rollout": "STATE_PREPARING"}[kind]


def _states(resource: object) -> list[str]:
    return list(resource.State.keys())


def _open(resource: object) -> set[int]:
    ended = ("READY", "SUCCEEDED", "FAILED", "CANCELLED", "ROLLED_BACK")
    return {resource.State.Value(n) for n in _states(resource) if n.removeprefix("STATE_") not in ended}


def _measure(kind: str, resource: object) -> None:
    if kind == "Compression":
        resource.source.size_bytes, resource.compressed.size_bytes = 4 * 1024**2, 1024**2
        return
    resource.size_bytes = 2 * 1024**2
    if resource.format == resource.FORMAT_GGUF:
        resource.parity.comparison.places, resource.parity.comparison.equal_places = 112, 111


def _snake(kind: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(kind))


def _servicer(base: type, peers: Peers) -> object:
    """Answers Create…, Get…, Cancel… of every kind; what is not scripted stays unimplemented."""
    methods: dict[str, Callable[..., object]] = {
        "GetAlias": lambda self, request, context: peers.get("Alias", request, context),
        "AbortRollout": lambda self, request, context: peers.roll_back(request),
        "DeleteDeployment": lambda self, request, context: peers.delete_deployment(request),
        "ListDeployments": lambda self, request, context: peers.deployments(request),
        "ListRollouts": lambda self, request, context: peers.rollouts(request),
        "ReportShadowComparison": lambda self, request, context: peers.report_comparison(request),
        "ReportQuality": lambda self, request, context: peers.report_quality(request),
    }
    for kind in KINDS:
        methods[f"Create{kind}"] = lambda self, request, context, kind=kind: peers.create(
            kind, request, context
        )
        methods[f"Get{kind}"] = lambda self, request, context, kind=kind: peers.get(kind, request, context)
        methods[f"Cancel{kind}"] = lambda self, request, context: peers.cancel(request)
    return type("Scripted", (base,), {name: do for name, do in methods.items() if hasattr(base, name)})()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State(tmp_path) as state:
        yield state


@pytest.fixture
def peers(state: State) -> Iterator[Peers]:
    """The six other services, listening where the flywheel expects them."""
    peers = Peers(ArtifactStore(str(state.folder / "artifacts")))
    with ExitStack() as fakes:
        for service, module, name in (
            ("ingestion", ingestion_service_pb2_grpc, "Ingestion"),
            ("labeling", labeling_service_pb2_grpc, "Labeling"),
            ("training", training_service_pb2_grpc, "Training"),
            ("evaluation", evaluation_service_pb2_grpc, "Evaluation"),
            ("registry", registry_service_pb2_grpc, "Registry"),
            ("serving", serving_service_pb2_grpc, "Serving"),
        ):
            add = getattr(module, f"add_{name}ServiceServicer_to_server")
            servicer = _servicer(getattr(module, f"{name}ServiceServicer"), peers)
            address = socket_address(state.folder, service)
            Path(address.removeprefix("unix://")).parent.mkdir(parents=True, exist_ok=True)
            fakes.enter_context(answering(address, partial(add, servicer)))
        yield peers


@pytest.fixture
def observed() -> dict[str, object]:
    """Where a test module's flywheel sends its spans, as settings: nowhere, unless the module has its own."""
    return {}


@pytest.fixture
def start(
    state: State, peers: Peers, databases: Databases, observed: dict[str, object]
) -> Callable[[], AbstractContextManager[object]]:
    """Starts a flywheel; a test that starts a second one after the first restarts it."""
    url = databases.url("flywheel", state.folder)
    return lambda: running([Settings(state=state.folder, database_url=url, **observed)])


@pytest.fixture
def flywheel(
    state: State, start: Callable[[], AbstractContextManager[object]]
) -> Iterator[FlywheelServiceStub]:
    with start():
        yield engineer(state)


def engineer(state: State) -> FlywheelServiceStub:
    return FlywheelServiceStub(state.as_role(Role.ENGINEER, "flywheel"))


@dataclass
class Environment:
    """A flywheel with its peers, texts of several kinds, and callers who send them and give feedback."""

    state: State
    peers: Peers
    flywheel: FlywheelServiceStub
    version: str = f"{PARENT}/models/mail/versions/v1.0"
    draws: random.Random = field(default_factory=lambda: random.Random(1))
    sent: Counter[str] = field(default_factory=Counter)

    def text(self, kind: str) -> str:
        """A text of 30 to 60 words out of 300 of its kind."""
        words = (
            f"{kind}{_letters(int(self.draws.paretovariate(0.6)) % 300)}"
            for _ in range(self.draws.randint(30, 60))
        )
        return " ".join(words)

    def learned(self, kind: str, count: int = 400) -> None:
        """What the served version was trained on."""
        table = pa.table({"text": [self.text(kind) for _ in range(count)]})
        sink = BytesIO()
        pq.write_table(table, sink)
        self.peers.train_digest = self.peers.artifacts.put_bytes(sink.getvalue())

    def answered(
        self, texts: list[str], answer: str = "ham", seconds_ago: float = 0.0, users: Sequence[str] = ("",)
    ) -> list[str]:
        """A segment of answered texts, whose requests name these users one after the other; the answers' ids."""
        segment = f"{PARENT}/trafficSegments/{uuid7()}"
        began = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        named = [self.answer_id(self.version, segment) for _ in texts]
        lines = [
            _line(id, began + timedelta(milliseconds=i), self.version, text, answer, users[i % len(users)])
            for i, (id, text) in enumerate(zip(named, texts, strict=True))
        ]
        self.announce(segment, lines, began)
        return named

    def answer_id(self, version: str, segment: str) -> str:
        """A new id of an answer of a version."""
        return self._ids.mint(version, segment)

    @cached_property
    def _ids(self) -> AnswerIds:
        return AnswerIds.of_folder(self.state.folder / "keys")

    @cached_property
    def _gateway(self) -> FlywheelServiceStub:
        return FlywheelServiceStub(self.state.as_service("gateway", "flywheel"))

    @cached_property
    def _caller(self) -> FlywheelServiceStub:
        return FlywheelServiceStub(self.state.as_role(Role.CALLER, "flywheel", "mail"))

    def announce(self, segment: str, lines: Sequence[bytes], began: datetime) -> None:
        """Store a segment with these rows, and announce it as gateways do."""
        digest = self.peers.artifacts.put_bytes(zstandard.compress(b"".join(lines)))
        spec = signal_pb2.TrafficSegment(
            deployment=f"{PARENT}/deployments/mail", digest=digest, answer_count=len(lines)
        )
        spec.start_time.FromDatetime(began)
        spec.end_time.FromDatetime(began)
        self._gateway.CreateTrafficSegment(
            pb.CreateTrafficSegmentRequest(
                parent=PARENT, traffic_segment_id=segment.rpartition("/")[2], traffic_segment=spec
            )
        )

    def send_feedback(self, answer_id: str, **fields: object) -> signal_pb2.Feedback:
        feedback = signal_pb2.Feedback(answer_id=answer_id, **fields)
        return self._caller.CreateFeedback(pb.CreateFeedbackRequest(parent=PARENT, feedback=feedback))


def _line(answer_id: str, time: datetime, version: str, text: str, answer: str, user: str) -> bytes:
    row = {
        "answer_id": answer_id,
        "time": time.isoformat(),
        "deployment": f"{PARENT}/deployments/mail",
        "version": version,
        "user": user,
        "messages": [{"role": "system", "content": "Ham or spam?"}, {"role": "user", "content": text}],
        "answer": answer,
        "status": 200,
        "latency_ms": 3.0,
        "prompt_tokens": 10,
        "completion_tokens": 1,
    }
    return json.dumps(row).encode() + b"\n"


def _letters(number: int) -> str:
    return "".join("abcdefghij"[int(digit)] for digit in f"{number:03d}")


@pytest.fixture
def env(state: State, peers: Peers, flywheel: FlywheelServiceStub) -> Environment:
    return Environment(state, peers, flywheel)
