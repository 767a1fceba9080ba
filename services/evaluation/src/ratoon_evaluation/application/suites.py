"""Suites: created, changed and deleted, and taken into evaluation runs."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ratoon.process.clock import Clock
from ratoon.storage.names import checked_id, matched
from ratoon.storage.store import Store, Transaction
from ratoon.tasks.kinds import KINDS
from ratoon_evaluation.application.commands import CreateSuite, DeleteSuite, UpdateSuite
from ratoon_evaluation.domain.errors import BadEvaluation, BadSuite
from ratoon_evaluation.domain.harness import HarnessTask
from ratoon_evaluation.domain.kinds.table import kind_of
from ratoon_evaluation.domain.runs import Question
from ratoon_evaluation.domain.suites import (
    MAX_APPLIED,
    AppliedSuite,
    CodeTest,
    HarnessTest,
    RecordsTest,
    Suite,
    SuiteTest,
    applied,
    check_etag,
    checked,
    metrics_of_code,
    with_default_metric,
)

SUITE = "projects/*/suites/*"

HarnessReader = Callable[[str], HarnessTask]
"""Reads a task of lm-evaluation-harness; raises BadSuite."""


def create_suite(command: CreateSuite, store: Store, read: HarnessReader, clock: Clock) -> Suite:
    """Create a suite."""
    matched(command.parent, "projects/*", "parent")
    name = f"{command.parent}/suites/{checked_id(command.suite_id, 'suite_id')}"
    now = clock.now()
    created = _complete(Suite(name, now, now, command.description, command.tests), read)
    with store.write() as tx:
        suite, _ = tx.create(created, command.request_id)
    return suite


def update_suite(command: UpdateSuite, store: Store, read: HarnessReader) -> Suite:
    """Change a suite; existing runs keep the tests with which they were created."""
    matched(command.name, SUITE)
    with store.write() as tx:
        before = tx.get(Suite, command.name)
        check_etag(before, command.etag)
        after = _complete(
            replace(
                before,
                description=before.description if command.description is None else command.description,
                tests=before.tests if command.tests is None else command.tests,
            ),
            read,
        )
        return before if after == before else tx.save(after)


def delete_suite(command: DeleteSuite, store: Store) -> None:
    """Delete a suite; existing runs keep its tests and results."""
    matched(command.name, SUITE)
    with store.write() as tx:
        suite = tx.get(Suite, command.name)
        check_etag(suite, command.etag)
        tx.retire(suite)


def with_suites(tx: Transaction, parent: str, names: Sequence[str], question: Question) -> Question:
    """Return the question with these suites as they are now; raises BadEvaluation, or NotFound."""
    if len(set(names)) < len(names) or len(names) > MAX_APPLIED:
        raise BadEvaluation(f"Name each suite once, and {MAX_APPLIED} at most.", "suites")
    for name in names:
        matched(name, SUITE, "suites")
        if not name.startswith(f"{parent}/"):
            raise BadEvaluation(f"{name} is a suite of another project: use one of {parent}.", "suites")
    suites = tuple(applied(tx.get(Suite, name)) for name in names)
    return replace(question, suites=tuple(_for_task(suite, question) for suite in suites))


def _for_task(suite: AppliedSuite, question: Question) -> AppliedSuite:
    """Return the suite if the task of the run has the metrics of its tests by records."""
    known = kind_of(question.spec).gated_metrics(question.spec)
    for test in suite.tests:
        if isinstance(test.content, RecordsTest) and test.metric and test.metric not in known:
            raise BadEvaluation(
                f"{suite.name}: the test {test.name} is summed up by {test.metric}, which tasks of the kind "
                f"{question.spec.kind} do not have. Use a suite with one of {', '.join(known)}.",
                "suites",
            )
    return suite


def _complete(suite: Suite, read: HarnessReader) -> Suite:
    metrics: dict[str, Sequence[str]] = {}
    for number, test in enumerate(suite.tests):
        try:
            metrics[test.name] = _metrics(test, read)
        except BadSuite as refused:
            raise BadSuite(
                f"Test {test.name[:63]!r}: {refused}", f"tests[{number}].harness.{refused.field}"
            ) from None
    whole = checked(suite, metrics)
    return replace(whole, tests=tuple(with_default_metric(each, metrics[each.name]) for each in whole.tests))


def _metrics(test: SuiteTest, read: HarnessReader) -> Sequence[str]:
    match test.content:
        case HarnessTest(text, files):
            task = read(text)
            names = {file.name for file in files}
            if missing := sorted(name for name in task.files if not names & {name, name.rsplit("/", 1)[-1]}):
                raise BadSuite(
                    f"the task reads {', '.join(missing)[:200]}: name it in files, with its digest.", "files"
                )
            return task.metric_names
        case CodeTest():
            return metrics_of_code(test.content)
        case _:
            return sorted({name for kind in KINDS.values() for name in kind.METRICS})
