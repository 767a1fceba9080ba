"""The splits adapter against a gRPC server that speaks ingestion's contract."""

from functools import partial

import grpc
import pytest

from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1 import split_pb2
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import (
    IngestionServiceServicer,
    add_IngestionServiceServicer_to_server,
)
from ratoon.testkit.services import answering
from ratoon_evaluation.adapters.splits import IngestionSplits
from ratoon_evaluation.application.ports import Parts
from ratoon_evaluation.domain.errors import SplitNotReady


class Ingestion(IngestionServiceServicer):
    """One READY split, one that is still made, one of which records were erased."""

    def __init__(self):
        self.opened = []

    def GetSplit(self, request, context):
        states = {"ready": split_pb2.Split.STATE_READY, "redacted": split_pb2.Split.STATE_REDACTED}
        state = states.get(request.name.rpartition("/")[2], split_pb2.Split.STATE_RUNNING)
        split = split_pb2.Split(name=request.name, state=state, train_digest="t" * 64)
        if state == split_pb2.Split.STATE_REDACTED:
            split.redaction.train_digest = "l" * 64
            split.group_attribute = "user"
        return split

    def OpenSplit(self, request, context):
        self.opened.append((request.part, request.reader, request.purpose))
        return pb.OpenSplitResponse(digest="s" * 64)


@pytest.fixture
def ingestion(tmp_path):
    servicer = Ingestion()
    add = partial(add_IngestionServiceServicer_to_server, servicer)
    with answering("127.0.0.1:0", add) as port, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield servicer, IngestionSplits(channel)


def test_each_reader_is_logged(ingestion):
    servicer, splits = ingestion
    parts = splits.open("projects/p/datasets/d/splits/ready", ["a" * 64, "b" * 64], "Evaluation x")
    assert parts == Parts("s" * 64, "t" * 64)
    assert servicer.opened == [
        (split_pb2.PART_TEST, "a" * 64, "Evaluation x"),
        (split_pb2.PART_TEST, "b" * 64, "Evaluation x"),
    ]


def test_of_a_redacted_split_what_is_left_is_read(ingestion):
    _, splits = ingestion
    parts = splits.open("projects/p/datasets/d/splits/redacted", ["a" * 64], "Evaluation x")
    assert parts == Parts("s" * 64, "l" * 64, "user")


def test_a_split_in_the_making_is_not_opened(ingestion):
    servicer, splits = ingestion
    with pytest.raises(SplitNotReady, match="RUNNING"):
        splits.open("projects/p/datasets/d/splits/making", ["a" * 64], "Evaluation x")
    assert servicer.opened == []
