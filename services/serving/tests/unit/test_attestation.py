"""Attestation by golden prompts: the tolerance within which weights count as the same."""

from dataclasses import replace

import pytest

from ratoon_serving.domain.attestation import Continuation, GoldenPrompt, compare, golden_prompts

GOLDEN = GoldenPrompt((1, 2), (7, 8, 9, 4), (-0.1, -0.2, -0.3, -0.4), (-2.0, -2.0, -0.35, -2.0))
SAME = Continuation(GOLDEN.tokens, GOLDEN.logprobs)


def test_the_same_numbers_pass_with_the_number_of_compared_positions():
    check = compare([GOLDEN], [SAME])
    assert (check.passed, check.message) == (True, "3 of 4 golden places match within 0.05 nats.")


def test_another_token_fails_where_the_best_leads_clearly():
    assert not compare([GOLDEN], [replace(SAME, tokens=(7, 5, 9, 4))]).passed


def test_a_near_tie_that_differs_ends_the_comparison():
    other = replace(SAME, tokens=(7, 8, 5, 1))
    assert compare([GOLDEN], [other]).passed
    assert not compare([replace(GOLDEN, seconds=(-0.15, -0.25, -0.35, -0.45))], [other]).passed


def test_a_log_probability_outside_of_the_tolerance_fails():
    assert compare([GOLDEN], [replace(SAME, logprobs=(-0.14, -0.2, -9.0, -0.4))]).passed
    assert not compare([GOLDEN], [replace(SAME, logprobs=(-0.16, -0.2, -0.3, -0.4))]).passed


def test_short_answers_and_missing_recordings_fail():
    assert not compare([GOLDEN], [Continuation((), ())]).passed
    assert "register it again" in compare([], []).message


def test_the_recording_is_read_as_registration_writes_it():
    row = {"prompt_token_ids": [1], "tokens": [2], "logprobs": [-0.1], "second_logprobs": [-3.0]}
    assert golden_prompts({"dtype": "float32", "prompts": [row]}) == [
        GoldenPrompt((1,), (2,), (-0.1,), (-3.0,))
    ]
    with pytest.raises(ValueError, match="differ in number"):
        golden_prompts({"prompts": [{**row, "tokens": [2, 3]}]})
