"""Commands and queries of evaluation."""

from dataclasses import dataclass

from ratoon.tasks.kinds import TaskSpec
from ratoon_evaluation.domain.runs import Question


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


@dataclass(frozen=True)
class ExportBadCases:
    """Store the records of a run's wrong answers for `principal`; an empty domain stands for all, 0 for the limit."""

    parent: str
    domain: str
    max_count: int
    principal: str


@dataclass(frozen=True)
class ListBadCases:
    """A page of a run's wrong answers for `principal`; an empty domain stands for all."""

    parent: str
    page_size: int
    page_token: str
    principal: str
    domain: str = ""
