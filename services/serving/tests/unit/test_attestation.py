"""Attestation by golden prompts: the tolerance within which weights count as the same."""

from dataclasses import replace
from datetime import UTC, datetime
from math import inf

import pytest

from ratoon.tasks.compute import Compute, Dtype
from ratoon.tasks.parity import Step, Verdict
from ratoon_serving.adapters.engine_http import Answer, EngineClient
from ratoon_serving.domain.attestation import (
    TOLERANCES,
    Continuation,
    GoldenPrompt,
    Recording,
    compare,
    computed_dtype,
    recording,
    served_link,
)
from ratoon_serving.domain.engine import Check, Engine

GOLDEN = GoldenPrompt((1, 2), (7, 8, 9, 4), (-0.1, -0.2, -0.3, -0.4), (-2.0, -2.0, -0.35, -2.0))
SAME = Continuation(GOLDEN.tokens, GOLDEN.logprobs)
ROW = {"prompt_token_ids": [1], "tokens": [2], "logprobs": [-0.1], "second_logprobs": [-3.0]}
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ENGINE = Engine("e", NOW, NOW, 1, "v", "a" * 64, "b" * 64, "c" * 64, "m")


def of(golden: GoldenPrompt, dtype: Dtype = Dtype.FLOAT32, is_own: bool = True) -> Recording:
    return Recording((golden,), dtype, is_own)


def test_the_same_numbers_pass_with_the_number_of_compared_positions():
    check = compare(of(GOLDEN), [SAME])
    assert (check.passed, check.message) == (True, "4 of 4 golden places match within 0.05 nats.")


def test_another_token_fails_where_the_best_leads_clearly():
    assert not compare(of(GOLDEN), [replace(SAME, tokens=(7, 5, 9, 4))]).passed


def test_a_near_tie_that_differs_ends_the_comparison():
    other = replace(SAME, tokens=(7, 8, 5, 1))
    assert compare(of(GOLDEN), [other]).passed
    early = replace(SAME, tokens=(7, 5, 9, 4))
    assert not compare(of(replace(GOLDEN, seconds=(-0.15, -0.25, -0.35, -0.45))), [early]).passed


def test_a_log_probability_outside_of_the_tolerance_fails():
    assert compare(of(GOLDEN), [replace(SAME, logprobs=(-0.14, -0.2, -0.3, -0.4))]).passed
    near_tie = replace(SAME, logprobs=(-0.1, -0.2, -9.0, -0.4))
    assert not compare(of(GOLDEN), [near_tie]).passed, "the same token of other weights"
    assert not compare(of(GOLDEN), [replace(SAME, logprobs=(-0.16, -0.2, -0.3, -0.4))]).passed
    assert not compare(of(GOLDEN), [replace(SAME, logprobs=(float("nan"), -0.2, -0.3, -0.4))]).passed


def test_short_answers_and_missing_recordings_fail():
    assert not compare(of(GOLDEN), [Continuation((), ())]).passed
    assert "register it again" in compare(Recording(()), []).message


def test_the_recording_is_read_as_registration_writes_it():
    prompt = GoldenPrompt((1,), (2,), (-0.1,), (-3.0,))
    assert recording({"dtype": "float32", "prompts": [ROW]}) == Recording((prompt,))
    with pytest.raises(ValueError, match="differ in number"):
        recording({"prompts": [{**ROW, "tokens": [2, 3]}]})


def test_an_engine_of_another_format_is_compared_with_the_record_of_that_format():
    blob = {"prompts": [ROW], "formats": {"bfloat16": [{"logprobs": [-0.2], "second_logprobs": [-2.0]}]}}
    own = recording(blob, Dtype.BFLOAT16)
    assert own.prompts == (GoldenPrompt((1,), (2,), (-0.2,), (-2.0,)),)
    assert own.tolerance == TOLERANCES[Dtype.BFLOAT16]
    assert recording(blob).prompts[0].logprobs == (-0.1,)


def test_without_such_a_record_it_is_compared_with_float32_within_twice_the_tolerance():
    wide = recording({"prompts": [ROW]}, Dtype.FLOAT16)
    assert (wide.prompts, wide.is_own) == (recording({"prompts": [ROW]}).prompts, False)
    assert (wide.tolerance.token, wide.tolerance.mean) == (0.3, 0.04)
    golden = of(GOLDEN, Dtype.FLOAT16, is_own=False)
    far = replace(SAME, logprobs=tuple(each - 0.03 for each in GOLDEN.logprobs))
    check = compare(golden, [far])
    assert check.passed
    assert "float32 (none in its own number format)" in check.message
    assert not compare(of(GOLDEN, Dtype.FLOAT16), [far]).passed


@pytest.mark.parametrize(
    ("scores", "passed"),
    [
        ((-0.1, -0.2, -0.3, -0.4), True),
        ((-0.13, -0.17, -0.33, -0.35), True),  # what rounding does
        ((-0.1, -0.2, -0.3, -1.39), False),  # 0.99 nats of one token, but 0.25 on average
        ((-0.3, -0.4, -0.5, -0.6), False),  # 0.2 nats each: too much on average
        ((-0.1, -0.2, -0.3, -1.6), False),
        ((-0.1, -0.2, -0.3, float("nan")), False),
        ((-0.1, -0.2, -0.3, -inf), False),
        ((), False),
        ((-0.1, -0.2, -0.3), False),
    ],
)
def test_in_bfloat16_every_recorded_token_is_compared_also_near_ties(scores, passed):
    score = Continuation(GOLDEN.tokens[: len(scores)], scores)
    assert compare(of(GOLDEN, Dtype.BFLOAT16), [score]).passed is passed


def test_in_bfloat16_greedy_answers_may_part_where_the_lead_is_within_rounding():
    narrow = replace(GOLDEN, seconds=(-2.0, -2.0, -2.0, -2.0))
    parted = replace(SAME, tokens=(7, 5, 1, 1))
    assert compare(of(narrow, Dtype.BFLOAT16), [parted]).passed
    clear = replace(GOLDEN, seconds=(-3.0, -3.0, -3.0, -3.0))
    assert not compare(of(clear, Dtype.BFLOAT16), [parted]).passed


def test_an_engine_computes_in_the_requested_format_or_is_refused():
    bfloat16 = replace(ENGINE, compute=Compute(dtype=Dtype.BFLOAT16))
    assert computed_dtype(ENGINE, "") is Dtype.FLOAT32
    assert computed_dtype(ENGINE, "float16") is Dtype.FLOAT16
    assert computed_dtype(bfloat16, "bfloat16") is Dtype.BFLOAT16
    for engine, reported, cause in (
        (bfloat16, "float32", "in float32, not in bfloat16"),
        (bfloat16, "", "in float32, not in bfloat16"),
        (ENGINE, "auto", "'auto', which is not attested"),
    ):
        check = computed_dtype(engine, reported)
        assert isinstance(check, Check)
        assert not check.passed
        assert cause in check.message


class ScriptedClient(EngineClient):
    """A client of an engine that continues prompts from a table: tokens, each with the likeliest ones."""

    def __init__(self, table):
        self.table, self.prompts = table, []

    def _ask(self, engine, path, request):
        self.prompts.append(request["prompt"])
        places = self.table[tuple(request["prompt"])][: request["max_tokens"]]
        top = [{f"token_id:{token}": value for token, value in place} for place in places]
        logged = {
            "tokens": [next(iter(each)) for each in top],
            "token_logprobs": [next(iter(each.values())) for each in top],
            "top_logprobs": top,
        }
        return Answer(200, {}, {"choices": [{"logprobs": logged}]})


def test_scores_go_on_after_each_recorded_token_that_the_engine_does_not_choose():
    golden = GoldenPrompt((1,), (7, 8, 9), (-0.1, -0.2, -0.3), (-0.2, -0.3, -4.0))
    client = ScriptedClient(
        {
            (1,): [[(5, -0.1), (7, -0.2)], [(5, 0.0)], [(5, 0.0)]],
            (1, 7): [[(8, -0.25), (5, -0.3)], [(6, -0.4), (5, -0.5)]],
        }
    )
    assert client.score_prompts(ENGINE, [golden]) == [Continuation((5, 8, 6), (-0.2, -0.25, -inf))]
    assert client.prompts == [[1], [1, 7]]


def test_an_answer_without_tokens_is_no_score():
    client = ScriptedClient({(1, 2): []})
    assert client.score_prompts(ENGINE, [GOLDEN]) == [Continuation((), ())]
    assert not compare(of(GOLDEN, Dtype.BFLOAT16), client.score_prompts(ENGINE, [GOLDEN])).passed


def link_of(golden: Recording, answer: Continuation):
    return served_link(ENGINE, "vllm 1.0", golden, [answer], compare(golden, [answer]))


def test_an_attested_process_is_a_link_of_the_certificate():
    near = replace(SAME, logprobs=(-0.12, -0.2, -0.3, -0.4))
    link = link_of(of(GOLDEN), near)
    assert (link.step, link.format, link.runtime) == (Step.SERVE, "float32", "vllm 1.0")
    assert (link.verdict, link.reason, link.source) == (Verdict.WITHIN, "", "e")
    assert (link.comparison.places, link.comparison.equal_prompts) == (4, 1)
    assert link.comparison.max_difference == pytest.approx(0.02)
    assert (link.tolerance.token, link.tolerance.mean) == (0.05, None)


def test_a_failed_attestation_is_a_link_with_the_first_difference():
    link = link_of(of(GOLDEN), replace(SAME, tokens=(7, 5, 9, 4)))
    first = link.comparison.first_difference
    assert (link.verdict, link.reason) == (Verdict.BEYOND, "TOKENS_DIFFER")
    assert (first.position, first.reference_token, first.token) == (1, 8, 5)
    assert link.comparison.places == 2, "what follows another token is not compared"
    silent = link_of(of(GOLDEN), Continuation((), ()))
    assert silent.reason == "TOO_FEW_PLACES"


def test_scores_in_another_number_format_are_compared_within_its_tolerance():
    scores = replace(SAME, tokens=(7, 5, 9, 4), logprobs=(-0.13, -0.22, -0.3, float("-inf")))
    link = link_of(of(GOLDEN, Dtype.BFLOAT16, is_own=False), scores)
    assert (link.format, link.verdict, link.tolerance.token) == ("bfloat16", Verdict.BEYOND, 2.0)
    assert link.comparison.max_difference == 100.0
    assert link.comparison.near_ties == 1
