"""Sentences about parts that lack the records of a recipe."""

from ratoon_training.domain.recipes import Objective
from ratoon_training.worker.comparisons import ComparisonCounts, _nothing


def test_a_validation_part_without_preferences_names_the_share_of_the_split():
    counts = ComparisonCounts(records=3, other_records=3)
    training, validation = (_nothing(Objective.DPO, counts, part) for part in ("training", "validation"))
    assert training.startswith(
        "DPO would learn nothing of the training part: of its 3 records there are 3 other"
    )
    assert training.endswith("Add preferences: a prompt with a chosen and a rejected answer that differ.")
    assert "Add preferences" in validation and "or raise the validation share of the split" in validation
