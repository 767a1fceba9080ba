"""Kinds of task in evaluation."""

import pytest

from ratoon.process.clock import SystemClock
from ratoon.tasks import classify
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import TaskNotSupported
from ratoon.tasks.regress import Regress
from ratoon_evaluation.application.commands import CreateRun
from ratoon_evaluation.application.handlers import create_run
from ratoon_evaluation.domain.runs import Question
from ratoon_evaluation.domain.scores import BASELINE_TITLES

QUESTION = Question("a" * 64, "", (), (), ())


@pytest.mark.parametrize("task", [Generate(), Regress(), Classify(("a", "b"), multi_label=True)])
def test_a_task_that_is_not_supported_is_refused_before_anything_is_stored(task):
    with pytest.raises(TaskNotSupported, match=r"^Evaluation does not support"):
        create_run(CreateRun("projects/p", "", QUESTION, task), None, None, SystemClock())


def test_the_baselines_are_those_of_the_kind():
    assert tuple(BASELINE_TITLES) == classify.BASELINES
