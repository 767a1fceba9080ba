"""Evaluations side by side: the same domain's scores with their intervals, and where wrong answers differ."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ratoon_console.domain.words import JSON, number

_JUDGES = (("candidate", "candidate"), ("reference", "in production"), ("tfidf", "TF-IDF on words"),
           ("majority", "majority class"))  # fmt: skip


_BASELINES = {
    "majority": "majority class",
    "tfidf": "TF-IDF on words",
    "tfidf_chars": "TF-IDF on characters",
}


def scores_of(result: JSON, judge: str) -> JSON:
    """The scores of one of those that `intervals` names."""
    keys = {name: key for key, name in _JUDGES}
    if judge in keys:
        return dict(result.get(keys[judge]) or {})
    named = {_BASELINES.get(each["name"], each["name"]): each for each in result.get("baselines", [])}
    return dict(named.get(judge, {}).get("scores", {}))


def better_baseline(result: JSON) -> str:
    """A sentence that says that a baseline does better than the candidate; empty: none does."""
    best = result.get("bestBaseline", "")
    scores: JSON = next((each["scores"] for each in result.get("baselines", []) if each["name"] == best), {})
    reached, model = (float(s.get("macroF1", {}).get("value", 0)) for s in (scores, result["candidate"]))
    if not best or reached <= model:
        return ""
    return f"{_BASELINES.get(best, best)} reaches macro-F1 {reached:.3f}; the candidate reaches {model:.3f}."


def untested(result: JSON) -> str:
    """A sentence that names the labels without records in the test part; empty: each has some."""
    absent = result["candidate"].get("classesWithoutRecords", [])
    return f"Not tested, because the test part has no records: {', '.join(absent)}." if absent else ""


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % interval, and where it lies on a scale from `low` to 1, in hundredths."""

    name: str
    value: float
    lower: float
    upper: float
    low: float = 0.0

    def place(self, value: float) -> float:
        """A value's place on the scale."""
        return round(max(0.0, (value - self.low) / (1 - self.low)) * 100, 2) if self.low < 1 else 100.0


def intervals(result: JSON) -> list[Interval]:
    """Macro-F1 of all models and baselines that were evaluated on a domain, on one scale."""
    estimates = [
        (name, result[key]["macroF1"])
        for key, name in _JUDGES
        if result.get(key) and result[key].get("macroF1")
    ]
    estimates += [
        (_BASELINES.get(each["name"], each["name"]), each["scores"]["macroF1"])
        for each in result.get("baselines", [])
        if each["name"] not in ("majority", "tfidf") and each.get("scores", {}).get("macroF1")
    ]
    low = min((estimate.get("lower", 0.0) for _, estimate in estimates), default=0.0)
    floor = max(0.0, int(low * 10) / 10)
    return [
        Interval(name, each.get("value", 0.0), each.get("lower", 0.0), each.get("upper", 0.0), floor)
        for name, each in estimates
    ]


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
    """The wrong answers of several runs: first on records that all of them evaluated; differing ones first."""
    by_record: dict[tuple[str, str], dict[int, JSON]] = {}
    for at, (run, of_run) in enumerate(zip(runs, cases, strict=True)):
        splits = splits_of(run)
        for case in of_run:
            by_record.setdefault((splits.get(case["domain"], ""), case["recordId"]), {})[at] = case
    evaluated = [set(splits_of(run).values()) for run in runs]
    compared = [_mistake(split, record, by_run, evaluated) for (split, record), by_run in by_record.items()]
    return sorted(compared, key=lambda m: (NOT_EVALUATED in m.answers, not m.differs, m.split, m.record_id))


def wrong_answers(run: JSON, domain: str = "") -> int:
    """Number of wrong answers of a run, or of one of its domains."""
    results = [each for each in run.get("results", []) if domain in ("", each["domain"])]
    return sum(number(each.get("wrongAnswerCount")) for each in results)


def confusions(cases: Sequence[JSON]) -> list[tuple[str, str, int]]:
    """(label, answer, count) of wrong answers, most frequent first."""
    counted = Counter((case["label"], case["predicted"] or "no valid label") for case in cases)
    return [(label, answer, count) for (label, answer), count in counted.most_common()]


def _mistake(split: str, record_id: str, by_run: dict[int, JSON], evaluated: Sequence[set[str]]) -> Mistake:
    one = next(iter(by_run.values()))
    answers = tuple(
        str(by_run[at]["predicted"] or "no valid label")
        if at in by_run
        else RIGHT
        if split in known
        else NOT_EVALUATED
        for at, known in enumerate(evaluated)
    )
    return Mistake(record_id, split, one["label"], answers, one["text"])
