"""Kinds of task in evaluation."""

import pytest

from ratoon.tasks import classify
from ratoon.tasks.classify import Classify
from ratoon.tasks.kind import Kind
from ratoon_evaluation.domain.errors import BadEvaluation
from ratoon_evaluation.domain.gate import Rule, RuleKind
from ratoon_evaluation.domain.kinds.table import KINDS
from ratoon_evaluation.domain.runs import check_metrics
from ratoon_evaluation.domain.scores import BASELINE_TITLES

MAIL = Classify(("ham", "spam"))
TOPICS = Classify(("sport", "news", "art"), multi_label=True)


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
        check_metrics((rule,), KINDS[Kind.CLASSIFY].gated_metrics(MAIL))


def test_rules_with_the_metrics_that_they_need():
    rules = (Rule(RuleKind.MIN_VALUE, "new", 0.5, "auc"), Rule(RuleKind.BETTER, "new"))
    check_metrics(rules, KINDS[Kind.CLASSIFY].gated_metrics(MAIL))


def test_models_that_list_labels_have_no_auc():
    with pytest.raises(BadEvaluation, match="needs one of the metrics macro_f1, micro_f1, accuracy"):
        check_metrics(
            (Rule(RuleKind.MIN_VALUE, "new", 0.5, "auc"),), KINDS[Kind.CLASSIFY].gated_metrics(TOPICS)
        )
    check_metrics(
        (Rule(RuleKind.MIN_VALUE, "new", 0.5, "recall"),), KINDS[Kind.CLASSIFY].gated_metrics(TOPICS)
    )
