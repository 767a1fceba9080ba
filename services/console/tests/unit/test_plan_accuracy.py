"""Accuracy of plans over the runs of a page, and a plan's changes in words."""

import pytest

from ratoon_console.application.run_actions import plan_sentences
from ratoon_console.application.showing.training import plan_accuracy


def test_nine_of_ten_plans_stay_below_the_error_that_is_shown():
    runs = [{"planAccuracy": {"memoryError": 0.01 * at, "timeError": -0.02 * at}} for at in range(11)]
    assert plan_accuracy([*runs, {"name": "without"}]) == pytest.approx(
        {"runs": 11, "memory": 0.09, "time": 0.18}
    )
    assert plan_accuracy(runs[:1]) == {}


def test_a_plan_that_does_not_fit_names_what_does():
    change = {
        "settings": ["recipe.batch_size=8"],
        "description": "lower the batch to 8",
        "measuredBytes": "1",
    }
    plan = {"measuredBytes": str(2**31), "availableBytes": str(2**30), "changes": [change]}
    assert "It fits with recipe.batch_size=8: lower the batch to 8." in plan_sentences(plan)
