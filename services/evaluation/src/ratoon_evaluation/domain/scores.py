"""What an evaluation measured, as values. It knows no formula and no gate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ratoon_evaluation.domain.costs import AnswerCost
from ratoon_evaluation.domain.kinds import classify
from ratoon_evaluation.domain.kinds.classify import ClassScore, Confusion

MACRO_F1 = "macro_f1"
MAJORITY = "majority"
"""The baseline that always answers the training part's commonest label."""
TFIDF = "tfidf"
"""The baseline by logistic regression on TF-IDF weights of words, fitted on the training part alone."""
TFIDF_CHARS = "tfidf_chars"
"""The same on character n-grams of 1 to 3 characters."""
CLASSICAL = "classical"
"""The best classical model: features and estimator chosen by cross-validation on the training part."""
BASELINE_TITLES = classify.BASELINE_TITLES


SEALED = {"artifact": True, "sealed": True}
"""Metadata of fields whose artifact holds or names records of test parts: callers cannot download it."""


@dataclass(frozen=True)
class Interval:
    """A measured value and its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SliceScore:
    """The records of one slice (`language=en`, `chars=200-499`): how many, and how well answered."""

    slice: str
    records: int
    accuracy: Interval | None = None
    macro_f1: Interval | None = None
    metrics: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def measured(self) -> Mapping[str, Interval]:
        """Return the measured metrics by name."""
        return _measured(self, ("accuracy", "macro_f1"))


@dataclass(frozen=True)
class Scores:
    """One answerer (a model or a baseline) on one domain. Shares lie in 0..1; None: not measured.

    `measured` has the metrics of every kind of task. The fields from `accuracy` to `confusion` are those of `classify`.
    """

    records: int
    accuracy: Interval | None = None
    macro_f1: Interval | None = None
    precision: float = 0.0
    """Macro average, as `recall`."""
    recall: float = 0.0
    auc: Interval | None = None
    perplexity: float | None = None
    """Of the text's own tokens, special tokens excluded; baselines have none."""
    classes: tuple[ClassScore, ...] = ()
    """One entry a label; labels without records (support 0) are left out of the macro averages."""
    confusion: Confusion | None = None
    slices: tuple[SliceScore, ...] = ()
    unfit: int = 0
    """Records whose text does not fit the model's positions; they count as wrong."""
    predictions: str = field(default="", metadata=SEALED)
    """Digest of the predictions, record by record (parquet); baselines that are no models have none."""
    metrics: Mapping[str, Interval] = field(default_factory=dict)
    """Metrics by name, each with its interval."""
    unanswered: int = 0
    """Answers that are empty or no answer of the task; `unanswered_count` counts them for every kind."""
    answer_settings: str = ""
    """Digest of all that the predictions depend on beside the model and the test part; empty: labels alone."""
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    """Why a metric has no value, as a sentence by the name of the metric."""
    cost: AnswerCost | None = None
    """Time and price of the answers; None: not measured."""

    @property
    def measured(self) -> Mapping[str, Interval]:
        """Return the measured metrics by name, those of an older release included."""
        return _measured(self, ("accuracy", "macro_f1", "auc"))

    @property
    def unanswered_count(self) -> int:
        """Return the number of answers that are empty or no answer of the task."""
        return self.confusion.other if self.confusion else self.unanswered

    @property
    def classes_without_records(self) -> tuple[str, ...]:
        """The labels that no record of the test part bears."""
        return tuple(score.label for score in self.classes if not score.support)


@dataclass(frozen=True)
class JudgeScores:
    """What one judge said about the answers to one test part. Its metrics are among those of the answerers."""

    judge: str
    """Last segment of its name."""
    identity: str = ""
    """Digest of all that its verdicts depend on beside prompts and answers."""
    counted: int = 0
    """Pairs, or answers of the candidate, with a verdict."""
    unparsable: int = 0
    failed: int = 0
    """Pairs or answers without a reply."""
    wins: int = 0
    losses: int = 0
    ties: int = 0
    inconsistent: int = 0
    """Pairs whose verdict changed with the order; ties."""
    identical: int = 0
    """Pairs with the same answer twice; ties."""
    first_position: int = 0
    """Pairs of which the first answer won in both orders."""
    second_position: int = 0
    longer_win_rate: Interval | None = None
    """Among the pairs whose longer answer is the candidate's."""
    longer: int = 0
    shorter_win_rate: Interval | None = None
    shorter: int = 0
    verdicts: str = field(default="", metadata=SEALED)
    """Digest of the verdicts (parquet)."""


@dataclass(frozen=True)
class HumanScores:
    """What people said about the answers to one test part."""

    pairs: int = 0
    """Records with a comparison of the two answers."""
    wins: int = 0
    losses: int = 0
    ties: int = 0
    comparison_alpha: float | None = None
    """Krippendorff's alpha, nominal; None: undefined."""
    candidate_ratings: int = 0
    """Rated answers of the candidate."""
    reference_ratings: int = 0
    rating_alpha: float | None = None
    """Krippendorff's alpha, ordinal; None: undefined."""


@dataclass(frozen=True)
class DomainScores:
    """All that was measured on one domain: a population, stood for by one sealed test part."""

    domain: str
    test: str
    """Digest of the test part."""
    candidate: Scores
    reference: Scores | None = None
    baselines: Mapping[str, Scores] = field(default_factory=dict)
    difference: Interval | None = None
    """Macro-F1 of the candidate minus the reference's on the same records, by paired bootstrap."""
    best_baseline: str = ""
    """Name of the baseline that did best on held-out records of the training part; empty: none was fitted."""
    baseline_difference: Interval | None = None
    """Macro-F1 of the candidate minus the best baseline's on the same records, by paired bootstrap."""
    wrong: str = field(default="", metadata=SEALED)
    """Digest of the candidate's wrong answers (parquet)."""
    wrong_count: int = 0
    differences: Mapping[str, Interval] = field(default_factory=dict)
    """Metrics of the candidate minus the reference's on the same records, paired, by name of the metric."""
    baseline_differences: Mapping[str, Interval] = field(default_factory=dict)
    """Metrics of the candidate minus the best baseline's on the same records, paired, by name of the metric."""
    judges: tuple[JudgeScores, ...] = ()
    human: HumanScores | None = None
    bleu_tokenizer: str = ""
    """Tokenizer of BLEU, by sacrebleu's name; empty: BLEU was not computed."""
    notes: tuple[str, ...] = ()
    """Sentences on a baseline that does better than the candidate, with the costs of both."""

    @property
    def all_differences(self) -> Mapping[str, Interval]:
        """Return the differences to the reference, that in macro-F1 of an older release included."""
        return _with_macro_f1(self.differences, self.difference)

    @property
    def all_baseline_differences(self) -> Mapping[str, Interval]:
        """Return the differences to the best baseline, that in macro-F1 of an older release included."""
        return _with_macro_f1(self.baseline_differences, self.baseline_difference)

    def difference_of(self, metric: str) -> Interval | None:
        """Return the candidate's value of a metric minus the reference's; None: it was not compared."""
        return self.all_differences.get(metric)

    def baseline_difference_of(self, metric: str) -> Interval | None:
        """Return the candidate's value of a metric minus the best baseline's; None: it was not compared."""
        return self.all_baseline_differences.get(metric)


@dataclass(frozen=True)
class StepByStepScores:
    """Scores of the candidate's answers after reasoning, beside those without."""

    candidate: Mapping[str, Interval] = field(default_factory=dict)
    differences: Mapping[str, Interval] = field(default_factory=dict)
    """Metrics with reasoning minus those without, on the same records, paired."""
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    unanswered: int = 0
    answers: str = field(default="", metadata=SEALED)
    """Digest of the reasoning and the answers (parquet)."""


@dataclass(frozen=True)
class TestScores:
    """All that was measured by one test of a suite."""

    __test__ = False

    test: str
    kind: str = ""
    difficulty: str = ""
    metric: str = ""
    """Metric that sums the test up."""
    records: int = 0
    candidate: Mapping[str, Interval] = field(default_factory=dict)
    reference: Mapping[str, Interval] = field(default_factory=dict)
    """Metrics of the reference; empty: there is none."""
    differences: Mapping[str, Interval] = field(default_factory=dict)
    """Metrics of the candidate minus the reference's on the same records, paired."""
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    """Why a metric has no value, by its name; the empty name stands for the whole test."""
    answers: str = field(default="", metadata=SEALED)
    """Digest of the candidate's answers (parquet)."""
    reference_answers: str = field(default="", metadata=SEALED)
    """Digest of the reference's answers (parquet); empty: there is none."""
    answer_settings: str = ""
    """Digest of all that the answers depend on beside the model; empty: the answers are not used again."""
    unanswered: int = 0
    """Answers from which nothing could be extracted."""
    step_by_step: StepByStepScores | None = None
    """None: the test asks for no reasoning."""
    wrong: str = field(default="", metadata=SEALED)
    """Digest of the candidate's wrong answers (parquet); empty: none were stored."""
    wrong_count: int = 0
    wrong_part: str = field(default="", metadata={"artifact": True})
    """Digest of the part of a split that holds the texts of the wrong answers; empty: the wrong answers hold them."""


@dataclass(frozen=True)
class SuiteScores:
    """All that was measured by one suite."""

    suite: str
    """Last segment of its name."""
    revision: int = 0
    tests: tuple[TestScores, ...] = ()

    @property
    def means(self) -> Mapping[str, Interval]:
        """Return the means of the candidate's metrics over the tests that have them."""
        names = dict.fromkeys(name for test in self.tests for name in test.candidate)
        return {name: mean for name in names if (mean := self.mean(name)) is not None}

    def mean(self, metric: str) -> Interval | None:
        """Return the mean of a metric, each test with the same weight.

        None: no test has it, or a test has no value. A mean over the others would hide it.

        The tests are independent of each other, so the sides of their intervals add up as squares.
        """
        if any(
            "" in test.unmeasured
            or metric in test.unmeasured
            or (test.metric == metric and metric not in test.candidate)
            for test in self.tests
        ):
            return None
        each = [test.candidate[metric] for test in self.tests if metric in test.candidate]
        if not each:
            return None
        value = sum(interval.value for interval in each) / len(each)
        down, up = (
            math.hypot(*sides) / len(each)
            for sides in (
                [interval.value - interval.low for interval in each],
                [interval.high - interval.value for interval in each],
            )
        )
        return Interval(value, value - down, value + up)

    def test(self, name: str) -> TestScores | None:
        """Return the scores of the test of that name, if it was measured."""
        return next((test for test in self.tests if test.test == name), None)


@dataclass(frozen=True)
class Measurements:
    """What one evaluation run measured, domain by domain and suite by suite."""

    domains: tuple[DomainScores, ...] = ()
    suites: tuple[SuiteScores, ...] = ()

    def domain(self, name: str) -> DomainScores | None:
        """The domain of that name, if it was measured."""
        return next((scores for scores in self.domains if scores.domain == name), None)

    def suite(self, name: str) -> SuiteScores | None:
        """Return the scores of the suite of that name, if it was applied."""
        return next((scores for scores in self.suites if scores.suite == name), None)


def _measured(scores: Scores | SliceScore, names: Sequence[str]) -> Mapping[str, Interval]:
    """Return the metrics with those that fields of their own hold."""
    own = {name: interval for name in names if (interval := getattr(scores, name)) is not None}
    return {**own, **scores.metrics}


def _with_macro_f1(known: Mapping[str, Interval], macro_f1: Interval | None) -> Mapping[str, Interval]:
    return known if macro_f1 is None else {MACRO_F1: macro_f1, **known}
