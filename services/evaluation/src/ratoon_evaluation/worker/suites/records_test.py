"""Tests by records: prompts of the project's task, as they are, with errors in them, or turn by turn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Record, Role, Turn
from ratoon_evaluation.domain.perturbations import Noise, perturbed
from ratoon_evaluation.domain.scores import TestScores
from ratoon_evaluation.domain.suites import RecordsTest
from ratoon_evaluation.worker.generator import Completions
from ratoon_evaluation.worker.parts import Part
from ratoon_evaluation.worker.passes import CANDIDATE, Domain, Pass
from ratoon_evaluation.worker.suites.failures import TestFailed
from ratoon_evaluation.worker.suites.rows import is_part_of_split, part_of, read_records
from ratoon_evaluation.worker.suites.tests import Advance, Model, settings_of
from ratoon_evaluation.worker.suites.wrong_answers import with_texts

_NAME = "test"


class RecordsOfTask:
    """A test by records, answered and scored as the test parts of the domains are."""

    def __init__(self, test: RecordsTest, evaluator: Any, store: ArtifactStore) -> None:
        self._evaluator, self._multi_turn = evaluator, test.multi_turn
        self._store, self._source = store, test.digest
        part = read_records(store, test.digest)
        evaluator.check(part)
        if test.noise:
            part = noisy(part, test.noise)
        self._conversations = [_users(record) for record in part.records] if test.multi_turn else []
        if test.multi_turn:
            part = replace(part, digest=_derived(part.digest, "multi-turn"))
        self._domain = Domain(_NAME, part, None)
        self._answers: dict[str, Any] = {}

    @property
    def part(self) -> Part:
        """Records of the test, with the errors in them."""
        return self._domain.test

    def answers_of(self, role: str) -> Any:
        """Return the answers of a model."""
        return self._answers[role]

    @property
    def count(self) -> int:
        """Number of prompts for each model."""
        return sum(map(len, self._conversations)) if self._multi_turn else len(self._domain.test)

    @property
    def settings(self) -> str:
        """Digest of all that the answers depend on beside the model."""
        each = self._pass(CANDIDATE)
        return settings_of("records", each.domain.test.digest, each.settings)

    def restore(self, role: str, answers: str) -> bool:
        """Take over answers that an earlier job stored."""
        stored = self._evaluator.stored(self._pass(role), answers)
        if stored is not None:
            self._answers[role] = stored
        return stored is not None

    def answer(self, role: str, model: Model, advance: Advance) -> None:
        """Let a model answer."""
        each = self._pass(role)
        if self._multi_turn:
            self._answers[role] = self._turn_by_turn(model.of_task(), each, advance)
        else:
            self._answers[role] = self._evaluator.answer(model.of_task(), each, advance)

    def scores(self) -> TestScores:
        """Return what was measured."""
        measured = self._evaluator.measure(self._domain, self._answers, None)
        candidate = measured.candidate
        return TestScores(
            "",
            records=candidate.records,
            candidate=candidate.measured,
            reference=measured.reference.measured if measured.reference else {},
            differences=measured.all_differences,
            unmeasured=candidate.unmeasured,
            answers=candidate.predictions,
            reference_answers=measured.reference.predictions if measured.reference else "",
            unanswered=candidate.unanswered_count,
            **self._wrong(measured.wrong, measured.wrong_count),
        )

    def _wrong(self, wrong: str, count: int) -> dict[str, Any]:
        """Return where the wrong answers are, and where their texts are."""
        if is_part_of_split(self._store, self._source):
            return {"wrong": wrong, "wrong_count": count, "wrong_part": self._source}
        return {"wrong": with_texts(self._store, wrong, self._domain.test), "wrong_count": count}

    def _pass(self, role: str) -> Pass:
        passes: Sequence[Pass] = self._evaluator.passes([self._domain])
        return next(each for each in passes if each.answerer == role)

    def _turn_by_turn(self, model: Any, each: Pass, advance: Advance) -> Completions:
        """Ask each message of a user after the model's own answers; returns the last answers."""
        records = self._domain.test.records
        history: list[tuple[Turn, ...]] = [_before(record) for record in records]
        last: list[tuple[Completions, int] | None] = [None] * len(records)
        done = 0
        for number in range(max(map(len, self._conversations))):
            places = [place for place, users in enumerate(self._conversations) if number < len(users)]
            for place in places:
                history[place] = (*history[place], self._conversations[place][number])
            prompts = [replace(records[place], turns=history[place]) for place in places]
            part = part_of(f"{each.domain.test.digest}:{number}", prompts)
            answers = self._answered(model, replace(each, domain=Domain(_NAME, part, None)), advance, done)
            done += len(places)
            for row, place in enumerate(places):
                history[place] = (*history[place], Turn(Role.ASSISTANT, answers.texts[row]))
                last[place] = answers, row
        return _joined([one for one in last if one is not None])

    def _answered(self, model: Any, each: Pass, advance: Advance, done: int) -> Completions:
        answers = self._evaluator.answer(model, each, lambda here: advance(done + here))
        if not isinstance(answers, Completions):
            raise TestFailed(
                "A multi-turn test needs a task `generate`: the answers of other tasks are no turns."
            )
        return answers


def noisy(part: Part, noise: Noise) -> Part:
    """Return the part with errors in the messages of its users. Its digest names the errors."""
    records = [
        replace(record, turns=tuple(_noisy(turn, noise, record_id) for turn in record.turns))
        for record, record_id in zip(part.records, part.record_ids, strict=True)
    ]
    return with_records(part, json.dumps(asdict(noise), sort_keys=True), records)


def with_records(part: Part, change: str, records: Sequence[Record]) -> Part:
    """Return the part with other prompts; its digest names the change."""
    changed = part_of(_derived(part.digest, change), records)
    return replace(part, digest=changed.digest, texts=changed.texts, examples=changed.examples)


def _noisy(turn: Turn, noise: Noise, key: str) -> Turn:
    if turn.role != Role.USER or not turn.content:
        return turn
    return replace(turn, content=perturbed(turn.content, noise, key))


def _derived(digest: str, change: str) -> str:
    return hashlib.sha256(f"{digest}:{change}".encode()).hexdigest()


def _users(record: Record) -> list[Turn]:
    if any(turn.role == Role.TOOL or turn.tool_calls for turn in record.turns):
        raise TestFailed(
            "A multi-turn test takes no conversations with tools: the model's own calls have no results."
        )
    return [turn for turn in record.turns if turn.role == Role.USER]


def _before(record: Record) -> tuple[Turn, ...]:
    return tuple(turn for turn in record.turns if turn.role == Role.SYSTEM)


def _joined(rows: Sequence[tuple[Completions, int]]) -> Completions:
    return Completions(
        tuple(answers.texts[row] for answers, row in rows),
        np.array([answers.tokens[row] for answers, row in rows], dtype=np.int64),
        tuple(answers.finish[row] for answers, row in rows),
        np.array([answers.nll[row] for answers, row in rows], dtype=np.float64),
        np.array([answers.nll_tokens[row] for answers, row in rows], dtype=np.int64),
    )
