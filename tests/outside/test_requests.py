"""Requests of malicious or broken clients, to all services in one process: each is refused, and none is a defect.

A caller of one project names another one's resources; a caller sends bytes that are no message; fields hold invalid
values.
"""

import dataclasses
import hashlib
import importlib
import json
import math
import os
import pkgutil
import random
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import httpx
import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ratoon.flywheel.v1.flywheel_service_pb2 import GetProjectRequest
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.process.errors import PermissionDenied
from ratoon.runtime.rpc import error_of
from ratoon.runtime.server import required_role
from ratoon.runtime.services import service_names
from ratoon.runtime.settings import run_folder, settings_class, socket_address
from ratoon.security.identity import Principal, Role, act_for, end_acting
from ratoon.testkit.services import State, running

DEFECTS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
EXAMPLES = int(os.environ.get("RATOON_FUZZ_EXAMPLES", "12"))
"""Requests that each method gets."""


@dataclass
class Installation:
    """Its URL, and API keys by role and project."""

    state: State
    url: str
    http: httpx.Client
    _keys: dict[tuple[Role, str], str] = dataclasses.field(default_factory=dict)
    _channels: dict[str, grpc.Channel] = dataclasses.field(default_factory=dict)

    def service_token(self) -> str:
        """A token of another service."""
        return self.state.signer("flywheel").token_for(Principal("flywheel", Role.SERVICE), 600)

    def headers(self, role: Role, project: str) -> dict[str, str]:
        """Return credentials of an API key of this role and project; create the key for the first request."""
        if (role, project) not in self._keys:
            response = self.http.post(
                f"{self.url}/v1/projects/{project}/apiKeys",
                json={"role": f"ROLE_{role.name}"},
                headers={"authorization": f"Bearer {self.service_token()}"},
            )
            assert response.status_code == 200, response.text
            self._keys[role, project] = response.json()["secret"]
        return {"authorization": f"Bearer {self._keys[role, project]}"}

    def post(self, path: str, body: dict, role: Role, project: str, verb: str = "POST") -> httpx.Response:
        url, headers = f"{self.url}/v1/{path}", self.headers(role, project)
        return self.http.request(verb, url, json=body, headers=headers)

    def call(self, method: MethodDescriptor, data: bytes, token: str = "") -> grpc.StatusCode:
        """Send these bytes to a method's service; its status."""
        service = method.full_name.split(".")[1]
        metadata = [("authorization", f"Bearer {token}")] if token else []
        rpc = f"/{method.containing_service.full_name}/{method.name}"
        if service not in self._channels:
            self._channels[service] = grpc.insecure_channel(socket_address(self.state.folder, service))
        channel = self._channels[service]
        if not method.server_streaming:
            _, outcome = channel.unary_unary(rpc).with_call(data, metadata=metadata, timeout=10)
            return outcome.code()
        call = channel.unary_stream(rpc)(data, metadata=metadata, timeout=10)
        next(call)
        call.cancel()
        return grpc.StatusCode.OK

    def close(self) -> None:
        """Close the connections to services."""
        for channel in self._channels.values():
            channel.close()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """All services, with the projects `tickets` and `other`."""
    folder = tmp_path_factory.mktemp("installation")
    state = State(folder)
    run_folder(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    own = {"gateway": {"port": 0, "grpc": "off"}}
    settings = [settings_class(name)(state=folder, **own.get(name, {})) for name in service_names()]
    with running(settings) as apps, httpx.Client() as http:
        gateway = next(app for app in apps if app.settings.service == "gateway")
        installation = Installation(state, f"http://127.0.0.1:{gateway.listeners[-1].port}", http)
        for project in ("tickets", "other"):
            response = installation.post(
                f"projects?projectId={project}", {"labels": ["a", "b"]}, Role.ENGINEER, "-"
            )
            assert response.status_code == 200, response.text
        yield installation
        installation.close()


def methods() -> list[MethodDescriptor]:
    packages = [importlib.import_module(f"ratoon.{service}.v1") for service in service_names()]
    modules = [
        importlib.import_module(f"{package.__name__}.{each.name}")
        for package in packages
        for each in pkgutil.iter_modules(package.__path__)
        if each.name.endswith("_service_pb2")
    ]
    services = [each for module in modules for each in module.DESCRIPTOR.services_by_name.values()]
    return [method for service in services for method in service.methods]


METHODS = methods()
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)


def status(installation: Installation, method: MethodDescriptor, data: bytes, token: str = "") -> str:
    try:
        return installation.call(method, data, token).name
    except grpc.RpcError as failed:
        assert "Traceback" not in (failed.details() or "")
        assert "google.protobuf" not in (failed.details() or "")
        return f"{failed.code().name}:{error_of(failed).reason}"


def test_an_operator_cannot_deploy_the_model_of_another_project(installation):
    body = {"model": "projects/tickets/models/tickets"}
    answer = installation.post("projects/other/deployments?deploymentId=d1", body, Role.OPERATOR, "other")
    assert (answer.status_code, answer.json()["reason"]) == (403, "PROJECT_NOT_YOURS")


@pytest.mark.parametrize("name", ["projects%2Ftickets/models/t", "Projects/tickets/models/t"])
def test_a_disguised_name_is_refused_too(installation, name):
    answer = installation.post("projects/other/deployments", {"model": name}, Role.OPERATOR, "other")
    assert answer.status_code == 403


def test_not_even_the_operator_of_the_installation_ties_projects_together(installation):
    body = {"model": "projects/tickets/models/tickets"}
    answer = installation.post("projects/other/deployments?deploymentId=d1", body, Role.OPERATOR, "-")
    assert (answer.status_code, answer.json()["reason"]) == (400, "OTHER_PROJECT")


def test_an_engineer_cannot_evaluate_on_the_sealed_split_of_another_project(installation):
    body = {
        "candidateDigest": "0" * 64,
        "domains": [{"name": "steal", "split": "projects/tickets/datasets/tickets/splits/s"}],
        "labels": ["a", "b"],
    }
    answer = installation.post("projects/other/evaluationRuns", body, Role.ENGINEER, "other")
    assert (answer.status_code, answer.json()["reason"]) == (403, "PROJECT_NOT_YOURS")


def test_a_service_that_works_for_one_project_reads_no_other_one(installation):
    """A caller of `other` cannot make a service use its own rights on what belongs to `tickets`."""
    stub = FlywheelServiceStub(installation.state.as_service("serving", "flywheel"))
    for project, allowed in (("", True), ("tickets", True), ("other", False)):
        acting = act_for(project)
        try:
            stub.GetProject(GetProjectRequest(name="projects/tickets"))
            assert allowed
        except PermissionDenied as refused:
            assert (refused.reason, allowed) == ("PROJECT_NOT_YOURS", False)
        finally:
            end_acting(acting)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("projects/other/models/m/versions", {"artifactDigest": "0" * 64, "scores": {"f1": "NaN"}}),
        ("projects/other/trainingRuns", {"recipe": {"languageModelEpochs": "NaN"}}),
        ("projects/other/deployments/d/rollouts", {"bake": {"seconds": "Infinity"}}),
        ("projects/other/sources", {"format": 99}),
    ],
)
def test_values_that_cannot_be_are_refused_over_http(installation, path, body):
    answer = installation.post(path, body, Role.OPERATOR, "other")
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    ("name", "before", "change", "after"),
    [
        (
            "projects/patched",
            {"labels": ["a", "b"], "instructions": "Sort.", "training": {"epochs": 2, "layers": 3}},
            {"training": {"epochs": 5}},
            {"labels": ["a", "b"], "instructions": "Sort.", "training": {"epochs": 5, "layers": 3}},
        ),
        (
            "projects/other/policies/patched",
            {"dryRun": True, "minAnswers": 7, "budgetRuns": 3},
            {"dryRun": False},
            {"dryRun": False, "minAnswers": 7, "budgetRuns": 3},
        ),
        (
            "projects/other/guidelines/patched",
            {"labels": ["a", "b"], "instructions": "Sort."},
            {"instructions": None},
            {"labels": ["a", "b"], "instructions": ""},
        ),
    ],
)
def test_a_patch_without_a_mask_changes_what_it_gives(installation, name, before, change, after):
    parent, _, id_ = name.rpartition("/")
    kind = parent.rpartition("/")[2]
    query = {"projects": "projectId", "policies": "policyId", "guidelines": "guidelineId"}[kind]
    created = installation.post(f"{parent}?{query}={id_}", before, Role.ENGINEER, "-")
    assert created.status_code == 200, created.text
    body = change | {"etag": created.json()["etag"]}
    changed = installation.post(name, body, Role.ENGINEER, "-", verb="PATCH")
    assert changed.status_code == 200, changed.text
    assert shared(changed.json(), after) == after
    nothing = installation.post(name, {"etag": changed.json()["etag"]}, Role.ENGINEER, "-", verb="PATCH")
    assert (nothing.status_code, nothing.json()["reason"]) == (400, "NOTHING_TO_CHANGE")


def shared(actual: dict, expected: dict) -> dict:
    """Return the actual values of the expected fields."""
    return {
        key: shared(actual[key], value) if isinstance(value, dict) else actual[key]
        for key, value in expected.items()
    }


def test_a_request_id_with_another_body_is_refused(installation):
    def create(**body):
        return installation.post("projects/other/models?requestId=twice", body, Role.ENGINEER, "other")

    first, again, other = create(displayName="A"), create(displayName="A"), create(displayName="B")
    assert (first.status_code, again.json()) == (200, first.json())
    assert (other.status_code, other.json()["reason"]) == (409, "REQUEST_ID_REUSED")
    assert "display_name" in other.json()["detail"]


def test_a_name_that_is_taken_says_what_differs(installation):
    def create(labels):
        body = {"labels": labels}
        return installation.post("projects?projectId=tickets", body, Role.ENGINEER, "-")

    same, other = create(["a", "b"]), create(["a", "c"])
    assert (same.status_code, other.status_code) == (409, 409)
    assert "agrees" in same.json()["detail"]
    assert "differs in labels" in other.json()["detail"]


SECRET = b"A mail of the project tickets, and nobody else's."
DIGEST = hashlib.sha256(SECRET).hexdigest()
WRONG = b"Other bytes, sent under a digest that somebody heard of."
ABSENT = hashlib.sha256(b"nobody has this").hexdigest()


def blob(
    installation: Installation, verb: str, digest: str, project: str, data: bytes = b""
) -> httpx.Response:
    headers = installation.headers(Role.OPERATOR, project)
    return installation.http.request(
        verb, f"{installation.url}/v1/blobs/{digest}", content=data, headers=headers
    )


def upload(installation: Installation, project: str, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    assert blob(installation, "PUT", digest, project, data).status_code == 201
    return digest


def comparable(answer: httpx.Response, digest: str) -> tuple:
    """Return the comparable parts of an answer, without the digest and headers that differ each time."""
    headers = {key: value for key, value in answer.headers.items() if key not in ("date", "x-request-id")}
    return answer.status_code, answer.text.replace(digest, "DIGEST"), headers


@pytest.mark.parametrize(
    ("verb", "data", "status"), [("GET", b"", 404), ("HEAD", b"", 204), ("PUT", WRONG, 400)]
)
def test_a_blob_of_another_project_does_not_exist(installation, verb, data, status):
    upload(installation, "tickets", SECRET)
    theirs, none = (blob(installation, verb, each, "other", data) for each in (DIGEST, ABSENT))
    assert comparable(theirs, DIGEST) == comparable(none, ABSENT)
    assert theirs.status_code == status
    assert blob(installation, "GET", DIGEST, "tickets").content == SECRET
    assert blob(installation, "GET", DIGEST, "-").content == SECRET


def test_wrong_bytes_under_a_digest_of_ones_own_are_refused_too(installation):
    digest = upload(installation, "tickets", SECRET + b" Twice.")
    assert blob(installation, "PUT", digest, "tickets", WRONG).status_code == 400


def test_who_has_the_bytes_has_the_blob(installation):
    digest = upload(installation, "tickets", b"both have it")
    assert blob(installation, "GET", digest, "other").status_code == 404
    assert upload(installation, "other", b"both have it") == digest
    assert blob(installation, "GET", digest, "other").content == b"both have it"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("sources", {"format": "FORMAT_JSONL", "digest": DIGEST}),
        ("trainingRuns", {"trainDigest": DIGEST, "recipe": {"labels": ["a", "b"]}}),
        ("evaluationRuns", {"candidateDigest": DIGEST, "labels": ["a", "b"]}),
        ("models/m/versions", {"artifactDigest": DIGEST}),
        ("datasets/d/splits", {"labelSetDigest": DIGEST}),
    ],
)
def test_a_digest_of_another_project_is_no_permission(installation, path, body):
    upload(installation, "tickets", SECRET)
    answer = installation.post(f"projects/other/{path}", body, Role.ENGINEER, "other")
    assert (answer.status_code, answer.json()["reason"]) == (404, "ARTIFACT_NOT_FOUND")
    absent = {key: ABSENT if value == DIGEST else value for key, value in body.items()}
    nothing = installation.post(f"projects/other/{path}", absent, Role.ENGINEER, "other")
    assert nothing.json()["detail"].replace(ABSENT, DIGEST) == answer.json()["detail"]


def test_a_tree_opens_no_files_of_others(installation):
    upload(installation, "tickets", SECRET)
    rows = [{"path": "stolen", "sha256": DIGEST, "size": len(SECRET)}]
    tree = json.dumps({"files": rows}).encode()
    digest = hashlib.sha256(tree).hexdigest()
    answer = blob(installation, "PUT", digest, "other", tree)
    assert (answer.status_code, answer.json()["reason"]) == (400, "TREE_FILE_MISSING")
    assert blob(installation, "GET", digest, "other").status_code == 404
    assert blob(installation, "PUT", digest, "tickets", tree).status_code == 201


def test_what_a_resource_refers_to_belongs_to_its_project(installation):
    """The operator of the installation uploads, and uses it in a project."""
    digest = upload(installation, "-", b'{"text": "x"}\n')
    assert blob(installation, "GET", digest, "other").status_code == 404
    body = {"format": "FORMAT_JSONL", "digest": digest}
    created = installation.post("projects/other/sources?sourceId=given", body, Role.OPERATOR, "-")
    assert created.status_code == 200, created.text
    assert blob(installation, "GET", digest, "other").status_code == 200
    assert blob(installation, "GET", digest, "tickets").status_code == 404


@each_method
def test_bytes_that_are_no_message_are_refused_after_the_callers_identity(method, installation):
    if required_role(f"/{method.containing_service.full_name}/{method.name}") is not Role.PUBLIC:
        assert status(installation, method, b"\xff\xff\xff").startswith("UNAUTHENTICATED:")
    token = installation.service_token()
    assert status(installation, method, b"\xff\xff\xff", token) == "INVALID_ARGUMENT:BAD_MESSAGE"


TEXTS = [
    "",
    "x",
    "projects/other",
    "projects/other/models/m",
    "projects/other/models/m/versions/v1",
    "projects/other/datasets/d/splits/s",
    "projects/other/deployments/d/rollouts/r",
    "\x00",
    "..",
    "😀" * 300,
    "0" * 64,
    "{",
    "-1",
    "a" * 2000,
]
NUMBERS = [0, 1, -1, 99, 2**31 - 1, -(2**31)]
FLOATS = [0.0, -1.0, 0.5, 1e-300, 1e300, math.nan, math.inf]


def filled(message: Message, dice: random.Random, depth: int = 0) -> Message:
    """The message with some of its fields set to one of few odd values."""
    for field in message.DESCRIPTOR.fields:
        if dice.random() < 0.45:
            continue
        content = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _fill_map(content, field.message_type, dice)
        elif field.message_type is not None:
            child = content.add() if field.is_repeated else content
            child.SetInParent()
            if depth < 4:
                filled(child, dice, depth + 1)
        elif field.is_repeated:
            content.extend(scalar(field, dice) for _ in range(dice.randint(0, 3)))
        else:
            setattr(message, field.name, scalar(field, dice))
    return message


def _fill_map(content, entry, dice: random.Random) -> None:
    value = entry.fields_by_name["value"]
    key = scalar(entry.fields_by_name["key"], dice)
    if value.message_type is None:
        content[key] = scalar(value, dice)
    else:
        filled(content[key], dice)


def scalar(field: FieldDescriptor, dice: random.Random):
    if field.type == FieldDescriptor.TYPE_STRING:
        return (
            dice.choice(["projects/other"] * 4 + TEXTS)
            if field.name in ("name", "parent")
            else dice.choice(TEXTS)
        )
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return dice.choice(FLOATS)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return dice.random() < 0.5
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"\xff"
    if field.containing_type.full_name == "google.protobuf.Timestamp" and field.name == "seconds":
        return dice.choice([0, 1_780_000_000, 253_402_300_799, -62_135_596_800])
    if field.type in (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_SINT64):
        return dice.choice([*NUMBERS, 2**63 - 1, -(2**63)])
    if field.type in (FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64):
        return dice.choice([0, 1, 2**32 - 1])
    return dice.choice(NUMBERS)


UNSAFE = ("InjectFault", "WatchRouteTable", "GetRouteTable")


@each_method
def test_no_values_of_fields_cause_a_defect(method, installation):
    if method.name in UNSAFE:
        pytest.skip("it would act on engines, or it has no end")
    kind, dice = GetMessageClass(method.input_type), random.Random(method.full_name)
    token = installation.service_token()
    for _ in range(EXAMPLES):
        request = filled(kind(), dice)
        outcome = status(installation, method, request.SerializeToString(), token)
        assert not outcome.startswith(tuple(code.name for code in DEFECTS)), (outcome, request)
