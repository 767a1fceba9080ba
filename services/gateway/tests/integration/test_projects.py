"""A project that does not exist is refused on both protocols, whatever service the request is for."""

import grpc
import pytest

from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("GET", "/v1/projects/none/pipelineRuns", None),
        ("GET", "/v1/projects/none/sources", None),
        ("GET", "/v1/projects/none/trainingRuns/t", None),
        ("POST", "/v1/projects/none/sources", {"format": "FORMAT_JSONL"}),
        ("POST", "/v1/projects/none/pipelineRuns", {}),
        ("PATCH", "/v1/projects/none/policies/d", {"dryRun": False}),
    ],
)
def test_a_mistyped_project_is_refused_over_http(stack, verb, path, body):
    answer = stack.http().request(verb, path, json=body)
    assert (answer.status_code, answer.json()["reason"]) == (404, "PROJECT_NOT_FOUND")
    assert "projects/none does not exist" in answer.json()["detail"]


def test_a_mistyped_project_is_refused_over_grpc_and_others_pass(stack):
    with grpc.insecure_channel(stack.grpc) as channel:
        flywheel = FlywheelServiceStub(channel)
        key = [("authorization", f"Bearer {stack.operator_key}")]
        with pytest.raises(grpc.RpcError) as refused:
            flywheel.ListFeedback(pb.ListFeedbackRequest(parent="projects/none"), metadata=key)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        assert "projects/none does not exist" in refused.value.details()
        assert not stack.flywheel.requests
        flywheel.ListFeedback(pb.ListFeedbackRequest(parent="projects/p"), metadata=key)
        assert len(stack.flywheel.requests) == 1


def test_while_flywheel_cannot_say_requests_pass_to_their_services(stack):
    assert stack.http().get("/v1/projects/p/feedback").status_code == 200
