"""Summaries of profiles: quantiles, moments, correlations, distinct values, association, difficulty, topics."""

import numpy as np
import polars as pl
import pytest
from scipy.stats.contingency import association as cramers_v

from ratoon_ingestion.worker.reports.columns import NumberColumn, ValueColumn, association, numbers_of
from ratoon_ingestion.worker.reports.sketch import Comoments, HashSample, Moments, QuantileSketch
from ratoon_ingestion.worker.reports.texts import Sampled, TooFew, difficulty, topics

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.lognormal(3, 2, 20_000),
        RANDOM.normal(0, 5, 20_000),
        RANDOM.integers(1, 4, 5_000).astype(float),
        np.array([0.0, 0.0, 1e-12, -1e12, 1e12]),
        np.array([7.0]),
    ],
)
def test_quantiles_are_within_one_percent_however_the_values_come(values):
    sketch = QuantileSketch()
    for block in np.array_split(values, 7):
        sketch.add(block)
    shares = (0, 0.01, 0.25, 0.5, 0.75, 0.99, 1)
    exact = np.quantile(values, shares, method="inverted_cdf")
    assert sketch.quantiles(shares) == pytest.approx(exact.tolist(), rel=0.011, abs=1e-8)
    histogram = sketch.histogram()
    assert sum(histogram.counts) == len(values)
    assert len(histogram.edges) == len(histogram.counts) + 1


def test_moments_and_correlations_are_those_of_numpy():
    rows = RANDOM.normal(1e6, 3, (5_000, 3)) + RANDOM.normal(0, 3, (5_000, 1))
    rows[::10, 1] = np.nan
    moments, comoments = Moments(), Comoments(["a", "b", "c"])
    for block in np.array_split(rows, 9):
        moments.add(block[:, 0])
        comoments.add(block)
    whole = rows[np.isfinite(rows).all(axis=1)]
    assert (moments.mean, moments.deviation) == pytest.approx((rows[:, 0].mean(), rows[:, 0].std(ddof=1)))
    matrix = comoments.matrix()
    assert np.array(matrix.coefficients).reshape(3, 3) == pytest.approx(np.corrcoef(whole.T), abs=1e-9)
    assert matrix.record_count == len(whole)


def test_a_constant_column_correlates_with_nothing():
    comoments = Comoments(["a", "b"])
    comoments.add(np.column_stack([np.ones(10), np.arange(10.0)]))
    assert list(comoments.matrix().coefficients) == [0, 0, 0, 1]


def test_a_sample_of_hashes_keeps_all_or_none_of_a_value():
    sample = HashSample(1_000)
    values = RANDOM.integers(0, 2**63, 20_000).astype(np.uint64) * np.uint64(2)
    for block in np.array_split(np.concatenate([values, values]), 11):
        sample.add(block)
    retained, counts = sample.counts()
    assert set(counts.tolist()) == {2}
    assert len(retained) / sample.share == pytest.approx(20_000, rel=0.15)


def test_a_column_of_numbers_counts_what_is_missing_infinite_and_far_off():
    column = NumberColumn("x")
    values = np.array([*range(100), 1e6, np.inf, np.nan, np.nan], dtype=float)
    missing = np.zeros(len(values), np.bool_)
    missing[-1] = True
    ids = [f"r{place}" for place in range(len(values))]
    column.add(values, ids, [None if place % 3 else "a" for place in range(len(values))], missing)
    stated = column.stated()
    assert (stated.value_count, stated.missing_count, stated.infinite_count) == (101, 1, 2)
    assert (stated.outlier_count, list(stated.outlier_record_ids)) == (1, ["r100"])
    assert [box.label for box in stated.box_plots] == ["a"]


def test_texts_of_attributes_are_numbers_where_they_look_like_one():
    read = numbers_of(pl.Series([" 1.5 ", "-2", "inf", "1e3", "n/a", "", None]))
    assert np.array_equal(read, [1.5, -2, np.inf, 1e3, np.nan, np.nan, np.nan], equal_nan=True)


def test_a_column_in_which_each_record_has_its_own_value_lists_none():
    column = ValueColumn("subject")
    labels = pl.Series(["a"] * 500, dtype=pl.String)
    column.add(pl.Series([f"the subject {number}" for number in range(500)]), labels)
    stated = column.stated(510)
    assert (stated.distinct_count, stated.missing_count, len(stated.top_values)) == (500, 10, 0)
    assert column.crossed() is None


def test_ten_thousand_categories_are_counted_in_little_memory():
    column = ValueColumn("city")
    labels = pl.Series([None] * 1_000, dtype=pl.String)
    for start in range(0, 40_000, 1_000):
        column.add(
            pl.Series([f"c{number}" for number in range(start, start + 990)] + ["common"] * 10), labels
        )
    stated = column.stated(40_000)
    assert stated.distinct_count == pytest.approx(39_601, rel=0.05)
    assert stated.value_count == 40_000


def test_association_is_that_of_scipy_less_its_bias():
    counts = np.array([[90, 10, 5], [10, 80, 15]])
    assert association(counts) == pytest.approx(cramers_v(counts, correction=False), abs=0.02)
    assert association(np.full((4, 5), 30)) == 0
    assert association(np.array([[5, 0], [0, 0]])) == 0


WORDS = {"pay": "invoice money transfer bank account", "garden": "tulip soil rake seed water"}


def sample(count: int) -> list[Sampled]:
    rows = []
    for number in range(count):
        label = ("pay", "garden")[number % 2]
        words = WORDS[label].split()
        text = " ".join(words[(number * step) % 5] for step in range(1, 9))
        rows.append(Sampled(f"{number:064x}", text, label, f"c{number}"))
    return rows


def test_topics_are_found_and_name_their_words_and_labels():
    result = topics(sample(60), 2)
    assert {frozenset(topic.label_counts) for topic in result} == {frozenset(["pay"]), frozenset(["garden"])}
    assert sum(topic.share for topic in result) == pytest.approx(1)
    assert not any(example.text_start for topic in result for example in topic.examples)


def test_a_wrong_label_is_the_hardest_record():
    records = sample(80)
    wrong = records[10]
    records[10] = Sampled(wrong.record_id, wrong.text, "garden", wrong.cluster)
    hard = difficulty(records)
    assert hard.hardest[0].record.record_id == wrong.record_id
    assert hard.accuracy > 0.95
    assert sum(hard.margins.counts) == 80


def test_too_little_is_said_in_a_sentence():
    with pytest.raises(TooFew, match="at least 20 texts"):
        topics(sample(5), 2)
    with pytest.raises(TooFew, match="at least two labels"):
        difficulty([Sampled("a", "text", None, "")] * 30)
    with pytest.raises(TooFew, match="words"):
        topics([Sampled(str(number), "1 2 3", None, "") for number in range(30)], 2)
