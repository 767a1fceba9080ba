"""Human ratings: what annotators may say, and intervals and agreement of many of them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.tasks.generate import Form, Generate
from ratoon.tasks.regress import Regress
from ratoon_labeling.domain.errors import BadAnswer, BadWork, TaskAnswered
from ratoon_labeling.domain.ratings import (
    SCALES,
    Compared,
    Preference,
    Rated,
    Work,
    comparison_summaries,
    rating_summaries,
)
from ratoon_labeling.domain.tasks import Answer, Reason, Task, TaskState, checked_work, with_answer

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TASK = Task(
    "projects/p/tasks/t",
    NOON,
    NOON,
    "r",
    "d",
    "projects/p/datasets/d/versions/v",
    Generate(),
    "",
    Reason.REQUESTED,
)
RATE = checked_work(replace(TASK, work=Work.RATE, candidates=(" Lima ",), origins=("v1",)))
COMPARE = checked_work(replace(TASK, work=Work.COMPARE, candidates=("Lima", "Cusco"), overlap=2))
FULL = dict.fromkeys(SCALES, 4)


def test_a_new_task_has_canonical_candidates_and_the_default_scales():
    assert (RATE.candidates, RATE.scales) == (("Lima",), ("fluency", "relevance", "factuality"))
    assert checked_work(replace(RATE, scales=("tone",))).scales == ("tone",)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"work": Work.RATE}, "takes 1 candidates"),
        ({"work": Work.COMPARE, "candidates": ("a",)}, "takes 2 candidates"),
        ({"work": Work.COMPARE, "candidates": ("a", " a")}, "the same answer"),
        ({"work": Work.COMPARE, "candidates": ("a", "b"), "origins": ("v1",)}, "one origin or none"),
        ({"candidates": ("a",)}, "takes 0 candidates"),
        ({"scales": ("tone",)}, "takes no scales"),
        ({"work": Work.RATE, "candidates": ("a",), "scales": ("tone", "tone ")}, "different names"),
        ({"work": Work.RATE, "candidates": ("a",), "scales": ("",)}, "different names"),
        ({"work": Work.RATE, "candidates": ("a",), "scales": tuple("abcdefghijk")}, "up to 10"),
        ({"work": Work.RATE, "candidates": ("3",), "task": Regress()}, "ANSWER only"),
    ],
)
def test_work_that_lacks_its_answers_is_refused(changes, sentence):
    with pytest.raises(BadWork, match=sentence):
        checked_work(replace(TASK, **changes))


def test_a_candidate_must_be_an_answer_of_the_task():
    with pytest.raises(BadAnswer, match="not a JSON document"):
        checked_work(replace(TASK, task=Generate(Form.JSON), work=Work.RATE, candidates=("{",)))


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (RATE, Answer("ann", "Lima")),
        (RATE, Answer("ann", "", {"fluency": 4})),
        (RATE, Answer("ann", "", FULL | {"tone": 4})),
        (RATE, Answer("ann", "", FULL | {"fluency": 6})),
        (RATE, Answer("ann", "", FULL | {"fluency": 0})),
        (RATE, Answer("ann", "", FULL, Preference.TIE)),
        (COMPARE, Answer("ann", "", FULL)),
        (COMPARE, Answer("ann", "Lima")),
        (TASK, Answer("ann", "", FULL)),
    ],
)
def test_an_answer_of_other_work_or_out_of_the_scale_is_refused(task, answer):
    with pytest.raises(BadAnswer):
        with_answer(task, answer, NOON)


def test_a_rated_task_is_done_without_a_label_and_skipped_if_all_skip():
    rated = with_answer(RATE, Answer("ann", "", FULL), NOON)
    assert (rated.state, rated.label, rated.given[0].ratings) == (TaskState.DONE, "", FULL)
    assert with_answer(rated, Answer("ann", "", dict(FULL)), NOON) == rated
    with pytest.raises(TaskAnswered):
        with_answer(rated, Answer("ann", "", FULL | {"fluency": 1}), NOON)
    compared = with_answer(COMPARE, Answer("ann", "", preference=Preference.SECOND), NOON)
    assert with_answer(compared, Answer("bob", ""), NOON).state is TaskState.DONE
    skipped = with_answer(with_answer(COMPARE, Answer("ann", ""), NOON), Answer("bob", ""), NOON)
    assert skipped.state is TaskState.SKIPPED


def test_ratings_are_summed_by_origin_and_scale_with_an_interval_over_tasks():
    """Student: t(0.975, 4) = 2.776, so 3.4 ± 2.776 × 1.140 / √5."""
    tasks = [Rated("v1", [{"fluency": each}]) for each in (3, 4, 3, 5, 2)]
    tasks += [Rated("v2", [{"fluency": 5, "tone": 1}, {"fluency": 4, "tone": 1}]), Rated("v2", [])]
    first, second, tone = rating_summaries(tasks)
    assert (first.origin, first.scale, first.tasks, first.ratings) == ("v1", "fluency", 5, 5)
    assert (first.estimate.mean, first.estimate.low, first.estimate.high) == (
        pytest.approx(3.4),
        pytest.approx(1.9843, abs=0.005),
        pytest.approx(4.8157, abs=0.005),
    )
    assert (second.tasks, second.ratings, second.estimate.mean, second.estimate.low) == (1, 2, 4.5, None)
    assert (tone.scale, tone.estimate.mean, tone.alpha) == ("tone", 1, None)


def test_a_win_rate_has_wilsons_interval_and_counts_a_task_once():
    """Of 10 pairs the second wins 7: Wilson (1927) gives 0.3968 to 0.8922."""
    wins, losses = [Preference.SECOND] * 3, [Preference.FIRST]
    tasks = [Compared("a", "b", wins)] * 7 + [Compared("a", "b", losses)] * 3
    (summary,) = comparison_summaries(tasks)
    assert (summary.tasks, dict(summary.counts)) == (10, {Preference.SECOND: 21, Preference.FIRST: 3})
    assert summary.estimate.mean == pytest.approx(0.7)
    assert summary.estimate.low == pytest.approx(0.3968, abs=1e-4)
    assert summary.estimate.high == pytest.approx(0.8922, abs=1e-4)


def test_ties_are_half_a_win_and_agreement_is_that_of_pairs_compared_twice():
    both = [Preference.TIE, Preference.TIE]
    torn = [Preference.FIRST, Preference.SECOND]
    (summary,) = comparison_summaries(
        [Compared("a", "b", both), Compared("a", "b", torn), Compared("a", "b", [])]
    )
    assert (summary.tasks, summary.estimate.mean) == (2, 0.5)
    assert summary.alpha == pytest.approx(1 - 3 * 2 / 10)


@given(st.lists(st.sampled_from(Preference), min_size=1, max_size=30))
def test_an_interval_holds_its_mean_and_stays_within_0_and_1(preferences):
    (summary,) = comparison_summaries([Compared("a", "b", [each]) for each in preferences])
    low, mean, high = summary.estimate.low, summary.estimate.mean, summary.estimate.high
    assert low is not None
    assert high is not None
    assert 0 <= low <= mean + 1e-12
    assert mean - 1e-12 <= high <= 1
    assert high - low > 0.1
