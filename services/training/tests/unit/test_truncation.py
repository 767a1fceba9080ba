"""Samples that are too long: each policy keeps what it says, and nothing is learned across a gap."""

import pytest

from ratoon_training.domain.errors import SampleTooLong
from ratoon_training.domain.recipes import Truncation
from ratoon_training.worker.conversations import Sample
from ratoon_training.worker.truncation import truncated

BOS = 0
PROMPT, ANSWER = 24, 8


def sample(prompt: int = PROMPT, answer: int = ANSWER) -> Sample:
    """Return a prompt that begins with BOS, and an answer, whose tokens are their places."""
    return Sample(list(range(prompt + answer)), [False] * prompt + [True] * answer, weight=0.5)


def cut(policy: Truncation, limit: int, whole: Sample | None = None, bos: int | None = BOS) -> list[Sample]:
    whole = whole or sample()
    samples = truncated(whole, limit, policy, bos)
    assert all(len(each.ids) == len(each.targets) <= limit for each in samples)
    assert all(each.weight == whole.weight for each in samples)
    return samples


def learned(each: Sample) -> list[int]:
    return [token for token, learns in zip(each.ids, each.targets, strict=True) if learns]


def test_left_keeps_the_beginning_of_text_token_and_the_end():
    (left,) = cut(Truncation.LEFT, 20)
    assert left.ids == [0, *range(13, 32)]
    assert learned(left) == list(range(24, 32))
    (without,) = cut(Truncation.LEFT, 20, bos=None)
    assert without.ids == list(range(12, 32))


def test_right_keeps_the_beginning_and_an_answer_that_is_cut_has_no_end():
    (right,) = cut(Truncation.RIGHT, 28)
    assert learned(right) == [24, 25, 26, 27]
    (none,) = cut(Truncation.RIGHT, 24)
    assert none.learned == 0


def test_middle_keeps_the_answer_and_both_ends_of_the_prompt():
    (middle,) = cut(Truncation.MIDDLE, 20)
    assert middle.ids == [*range(6), *range(18, 32)]
    assert learned(middle) == list(range(24, 32))


def test_middle_cuts_an_answer_that_is_too_long_itself_and_learns_nothing_right_after_the_gap():
    (middle,) = cut(Truncation.MIDDLE, 20, sample(4, 40))
    assert middle.ids == [*range(10), *range(34, 44)]
    assert learned(middle) == [*range(4, 10), *range(35, 44)]


def test_segments_hold_every_token_once():
    segments = cut(Truncation.SEGMENT, 14)
    assert [token for each in segments for token in each.ids] == list(range(32))
    assert [len(each.ids) for each in segments] == [14, 14, 4]
    assert [each.learned for each in segments] == [0, 4, 3], (
        "the first token of a segment follows from nothing"
    )


def test_a_run_may_refuse_long_samples():
    with pytest.raises(SampleTooLong, match=r"has 32 tokens, recipe\.max_tokens allows 31"):
        cut(Truncation.REFUSE, 31)


@pytest.mark.parametrize("policy", [Truncation.LEFT, Truncation.MIDDLE, Truncation.RIGHT, Truncation.SEGMENT])
@pytest.mark.parametrize(("prompt", "answer"), [(1, 40), (40, 1), (20, 20), (39, 2)])
def test_a_gap_is_never_followed_by_a_target(policy, prompt, answer):
    for limit in (16, 17, 39):
        if limit >= prompt + answer:
            continue
        for each in cut(policy, limit, sample(prompt, answer)):
            for place in range(1, len(each.ids)):
                follows = each.ids[place] == each.ids[place - 1] + 1
                assert follows or not each.targets[place]
