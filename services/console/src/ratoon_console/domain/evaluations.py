"""Evaluations side by side: the same domain's scores with their intervals, and where wrong answers differ."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ratoon.tasks.costs import cost_text
from ratoon.tasks.titles import metric_title
from ratoon_console.domain.metrics import OF_LABELS, Measure, measure_of, values
from ratoon_console.domain.words import JSON, decimal, last_part, number

_JUDGES = (("candidate", "candidate"), ("reference", "in production"), ("tfidf", "TF-IDF on words"),
           ("majority", "majority class"))  # fmt: skip


_BASELINES = {
    "majority": "majority class",
    "tfidf": "TF-IDF on words",
    "tfidf_chars": "TF-IDF on characters",
    "classical": "the best classical model",
    "zero_shot": "base model",
    "few_shot": "base model with examples",
    "nearest_reference": "answer of the most similar training record",
    "mean": "mean of the training part",
    "ridge_tfidf": "ridge regression on TF-IDF",
}


NO_TEST: Mapping[str, str] = {}
"""No test of a suite: the answers on domains."""


def scores_of(result: JSON, judge: str) -> JSON:
    """The scores of one of those that `intervals` names."""
    keys = {name: key for key, name in _JUDGES}
    if judge in keys:
        return dict(result.get(keys[judge]) or {})
    named = {_BASELINES.get(each["name"], each["name"]): each for each in result.get("baselines", [])}
    return dict(named.get(judge, {}).get("scores", {}))


def better_baseline(result: JSON, measure: Measure = OF_LABELS) -> str:
    """A sentence that says that a baseline does better than the candidate; empty: none does."""
    if notes := result.get("notes"):
        return " ".join(notes)
    best, metric = result.get("bestBaseline", ""), measure.metric(measure.primary)
    scores: JSON = next((each["scores"] for each in result.get("baselines", []) if each["name"] == best), {})
    known = [values(each).get(metric.name) for each in (scores, result["candidate"])]
    if None in known:
        return ""
    reached, model = (float((each or {}).get("value", 0)) for each in known)
    if metric.gain(reached, model) <= 0:
        return ""
    return (
        f"{_BASELINES.get(best, best)} reaches {metric_title(metric.name)} {decimal(reached)}; "
        f"the candidate reaches {decimal(model)}."
    )


def costs_of(result: JSON) -> list[tuple[str, str]]:
    """Return what a million answers of each model and baseline cost, those that were measured."""
    named = [(name, scores.get("cost")) for name, scores in _answerers(result)]
    return [(name, _cost_text(cost)) for name, cost in named if cost]


def _cost_text(cost: JSON) -> str:
    price = cost.get("pricePerMillion")
    return cost_text(
        float(cost.get("coreSecondsPerMillion", 0)),
        float(cost.get("deviceSecondsPerMillion", 0)),
        None if price is None else float(price),
        cost.get("currency", ""),
    )


def cost_assumption(result: JSON) -> str:
    """Return how the price of the candidate's answers follows from their time; empty: it was not measured."""
    return str((result["candidate"].get("cost") or {}).get("assumption", ""))


def untested(result: JSON) -> str:
    """A sentence that names the labels without records in the test part; empty: each has some."""
    absent = result["candidate"].get("classesWithoutRecords", [])
    return f"Not tested, because the test part has no records: {', '.join(absent)}." if absent else ""


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % interval, and where it lies on a scale from `low` to `high`, in hundredths."""

    name: str
    value: float
    lower: float
    upper: float
    low: float = 0.0
    high: float = 1.0

    def place(self, value: float) -> float:
        """A value's place on the scale."""
        if self.low >= self.high:
            return 100.0
        return round(min(1.0, max(0.0, (value - self.low) / (self.high - self.low))) * 100, 2)


def intervals(result: JSON, measure: Measure = OF_LABELS) -> list[Interval]:
    """Primary metric of all models and baselines that were evaluated on a domain, on one scale."""
    estimates = [
        (name, known) for name, scores in _answerers(result) if (known := values(scores).get(measure.primary))
    ]
    low, high = _scale([each for _, each in estimates], measure.is_share(measure.primary))
    return [
        Interval(name, each.get("value", 0.0), each.get("lower", 0.0), each.get("upper", 0.0), low, high)
        for name, each in estimates
    ]


def _answerers(result: JSON) -> list[tuple[str, JSON]]:
    """Names and scores of the models and baselines of a domain."""
    named = [(name, result[key]) for key, name in _JUDGES if result.get(key)]
    baselines = [
        (_BASELINES.get(each["name"], each["name"]), each.get("scores", {}))
        for each in result.get("baselines", [])
        if each["name"] not in ("majority", "tfidf")
    ]
    return named + baselines


def _scale(estimates: Sequence[JSON], is_share: bool) -> tuple[float, float]:
    """Bounds of a chart: up to 1 for shares, which begin at a tenth, else those of the intervals."""
    low = min((each.get("lower", 0.0) for each in estimates), default=0.0)
    if is_share:
        return max(0.0, int(low * 10) / 10), 1.0
    return min(0.0, low), max((each.get("upper", 0.0) for each in estimates), default=1.0)


@dataclass(frozen=True)
class MetricRow:
    """One metric of a domain: its value for each model and baseline, and the candidate minus production, as text."""

    title: str
    cells: tuple[str, ...]
    difference: str


def metric_rows(result: JSON, measure: Measure) -> list[MetricRow]:
    """Return all measured metrics of a domain; the cells are in the order of `answerer_names`."""
    scores = [values(each) for _, each in _answerers(result)]
    differences = {measure.primary: result.get("difference"), **result.get("differences", {})}
    return [
        MetricRow(
            measure.title(name),
            tuple(measure.text(name, each.get(name)) for each in scores),
            measure.text(name, differences.get(name)),
        )
        for name in measure.names(result)
    ]


def answerer_names(result: JSON) -> list[str]:
    """Return the names of the models and baselines of a domain."""
    return [name for name, _ in _answerers(result)]


def unmeasured(result: JSON) -> list[str]:
    """Return why metrics of the candidate have no value, one sentence each."""
    whys = result["candidate"].get("unmeasured", {})
    return [f"{metric_title(name)}: {why}" for name, why in sorted(whys.items())]


@dataclass(frozen=True)
class TestRow:
    """One metric of a test of a suite, as text."""

    __test__ = False

    test: str
    kind: str
    records: int
    metric: str
    candidate: str
    reference: str
    difference: str


def rows_of_tests(suite: JSON, measure: Measure) -> list[TestRow]:
    """Return the metrics of the tests of a suite: of each test the one that sums it up comes first."""
    return [row for test in suite.get("tests", []) for row in _rows_of_test(test, measure)]


def _rows_of_test(test: JSON, measure: Measure) -> list[TestRow]:
    """Return the metrics of a test, then those of the answers after reasoning: their difference is to those without."""
    reasoned = test.get("stepByStep", {})
    return [
        TestRow(
            test["test"],
            _test_kind(test),
            number(test.get("recordCount")),
            measure.title(name) + suffix,
            *(
                measure.text(name, scores.get(each, {}).get(name))
                for each in ("candidate", "reference", "differences")
            ),
        )
        for scores, suffix in ((test, ""), (reasoned, ", step by step (difference to without)"))
        for name in sorted(scores.get("candidate", {}), key=lambda each: (each != test.get("metric"), each))
    ]


def faults_of_tests(suite: JSON) -> list[str]:
    """Return why metrics of tests have no value, one sentence each."""
    return [
        f"{test['test']}: {why}"
        for test in suite.get("tests", [])
        for why in test.get("unmeasured", {}).values()
    ]


def _test_kind(test: JSON) -> str:
    kind = test.get("kind", "").removeprefix("KIND_").lower().replace("_", " ")
    return (
        ", ".join(
            each for each in (kind if kind != "unspecified" else "", test.get("difficulty", "")) if each
        )
        or "–"
    )


@dataclass(frozen=True)
class Ground:
    """A sealed test part, what each run calls it (empty: it was not evaluated there), and each run's result on it."""

    split: str
    names: tuple[str, ...]
    results: tuple[JSON | None, ...]


def beside(runs: Sequence[JSON]) -> list[Ground]:
    """The test parts of any of the runs; a part may be `new` in one pipeline run and `old` in the next."""
    splits = list(dict.fromkeys(split for run in runs for split in splits_of(run).values()))
    return [_ground(split, runs) for split in splits]


def splits_of(run: JSON) -> dict[str, str]:
    """The split behind each domain of a run."""
    return {domain["name"]: domain["split"] for domain in run.get("domains", [])}


def _ground(split: str, runs: Sequence[JSON]) -> Ground:
    names = tuple(next((name for name, s in splits_of(run).items() if s == split), "") for run in runs)
    results = tuple(
        next((result for result in run.get("results", []) if result["domain"] == name), None)
        for run, name in zip(runs, names, strict=True)
    )
    return Ground(split, names, results)


RIGHT, NOT_EVALUATED = "", "not evaluated"


@dataclass(frozen=True)
class Mistake:
    """A record that some run got wrong: the label, and each run's answer (RIGHT, NOT_EVALUATED, or the wrong one)."""

    record_id: str
    split: str
    label: str
    answers: tuple[str, ...]
    text: str

    @property
    def differs(self) -> bool:
        """Whether one run was right where another was wrong."""
        return RIGHT in self.answers


def mistakes(runs: Sequence[JSON], cases: Sequence[Sequence[JSON]]) -> list[Mistake]:
    """The wrong answers of several runs: first on records that all of them evaluated; differing ones first.

    Cases without a record are left out: those of sealed test parts, for persons who may not read them.
    """
    by_record: dict[tuple[str, str], dict[int, JSON]] = {}
    for at, (run, of_run) in enumerate(zip(runs, cases, strict=True)):
        splits = splits_of(run)
        for case in filter(lambda each: each["recordId"], of_run):
            by_record.setdefault((splits.get(case["domain"], ""), case["recordId"]), {})[at] = case
    evaluated = [set(splits_of(run).values()) for run in runs]
    nothing = nothing_valid(measure_of(runs[0])) if runs else ""
    compared = [
        _mistake(split, record, by_run, evaluated, nothing) for (split, record), by_run in by_record.items()
    ]
    return sorted(compared, key=lambda m: (NOT_EVALUATED in m.answers, not m.differs, m.split, m.record_id))


def tests_with_wrong_answers(run: JSON) -> list[dict[str, str]]:
    """Return the tests of suites whose wrong answers can be listed, each by `suite` and `test`."""
    return [
        {"suite": last_part(result["suite"]), "test": test["test"]}
        for result in run.get("suiteResults", [])
        for test in result.get("tests", [])
        if number(test.get("wrongAnswerCount"))
    ]


def wrong_answers(run: JSON, domain: str = "", chosen: Mapping[str, str] = NO_TEST) -> int:
    """Number of wrong answers of a run, of one of its domains, or to a test of a suite."""
    if chosen:
        return sum(
            number(test.get("wrongAnswerCount"))
            for result in run.get("suiteResults", [])
            for test in result.get("tests", [])
            if chosen == {"suite": last_part(result["suite"]), "test": test["test"]}
        )
    results = [each for each in run.get("results", []) if domain in ("", each["domain"])]
    return sum(number(each.get("wrongAnswerCount")) for each in results)


def confusions(cases: Sequence[JSON]) -> list[tuple[str, str, int]]:
    """(label, answer, count) of wrong answers, most frequent first."""
    counted = Counter(
        (case.get("label", ""), case.get("predicted") or nothing_valid(OF_LABELS)) for case in cases
    )
    return [(label, answer, count) for (label, answer), count in counted.most_common()]


def nothing_valid(measure: Measure) -> str:
    """Return how an answer that is empty is named."""
    return "no valid label" if measure.is_labels else "no valid answer"


def _mistake(
    split: str, record_id: str, by_run: dict[int, JSON], evaluated: Sequence[set[str]], nothing: str
) -> Mistake:
    one = next(iter(by_run.values()))
    answers = tuple(
        str(by_run[at].get("predicted") or nothing)
        if at in by_run
        else RIGHT
        if split in known
        else NOT_EVALUATED
        for at, known in enumerate(evaluated)
    )
    return Mistake(record_id, split, one.get("label", ""), answers, one.get("text", ""))
