"""Kinds of task in labeling."""

import pytest

from ratoon.process.clock import SystemClock
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import TaskNotSupported
from ratoon.tasks.regress import Regress
from ratoon_labeling.application.commands import CreateGuideline
from ratoon_labeling.application.handlers import create_guideline


@pytest.mark.parametrize("task", [Generate(), Regress(), Classify(("a", "b"), multi_label=True)])
def test_a_task_that_is_not_supported_is_refused_before_anything_is_stored(task):
    with pytest.raises(TaskNotSupported, match=r"^Labeling does not support"):
        create_guideline(CreateGuideline("projects/p", "", "", task), None, SystemClock())
