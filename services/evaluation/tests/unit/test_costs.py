"""Cost of a million answers: its price by the rates of the operator, and notes on a cheaper model that is better."""

from dataclasses import replace

import pytest

from ratoon.tasks.compute import Accelerator
from ratoon.tasks.costs import cost_text
from ratoon_evaluation.domain.costs import AnswerCost, Rates, cost_of, priced
from ratoon_evaluation.domain.scores import DomainScores, Interval, Scores
from ratoon_evaluation.worker import report
from ratoon_evaluation.worker.cards import Card

EUROS = Rates({Accelerator.CPU: 0.2, Accelerator.CUDA: 2.9}, "EUR")
LANGUAGE_MODEL = Card("c" * 64, 1_000, 4_000, {"model_type": "llama"})
CLASSICAL_MODEL = Card("d" * 64, 1_000, 4_000, {"features": "words", "estimator": "linear"})


def test_an_answer_on_a_cpu_costs_its_share_of_the_cores_of_a_machine():
    cost = priced(cost_of(core_seconds=7.2, device_seconds=0.0, answers=1_000), Accelerator.CPU, 4, EUROS)
    assert cost.core_seconds_per_million == 7_200
    assert cost.price_per_million == pytest.approx(0.1)  # 7,200 s on 4 cores are half an hour
    assert cost.assumption == (
        "Processor time of the answers of the evaluation; a machine of 4 cores costs 0.2 EUR an hour, and all of them "
        "answer."
    )


def test_an_answer_on_an_accelerator_costs_its_time():
    cost = priced(cost_of(core_seconds=9.0, device_seconds=3.6, answers=1_000), Accelerator.CUDA, 4, EUROS)
    assert cost.price_per_million == pytest.approx(2.9)
    assert "cuda costs 2.9 EUR an hour" in cost.assumption


def test_without_a_rate_there_is_a_time_and_no_price():
    cost = priced(cost_of(7.2, 0.0, 1_000), Accelerator.CPU, 4, Rates())
    assert (cost.price_per_million, cost.currency) == (None, "")
    assert "RATOON_EVALUATION_HOURLY_COSTS" in cost.assumption
    assert cost_text(7_200) == "7,200 core seconds"
    assert cost_text(9_000, 3_600) == "3,600 device seconds"
    assert cost_text(7_200, price=0.1, currency="EUR") == "0.1 EUR (7,200 core seconds)"


def scores(macro_f1: float, core_seconds: float) -> Scores:
    interval = Interval(macro_f1, macro_f1 - 0.05, macro_f1 + 0.05)
    return Scores(50, macro_f1=interval, cost=AnswerCost(core_seconds))


def domain(low: float, high: float) -> DomainScores:
    gain = Interval(-0.1, low, high)
    baselines = {"classical": scores(0.9, 38)}
    return DomainScores(
        "new",
        "t",
        scores(0.8, 12_000),
        baselines=baselines,
        best_baseline="classical",
        baseline_difference=gain,
    )


def test_a_bag_of_words_beats_a_language_model_if_the_interval_says_so():
    first, beaten, costs = report.notes_of(domain(-0.18, -0.02), LANGUAGE_MODEL)
    assert "0.900; the model 0.800" in first
    assert beaten == "A bag of words beats the language model."
    assert costs == "A million answers: 38 core seconds against 12,000 core seconds."


@pytest.mark.parametrize(("high", "card"), [(0.02, LANGUAGE_MODEL), (-0.02, CLASSICAL_MODEL)])
def test_a_difference_that_may_be_chance_or_between_small_models_is_no_defeat(high, card):
    first, costs = report.notes_of(domain(-0.18, high), card)
    assert "0.900" in first and "against" in costs


def test_a_candidate_that_is_as_good_as_its_baselines_has_no_note():
    equal = replace(domain(-0.1, 0.1), candidate=scores(0.9, 12_000))
    assert report.notes_of(equal, LANGUAGE_MODEL) == ()
