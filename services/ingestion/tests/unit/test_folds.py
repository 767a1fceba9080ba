"""Random splits and folds: near duplicates and groups never cross, each record validates once, and the scores."""

import numpy as np
import pytest

from ratoon_ingestion.domain.assignment import Folds, Part, Ratios, SplitMode
from ratoon_ingestion.domain.errors import BadSplit
from ratoon_ingestion.domain.splits import check_folds
from ratoon_ingestion.worker.assignment import NO_TIME, OUTCOMES, Columns, assigned
from ratoon_ingestion.worker.cross_validation import LabelledTexts, cross_validated, half_width, joined

COUNT = 400
NO_FOLDS = Folds()


def columns(labels: int = 3, cluster: int = 2, group: int = 0) -> Columns:
    rows = np.arange(COUNT)
    return Columns(
        clusters=rows // cluster,
        names=lambda numbers: (f"{number:04d}" for number in numbers.tolist()),
        labels=rows % labels + 1,
        label_names=["", *map(str, range(labels))],
        times=np.full(COUNT, NO_TIME),
        groups=rows // group if group else np.full(COUNT, -1),
    )


def parts(mode: SplitMode, folds: Folds = NO_FOLDS, **fields: int) -> list[Part]:
    no = np.zeros(COUNT, np.bool_)
    outcomes = assigned(columns(**fields), mode, Ratios(), 3, no, no, np.full(COUNT, -1), folds)
    return [OUTCOMES[each] for each in outcomes.tolist()]


@pytest.mark.parametrize(
    "mode", [SplitMode.STRATIFIED, SplitMode.RANDOM, SplitMode.GROUPED, SplitMode.QUANTILES]
)
def test_each_record_validates_in_one_fold_and_the_test_part_is_the_same(mode):
    without = parts(mode, group=8)
    tested = [part is Part.TEST for part in without]
    times = np.zeros(COUNT, np.int64)
    for fold in range(5):
        outcome = parts(mode, Folds(5, fold), group=8)
        assert [part is Part.TEST for part in outcome] == tested
        validated = np.array([part is Part.VALIDATION for part in outcome])
        assert 0.1 * COUNT < validated.sum() < 0.27 * COUNT
        times += validated
        size = 8 if mode is SplitMode.GROUPED else 2
        for unit in np.array_split(np.array(outcome), COUNT // size):
            assert len(set(unit.tolist())) == 1
    assert set(times[~np.array(tested)].tolist()) == {1}


def test_folds_of_a_stratified_split_have_the_same_shares_of_labels():
    labels = columns(cluster=1).labels
    for fold in range(4):
        validated = np.array(
            [part is Part.VALIDATION for part in parts(SplitMode.STRATIFIED, Folds(4, fold), cluster=1)]
        )
        counts = np.bincount(labels[validated], minlength=4)[1:]
        assert counts.max() - counts.min() <= 2


def test_a_random_split_has_its_shares():
    outcome = parts(SplitMode.RANDOM, cluster=1)
    assert [outcome.count(part) for part in Part] == [320, 40, 40]


@pytest.mark.parametrize("count, fold", [(1, 0), (21, 0), (5, 5), (5, -1), (0, 1)])
def test_folds_that_do_not_fit_are_refused(count, fold):
    with pytest.raises(BadSplit, match="choose"):
        Folds(count, fold)


def test_a_split_by_time_has_no_folds():
    with pytest.raises(BadSplit, match="TIME"):
        check_folds(SplitMode.TIME, Folds(5, 0))


WORDS = ("invoice bank money", "tulip soil rake")


def labelled(count: int, noise: int) -> LabelledTexts:
    labels = ["pay" if number % 2 else "garden" for number in range(count)]
    texts = [WORDS[(number % 2) ^ (noise and number % noise == 0)] + f" {number}" for number in range(count)]
    return LabelledTexts(texts, labels, [str(number // 2) for number in range(count)])


def test_cross_validation_scores_each_fold_and_states_an_interval():
    sure, noisy = cross_validated(labelled(60, 0), 5, 1), cross_validated(labelled(60, 4), 5, 1)
    assert sure is not None and noisy is not None
    assert list(sure.fold_scores) == [1.0] * 5
    assert (sure.score, sure.lower, sure.upper, sure.record_count) == (1, 1, 1, 60)
    assert noisy.lower < noisy.score < noisy.upper
    assert len(noisy.settings) == 5


def test_cross_validation_needs_two_labels():
    assert cross_validated(LabelledTexts(["a", "b"], ["x", "x"], ["1", "2"]), 5, 0) is None
    assert cross_validated(LabelledTexts(["a", "b"], ["x", ""], ["1", "2"]), 5, 0) is None


def test_the_interval_is_wider_than_that_of_independent_folds():
    from scipy.stats import sem, t

    scores = [0.7, 0.8, 0.75, 0.9, 0.85]
    independent = t.ppf(0.975, 4) * sem(scores)
    assert half_width(scores, 0.25) == pytest.approx(independent * np.sqrt((1 / 5 + 1 / 4) / (1 / 5)))


def test_units_join_what_shares_a_cluster_or_a_group():
    units = joined([("a", "g"), ("b", "g"), ("b", ""), ("c", ""), ("d", "h"), ("c", "h")])
    assert len({units[0], units[1], units[2]}) == 1
    assert len({units[3], units[4], units[5]}) == 1
    assert units[0] != units[3]
