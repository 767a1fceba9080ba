"""Scores of a domain: metrics without a value say why, and none of them is stored as one."""

import numpy as np
import pytest

from ratoon.tasks.generate import METRICS, Generate
from ratoon_evaluation.domain.scores import Scores
from ratoon_evaluation.worker.answer_scores import Answered, TextScores
from ratoon_evaluation.worker.measuring import Answerer, measure
from ratoon_evaluation.worker.parts import Part
from ratoon_evaluation.worker.passes import Domain
from ratoon_evaluation.worker.resampling import Resampling


def scores(nll: float, references: tuple[str, ...] = ("hello",), clusters: tuple[str, ...] = ()) -> Scores:
    """Scores of the same answer to 9 records, each reference token of which has this likelihood."""
    ids = tuple(map(str, range(9)))
    part = Part("0" * 64, ids, ids, ids, ids, ("",) * 9, ({},) * 9, clusters=clusters)
    likelihood = np.full(9, nll), np.ones(9)
    answered = Answered(Generate(), [references] * 9, ["hello there"] * 9, "13a", *likelihood)
    answerers = {"candidate": Answerer(TextScores(answered))}
    how = Resampling(resamples=200)
    return measure(Domain("new", part, None), answerers, METRICS["rouge_l"], how).candidate


def test_a_perplexity_that_no_number_holds_is_not_measured():
    measured = scores(1e6)
    assert "perplexity" not in measured.metrics
    assert measured.unmeasured["perplexity"] == "The value is too large, or is not a number."
    assert scores(2.0).metrics["perplexity"].value == pytest.approx(np.exp(2.0))
    assert "perplexity" not in scores(2.0).unmeasured


def test_metrics_of_references_say_that_there_is_none():
    measured = scores(2.0, references=())
    assert "rouge_l" not in measured.metrics
    assert "no" in measured.unmeasured["rouge_l"].lower()
    assert measured.metrics["answer_length"].value == 11


def test_records_of_one_group_have_no_interval():
    measured = scores(2.0, clusters=("same",) * 9)
    assert not measured.metrics
    assert set(measured.unmeasured) >= {"rouge_l", "answer_length"}
