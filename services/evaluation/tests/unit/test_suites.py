"""Suites: what is refused, the metrics that rules name, and runs that apply them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ratoon.evaluation.v1 import evaluation_service_pb2 as service_pb2
from ratoon.evaluation.v1 import suite_pb2 as pb
from ratoon_evaluation import mapping, suite_messages
from ratoon_evaluation.application.ports import ScoringJob
from ratoon_evaluation.domain.errors import BadEvaluation, BadSuite, StaleEtag
from ratoon_evaluation.domain.gate import Outcome, Rule, RuleKind, judge
from ratoon_evaluation.domain.perturbations import Noise, Perturbation
from ratoon_evaluation.domain.predictions import stored_predictions
from ratoon_evaluation.domain.runs import Domain, EvaluationRun, Question, Scored, State, checked
from ratoon_evaluation.domain.scores import Interval, Measurements, SuiteScores
from ratoon_evaluation.domain.scores import TestScores as ScoresOfTest
from ratoon_evaluation.domain.suites import (
    AppliedSuite,
    CodeTest,
    File,
    HarnessTest,
    RecordsTest,
    StepByStep,
    Suite,
    SuiteMetric,
    SuiteTest,
    check_etag,
    suite_metric,
)
from ratoon_evaluation.domain.suites import TestKind as KindOfTest
from ratoon_evaluation.domain.suites import checked as checked_suite
from ratoon_evaluation.worker.suites.suite_job import requested_test

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DIGEST = "a" * 64
RECORDS = SuiteTest(
    "typos", RecordsTest(DIGEST, noise=Noise((Perturbation.TYPOS,), 0.1, 7)), KindOfTest.NOISE
)
TESTS = (
    RECORDS,
    SuiteTest("gsm8k", HarnessTest("task: x", (File("x.jsonl", DIGEST),), 3, 10), metric="exact_match"),
    SuiteTest("reasoned", RecordsTest(DIGEST, step_by_step=StepByStep(64))),
    SuiteTest("code", CodeTest(DIGEST, 5, (1, 5), 0.2, 64, 3.0, 2), difficulty="hard", metric="pass@1"),
)
SUITE = Suite("projects/p/suites/s.1", NOW, NOW, "", TESTS, 3)
METRICS = {
    "typos": ("rouge_l",),
    "reasoned": ("rouge_l",),
    "gsm8k": ("exact_match",),
    "code": ("pass@1", "pass@5"),
}


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_tests_are_the_same_after_a_job_or_a_caller_sent_them(test):
    assert requested_test(suite_messages.test(test)) == test


def test_defaults_of_requests():
    message = pb.SuiteTest(name="x", code=pb.CodeTest(digest=DIGEST))
    assert suite_messages.requested_test(message).content == CodeTest(DIGEST)
    noise = pb.RecordsTest.Noise(perturbations=[pb.RecordsTest.PERTURBATION_CASE])
    message = pb.SuiteTest(name="x", records=pb.RecordsTest(digest=DIGEST, noise=noise))
    assert suite_messages.requested_test(message).content.noise == Noise((Perturbation.CASE,), 0.05, 0)
    with pytest.raises(BadSuite, match="no content"):
        suite_messages.requested_test(pb.SuiteTest(name="x"))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "No"}, "tests[0].name"),
        ({"difficulty": "x" * 64}, "tests[0].difficulty"),
        ({"metric": "bleu"}, "tests[0].metric"),
        ({"content": RecordsTest("x")}, "tests[0].records.digest"),
        ({"content": RecordsTest(DIGEST, noise=Noise(()))}, "tests[0].records.noise"),
        (
            {"content": RecordsTest(DIGEST, noise=Noise((Perturbation.CASE,), 0.6))},
            "tests[0].records.noise.rate",
        ),
        (
            {"content": RecordsTest(DIGEST, multi_turn=True, step_by_step=StepByStep())},
            "tests[0].records.step_by_step",
        ),
        (
            {"content": RecordsTest(DIGEST, step_by_step=StepByStep(4097))},
            "tests[0].records.step_by_step.max_tokens",
        ),
        ({"content": HarnessTest("", (File("x", DIGEST), File("x", DIGEST)))}, "tests[0].harness.files"),
        ({"content": HarnessTest("", (File("x", "y"),))}, "tests[0].harness.files"),
        ({"content": HarnessTest("", few_shot=65)}, "tests[0].harness.few_shot"),
        ({"content": HarnessTest("", limit=-1)}, "tests[0].harness.limit"),
        ({"content": CodeTest(DIGEST, 0)}, "tests[0].code.samples"),
        ({"content": CodeTest(DIGEST, 2, (3,))}, "tests[0].code.k"),
        ({"content": CodeTest(DIGEST, temperature=float("nan"))}, "tests[0].code.temperature"),
        ({"content": CodeTest(DIGEST, max_tokens=0)}, "tests[0].code.max_tokens"),
        ({"content": CodeTest(DIGEST, timeout_s=float("inf"))}, "tests[0].code.timeout_s"),
    ],
)
def test_a_test_that_contradicts_itself_is_refused(change, field):
    test = replace(RECORDS, **change)
    with pytest.raises(BadSuite) as refused:
        checked_suite(replace(SUITE, tests=(test,)), {test.name: ("rouge_l",)})
    assert refused.value.field == field


@pytest.mark.parametrize("tests", [(), (RECORDS, RECORDS), (RECORDS,) * 101])
def test_tests_have_names_of_their_own(tests):
    with pytest.raises(BadSuite, match="each with its own name"):
        checked_suite(replace(SUITE, tests=tests), METRICS)
    assert checked_suite(SUITE, METRICS) == SUITE


def test_a_stale_etag_is_refused():
    check_etag(SUITE, "3")
    check_etag(SUITE, "")
    with pytest.raises(StaleEtag):
        check_etag(SUITE, "2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("suite:s.1.acc", SuiteMetric("s.1", "acc")),
        ("suite:s.acc", SuiteMetric("s", "acc")),
        ("suite:s.1/gsm8k.exact_match,strict-match", SuiteMetric("s.1", "exact_match,strict-match", "gsm8k")),
        ("suite:s/x.1", SuiteMetric("s", "1", "x")),
        ("suite:s.1.", None),
        ("suite:s.1/x", None),
        ("suite:t.acc", None),
    ],
)
def test_rules_name_metrics_of_suites(text, expected):
    assert suite_metric(text, ["s", "s.1"]) == (expected if text != "suite:s.1." else SuiteMetric("s", "1."))


QUESTION = Question(
    candidate=DIGEST,
    reference="",
    domains=(Domain("new", "projects/p/datasets/d/splits/s"),),
    labels=("ham", "spam"),
    rules=(),
    suites=(AppliedSuite(SUITE.name, 3, TESTS),),
)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (Rule(RuleKind.MIN_VALUE, "", 0.5, "suite:other.acc"), "one of s.1"),
        (
            Rule(RuleKind.MIN_VALUE, "", 0.5, "suite:s.1/other.acc"),
            "has the tests typos, gsm8k, reasoned, code",
        ),
        (Rule(RuleKind.BETTER, "", 0.0, "suite:s.1.acc"), "does not compare suites"),
        (Rule(RuleKind.MIN_VALUE, "new", 0.5, "suite:s.1.acc"), "takes no domain"),
    ],
)
def test_rules_on_suites_that_the_run_lacks_are_refused(rule, reason):
    with pytest.raises(BadEvaluation, match=reason):
        checked(replace(QUESTION, rules=(rule,)))
    rule = Rule(RuleKind.MAX_VALUE, "", 0.5, "suite:s.1/gsm8k.exact_match")
    assert checked(replace(QUESTION, rules=(rule,))).rules == (rule,)


def of_test(name, *values, **more):
    return ScoresOfTest(name, metric="acc", candidate={"acc": Interval(*values)}, **more)


def test_the_mean_of_a_suite_has_the_interval_of_independent_tests():
    scores = SuiteScores("s", 1, (of_test("a", 0.5, 0.2, 0.6), of_test("b", 0.7, 0.3, 0.7)))
    mean = scores.mean("acc")
    assert mean.value == pytest.approx(0.6)
    assert mean.low == pytest.approx(0.6 - (0.3**2 + 0.4**2) ** 0.5 / 2)
    assert mean.high == pytest.approx(0.6 + 0.1 / 2)
    assert scores.mean("bleu") is None


@pytest.mark.parametrize(
    ("metric", "threshold", "passed", "words"),
    [
        ("suite:s.acc", 0.35, True, "acc is 0.600"),
        ("suite:s.acc", 0.36, False, "not at least"),
        ("suite:s/b.acc", 0.3, True, "acc is 0.700"),
        ("suite:s/b.bleu", 0.0, False, "not measured"),
        ("suite:t.acc", 0.0, False, "was not applied"),
    ],
)
def test_the_gate_bounds_suites(metric, threshold, passed, words):
    scores = SuiteScores("s", 1, (of_test("a", 0.5, 0.2, 0.6), of_test("b", 0.7, 0.3, 0.7)))
    verdict = judge([Rule(RuleKind.MIN_VALUE, "", threshold, metric)], Measurements((), (scores,)))
    assert verdict.passed is passed
    assert words in verdict.sentence


def test_a_test_without_a_value_fails_the_rule_with_its_reason():
    failed = ScoresOfTest("b", metric="exact_match", unmeasured={"": "Line 3 is not JSON."})
    scores = SuiteScores("s", 1, (of_test("a", 0.5, 0.2, 0.6), failed))
    verdict = judge([Rule(RuleKind.MIN_VALUE, "", 0.0, "suite:s.acc")], Measurements((), (scores,)))
    assert not verdict.passed
    assert "(Line 3 is not JSON)" in verdict.sentence


def test_a_run_shows_its_suites_and_their_results_and_sends_them_to_the_job():
    scores = SuiteScores("s.1", 3, (of_test("typos", 0.5, 0.2, 0.6, kind="NOISE", answers="b" * 64),))
    outcome = Outcome(Measurements((), (scores,)), judge([], Measurements()))
    run = EvaluationRun(
        "projects/p/evaluationRuns/r",
        NOW,
        NOW,
        QUESTION,
        State.SUCCEEDED,
        scored=Scored(outcome, "c" * 64, "d" * 64),
    )
    message = mapping.run(run)
    assert list(message.suites) == [SUITE.name]
    (result,) = message.suite_results
    assert (result.suite, result.suite_revision) == (SUITE.name, 3)
    assert result.metrics["acc"].value == 0.5
    (test,) = result.tests
    assert (test.kind, test.metric, test.answers_digest) == (pb.SuiteTest.KIND_NOISE, "acc", "b" * 64)
    (spec,) = mapping.scoring_spec(ScoringJob(run, {}, {})).suites
    assert (spec.name, spec.revision) == ("s.1", 3)
    assert tuple(map(requested_test, spec.tests)) == TESTS


def test_an_update_names_what_it_changes():
    request = service_pb2.UpdateSuiteRequest(suite=pb.Suite(name=SUITE.name, etag="3", description="x"))
    request.update_mask.paths.append("description")
    command = suite_messages.update_suite(request)
    assert (command.description, command.tests, command.etag) == ("x", None, "3")


def test_answers_to_tests_are_known_to_later_runs_of_the_same_models():
    test = of_test("a", 0.5, 0.2, 0.6, answers="b" * 64, reference_answers="c" * 64, answer_settings="k")
    failed = ScoresOfTest("b", unmeasured={"": "Gone."})
    outcome = Outcome(Measurements((), (SuiteScores("s.1", 3, (test, failed)),)), judge([], Measurements()))
    question = replace(QUESTION, reference="e" * 64)
    run = EvaluationRun(
        "projects/p/evaluationRuns/r", NOW, NOW, question, State.SUCCEEDED, scored=Scored(outcome, "", "")
    )
    assert stored_predictions(question, [run], str) == {
        (DIGEST, "suites", "k"): "b" * 64,
        ("e" * 64, "suites", "k"): "c" * 64,
    }
    other = replace(question, candidate="e" * 64, reference="")
    assert stored_predictions(other, [run], str) == {("e" * 64, "suites", "k"): "c" * 64}
