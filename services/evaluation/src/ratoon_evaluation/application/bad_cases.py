"""Wrong answers of a candidate, page by page: on the domains of a run, or to the tests of one of its suites."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ratoon.process.errors import NotFound
from ratoon.storage.paging import Page, PageTokens, page_size
from ratoon.storage.store import Store
from ratoon.tasks import kinds
from ratoon_evaluation.application.commands import ExportBadCases, ListBadCases
from ratoon_evaluation.application.handlers import chosen_domains, evaluated_run, split_of
from ratoon_evaluation.application.ports import (
    AnsweredRecord,
    Answers,
    Export,
    Exports,
    Splits,
    WrongAnswer,
    WrongPart,
)
from ratoon_evaluation.domain.errors import BadEvaluation, NotEvaluated
from ratoon_evaluation.domain.runs import EvaluationRun
from ratoon_evaluation.domain.scores import Measurements, SuiteScores, TestScores

MAX_EXPORTED = 10_000
"""Records of an export at most."""
_PAGE_CHARS = 700_000
"""Of the texts on a page: it stays under a message's 4 MiB, whatever their script."""
_NO_RECORDS: Mapping[str, AnsweredRecord] = {}


@dataclass(frozen=True)
class BadCase:
    """A wrong answer with the record it was given to, which is empty when it was erased meanwhile."""

    domain: str
    answer: WrongAnswer
    record: AnsweredRecord
    suite: str = ""
    """Resource name of the suite; empty: the answer is to a record of a domain."""
    test: str = ""

    @property
    def label(self) -> str:
        """Return the right answer; empty if it was erased."""
        return self.answer.label or self.record.label

    @property
    def text(self) -> str:
        """Return the text of the record; empty if it was erased."""
        return self.answer.text or self.record.text

    @property
    def references(self) -> tuple[str, ...]:
        """Return all right answers, if there are several."""
        return self.answer.references or self.record.references

    @property
    def chars(self) -> int:
        """Return the number of characters of its texts."""
        answer = self.answer
        own = (self.text, self.label, answer.predicted, answer.reference_predicted or "")
        return sum(map(len, (*own, *self.references)))


@dataclass(frozen=True)
class _Listed:
    """Wrong answers of one domain or of one test."""

    wrong: str
    domain: str = ""
    suite: str = ""
    test: str = ""
    split: str = ""
    """Split whose test part holds the texts; each reading of it is logged."""
    part: str = ""
    """Part that holds the texts, if no split is named; empty: the wrong answers hold them."""


def list_bad_cases(
    query: ListBadCases, store: Store, answers: Answers, splits: Splits, tokens: PageTokens
) -> Page[BadCase]:
    """The candidate's wrong answers, domain by domain or test by test, the surest first."""
    run, measured = evaluated_run(query.parent, store)
    limit = page_size(query.page_size)
    listing = _listing(run, query)
    position = tokens.open(listing, query.page_token) or ["0", "0"]
    place, offset = int(position[0]), int(position[1])
    listed = _chosen(run, measured, query)
    if place >= len(listed):
        return Page([])
    rows, more_here = answers.wrong(listed[place].wrong, offset, limit)
    chosen = listed[place]
    if (chosen.split and not query.is_permitted) or _is_sealed(run, chosen, answers):
        cases = _sealed(run, chosen, rows)
    else:
        cases = _with_records(run, chosen, rows, query.principal, answers, splits)
    more_here = more_here or len(cases) < len(rows)
    following = [str(place), str(offset + len(cases))] if more_here else [str(place + 1), "0"]
    more = int(following[0]) < len(listed)
    return Page(cases, tokens.seal(listing, following) if more else "")


def export_bad_cases(
    query: ExportBadCases, store: Store, exports: Exports, splits: Splits, answers: Answers
) -> Export:
    """Store the records of the candidate's wrong answers; the reading of each test part is logged."""
    run, measured = evaluated_run(query.parent, store)
    if not 0 <= query.max_count <= MAX_EXPORTED:
        raise BadEvaluation(
            f"max_record_count must be 0 to {MAX_EXPORTED:,}, not {query.max_count:,}.", "max_record_count"
        )
    chosen = _chosen(run, measured, query)
    if sealed := [each.test for each in chosen if _is_sealed(run, each, answers)]:
        raise BadEvaluation(
            f"The records of the test {sealed[0]} are a test part, whose reading is logged at its split: export the "
            "wrong answers of a domain on this split.",
            "test",
        )
    purpose = f"Wrong answers exported by {query.principal}"
    parts = [
        WrongPart(
            each.domain or f"{_id(each.suite)}/{each.test}",
            each.wrong,
            splits.open(each.split, [run.name], purpose).test if each.split else each.part,
        )
        for each in chosen
    ]
    free_text = kinds.kind_of(run.question.spec).FREE_TEXT
    limit = query.max_count or MAX_EXPORTED
    return exports.write(run.name.split("/")[1], parts, limit, free_text=free_text)


def _listing(run: EvaluationRun, query: ListBadCases) -> str:
    if query.suite:
        return f"badCases:{run.name}:suites/{_id(query.suite)}/{query.test}"
    return f"badCases:{run.name}" + (f":{query.domain}" if query.domain else "")


def _chosen(
    run: EvaluationRun, measured: Measurements, query: ListBadCases | ExportBadCases
) -> list[_Listed]:
    """Return what a query names: domains of the run, or tests of one of its suites."""
    if query.suite or query.test:
        return _of_suite(run, measured, query)
    return [
        _Listed(scores.wrong, domain=scores.domain, split=split_of(run, scores))
        for scores in chosen_domains(run, measured, query.domain)
    ]


def _of_suite(
    run: EvaluationRun, measured: Measurements, query: ListBadCases | ExportBadCases
) -> list[_Listed]:
    """Return the tests of the suite, or the one that the query names; raises BadEvaluation or NotEvaluated."""
    if query.domain or not query.suite:
        raise BadEvaluation("Give domain, or suite with test.", "suite")
    names = {suite.id: suite.name for suite in run.question.suites}
    name = names.get(_id(query.suite), "")
    suite = measured.suite(_id(query.suite))
    if suite is None or query.suite not in (name, suite.suite):
        known = ", ".join(names) or "no suite"
        raise BadEvaluation(f"{run.name} applied {known[:500]}, not {query.suite[:200]!r}.", "suite")
    tests = _chosen_tests(run, suite, query.test)
    return [
        _Listed(test.wrong, suite=name, test=test.test, part=test.wrong_part) for test in tests if test.wrong
    ]


def _chosen_tests(run: EvaluationRun, suite: SuiteScores, name: str) -> Sequence[TestScores]:
    if not name:
        tests = suite.tests
    elif chosen := suite.test(name):
        tests = (chosen,)
    else:
        known = ", ".join(test.test for test in suite.tests)
        raise BadEvaluation(
            f"The suite {suite.suite} has the tests {known[:500]}, not {name[:63]!r}.", "test"
        )
    for test in tests:
        if name and "" in test.unmeasured:
            raise NotEvaluated(f"The test {name} has no value: {test.unmeasured['']}")
        if test.answers and not test.wrong:
            raise NotEvaluated(
                f"{run.name} is of an older release, which stored no wrong answers to tests: evaluate again."
            )
    return tests


def _is_sealed(run: EvaluationRun, listed: _Listed, answers: Answers) -> bool:
    """Return whether the texts of a test of a suite are those of a test part: no split is named to log a reading at."""
    return not listed.split and bool(listed.part) and answers.is_sealed(run.name.split("/")[1], listed.part)


def _sealed(run: EvaluationRun, listed: _Listed, rows: Sequence[WrongAnswer]) -> list[BadCase]:
    """Return wrong answers without what identifies the records of the sealed test part."""
    has_texts = kinds.kind_of(run.question.spec).FREE_TEXT
    return [
        BadCase(
            listed.domain,
            WrongAnswer(
                record_id="",
                label="" if has_texts else row.label,
                predicted="" if has_texts else row.predicted,
                reference_predicted=None if has_texts else row.reference_predicted,
                score=row.score,
            ),
            AnsweredRecord(),
            listed.suite,
            listed.test,
        )
        for row in rows
    ]


def _with_records(
    run: EvaluationRun,
    listed: _Listed,
    rows: Sequence[WrongAnswer],
    principal: str,
    answers: Answers,
    splits: Splits,
) -> list[BadCase]:
    if not rows:
        return []
    records = _records(run, listed, [row.record_id for row in rows], principal, answers, splits)
    return _fitting(
        [
            BadCase(
                listed.domain,
                row,
                records.get(row.record_id, AnsweredRecord()),
                listed.suite,
                listed.test,
            )
            for row in rows
        ]
    )


def _records(
    run: EvaluationRun,
    listed: _Listed,
    record_ids: Sequence[str],
    principal: str,
    answers: Answers,
    splits: Splits,
) -> Mapping[str, AnsweredRecord]:
    if listed.split:
        parts = splits.open(listed.split, [run.name], f"Wrong answers shown to {principal}")
        return answers.records(parts.test, record_ids)
    if not listed.part:
        return _NO_RECORDS
    try:
        return answers.records(listed.part, record_ids)
    except NotFound:
        return _NO_RECORDS


def _fitting(cases: Sequence[BadCase]) -> list[BadCase]:
    """The first cases whose texts fit into one message."""
    sizes = accumulate(case.chars for case in cases)
    return [
        case
        for place, (case, size) in enumerate(zip(cases, sizes, strict=True))
        if not place or size <= _PAGE_CHARS
    ]


def _id(name: str) -> str:
    return name.rsplit("/", 1)[-1]
