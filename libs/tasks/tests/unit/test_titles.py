"""Names of metrics for people."""

import pytest

from ratoon.tasks import titles
from ratoon.tasks.kinds import KINDS
from ratoon.tasks.titles import metric_title

METRICS = [name for kind in KINDS.values() for name in kind.METRICS]


@pytest.mark.parametrize("name", METRICS)
def test_a_title_has_no_underscore(name):
    assert metric_title(name)
    assert "_" not in metric_title(name)


def test_each_title_is_that_of_a_metric():
    assert set(titles._TITLES) <= set(METRICS)


def test_titles_are_those_of_the_field():
    assert list(map(metric_title, ["mae", "rouge_l", "exact_match"])) == ["MAE", "ROUGE-L", "exact match"]
