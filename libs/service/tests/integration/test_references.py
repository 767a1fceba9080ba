"""References to a resource from resources of other services, asked over gRPC."""

from contextlib import ExitStack
from functools import partial

import grpc
import pytest

from ratoon.common.v1 import reference_service_pb2 as pb
from ratoon.common.v1.reference_service_pb2_grpc import (
    ReferenceServiceServicer,
    add_ReferenceServiceServicer_to_server,
)
from ratoon.service.references import PeerReferences
from ratoon.testkit.services import answering

NAME, DIGEST = "projects/p/labelSets/s", "d" * 64


class Peer(ReferenceServiceServicer):
    def __init__(self, count: int) -> None:
        self.count = count
        self.requests: list[pb.FindReferrersRequest] = []

    def FindReferrers(self, request: pb.FindReferrersRequest, context: object) -> pb.FindReferrersResponse:
        self.requests.append(request)
        return pb.FindReferrersResponse(referrers=[f"r{number}" for number in range(self.count)])


@pytest.mark.parametrize(("counts", "expected"), [((0, 0), 0), ((0, 3), 3), ((8, 4), 10)])
def test_every_peer_is_asked_for_the_name_and_the_digests(counts: tuple[int, ...], expected: int) -> None:
    peers = [Peer(count) for count in counts]
    with ExitStack() as stack:
        ports = [
            stack.enter_context(
                answering("127.0.0.1:0", partial(add_ReferenceServiceServicer_to_server, peer))
            )
            for peer in peers
        ]
        channels = [stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}")) for port in ports]
        assert len(PeerReferences(channels).referrers(NAME, DIGEST)) == expected
    request = pb.FindReferrersRequest(parent="projects/p", values=[NAME, DIGEST])
    assert [peer.requests for peer in peers] == [[request], [request]]
