"""Zero-shot reasoning step by step (Kojima et al., 2022): the same records answered without it and with it.

The candidate writes its reasoning after "Let's think step by step.". Then it continues its own answer after the
reasoning and "Therefore, the answer is". Where the chat template cannot leave an answer open, the user sends the
reasoning and these words instead. Both scores are compared record by record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Record, Role, Turn
from ratoon_evaluation.domain.scores import StepByStepScores, TestScores
from ratoon_evaluation.domain.suites import RecordsTest, StepByStep
from ratoon_evaluation.worker.decoding import Decoding
from ratoon_evaluation.worker.generator import Generator, Prompt
from ratoon_evaluation.worker.parts import Part
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE, Domain, Pass
from ratoon_evaluation.worker.prompts import Prompts
from ratoon_evaluation.worker.suites.records_test import RecordsOfTask, with_records
from ratoon_evaluation.worker.suites.tests import Advance, Model, settings_of, write_answers

TRIGGER = "Let's think step by step."
EXTRACTION = "Therefore, the answer is"
_PASSES = 3
"""Prompts for each record: without reasoning, for the reasoning, and with it."""


class ReasonedRecords:
    """A test by records that the candidate answers without and with reasoning, and the reference without."""

    def __init__(
        self,
        test: RecordsTest,
        reasoning: StepByStep,
        evaluator: Any,
        paired: Any,
        store: ArtifactStore,
    ) -> None:
        """`paired` is an evaluator that compares two answers to each record, whatever the job compares."""
        self._plain = RecordsOfTask(test, evaluator, store)
        self._evaluator, self._paired, self._store = evaluator, paired, store
        self._decoding = Decoding(reasoning.max_tokens)
        self._part, self._answers = self._plain.part, None
        self._reasoning: tuple[str, ...] = ()
        self._continues = False
        """Whether the template lets the model continue its own answer after the reasoning."""

    @property
    def count(self) -> int:
        """Number of prompts for each model."""
        return self._plain.count * _PASSES

    @property
    def settings(self) -> str:
        """Digest of all that the answers without reasoning depend on beside the model."""
        return self._plain.settings

    def restore(self, role: str, answers: str) -> bool:
        """Take over answers without reasoning; the candidate answers with it each time."""
        return role == REFERENCE and self._plain.restore(role, answers)

    def answer(self, role: str, model: Model, advance: Advance) -> None:
        """Let a model answer."""
        if role == REFERENCE:
            self._plain.answer(role, model, lambda done: advance(done * _PASSES))
            return
        count = self._plain.count
        self._reasoning = self._reason(model, advance)
        self._plain.answer(role, model, lambda done: advance(count + done))
        self._part = self._with_reasoning()
        each = Pass(CANDIDATE, "", Domain("test", self._part, None))
        self._answers = self._evaluator.answer(model.of_task(), each, lambda done: advance(2 * count + done))

    def scores(self) -> TestScores:
        """Return what was measured."""
        both = {CANDIDATE: self._answers, REFERENCE: self._plain.answers_of(CANDIDATE)}
        measured = self._paired.measure(Domain("test", self._part, None), both, None)
        candidate = measured.candidate
        reasoned = StepByStepScores(
            candidate.measured,
            measured.all_differences,
            candidate.unmeasured,
            candidate.unanswered_count,
            self._stored(candidate.predictions),
        )
        return replace(self._plain.scores(), step_by_step=reasoned)

    def _with_reasoning(self) -> Part:
        """Return the records with the reasoning: as the opening of the answer, else at the end of the request."""
        records = self._plain.part.records
        if self._continues:
            part = with_records(self._plain.part, self._derived, _requesting(records))
            return replace(part, openings=tuple(map(_opening, self._reasoning)))
        requests = [
            with_request(record, f"{TRIGGER}\n{_opening(text)}")
            for record, text in zip(records, self._reasoning, strict=True)
        ]
        return with_records(self._plain.part, self._derived, requests)

    def _reason(self, model: Model, advance: Advance) -> tuple[str, ...]:
        generator = Generator(model.plain(), self._decoding)
        prompts: Prompts = generator.prompts()
        records = _requesting(self._plain.part.records)
        texts = generator.answer([Prompt(prompts.prompt(record)) for record in records], advance).texts
        self._continues = all(
            prompts.continued(record, _opening(text)) is not None
            for record, text in zip(records, texts, strict=True)
        )
        return texts

    @property
    def _derived(self) -> str:
        """What distinguishes the prompts with reasoning from those without."""
        texts = hashlib.sha256("\0".join(self._reasoning).encode(errors="surrogatepass")).hexdigest()
        return settings_of("step by step", self._decoding.max_tokens, texts, self._continues)

    def _stored(self, predictions: str) -> str:
        """Store the answers with their reasoning; returns the digest of the table."""
        table = pq.read_table(BytesIO(self._store.read(predictions)))
        columns = {name: table.column(name).combine_chunks() for name in table.column_names}
        columns["reasoning"] = pa.array(
            [text.encode("utf-8", "replace").decode() for text in self._reasoning]
        )
        return write_answers(self._store, columns, self._derived)


def paired_spec(spec: ScoringSpec) -> ScoringSpec:
    """Return the spec of a job that has a reference, so that two answers of one model can be compared."""
    paired = ScoringSpec()
    paired.CopyFrom(spec)
    paired.reference = paired.reference or paired.candidate
    return paired


def _requesting(records: Sequence[Record]) -> list[Record]:
    return [with_request(record, TRIGGER) for record in records]


def _opening(reasoning: str) -> str:
    """Return the beginning of an answer after reasoning."""
    return f"{reasoning}\n\n{EXTRACTION}"


def with_request(record: Record, request: str) -> Record:
    """Return the record with a request at the end of the last message of its user."""
    place = max(place for place, turn in enumerate(record.turns) if turn.role == Role.USER)
    turn = record.turns[place]
    changed = replace(turn, content=f"{turn.content}\n\n{request}")
    turns: Sequence[Turn] = (*record.turns[:place], changed, *record.turns[place + 1 :])
    return replace(record, turns=tuple(turns))
