"""Judges of a project, held against those that evaluation has."""

from ratoon_flywheel.application.ports import Judges
from ratoon_flywheel.domain.judges import check_known
from ratoon_flywheel.domain.projects import Project

_FIELDS = ("judges", "judge_requirements", "metric_gates")


def check_judges(project: Project, judges: Judges) -> None:
    """Raise NotFound if a judge does not exist, BadProject if it cannot be used, JudgeNotTrusted if it may not gate."""
    if project.judges:
        check_known(judges.of_project(project), project.metric_gates, project.judge_requirements)


def check_changed_judges(before: Project, after: Project, judges: Judges) -> None:
    """Check the judges of a project if a change of it concerns them; raises as `check_judges` does."""
    if any(getattr(before, field) != getattr(after, field) for field in _FIELDS):
        check_judges(after, judges)
