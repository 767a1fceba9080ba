"""The classifier's formulas against scikit-learn, on drawn answers and on known values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from ratoon_evaluation.domain.kinds import classify
from ratoon_evaluation.domain.kinds.classify import OTHER, Confusion

LABELS = ("ham", "spam", "list")
pairs = st.lists(
    st.tuples(st.sampled_from(LABELS), st.sampled_from((*LABELS, OTHER))), min_size=1, max_size=60
)


@given(pairs)
def test_classes_agree_with_scikit_learn(drawn):
    truth, predicted = zip(*drawn, strict=True)
    confusion = Confusion.of(LABELS, drawn)
    expected = metrics.precision_recall_fscore_support(truth, predicted, labels=LABELS, zero_division=0)
    ours = [(c.precision, c.recall, c.f1, c.support) for c in confusion.classes()]
    for row, theirs in zip(ours, zip(*expected, strict=True), strict=True):
        assert row == pytest.approx(theirs)
    borne = [label for label in LABELS if label in truth]
    macro = metrics.f1_score(truth, predicted, labels=borne, average="macro", zero_division=0)
    assert confusion.macro().f1 == pytest.approx(macro)
    assert confusion.accuracy() == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert confusion.other == predicted.count(OTHER)


def test_a_label_without_records_does_not_lower_the_macro_average():
    perfect = Confusion.of(LABELS, [("ham", "ham"), ("spam", "spam")])
    assert perfect.macro().f1 == 1.0
    assert Confusion.of(LABELS, []).macro().f1 == 0.0


def test_an_unknown_label_is_an_error_and_an_unknown_answer_is_other():
    assert Confusion.of(("ham", "spam"), [("ham", "eggs")]).counts == ((0, 0, 1), (0, 0, 0))
    with pytest.raises(KeyError):
        Confusion.of(("ham",), [("eggs", "ham")])


scored = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=50)


@given(scored)
def test_auc_agrees_with_scikit_learn(drawn):
    positive = [hit for hit, _ in drawn]
    scores = [float(score) for _, score in drawn]
    ours = classify.auc(positive, scores)
    if len(set(positive)) == 1:
        assert ours is None
    else:
        assert ours == pytest.approx(metrics.roc_auc_score(positive, scores))


def test_macro_auc_leaves_out_labels_without_two_sides():
    scores = {"ham": [0.9, 0.2], "spam": [0.1, 0.8], "list": [0.0, 0.0]}
    assert classify.macro_auc(LABELS, ["ham", "spam"], scores) == 1.0
    assert classify.macro_auc(("ham",), ["ham"], {"ham": [1.0]}) is None


def test_softmax_gives_the_known_shares():
    assert classify.softmax([1, 2, 3]) == pytest.approx((0.0900, 0.2447, 0.6652), abs=5e-5)
    assert classify.softmax([-1000.0, 0.0]) == pytest.approx((0.0, 1.0))


def test_perplexity_of_a_fair_die_is_six():
    assert classify.perplexity(10 * math.log(6), 10) == pytest.approx(6)
    assert classify.perplexity(0.0, 0) is None


def test_an_answer_that_is_no_label_is_not_one_that_is_called_other():
    confusion = Confusion.of(("billing", "other"), [("other", OTHER), ("other", "other"), ("billing", OTHER)])
    assert (confusion.other, confusion.accuracy()) == (2, 1 / 3)
