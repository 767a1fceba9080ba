import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.tasks.votes import Tally, Votes, count_votes


def mostly_negative(tally: Tally) -> bool:
    return tally.votes >= 20 and tally.share > 0.5


def disliked(callers: int, votes: int) -> Votes:
    return count_votes((f"c{number}", 0, votes) for number in range(callers))


def test_a_caller_counts_once_by_its_share_of_negative_votes():
    votes = count_votes([("a", 0, 30), ("a", 10, 0), ("b", 5, 0), ("", 1, 2)])
    assert (votes.positive, votes.negative) == (16, 32)
    assert votes.tally == Tally(votes=48, callers=5, unhappy=2.75)
    assert votes.tally.share == 0.55


def test_no_votes_have_no_share():
    assert Votes().tally == Tally(0, 0, 0.0)
    assert Votes().tally.share == 0.0


def test_one_callers_votes_never_support_a_complaint():
    assert not disliked(1, 50).support(mostly_negative)
    assert not count_votes([("loud", 0, 50), ("", 3, 0)]).support(mostly_negative)
    assert not count_votes([("loud", 0, 50), ("", 0, 3)]).support(mostly_negative), "3 others are too few"
    assert not disliked(2, 25).support(mostly_negative), "without one of them, one alone is left"


def test_ten_callers_votes_do():
    assert disliked(10, 5).support(mostly_negative)


def test_votes_of_unknown_callers_count_one_by_one():
    assert Votes(0, 20).support(mostly_negative)
    assert not Votes(0, 19).support(mostly_negative)
    assert not Votes(10, 10).support(mostly_negative)


def test_one_caller_cannot_hide_what_the_others_say():
    assert count_votes([("fan", 1000, 0), ("", 2, 20)]).support(mostly_negative)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7])
def test_equal_shares_meet_an_equal_threshold_however_many_callers_have_them(threshold):
    for callers in range(3, 40):
        votes = count_votes(
            (str(n), 10 - round(threshold * 10), round(threshold * 10)) for n in range(callers)
        )
        assert votes.support(lambda tally: tally.share >= threshold)


ROWS = st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.integers(0, 9), st.integers(0, 9)))


@given(ROWS, ROWS)
def test_sums_of_sums_are_the_sum(some, more):
    whole, parts = count_votes(some + more), count_votes([*count_votes(some).rows, *count_votes(more).rows])
    assert parts.tally == whole.tally
    assert sorted(parts.callers) == sorted(whole.callers)
    assert 0 <= whole.tally.share <= 1
