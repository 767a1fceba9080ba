"""Kinds of task in evaluation."""

import pytest

from ratoon.process.clock import SystemClock
from ratoon.tasks import classify
from ratoon.tasks.classify import Classify
from ratoon.tasks.kind import Kind, TaskNotSupported
from ratoon_evaluation.application.commands import CreateRun
from ratoon_evaluation.application.handlers import create_run
from ratoon_evaluation.domain.errors import BadEvaluation
from ratoon_evaluation.domain.gate import Rule, RuleKind
from ratoon_evaluation.domain.kinds.table import KINDS
from ratoon_evaluation.domain.runs import Question, check_metrics
from ratoon_evaluation.domain.scores import BASELINE_TITLES

QUESTION = Question("a" * 64, "", (), (), ())


@pytest.mark.parametrize("task", [Classify(("a", "b"), multi_label=True)])
def test_a_task_that_is_not_supported_is_refused_before_anything_is_stored(task):
    with pytest.raises(TaskNotSupported, match=r"^Evaluation does not support"):
        create_run(CreateRun("projects/p", "", QUESTION, task), None, None, SystemClock())


def test_the_baselines_are_those_of_the_kind():
    assert tuple(BASELINE_TITLES) == classify.BASELINES


@pytest.mark.parametrize(
    "rule",
    [
        Rule(RuleKind.MIN_VALUE, "new", 0.5, "recall"),
        Rule(RuleKind.MAX_VALUE, "new", 0.5),
        Rule(RuleKind.BETTER, "new", 0.0, "accuracy"),
    ],
)
def test_rules_with_a_metric_that_they_cannot_have_are_refused(rule):
    with pytest.raises(BadEvaluation, match=r"^A rule"):
        check_metrics((rule,), KINDS[Kind.CLASSIFY].GATED_METRICS)


def test_rules_with_the_metrics_that_they_need():
    rules = (Rule(RuleKind.MIN_VALUE, "new", 0.5, "auc"), Rule(RuleKind.BETTER, "new"))
    check_metrics(rules, KINDS[Kind.CLASSIFY].GATED_METRICS)


def test_gated_metrics_are_metrics_of_the_kind():
    assert set(KINDS[Kind.CLASSIFY].GATED_METRICS) <= set(classify.METRICS)
