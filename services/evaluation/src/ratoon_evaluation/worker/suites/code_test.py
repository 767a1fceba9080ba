"""Tests by programming problems: answers of models are run in a sandbox."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from typing import Any

import pyarrow as pa

from ratoon.process.sandbox.sandbox import Ended, Limits, Outcome, SandboxMissing, run_program
from ratoon.storage.artifacts import ArtifactStore
from ratoon_evaluation.domain.pass_at_k import pass_at_k
from ratoon_evaluation.domain.scores import TestScores
from ratoon_evaluation.domain.suites import CodeTest, metrics_of_code
from ratoon_evaluation.worker.decoding import Decoding
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE
from ratoon_evaluation.worker.resampling import Resampling
from ratoon_evaluation.worker.suites.failures import TestFailed
from ratoon_evaluation.worker.suites.raw_generator import RawGenerator
from ratoon_evaluation.worker.suites.rows import MAX_BYTES, json_objects, read_blob
from ratoon_evaluation.worker.suites.tests import (
    Advance,
    Model,
    of_documents,
    read_answers,
    settings_of,
    write_answers,
)
from ratoon_evaluation.worker.suites.wrong_answers import WrongRow, write_wrong

STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Texts that end an answer, which is the rest of a function (Chen et al., 2021)."""
TEMPERATURE = 0.8
"""Temperature of several answers, where the test states none."""
_MAX_PROCESSES = 4
_FIELDS = ("task_id", "prompt", "test", "entry_point")
_GZIP = b"\x1f\x8b"
_WAIT_S = 0.5


@dataclass(frozen=True)
class Problem:
    """The beginning of a function, and the tests that it must pass."""

    task_id: str
    prompt: str
    test: str
    entry_point: str

    def program(self, answer: str) -> str:
        """Return the program that passes if the answer is right."""
        return f"{self.prompt}{answer}\n{self.test}\ncheck({self.entry_point})\n"


@dataclass(frozen=True)
class _Attempt:
    """One answer to the problem of this place, and how its program ended."""

    place: int
    answer: str
    ended: Ended


class ProblemsOfCode:
    """A test by programming problems."""

    def __init__(self, test: CodeTest, store: ArtifactStore, how: Resampling, compute: str) -> None:
        self._test, self._store, self._how = test, store, how
        seed = how.seed if self._decoding.temperature else 0
        self.settings = settings_of("code", asdict(replace(test, k=())), seed, compute)
        self._problems = read_problems(store, test)
        self._attempts: dict[str, Sequence[_Attempt]] = {}

    @property
    def count(self) -> int:
        """Number of prompts for each model."""
        return len(self._problems) * self._test.samples

    def restore(self, role: str, answers: str) -> bool:
        """Take over answers that an earlier job stored."""
        table = read_answers(self._store, answers, self.settings)
        if table is None or table.num_rows != self.count:
            return False
        self._attempts[role] = [
            _Attempt(row["problem"], row["answer"], Ended(Outcome(row["outcome"]), row["error"]))
            for row in table.to_pylist()
        ]
        return True

    def answer(self, role: str, model: Model, advance: Advance) -> None:
        """Let a model answer each problem as often as the test says, and run the answers."""
        answers: list[tuple[int, str]] = []
        for number in range(self._test.samples):
            generator = RawGenerator(model.plain(), replace(self._decoding, seed=self._how.seed + number))
            done = len(answers)
            prompts = [problem.prompt for problem in self._problems]
            texts = generator.continued(prompts, _after(done, advance)).texts
            answers += enumerate(texts)
        self._attempts[role] = self._run(answers, advance)

    def scores(self) -> TestScores:
        """Return what was measured."""
        values = {role: self._values(attempts) for role, attempts in self._attempts.items()}
        attempts = self._attempts[CANDIDATE]
        unanswered = sum(not attempt.answer.strip() for attempt in attempts)
        stored = {role: self._stored(each) for role, each in self._attempts.items()}
        rows = self._wrong()
        measured = of_documents(values, self._how, stored, unanswered)
        return replace(measured, wrong=write_wrong(self._store, rows), wrong_count=len(rows))

    def _wrong(self) -> list[WrongRow]:
        """Return the programs of the candidate that failed."""
        reference = self._attempts.get(REFERENCE)
        return [
            WrongRow(
                self._problems[attempt.place].task_id,
                self._problems[attempt.place].prompt,
                attempt.answer,
                reference_predicted=None if reference is None else reference[number].answer,
                outcome=": ".join(filter(None, (str(attempt.ended.outcome), attempt.ended.error))),
            )
            for number, attempt in enumerate(self._attempts[CANDIDATE])
            if attempt.ended.outcome is not Outcome.PASSED
        ]

    @property
    def _decoding(self) -> Decoding:
        test = self._test
        default = TEMPERATURE if test.samples > 1 else 0.0
        temperature = default if test.temperature is None else test.temperature
        return Decoding(test.max_tokens, temperature, stop=STOP)

    def _run(self, answers: Sequence[tuple[int, str]], advance: Advance) -> Sequence[_Attempt]:
        limits = Limits(timeout_s=self._test.timeout_s)
        with ThreadPoolExecutor(min(_MAX_PROCESSES, os.cpu_count() or 1)) as pool:
            running = [
                pool.submit(run_program, self._problems[place].program(answer), limits)
                for place, answer in answers
            ]
            try:
                waiting: set[Any] = set(running)
                while waiting:
                    _, waiting = wait(waiting, _WAIT_S, FIRST_COMPLETED)
                    advance(len(answers))
                return [
                    _Attempt(place, answer, each.result())
                    for (place, answer), each in zip(answers, running, strict=True)
                ]
            except SandboxMissing as error:
                raise TestFailed(str(error)) from error
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _values(self, attempts: Sequence[_Attempt]) -> Mapping[str, Sequence[float]]:
        passed = [0] * len(self._problems)
        for attempt in attempts:
            passed[attempt.place] += attempt.ended.outcome is Outcome.PASSED
        names = zip(metrics_of_code(self._test), self._test.k, strict=True)
        return {name: [pass_at_k(self._test.samples, each, k) for each in passed] for name, k in names}

    def _stored(self, attempts: Sequence[_Attempt]) -> str:
        columns = {
            "problem": pa.array([attempt.place for attempt in attempts], pa.int32()),
            "task_id": pa.array([self._problems[attempt.place].task_id for attempt in attempts], pa.string()),
            "answer": pa.array([attempt.answer for attempt in attempts], pa.string()),
            "outcome": pa.array([str(attempt.ended.outcome) for attempt in attempts], pa.string()),
            "error": pa.array([attempt.ended.error for attempt in attempts], pa.string()),
        }
        return write_answers(self._store, columns, self.settings)


def _after(done: int, advance: Advance) -> Advance:
    """Return a callback that adds what was finished before."""
    return lambda here: advance(done + here)


def read_problems(store: ArtifactStore, test: CodeTest) -> list[Problem]:
    """Return the problems of a test; raises TestFailed with the number of one that is none."""
    data = read_blob(store, test.digest)
    rows = json_objects(_unpacked(data) if data[:2] == _GZIP else data)
    problems = [_problem(row, number) for number, row in enumerate(rows, 1)]
    return problems[: test.limit] if test.limit else problems


def _unpacked(data: bytes) -> bytes:
    try:
        with gzip.open(BytesIO(data)) as file:
            unpacked = file.read(MAX_BYTES + 1)
    except (OSError, EOFError) as error:
        raise TestFailed(f"The problems cannot be unpacked: {error}.") from error
    if len(unpacked) > MAX_BYTES:
        raise TestFailed(f"The problems have more than {MAX_BYTES >> 20} MiB: split the test.")
    return unpacked


def _problem(row: Mapping[str, Any], number: int) -> Problem:
    if missing := [name for name in _FIELDS if not isinstance(row.get(name), str) or not row[name]]:
        raise TestFailed(f"Problem {number} lacks {', '.join(missing)}.")
    if not row["entry_point"].isidentifier():
        raise TestFailed(f"Problem {number}: entry_point must be the name of a function.")
    return Problem(*(row[name] for name in _FIELDS))
