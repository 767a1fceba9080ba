"""Rules by which answers enter a queue: what they choose, and how many tasks they may add."""

from datetime import date

import pytest

from ratoon_labeling.domain.intake import (
    Batch,
    Choice,
    IntakeCount,
    IntakeRule,
    IntakeSource,
    Item,
    selected,
    without,
)

TRAFFIC = IntakeRule("some", IntakeSource.TRAFFIC, share=0.5)
DOUBTFUL = IntakeRule("doubtful", IntakeSource.TRAFFIC, share=0.25, choice=Choice.UNCERTAIN)
REJECTED = IntakeRule("low", IntakeSource.LOW_RATED)


def batch(*confidences: float | None, has_more: bool = False) -> Batch:
    items = [
        Item(f"a{number}", f"a{number}", confidence=each, position=number)
        for number, each in enumerate(confidences, 1)
    ]
    return Batch(items, str(len(items)), has_more)


def keys(rule: IntakeRule, read: Batch, position: str = "0", lots: dict[str, float] | None = None):
    chosen = selected(rule, read, position, lots or {each.key: 0.9 for each in read.items})
    return None if chosen is None else [each.key for each in chosen]


def test_a_share_of_traffic_is_chosen_by_lot():
    assert keys(TRAFFIC, batch(None, None), lots={"a1": 0.4, "a2": 0.6}) == ["a1"]


def test_all_rejected_answers_are_chosen():
    assert keys(REJECTED, batch(None, 0.1)) == ["a1", "a2"]


def test_the_least_certain_share_is_chosen_once_it_is_one_answer():
    assert keys(DOUBTFUL, batch(0.9, 0.1, None, 0.5)) is None
    assert keys(DOUBTFUL, batch(0.9, 0.1, None, 0.5, 0.7)) == ["a2"]
    assert keys(DOUBTFUL, batch(0.9, 0.1, has_more=True)) == ["a2"]


def test_answers_before_the_position_are_not_chosen_again_as_the_least_certain():
    assert keys(DOUBTFUL, batch(0.1, 0.9, 0.8, 0.7, 0.6), position="1") == ["a5"]


def test_a_rule_adds_no_more_than_it_may_on_a_day_and_in_all():
    rule = IntakeRule("low", IntakeSource.LOW_RATED, max_per_day=2, max_tasks=3)
    today, tomorrow = date(2026, 6, 1), date(2026, 6, 2)
    count = IntakeCount()
    for _ in range(2):
        count = count.added(today)
    assert (count.left(rule, today), count.left(rule, tomorrow)) == (0, 1)
    count = count.added(tomorrow)
    assert (count.total, count.of_day, count.left(rule, tomorrow)) == (3, 1, 0)


@pytest.mark.parametrize(("source", "waits"), [("TRAFFIC", False), ("LOW_RATED", True), ("BAD_CASES", True)])
def test_only_traffic_beyond_the_limit_of_a_day_is_left_out(source, waits):
    assert IntakeSource(source).waits is waits


def test_an_item_that_has_a_task_or_stands_twice_is_left_out():
    one, other = Item("a"), Item("b")
    assert without([one, other, other], {"a"}) == [other]
