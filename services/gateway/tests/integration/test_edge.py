"""The REST face, API keys, blobs, documentation, and the gRPC port."""

import hashlib
import json
import os
import re
import socket
import time

import grpc
import httpx
import openai
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ratoon.flywheel.v1 import flywheel_service_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.gateway.v1 import gateway_service_pb2
from ratoon.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from ratoon.process.errors import ResourceExhausted
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.waiting import until
from ratoon_gateway.adapters.uploads import Uploads


def make_key(stack, project="p", role="ROLE_CALLER", **more):
    body = {"role": role, **more}
    created = stack.http().post(f"/v1/projects/{project}/apiKeys", json=body)
    assert created.status_code == 200, created.text
    return created.json()


def test_a_key_opens_its_project_until_it_ends(stack):
    key = make_key(stack, "one", displayName="demo")
    assert key["name"].startswith("projects/one/apiKeys/")
    assert key["secret"].startswith("rtn_")
    assert "secret_hash" not in key
    assert [m.id for m in stack.client(api_key=key["secret"]).models.list()] == []
    with pytest.raises(openai.NotFoundError):
        stack.client(api_key=key["secret"]).chat.completions.create(
            model="q/other", messages=[{"role": "user", "content": "?"}]
        )
    shown = stack.http().get(f"/v1/{key['name']}").json()
    assert not shown["secret"]
    rotated = stack.http().post(f"/v1/{key['name']}:rotate", json={}).json()
    with pytest.raises(openai.AuthenticationError):
        stack.client(api_key=key["secret"]).models.list()
    stack.client(api_key=rotated["secret"]).models.list()
    stack.http().post(f"/v1/{key['name']}:revoke", json={})
    with pytest.raises(openai.AuthenticationError, match="revoked"):
        stack.client(api_key=rotated["secret"]).models.list()
    listed = stack.http().get("/v1/projects/one/apiKeys").json()
    assert [each["name"] for each in listed["apiKeys"]] == [key["name"]]
    assert listed["apiKeys"][0]["revokeTime"]


def test_roles_and_projects_are_kept(stack):
    caller = stack.http(make_key(stack)["secret"])
    assert caller.get("/v1/projects/p").status_code == 403
    assert caller.get("/v1/projects/p").json()["reason"] == "ROLE_TOO_LOW"
    operator = stack.http(make_key(stack, role="ROLE_OPERATOR")["secret"])
    refused = operator.post("/v1/projects/q/apiKeys", json={"role": "ROLE_CALLER"})
    assert (refused.status_code, refused.json()["reason"]) == (403, "PROJECT_NOT_YOURS")
    assert operator.post("/v1/projects/p/apiKeys", json={"role": "ROLE_SERVICE"}).status_code == 400
    assert stack.http("").get("/v1/projects/p").status_code == 401
    past = stack.http().post(
        "/v1/projects/p/apiKeys", json={"role": "ROLE_CALLER", "expireTime": "2020-01-01T00:00:00Z"}
    )
    assert past.json()["violations"][0]["field"] == "apiKey.expireTime"


def test_a_token_stands_for_its_key(stack):
    answer = stack.http("").post("/v1/token", json={"apiKey": stack.operator_key})
    token = answer.json()["accessToken"]
    assert stack.http(token).get("/v1/projects/p").status_code == 200
    assert stack.http(token[:-3] + "abc").get("/v1/projects/p").status_code == 401
    assert stack.http("").post("/v1/token", json={"apiKey": "rtn_0_0"}).status_code == 401


def test_a_token_and_a_stream_end_with_their_key(stack):
    key = make_key(stack, role="ROLE_OPERATOR")
    token = stack.http("").post("/v1/token", json={"apiKey": key["secret"]}).json()["accessToken"]
    caller = stack.http(token)
    assert caller.get("/v1/projects/p").status_code == 200
    stack.http().post(f"/v1/{key['name']}:revoke", json={})
    refused = caller.post("/v1/projects/p/apiKeys", json={"role": "ROLE_OPERATOR"})
    assert (refused.status_code, refused.json()["reason"]) == (401, "BAD_API_KEY")
    with grpc.insecure_channel(stack.grpc) as channel, pytest.raises(grpc.RpcError) as ended:
        FlywheelServiceStub(channel).GetProject(
            flywheel_service_pb2.GetProjectRequest(name="projects/p"),
            metadata=[("authorization", f"Bearer {token}")],
        )
    assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert ended.value.details() == "The API key was revoked; ask an operator for a new one."


def test_a_key_that_another_gateway_ends_is_refused_here_within_a_second(stack, tmp_path):
    key = make_key(stack, role="ROLE_VIEWER")
    token = stack.http("").post("/v1/token", json={"apiKey": key["secret"]}).json()["accessToken"]
    with stack.second_gateway() as other:
        other.post(f"/v1/{key['name']}:revoke", json={})
        began = time.monotonic()
        until(lambda: stack.http(token).get("/v1/projects/p").status_code == 401)
        until(lambda: stack.http(key["secret"]).get("/v1/projects/p").status_code == 401)
        assert time.monotonic() - began < 5


def test_keys_are_changed_and_deleted_and_the_last_operator_stays(stack):
    http, key = stack.http(), make_key(stack, expireTime="2100-01-01T00:00:00Z")
    path = f"/v1/{key['name']}"
    later = http.patch(path, json={"expireTime": "2101-01-01T00:00:00Z"}).json()
    assert later["expireTime"] == "2101-01-01T00:00:00Z"
    assert http.patch(path, json={"displayName": "demo"}).json()["expireTime"] == later["expireTime"]
    assert "expireTime" not in http.patch(path, json={"expireTime": None}).json()
    assert http.delete(path, params={"etag": later["etag"]}).json()["reason"] == "STALE_ETAG"
    assert http.delete(path).status_code == 200
    assert http.get(path).status_code == 404
    with pytest.raises(openai.AuthenticationError):
        stack.client(api_key=key["secret"]).models.list()
    operator = "/v1/projects/-/apiKeys/operator"
    for refused in (http.delete(operator), http.post(f"{operator}:revoke", json={})):
        assert (refused.status_code, refused.json()["reason"]) == (400, "LAST_OPERATOR_KEY")


def test_a_project_that_does_not_exist_has_neither_keys_nor_a_filter(stack):
    for refused in (
        stack.http().post("/v1/projects/none/apiKeys", json={"role": "ROLE_CALLER"}),
        stack.http().patch("/v1/projects/none/safetyFilter", json={"inputWords": ["x"]}),
    ):
        assert (refused.status_code, refused.json()["reason"]) == (404, "PROJECT_NOT_FOUND")
    stack.flywheel.away = True
    assert stack.http().patch("/v1/projects/p/safetyFilter", json={"inputWords": ["x"]}).status_code == 200


def test_rpcs_are_served_as_json(stack):
    http = stack.http()
    assert http.get("/v1/projects/mail", headers={"traceparent": "00-1-2-01"}).json()["displayName"] == "Mail"
    assert stack.flywheel.metadata["authorization"].startswith("Bearer ey")
    assert stack.flywheel.metadata["traceparent"] == "00-1-2-01"
    missing = http.get("/v1/projects/none")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json()["detail"] == "projects/none does not exist."
    http.patch("/v1/projects/mail?updateMask=displayName", json={"displayName": "Post"})
    request = stack.flywheel.requests[-1]
    assert (request.project.name, request.project.display_name) == ("projects/mail", "Post")
    assert request.update_mask.paths == ["display_name"]
    http.get("/v1/projects/mail/feedback?pageSize=7&page_token=next")
    assert (stack.flywheel.requests[-1].page_size, stack.flywheel.requests[-1].page_token) == (7, "next")
    assert http.get("/v1/projects/mail/feedback?colour=red").json()["violations"][0]["field"] == "colour"
    assert http.patch("/v1/projects/mail", content=b"{").status_code == 400
    assert http.patch("/v1/projects/mail", json={"displayName": 7}).status_code == 400
    assert http.put("/v1/projects/mail").status_code == 405
    assert http.get("/v1/nothing/here").status_code == 404
    assert http.get("/elsewhere").status_code == 404
    assert http.get("/v1/projects/mail/models").json()["reason"] == "SERVICE_UNAVAILABLE"


def test_a_watch_is_a_stream_of_events_that_can_be_resumed(stack):
    path = "/v1/projects/p/pipelineRuns/r:watch"
    events = stack.http().get(path).text.strip().split("\n\n")
    assert [event.splitlines()[0] for event in events] == ["id: 1", "id: 2", "id: 3"]
    assert events[0].splitlines()[1] == "event: PipelineRun"
    assert json.loads(events[2].splitlines()[2].removeprefix("data: "))["revision"] == "3"
    resumed = stack.http().get(path, headers={"last-event-id": "2"}).text.strip().split("\n\n")
    assert [event.splitlines()[0] for event in resumed] == ["id: 3"]


def test_a_watch_whose_service_goes_away_breaks_off(stack):
    stack.flywheel.away = True
    with pytest.raises(httpx.RemoteProtocolError):
        stack.http().get("/v1/projects/p/pipelineRuns/r:watch")
    started = []
    with (
        pytest.raises(httpx.RemoteProtocolError),
        stack.http().stream("GET", "/v1/projects/p/pipelineRuns/r:watch") as answer,
    ):
        started.extend(line for line in answer.iter_lines() if line.startswith("id:"))
    assert answer.status_code == 200
    stack.flywheel.away = False
    resumed = stack.http().get("/v1/projects/p/pipelineRuns/r:watch", headers={"last-event-id": "2"})
    assert [line for line in resumed.text.splitlines() if line.startswith("id:")] == ["id: 3"]


def test_blobs_are_resumable_and_proven(stack):
    data = bytes(range(256)) * 9000
    digest = hashlib.sha256(data).hexdigest()
    path, http = f"/v1/blobs/{digest}", stack.http()
    assert http.head(path).headers["upload-offset"] == "0"
    part = {"content-range": f"bytes 0-999999/{len(data)}"}
    assert http.put(path, content=data[:1_000_000], headers=part).status_code == 202
    assert http.head(path).headers["upload-offset"] == "1000000"
    gap = {"content-range": f"bytes 2000000-{len(data) - 1}/{len(data)}"}
    wrong = http.put(path, content=data[2_000_000:], headers=gap)
    assert (wrong.status_code, wrong.json()["metadata"]["offset"]) == (409, "1000000")
    rest = {"content-range": f"bytes 1000000-{len(data) - 1}/{len(data)}"}
    assert http.put(path, content=data[1_000_000:], headers=rest).status_code == 201
    assert http.put(path, content=data).status_code == 201  # read and proven as if it were new
    assert http.put(path, content=data[1:]).json()["reason"] == "DIGEST_MISMATCH"
    assert http.head(path).headers["content-length"] == str(len(data))
    assert http.get(path).content == data
    assert http.get(path, headers={"range": "bytes=10-19"}).content == data[10:20]
    other = f"/v1/blobs/{'0' * 64}"
    assert http.put(other, content=b"something").json()["reason"] == "DIGEST_MISMATCH"
    assert http.get(other).status_code == 404
    assert http.get("/v1/blobs/..%2f..%2fkeys").status_code == 400
    viewer = stack.http(make_key(stack, role="ROLE_VIEWER")["secret"])
    assert viewer.get(path).status_code == 404  # nobody of this project has sent these bytes
    assert viewer.put(path, content=data).status_code == 403
    engineer = stack.http(make_key(stack, role="ROLE_ENGINEER")["secret"])
    assert engineer.head(path).headers["upload-offset"] == "0"
    assert engineer.put(path, content=data).status_code == 201
    assert viewer.get(path).content == data
    artifacts = ArtifactStore(str(stack.folder / "artifacts"))
    artifacts.restrict("p", digest)
    withheld = viewer.get(path)
    assert (withheld.status_code, withheld.json()["reason"]) == (403, "BLOB_RESTRICTED")
    assert engineer.get(path).content == http.get(path).content == data
    artifacts.seal("p", digest)
    for caller in (viewer, engineer, http):
        sealed = caller.get(path)
        assert (sealed.status_code, sealed.json()["reason"]) == (403, "BLOB_SEALED")
        assert "Create an export" in sealed.json()["detail"]


def test_grpc_callers_reach_every_service_through_one_port(stack):
    with grpc.insecure_channel(stack.grpc) as channel:
        shown = [
            ("authorization", f"Bearer {stack.operator_key}"),
            ("x-note", "kept"),
            ("x-ratoon-project", "q"),
        ]
        flywheel = FlywheelServiceStub(channel)
        project = flywheel.GetProject(
            flywheel_service_pb2.GetProjectRequest(name="projects/p"), metadata=shown
        )
        assert project.display_name == "Mail"
        assert stack.flywheel.metadata["x-note"] == "kept"
        assert "x-ratoon-project" not in stack.flywheel.metadata
        assert stack.flywheel.metadata["authorization"].startswith("Bearer ey")
        watched = flywheel.WatchPipelineRun(
            flywheel_service_pb2.WatchPipelineRunRequest(name="projects/p/pipelineRuns/r"), metadata=shown
        )
        assert [run.revision for run in watched] == [1, 2, 3]
        with pytest.raises(grpc.RpcError) as missing:
            flywheel.GetProject(flywheel_service_pb2.GetProjectRequest(name="projects/none"), metadata=shown)
        assert missing.value.code() is grpc.StatusCode.NOT_FOUND
        keys = GatewayServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            keys.ListApiKeys(gateway_service_pb2.ListApiKeysRequest(parent="projects/-"))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        bad = [("authorization", "Bearer rtn_0_0")]
        with pytest.raises(grpc.RpcError) as unknown:
            keys.ListApiKeys(gateway_service_pb2.ListApiKeysRequest(parent="projects/-"), metadata=bad)
        assert unknown.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_nothing_of_a_stranger_is_forwarded(stack):
    with grpc.insecure_channel(stack.grpc) as channel:
        for method, metadata, code in (
            ("/ratoon.flywheel.v1.FlywheelService/GetProject", [], "UNAUTHENTICATED"),
            ("/ratoon.flywheel.v1.FlywheelService/CreateTrafficSegment", [], "UNAUTHENTICATED"),
            (
                "/ratoon.flywheel.v1.FlywheelService/GetProject",
                [("authorization", "Bearer x")],
                "UNAUTHENTICATED",
            ),
            ("/ratoon.gateway.v1.GatewayService/ListApiKeys", [], "UNAUTHENTICATED"),
            ("/ratoon.gateway.v1.GatewayService/ListApiKeys", _shown(stack), "INVALID_ARGUMENT"),
            ("/ratoon.gateway.v1.GatewayService/IssueToken", [], "INVALID_ARGUMENT"),
            ("/ratoon.flywheel.v1.FlywheelService/Nothing", _shown(stack), "UNIMPLEMENTED"),
            ("/ratoon.nothing.v1.NothingService/Get", _shown(stack), "UNIMPLEMENTED"),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(method)(b"\xff\xff\xff", metadata=metadata, timeout=10)
            assert refused.value.code().name == code, method
        caller = [("authorization", f"Bearer {make_key(stack)['secret']}")]
        with pytest.raises(grpc.RpcError) as refused:
            FlywheelServiceStub(channel).GetProject(
                flywheel_service_pb2.GetProjectRequest(name="projects/p"), metadata=caller
            )
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert not stack.flywheel.requests


def test_silent_connections_to_the_grpc_port_keep_no_caller_out(stack):
    path = stack.grpc.removeprefix("unix:")
    silent = []
    for _ in range(2100):
        each = socket.socket(socket.AF_UNIX)
        each.settimeout(10)
        each.connect(path.removeprefix("//"))
        silent.append(each)
    try:
        assert stack.http().get("/v1/models").status_code == 200
    finally:
        for each in silent:
            each.close()
    with grpc.insecure_channel(stack.grpc) as channel:
        stub = FlywheelServiceStub(channel)
        request = flywheel_service_pb2.GetProjectRequest(name="projects/p")
        assert stub.GetProject(request, metadata=_shown(stack), wait_for_ready=True, timeout=20).display_name


def test_streams_end_with_the_key_of_their_caller(stack):
    key = make_key(stack, role="ROLE_VIEWER")
    run = "projects/p/pipelineRuns/endless"
    shown = [("authorization", f"Bearer {key['secret']}")]
    with (
        grpc.insecure_channel(stack.grpc) as channel,
        stack.http(key["secret"]).stream("GET", f"/v1/{run}:watch") as answer,
    ):
        watch = FlywheelServiceStub(channel).WatchPipelineRun(
            flywheel_service_pb2.WatchPipelineRunRequest(name=run), metadata=shown
        )
        assert [next(watch).revision for _ in range(3)] == [1, 2, 3]
        lines = answer.iter_lines()
        next(lines)
        stack.http().post(f"/v1/{key['name']}:revoke", json={})
        with pytest.raises(grpc.RpcError) as ended:
            next(watch)
        assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)


def _shown(stack):
    return [("authorization", f"Bearer {stack.operator_key}")]


def test_reflection_lists_the_services_to_operators(stack):
    with grpc.insecure_channel(stack.grpc) as channel:
        requests = [reflection_pb2.ServerReflectionRequest(list_services="")]
        ask = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        (answer,) = ask(iter(requests), metadata=[("authorization", f"Bearer {stack.operator_key}")])
        names = {service.name for service in answer.list_services_response.service}
        assert {"ratoon.flywheel.v1.FlywheelService", "ratoon.gateway.v1.GatewayService"} <= names
        with pytest.raises(grpc.RpcError) as refused:
            list(ask(iter(requests), metadata=[("authorization", f"Bearer {make_key(stack)['secret']}")]))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_the_pages_that_need_no_key(stack):
    http = stack.http("")
    assert http.get("/healthz").status_code == http.get("/readyz").status_code == 200
    document = http.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    watched = document["paths"]["/v1/projects/{project}/deployments/{deployment}/rollouts/{rollout}:watch"][
        "get"
    ]
    assert "text/event-stream" in watched["responses"]["200"]["content"]
    assert "/v1/projects/{project}/apiKeys" in document["paths"]
    docs = http.get("/docs")
    policy = docs.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    loaded = re.findall(r'(?:src|href)="(/[^"]+)"', docs.text)
    assert {path.partition("/")[2].partition("/")[0] for path in loaded} == {"docs", "openapi.json"}
    assert {http.get(path).status_code for path in loaded} == {200}
    assert "<script>" not in docs.text
    assert "ratoon_gateway_route_table_version" in http.get("/metrics").text


def test_http_as_others_speak_it(stack):
    http = stack.http()
    for path in ("/healthz", "/readyz", "/v1/models", "/docs", "/v1/projects/p", "/v1/projects/p/apiKeys"):
        head = http.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) == len(http.get(path).content)
    watch = http.head("/v1/projects/p/pipelineRuns/r:watch")
    assert watch.headers["content-type"].startswith("text/event-stream")
    assert http.get("/v1/models/").json() == http.get("/v1/models").json()
    for answer in (
        http.get("/healthz"),
        http.get("/elsewhere"),
        http.post("/v1/embeddings"),
        stack.http("x").get("/v1/models"),
    ):
        assert answer.headers["date"]
        assert answer.headers["x-request-id"]
    assert http.options("/v1/projects/p").headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
    assert http.request("TRACE", f"/v1/blobs/{'0' * 64}").headers["allow"] == "GET, HEAD, OPTIONS, PUT"
    form = {"content-type": "application/x-www-form-urlencoded"}
    for path in ("/v1/chat/completions", "/v1/feedback", "/v1/projects/p/apiKeys"):
        refused = http.post(path, content=b"{}", headers=form)
        assert refused.status_code == 415
        assert refused.headers["accept"] == "application/json"
        assert http.post(path, content=b"{}", headers={"content-type": ""}).status_code != 415
    docs = http.get("/docs").headers
    assert "default-src 'none'" in docs["content-security-policy"]
    assert docs["x-content-type-options"] == "nosniff"
    for refused in (stack.http("").get("/v1/blobs/none"), stack.http("").post("/v1/feedback", content=b"{")):
        assert refused.status_code == 401


@pytest.mark.parametrize("stack", [{"allowed_origins": "https://app.example"}], indirect=True)
def test_pages_of_an_allowed_origin_may_call(stack):
    headers = stack.http().get("/v1/models", headers={"origin": "https://app.example"}).headers
    assert headers["access-control-allow-origin"] == "https://app.example"


def test_the_operators_key_is_for_the_owner_alone(stack):
    assert (stack.folder / "keys" / "operator.key").stat().st_mode & 0o077 == 0


def test_an_abandoned_upload_is_thrown_away(tmp_path):
    uploads = Uploads(tmp_path, ArtifactStore(str(tmp_path / "artifacts")), 1000)
    uploads.append("p", "a" * 64, 0, b"old")
    uploads.append("p", "b" * 64, 0, b"new")
    os.utime(tmp_path / f"p-{'a' * 64}.part", (0, 0))
    uploads.start()
    assert (uploads.offset("p", "a" * 64), uploads.offset("p", "b" * 64)) == (0, 3)
    with pytest.raises(ResourceExhausted):
        uploads.append("p", "b" * 64, 3, b"x" * 1000)
