"""References to a resource from resources of other services: the answer of a service, and the question to others.

It knows no domain.
"""

from collections.abc import Sequence
from typing import Any

import grpc

from ratoon.common.v1 import reference_service_pb2 as pb
from ratoon.common.v1.reference_service_pb2_grpc import (
    ReferenceServiceServicer,
    ReferenceServiceStub,
    add_ReferenceServiceServicer_to_server,
)
from ratoon.runtime.lifecycle import Rpc
from ratoon.runtime.server import Threads
from ratoon.storage.names import project_of
from ratoon.storage.references import referrers
from ratoon.storage.store import Store

_DEFAULT_SIZE, _MAX_SIZE = 10, 100


class ReferenceServicer(ReferenceServiceServicer):
    """Answers `ratoon.common.v1.ReferenceService` for the resources of a store."""

    def __init__(self, store: Store, threads: Threads) -> None:
        self._store, self._threads = store, threads

    async def FindReferrers(self, request: pb.FindReferrersRequest, context: Any) -> pb.FindReferrersResponse:
        """Find resources that name another one."""
        limit = min(request.limit, _MAX_SIZE) if request.limit > 0 else _DEFAULT_SIZE
        names = await self._threads(referrers, self._store, request.parent, list(request.values), limit)
        return pb.FindReferrersResponse(referrers=names)


class PeerReferences:
    """References to a resource from resources of other services."""

    def __init__(self, channels: Sequence[grpc.Channel]) -> None:
        self._peers = [ReferenceServiceStub(channel) for channel in channels]

    def referrers(self, name: str, *digests: str) -> list[str]:
        """Return the names of at most ten resources of the project that store this name or one of these digests.

        Raises if a service does not answer.
        """
        request = pb.FindReferrersRequest(parent=f"projects/{project_of(name)}", values=[name, *digests])
        names = [each for peer in self._peers for each in peer.FindReferrers(request).referrers]
        return names[:_DEFAULT_SIZE]


def reference_rpc(store: Store, threads: Threads) -> Rpc:
    """Return the gRPC service that answers for the resources of a store."""
    return Rpc(
        "ratoon.common.v1.ReferenceService",
        add_ReferenceServiceServicer_to_server,
        ReferenceServicer(store, threads),
    )
