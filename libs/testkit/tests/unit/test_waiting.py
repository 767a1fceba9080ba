"""Waiting for a condition."""

import pytest

from ratoon.testkit.waiting import until


def test_it_returns_the_first_true_value():
    values = iter([0, None, "", "ready", "later"])
    assert until(lambda: next(values), 5.0, interval_s=0.001) == "ready"


def test_it_looks_once_even_without_time():
    assert until(lambda: "at once", 0.0) == "at once"


def test_it_says_what_is_missing():
    with pytest.raises(AssertionError, match=r"not within 0.01 s: the second relay"):
        until(lambda: False, 0.01, "the second relay", 0.001)


def test_its_message_is_made_only_at_the_end():
    calls = []
    with pytest.raises(AssertionError, match=r"5 looks"):
        until(lambda: calls.append(1), 0.01, lambda: "5 looks" if calls else "", 0.001)
    until(lambda: True, 0.01, lambda: calls.append("never"))
    assert "never" not in calls
