"""What a run sees of the resources that do its stages."""

import pytest

from ratoon.common.v1 import progress_pb2
from ratoon_flywheel.adapters.children import child
from ratoon_flywheel.domain.pipelines.runs import Products
from ratoon_flywheel.domain.pipelines.steps import ChildState

NOTHING, NO_FAILURE = progress_pb2.Progress(), progress_pb2.Failure()


@pytest.mark.parametrize(
    ("state", "child_state"), [("STATE_READY", ChildState.SUCCEEDED), ("STATE_QUEUED", ChildState.WORKING)]
)
def test_the_products_of_a_resource_count_once_it_succeeded(state, child_state):
    observed = child(state, Products(split="s"), NOTHING, NO_FAILURE)
    assert (observed.state, observed.products.split) == (
        child_state,
        "s" if child_state is ChildState.SUCCEEDED else "",
    )


def test_a_resource_that_was_redacted_meanwhile_ends_the_stage_with_the_reason():
    observed = child("STATE_REDACTED", Products(split="s"), NOTHING, NO_FAILURE, "10 train")
    assert (observed.state, observed.reason, observed.products) == (ChildState.FAILED, "REDACTED", Products())
    assert "erased" in observed.message
