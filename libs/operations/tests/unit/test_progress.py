"""Progress of jobs can always be stored."""

import math

from ratoon.operations.jobs import JobProgress


def test_what_is_no_number_is_left_out():
    progress = JobProgress(
        math.nan, "Step 3.", remaining_s=math.inf, metrics={"loss": math.nan, "tokens_per_second": 5.0}
    )
    assert progress == JobProgress(0.0, "Step 3.", metrics={"tokens_per_second": 5.0})
