"""How far the stage `dataset` is, by the dataset version."""

import json

import pytest

from ratoon.ingestion.v1 import dataset_pb2
from ratoon_flywheel.adapters.ingestion import DatasetStage
from ratoon_flywheel.domain.pipelines.steps import ChildState


class Channel:
    """A channel that answers each call with one message."""

    def __init__(self, answer: dataset_pb2.DatasetVersion) -> None:
        self._answer = answer

    def unary_unary(self, *_: object, **__: object):
        return lambda request: self._answer

    unary_stream = unary_unary


@pytest.mark.parametrize(
    ("attributes", "counts"),
    [
        ({"author": {"ann": 3, "bob": 4}}, {"author": 7, "time": 8}),
        ({"author": {"distinct": 60, "records": 9}}, {"author": 9, "time": 8}),
        ({"author": {"distinct": 60}}, {"author": 60, "time": 8}),
        ({"time": {"noon": 2}}, {"time": 2}),
    ],
    ids=["values", "many-values", "previous-release", "attribute-of-the-name"],
)
def test_records_with_a_field_are_counted_by_the_profile(attributes, counts):
    profile = {"attributes": attributes, "received": {"first": None, "last": None, "unknown": 2}}
    version = dataset_pb2.DatasetVersion(
        name="version",
        state=dataset_pb2.DatasetVersion.STATE_READY,
        record_count=10,
        profile_json=json.dumps(profile),
    )
    child = DatasetStage(Channel(version)).observe("version")
    assert child.state is ChildState.SUCCEEDED
    assert (child.products.record_count, child.products.field_counts) == (10, counts)


def test_a_version_in_work_has_no_fields_yet():
    running = dataset_pb2.DatasetVersion(name="version", state=dataset_pb2.DatasetVersion.STATE_RUNNING)
    assert DatasetStage(Channel(running)).observe("version").products.field_counts == {}
