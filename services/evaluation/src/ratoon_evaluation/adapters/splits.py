"""Splits over ingestion's gRPC API, which logs who read a test part."""

from collections.abc import Sequence

import grpc

from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1 import split_pb2
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon_evaluation.application.ports import Parts
from ratoon_evaluation.domain.errors import SplitNotReady


class IngestionSplits:
    """Opens splits by a channel to ingestion."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._ingestion = IngestionServiceStub(channel)

    def open(self, split: str, readers: Sequence[str], purpose: str) -> Parts:
        """What is there of a split's parts, one logged reading a reader; SplitNotReady, or ingestion's error."""
        known = self._ingestion.GetSplit(pb.GetSplitRequest(name=split))
        if known.state not in (split_pb2.Split.STATE_READY, split_pb2.Split.STATE_REDACTED):
            state = split_pb2.Split.State.Name(known.state).removeprefix("STATE_")
            raise SplitNotReady(f"{split} is {state}; it can be evaluated on once it is READY.")
        digests = {
            self._ingestion.OpenSplit(
                pb.OpenSplitRequest(name=split, part=split_pb2.PART_TEST, reader=reader, purpose=purpose)
            ).digest
            for reader in readers
        }
        train = known.redaction.train_digest or known.train_digest
        return Parts(digests.pop(), train, known.group_attribute, known.dataset_version)
