"""Comparison of two forms of a model: choices, log-probabilities, metrics, and the certificate that they make."""

import json
from dataclasses import replace
from math import inf

import pytest

from ratoon.tasks.parity import (
    TOLERANCES,
    Finding,
    Inputs,
    Reason,
    Recorded,
    Scored,
    Step,
    TextScores,
    Tolerance,
    Verdict,
    compare,
    compare_texts,
    document,
    judge,
    judge_metrics,
    link,
    link_of,
    links_of,
    metric_difference,
    statement,
    text_scores,
    tolerance_of,
    verdict_of,
    with_link,
)

ROW = Recorded((1, 2), (7, 8, 9), (-0.1, -0.2, -0.3), (-3.0, -0.25, -3.0))
SAME = Scored(ROW.tokens, ROW.logprobs)
FLOAT32 = TOLERANCES["float32"]


def linked(step, scored=SAME, **more):
    comparison = compare([ROW], [scored], FLOAT32)
    return link(step, "float32", "p 1", "a" * 64, "b" * 64, comparison=comparison, tolerance=FLOAT32, **more)


def test_equal_answers_are_within():
    comparison = compare([ROW, ROW], [SAME, SAME], FLOAT32)
    assert (comparison.prompts, comparison.equal_prompts, comparison.places) == (2, 2, 6)
    assert (comparison.agreement, comparison.max_difference, comparison.first_difference) == (1.0, 0.0, None)
    assert judge(comparison, FLOAT32, 6) is None


def test_a_near_tie_decides_nothing_and_a_clear_difference_precedes_it():
    near = compare([ROW], [replace(SAME, choices=(7, 5, 9))], FLOAT32)
    assert (near.near_ties, near.first_difference.near_tie, near.equal_prompts) == (1, True, 0)
    assert judge(near, FLOAT32, 3) is None
    clear = compare([ROW], [replace(SAME, choices=(7, 5, 4))], FLOAT32)
    first = clear.first_difference
    assert (first.position, first.reference_token, first.token, first.near_tie) == (2, 9, 4, False)
    assert judge(clear, FLOAT32, 3).reason is Reason.TOKENS_DIFFER


@pytest.mark.parametrize("own", [-0.2, inf, float("nan"), -inf])
def test_another_log_probability_of_the_same_token_is_a_difference(own):
    comparison = compare([ROW], [replace(SAME, logprobs=(own, -0.2, -0.3))], FLOAT32)
    finding = judge(comparison, FLOAT32, 3)
    assert (finding.reason, "at most" in finding.message) == (Reason.LOGPROBS_DIFFER, True)
    assert comparison.max_difference <= 100.0


def test_the_mean_decides_where_single_tokens_may_differ():
    tolerance = Tolerance(None, 0.1)
    comparison = compare([ROW], [replace(SAME, logprobs=(-0.5, -0.2, -0.3))], tolerance)
    assert judge(comparison, tolerance, 3).message == (
        "Log-probabilities differ by 0.1333 nats on average; accepted are 0.1."
    )


def test_texts_are_compared_by_choices_and_likelihood():
    text = TextScores((1, 7, 8), (7, 9), (-0.1, -2.0), (1.0, 0.01))
    assert compare_texts([text], [text], FLOAT32).equal_places == 2
    near = compare_texts([text], [replace(text, choices=(7, 8))], FLOAT32)
    assert (near.near_ties, near.max_difference) == (1, 0.0)
    clear = compare_texts([text], [replace(text, choices=(5, 9), logprobs=(-0.4, -2.0))], FLOAT32)
    assert (clear.first_difference.token, clear.first_difference.lead) == (5, pytest.approx(1.0))
    assert clear.max_difference == pytest.approx(0.3)


@pytest.mark.parametrize(
    "written",
    [
        7,
        [{"ids": [1, 2]}],
        [{"ids": [1, 2], "choices": [2], "logprobs": [-0.1], "leads": [0.5, 0.5]}],
        [{"ids": ["a", 2], "choices": [2], "logprobs": [-0.1], "leads": [0.5]}],
        [{"ids": [1, 2], "choices": [2], "logprobs": ["x"], "leads": [0.5]}],
    ],
)
def test_scores_that_are_not_complete_are_refused(written):
    with pytest.raises(ValueError, match="Scores of texts"):
        text_scores(written)


def test_too_few_places_are_no_proof():
    comparison = compare([ROW, ROW], [Scored((7,), (-0.1,)), Scored((), ())], FLOAT32)
    assert judge(comparison, FLOAT32, 6).reason is Reason.TOO_FEW_PLACES


def test_a_metric_is_beyond_when_its_whole_interval_is():
    worse = metric_difference("accuracy", [1.0] * 80 + [0.0] * 20, [0.0] * 30 + [1.0] * 50 + [0.0] * 20)
    assert (worse.reference, worse.value, worse.records) == (0.8, 0.5, 100)
    assert worse.high < -0.2
    assert judge_metrics([worse]).reason is Reason.METRIC_DIFFERS
    few = metric_difference("accuracy", [1.0, 0.0, 1.0], [0.0, 0.0, 1.0])
    assert judge_metrics([few]) is None, "three records prove nothing"
    same = metric_difference("accuracy", [1.0] * 5, [1.0] * 5)
    assert (same.low, same.high) == (-0.6, 0.6)
    with pytest.raises(ValueError, match="same records"):
        metric_difference("accuracy", [1.0], [])


def test_a_known_cause_precedes_the_numbers():
    one = linked(
        Step.MERGE, replace(SAME, choices=(1, 1, 1)), finding=Finding(Reason.HEAD_LOST, "Lost.", "lm_head")
    )
    assert (one.verdict, one.reason, one.layer) == (Verdict.BEYOND, "HEAD_LOST", "lm_head")


def test_links_are_kept_in_order_with_the_worse_numbers_of_a_form():
    serve, merge = linked(Step.SERVE), linked(Step.MERGE)
    links = with_link((serve,), merge)
    assert [each.step for each in links] == [Step.MERGE, Step.SERVE]
    worse = linked(Step.SERVE, replace(SAME, logprobs=(-0.13, -0.2, -0.3)))
    assert with_link(links, worse) == (merge, worse)
    assert with_link((merge, worse), serve) == (merge, worse)
    failed = linked(Step.SERVE, replace(SAME, choices=(1, 1, 1)))
    assert verdict_of(with_link((merge, worse), failed)) is Verdict.BEYOND
    assert verdict_of(with_link((merge, failed), serve)) is Verdict.WITHIN
    assert verdict_of(()) is None
    other = replace(serve, runtime="p 2")
    assert len(with_link(links, other)) == 3


def test_a_certificate_is_read_as_it_was_written():
    inputs = Inputs("1" * 64, "2" * 64, "3" * 64, "<s>", ("</s>",), {"temperature": 0.0})
    metric = metric_difference("accuracy", [1.0, 0.0], [1.0, 1.0])
    links = (
        linked(Step.TRAIN, inputs=inputs, metrics=[metric]),
        linked(Step.SERVE, replace(SAME, choices=(1, 8, 9))),
        link(Step.EXPORT, "gguf_q4_k", "llama.cpp", "c" * 64, "a" * 64, tolerance=tolerance_of("gguf_q4_k")),
    )
    written = statement("a" * 64, links)
    assert links_of(json.loads(written)) == links
    assert statement("a" * 64, links_of(json.loads(written))) == written
    later = document(links[0]) | {"introduced_later": 1}
    assert link_of(later) == links[0]


def test_each_number_format_has_a_tolerance():
    assert tolerance_of("float32", same_program=True).token < tolerance_of("float32").token
    assert tolerance_of("int8", same_program=True) == tolerance_of("int8")
    with pytest.raises(ValueError, match="use one of float32"):
        tolerance_of("int3")
