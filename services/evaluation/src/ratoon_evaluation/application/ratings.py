"""People are asked about the answers of an evaluation run."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from ratoon.storage.store import Store
from ratoon.tasks import kinds
from ratoon.tasks.judges import JudgeKind
from ratoon.tasks.kinds import TaskSpec
from ratoon_evaluation.application.commands import RequestRatings
from ratoon_evaluation.application.handlers import chosen_domains, evaluated_run, split_of
from ratoon_evaluation.application.ports import Answers, RatingTask, RatingTasks, Splits
from ratoon_evaluation.domain.errors import BadEvaluation
from ratoon_evaluation.domain.runs import EvaluationRun
from ratoon_evaluation.domain.scores import DomainScores

MAX_RECORDS, MAX_OVERLAP = 1000, 20
_RECORDS, _MAX_ANSWER_CHARS = 100, 65_536


@dataclass(frozen=True)
class RequestedRatings:
    """How many tasks there are, and how many records of the sample have none."""

    tasks: int
    left_out: int


def request_ratings(
    command: RequestRatings, store: Store, answers: Answers, splits: Splits, tasks: RatingTasks
) -> RequestedRatings:
    """Create tasks for people about a sample of a test part; the reading is logged."""
    run, measured = evaluated_run(command.name, store)
    kind = _checked(command, run)
    (scores,) = chosen_domains(run, measured, command.domain)
    origins = tuple(filter(None, (run.question.candidate, run.question.reference)))
    purpose = f"Answers given to people to rate, by {command.principal}"
    parts = splits.open(split_of(run, scores), [run.name], purpose)
    sample = _sample(
        run.name, answers.answered_ids(scores.candidate.predictions), command.max_count or _RECORDS
    )
    left = answers.records(parts.test, sample)
    by_model = [answers.predicted(digest, left.keys()) for digest in _predictions(scores)]
    created: list[RatingTask] = []
    left_out = 0
    for record_id in sample:
        texts = [_answer(run.question.spec, each.get(record_id, "")) for each in by_model]
        groups = _GROUPS[kind](record_id, texts, origins) if record_id in left else []
        left_out += not groups
        created += [
            RatingTask(
                record_id,
                parts.dataset_version,
                run.question.spec,
                tuple(text for text, _ in group),
                tuple(origin for _, origin in group),
                command.overlap or 1,
                command.scales,
            )
            for group in groups
        ]
    if created:
        tasks.create(run.name.rsplit("/evaluationRuns/", 1)[0], created, _request_id(command))
    return RequestedRatings(len(created), left_out)


def _checked(command: RequestRatings, run: EvaluationRun) -> JudgeKind:
    """Return what people do; raises BadEvaluation if the run or the request does not allow it."""
    if command.kind is None:
        raise BadEvaluation("work must be COMPARE or RATE.", "work")
    if not command.domain:
        raise BadEvaluation("Name a domain of the run.", "domain")
    if not 0 <= command.max_count <= MAX_RECORDS:
        raise BadEvaluation(f"max_record_count must be 0 to {MAX_RECORDS:,}.", "max_record_count")
    if not 0 <= command.overlap <= MAX_OVERLAP:
        raise BadEvaluation(f"overlap must be 0 to {MAX_OVERLAP}.", "overlap")
    if not kinds.kind_of(run.question.spec).FREE_TEXT:
        raise BadEvaluation(
            f"People rate free text; the task of {run.name} is {run.question.spec.kind}.", "name"
        )
    if command.kind is JudgeKind.PAIRWISE and not run.question.reference:
        raise BadEvaluation(f"{run.name} has no reference to compare with: let people rate.", "work")
    return command.kind


def _predictions(scores: DomainScores) -> list[str]:
    return [each.predictions for each in (scores.candidate, scores.reference) if each is not None]


def _sample(run: str, record_ids: Iterable[str], count: int) -> list[str]:
    """Return a random sample that is the same at each call."""
    return sorted(record_ids, key=lambda each: _hash(run, each))[:count]


def _hash(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _answer(task: TaskSpec, text: str) -> str:
    """Return an answer as people can rate it; empty if it is none, or too long."""
    parsed = kinds.kind_of(task).parse(task, text)
    return parsed if parsed and len(parsed) <= _MAX_ANSWER_CHARS else ""


Group = Sequence[tuple[str, str]]
"""Answers of one task, each with its origin."""


def _pair(record_id: str, texts: Sequence[str], origins: Sequence[str]) -> list[Group]:
    """Return both answers in random order; none if one is missing or both are the same."""
    if not all(texts) or len(set(texts)) < 2:
        return []
    both = list(zip(texts, origins, strict=True))
    return [both[::-1] if _hash(*origins, record_id)[0] % 2 else both]


def _each(_: str, texts: Sequence[str], origins: Sequence[str]) -> list[Group]:
    """Return each answer alone."""
    return [[(text, origin)] for text, origin in zip(texts, origins, strict=True) if text]


_GROUPS: Mapping[JudgeKind, Callable[[str, Sequence[str], Sequence[str]], list[Group]]] = {
    JudgeKind.PAIRWISE: _pair,
    JudgeKind.RUBRIC: _each,
}


def _request_id(command: RequestRatings) -> str:
    """Return an id that is the same for the same request, whoever makes it."""
    fields = asdict(command) | {"principal": ""}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
