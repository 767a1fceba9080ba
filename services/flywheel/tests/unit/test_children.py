"""What a run sees of the resources that do its stages."""

import pytest

from ratoon.common.v1 import progress_pb2
from ratoon_flywheel.adapters.children import child
from ratoon_flywheel.domain.pipelines.runs import Products
from ratoon_flywheel.domain.pipelines.steps import ChildState

NOTHING, NO_FAILURE = progress_pb2.Progress(), progress_pb2.Failure()


@pytest.mark.parametrize(
    ("state", "seen"), [("STATE_READY", ChildState.SUCCEEDED), ("STATE_QUEUED", ChildState.WORKING)]
)
def test_what_it_made_counts_once_it_succeeded(state, seen):
    made = child(state, Products(split="s"), NOTHING, NO_FAILURE)
    assert (made.state, made.products.split) == (seen, "s" if seen is ChildState.SUCCEEDED else "")


def test_a_resource_that_was_redacted_meanwhile_ends_the_stage_with_the_reason():
    made = child("STATE_REDACTED", Products(split="s"), NOTHING, NO_FAILURE, "10 train")
    assert (made.state, made.reason, made.products) == (ChildState.FAILED, "REDACTED", Products())
    assert "erased" in made.message
