"""Simple answerers: the answer of the most similar record, the mean, and a ridge regression."""

import random
from pathlib import Path

import pytest

from ratoon_evaluation.worker.answer_baselines import nearest_answers, predicted_numbers

LINES = [
    line.strip()
    for line in (Path(__file__).parents[4] / "LICENSE").read_text().splitlines()
    if len(line.split()) > 6
]


def numbers(texts, answers, tests, low=None, high=None):
    return predicted_numbers(
        {"texts": texts, "answers": answers, "test_texts": tests, "low": low, "high": high}
    )


def test_the_nearest_record_is_the_one_with_most_words_in_common():
    tests = [" ".join(line.split()[:-2]) for line in LINES[:40]]
    task = {"texts": LINES, "answers": [str(place) for place in range(len(LINES))], "test_texts": tests}
    nearest = nearest_answers(task)["nearest_reference"]
    assert sum(answer == str(place) for place, answer in enumerate(nearest)) >= 38


def test_the_nearest_chinese_record_is_compared_by_words():
    texts = ["今天天气很好我们去公园", "这本书的质量非常好", "物流太慢了很失望"]
    task = {"texts": texts, "answers": ["天气", "书", "物流"], "test_texts": ["书的质量怎么样", "物流很慢"]}
    assert nearest_answers(task)["nearest_reference"] == ["书", "物流"]


def test_without_an_answer_in_the_training_part_there_is_no_nearest_record():
    assert nearest_answers({"texts": [], "answers": [], "test_texts": ["a"]}) == {}


def test_a_regression_learns_what_words_and_characters_say():
    generator = random.Random(1)
    words = {"great": 3.0, "fine": 1.0, "bad": -2.0, "很好": 2.5, "很差": -3.0}
    rows = [
        (f"{word} item {generator.randrange(50)}", score) for word, score in words.items() for _ in range(20)
    ]
    texts, answers = zip(*rows, strict=True)
    tests = ["a great thing", "bad", "真的很好", "很差吧"]
    predicted = numbers(texts, answers, tests)
    assert predicted["mean"] == [pytest.approx(0.3)] * 4
    great, bad, good_zh, bad_zh = predicted["ridge_tfidf"]
    assert great > 1
    assert bad < -0.5
    assert good_zh > 1
    assert bad_zh < -1


def test_predictions_stay_within_the_range_of_the_task():
    texts, answers = ["up up", "down down"] * 10, [10.0, 0.0] * 10
    assert max(numbers(texts, answers, ["up"], None, 6.0)["ridge_tfidf"]) == 6
    assert min(numbers(texts, answers, ["down"], 4.0, None)["ridge_tfidf"]) == 4


def test_one_record_is_enough():
    assert numbers(["only one"], [2.0], ["another"])["mean"] == [2.0]
