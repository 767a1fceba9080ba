"""Suites of a project, held against those that evaluation has."""

from ratoon.tasks.kinds import kind_of
from ratoon_flywheel.application.ports import Suites
from ratoon_flywheel.domain.kinds.table import KINDS
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.suites import check_use


def check_suites(project: Project, suites: Suites) -> None:
    """Raise NotFound if a suite does not exist, BadProject if it does not fit the task or the gates of the project."""
    kind = KINDS[project.task.kind]
    if project.suites and kind is not None:
        gated = kind.gated_metrics(project.task)
        check_use(suites.of_project(project), project.metric_gates, gated, kind_of(project.task))


def check_changed_suites(before: Project, after: Project, suites: Suites) -> None:
    """Check the suites of a project if a change of it concerns them; raises as `check_suites` does."""
    if any(getattr(before, field) != getattr(after, field) for field in ("suites", "metric_gates", "task")):
        check_suites(after, suites)
