"""Tasks as messages, and the task that a request of an older client means."""

import pytest

from ratoon.evaluation.v1.evaluation_run_pb2 import EvaluationRun
from ratoon.service.tasks import message_of, requested_task, task_of
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Form, Generate, Sampling
from ratoon.tasks.kind import BadTask
from ratoon.tasks.regress import Regress

CLASSIFY = Classify(("ham", "spam"))
SAMPLING = Sampling(0.0, 0.9, 40, 0.05, 1.1, 64)


@pytest.mark.parametrize(
    "task",
    [
        CLASSIFY,
        Classify(("a", "b"), multi_label=True),
        Generate(),
        Generate(Form.CHAT),
        Generate(Form.JSON, "{}", True, SAMPLING, ("\n", "###")),
        Regress(),
        Regress("points", -4.0, 0.0, 0.5),
    ],
)
def test_a_task_survives_the_wire(task):
    assert task_of(message_of(task)) == task


@pytest.mark.parametrize(
    ("request_fields", "task"),
    [
        ({"labels": CLASSIFY.labels}, CLASSIFY),
        ({"task": message_of(CLASSIFY)}, CLASSIFY),
        ({"task": message_of(CLASSIFY), "labels": CLASSIFY.labels}, CLASSIFY),
        ({"task": message_of(Regress())}, Regress()),
        ({}, Classify()),
    ],
)
def test_the_task_of_a_request(request_fields, task):
    assert requested_task(EvaluationRun(**request_fields)) == task


@pytest.mark.parametrize("task", [CLASSIFY, Regress()])
def test_labels_that_contradict_the_task_are_refused(task):
    with pytest.raises(BadTask, match="differ") as refused:
        requested_task(EvaluationRun(task=message_of(task), labels=["a", "b"]))
    assert refused.value.field == "labels"


def test_a_message_without_a_kind_is_refused():
    with pytest.raises(BadTask, match="give classify, generate, regress"):
        task_of(EvaluationRun().task)
