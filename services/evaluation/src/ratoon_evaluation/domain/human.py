"""Human ratings and comparisons of answers, as labeling has them, and what a run or a judge takes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import fsum

from ratoon.tasks.judges import HUMAN, JudgeKind
from ratoon_evaluation.domain.errors import BadEvaluation
from ratoon_evaluation.domain.judging import Choice, majority

MAX_ORIGIN_CHARS = 500


@dataclass(frozen=True)
class HumanTask:
    """Answers that people rated, or two that they compared."""

    record_id: str
    dataset_version: str
    answers: tuple[str, ...]
    origins: tuple[str, ...] = ()
    """What gave each answer; empty: not stated."""
    choices: tuple[Choice, ...] = ()
    """One for each annotator who compared."""
    ratings: tuple[Mapping[str, int], ...] = ()
    """Ratings by scale, one mapping for each annotator who rated."""


@dataclass(frozen=True)
class HumanRatings:
    """Whose answers a run takes human ratings of."""

    candidate_origin: str = ""
    """Empty in a request: the digest of the model, as of the reference."""
    reference_origin: str = ""
    """Empty: ratings of the candidate alone."""


@dataclass(frozen=True)
class HumanVerdicts:
    """Human verdicts of the answers of a candidate and of a reference."""

    comparisons: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Record and `CANDIDATE`, `REFERENCE` or `TIE` for each annotator."""
    ratings: tuple[tuple[str, str, Mapping[str, tuple[int, ...]]], ...] = ()
    """Record, role, and ratings by scale."""


def with_default_origins(human: HumanRatings | None, candidate: str, reference: str) -> HumanRatings | None:
    """Return the ratings to take in; origins that are not named are the digests of the models."""
    if human is None:
        return None
    return HumanRatings(human.candidate_origin or candidate, human.reference_origin or reference)


def check_human(human: HumanRatings) -> None:
    """Raise BadEvaluation if the origins are too long or the same."""
    if max(map(len, (human.candidate_origin, human.reference_origin))) > MAX_ORIGIN_CHARS:
        raise BadEvaluation(
            f"An origin may have {MAX_ORIGIN_CHARS} characters at most.", "human_ratings.candidate_origin"
        )
    if human.candidate_origin == human.reference_origin:
        raise BadEvaluation(
            "reference_origin must be another one than candidate_origin.", "human_ratings.reference_origin"
        )


def human_metrics(human: HumanRatings | None) -> tuple[str, ...]:
    """Return the metrics that human ratings measure."""
    if human is None:
        return ()
    return HUMAN if human.reference_origin else HUMAN[1:]


def verdicts_of(tasks: Iterable[HumanTask], human: HumanRatings) -> HumanVerdicts:
    """Return the verdicts of the answers of both origins; in whichever order a pair was shown."""
    comparisons, ratings = [], []
    roles = {human.candidate_origin: "candidate"}
    if human.reference_origin:
        roles[human.reference_origin] = "reference"
    for task in tasks:
        if task.choices and set(task.origins) == roles.keys() and len(task.origins) == 2:
            names = _NAMES if task.origins[0] == human.candidate_origin else _SWAPPED_NAMES
            comparisons.append((task.record_id, tuple(names[each] for each in task.choices)))
        if task.ratings and len(task.origins) == 1 and task.origins[0] in roles:
            ratings.append((task.record_id, roles[task.origins[0]], _by_scale(task.ratings)))
    return HumanVerdicts(tuple(comparisons), tuple(ratings))


def case_of(task: HumanTask, kind: JudgeKind) -> str | None:
    """Return the verdict of people that a judge of a kind is compared with; None: the task has none."""
    return _CASES[kind](task)


def _by_scale(ratings: Iterable[Mapping[str, int]]) -> dict[str, tuple[int, ...]]:
    each = list(ratings)
    scales = dict.fromkeys(scale for of_person in each for scale in of_person)
    return {scale: tuple(person[scale] for person in each if scale in person) for scale in scales}


def _compared(task: HumanTask) -> str | None:
    return str(majority(task.choices)) if task.choices and len(task.answers) == 2 else None


def _rated(task: HumanTask) -> str | None:
    values = [value for each in task.ratings for value in each.values()]
    return repr(fsum(values) / len(values)) if values and len(task.answers) == 1 else None


_CASES: Mapping[JudgeKind, Callable[[HumanTask], str | None]] = {
    JudgeKind.PAIRWISE: _compared,
    JudgeKind.RUBRIC: _rated,
}
_NAMES: Mapping[Choice, str] = {
    Choice.FIRST: "CANDIDATE",
    Choice.SECOND: "REFERENCE",
    Choice.TIE: "TIE",
}
_SWAPPED_NAMES: Mapping[Choice, str] = {
    Choice.FIRST: "REFERENCE",
    Choice.SECOND: "CANDIDATE",
    Choice.TIE: "TIE",
}
