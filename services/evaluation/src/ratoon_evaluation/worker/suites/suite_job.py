"""The suites of one job: which tests there are, their answers by each model, and their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import ModelFolder
from ratoon.tasks import kinds
from ratoon_evaluation.domain.errors import BadSuite
from ratoon_evaluation.domain.scores import SuiteScores, TestScores
from ratoon_evaluation.domain.suites import CodeTest, HarnessTest, RecordsTest, SuiteTest, TestKind
from ratoon_evaluation.suite_messages import requested_test
from ratoon_evaluation.worker.kinds.table import KINDS
from ratoon_evaluation.worker.parts import UnusablePart
from ratoon_evaluation.worker.passes import roles, settings_of_compute
from ratoon_evaluation.worker.prompts import BadChatTemplate
from ratoon_evaluation.worker.resampling import resampling_of
from ratoon_evaluation.worker.spec import compute_of_spec, task_of_spec
from ratoon_evaluation.worker.suites.code_test import ProblemsOfCode
from ratoon_evaluation.worker.suites.failures import TestFailed
from ratoon_evaluation.worker.suites.harness_test import TaskOfHarness
from ratoon_evaluation.worker.suites.records_test import RecordsOfTask
from ratoon_evaluation.worker.suites.step_by_step import ReasonedRecords, paired_spec
from ratoon_evaluation.worker.suites.tests import Advance, Model, Runner

_SUITES = "suites"
"""Stands for the test part of stored answers to tests of suites."""
_FAILURES = (TestFailed, UnusablePart, BadChatTemplate, BadSuite)
"""What leaves one test without a value, and the others as they are."""


class Reporter(Protocol):
    """Reports the progress of a job."""

    def advancing(self, message: str) -> Advance:
        """Return a callback for one pass."""
        ...


@dataclass
class _Entry:
    """One test of a suite, or why it has no value."""

    suite: str
    test: SuiteTest
    content: Runner | None = None
    failure: str = ""
    restored: set[str] = field(default_factory=set)
    """Roles of the models whose answers an earlier job stored."""

    def attempt(self, action: Callable[[], Any]) -> Any:
        """Return the result of an action; a failure of the test is noted, and later actions are left out."""
        if self.failure:
            return None
        try:
            return action()
        except _FAILURES as error:
            self.failure = str(error)
            return None


class SuiteJob:
    """The tests of all suites of a job."""

    def __init__(self, spec: ScoringSpec, evaluator: Any, store: ArtifactStore) -> None:
        self._spec, self._evaluator, self._store = spec, evaluator, store
        self._how = resampling_of(spec)
        self._primary = spec.metric or kinds.kind_of(task_of_spec(spec)).PRIMARY
        self._revisions: Mapping[str, int] = {suite.name: suite.revision for suite in spec.suites}
        self._entries = [
            _Entry(suite.name, requested_test(test)) for suite in spec.suites for test in suite.tests
        ]
        self._compute = settings_of_compute(compute_of_spec(spec))
        for entry in self._entries:
            entry.content = entry.attempt(partial(self._content, entry.test))

        self._restore()

    @property
    def count(self) -> int:
        """Number of prompts that models have to answer."""
        return sum(
            entry.content.count
            for entry in self._entries
            for role in roles(self._spec)
            if entry.content and role not in entry.restored
        )

    def answer(self, role: str, folder: ModelFolder, reporter: Reporter) -> None:
        """Let the model of a role answer all tests, those by records first, since they share its form."""
        model = Model(folder, self._evaluator, self._spec)
        for entry in sorted(self._entries, key=lambda each: not isinstance(each.test.content, RecordsTest)):
            content = entry.content
            if content and role not in entry.restored:
                message = f"Scoring the {role} on the test {entry.test.name} of the suite {entry.suite}"
                advance = reporter.advancing(message)
                entry.attempt(partial(content.answer, role, model, advance))

    def scores(self) -> tuple[SuiteScores, ...]:
        """Return what was measured, suite by suite."""
        return tuple(
            SuiteScores(name, revision, tuple(self._of(each) for each in self._entries if each.suite == name))
            for name, revision in self._revisions.items()
        )

    def _restore(self) -> None:
        """Take over the answers that earlier jobs stored."""
        stored = {
            (each.model, each.answer_settings): each.predictions
            for each in self._spec.stored_answers
            if each.test == _SUITES
        }
        for entry in self._entries:
            for role, model in roles(self._spec).items():
                content = entry.content
                answers = stored.get((model, content.settings)) if content else None
                if content and answers and content.restore(role, answers):
                    entry.restored.add(role)

    def _content(self, test: SuiteTest) -> Runner:
        match test.content:
            case RecordsTest(step_by_step=reasoning) if reasoning:
                paired = KINDS[task_of_spec(self._spec).kind].evaluator(paired_spec(self._spec), self._store)
                return ReasonedRecords(test.content, reasoning, self._evaluator, paired, self._store)
            case RecordsTest():
                return RecordsOfTask(test.content, self._evaluator, self._store)
            case HarnessTest():
                return TaskOfHarness(test.content, test.metric, self._store, self._how, self._compute)
            case CodeTest():
                return ProblemsOfCode(test.content, self._store, self._how, self._compute)

    def _of(self, entry: _Entry) -> TestScores:
        content = entry.content
        measured: TestScores | None = entry.attempt(content.scores) if content else None
        if measured is None:
            measured = TestScores("", unmeasured={"": entry.failure})
        test = entry.test
        return replace(
            measured,
            test=test.name,
            kind="" if test.kind is TestKind.PLAIN else str(test.kind),
            difficulty=test.difficulty,
            metric=test.metric or self._primary,
            answer_settings=content.settings if content and not entry.failure else "",
        )
