"""Commands and queries of evaluation."""

from dataclasses import dataclass

from ratoon.tasks.judges import JudgeKind
from ratoon.tasks.kinds import TaskSpec
from ratoon_evaluation.domain.judges import JudgeSpec
from ratoon_evaluation.domain.runs import Question
from ratoon_evaluation.domain.suites import SuiteTest


@dataclass(frozen=True)
class CreateRun:
    """Evaluate in `parent` (projects/{project}) what the question asks; an empty id generates one.

    The task of the question is `task`.
    """

    parent: str
    run_id: str
    question: Question
    task: TaskSpec
    request_id: str = ""
    suites: tuple[str, ...] = ()
    """Names of the suites to apply."""
    judges: tuple[str, ...] = ()
    """Names of the judges to ask."""


@dataclass(frozen=True)
class ExportBadCases:
    """Store the records of a run's wrong answers for `principal`; an empty domain stands for all, 0 for the limit.

    With a suite, those of its tests, or of the one that `test` names.
    """

    parent: str
    domain: str
    max_count: int
    principal: str
    suite: str = ""
    test: str = ""


@dataclass(frozen=True)
class RequestRatings:
    """Ask people about answers of the run `name` for `principal`; 0 stands for the defaults."""

    name: str
    domain: str
    kind: JudgeKind | None
    """Comparisons for PAIRWISE, ratings for RUBRIC; None: not named."""
    max_count: int
    overlap: int
    scales: tuple[str, ...]
    principal: str


@dataclass(frozen=True)
class ListBadCases:
    """A page of a run's wrong answers for `principal`; an empty domain stands for all."""

    parent: str
    page_size: int
    page_token: str
    principal: str
    domain: str = ""
    suite: str = ""
    """Resource name or ID; empty: the answers on domains."""
    test: str = ""
    """Empty: all tests of the suite."""
    is_permitted: bool = True
    """False if the role of the caller may not read test parts: their cases come without what identifies them."""


@dataclass(frozen=True)
class CreateSuite:
    """Create a suite in `parent` (projects/{project}); an empty id generates one."""

    parent: str
    suite_id: str
    description: str
    tests: tuple[SuiteTest, ...]
    request_id: str = ""


@dataclass(frozen=True)
class UpdateSuite:
    """Change a suite that was read with this etag; None keeps a field."""

    name: str
    etag: str = ""
    description: str | None = None
    tests: tuple[SuiteTest, ...] | None = None


@dataclass(frozen=True)
class DeleteSuite:
    """Delete a suite that was read with this etag; an empty etag is not checked."""

    name: str
    etag: str = ""


@dataclass(frozen=True)
class CreateJudge:
    """Create a judge in `parent` (projects/{project}); an empty id generates one; None: no kind was named."""

    parent: str
    judge_id: str
    spec: JudgeSpec | None
    request_id: str = ""
