"""Input of a scoring job."""

from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace

from ratoon.tasks.generate import Generate
from ratoon_evaluation.application.ports import Parts
from ratoon_evaluation.application.procedures import scoring_job
from ratoon_evaluation.domain.runs import Domain, EvaluationRun, Question

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_every_model_that_reads_a_test_part_is_logged():
    opened = []

    def open_split(split, readers, purpose):
        opened.append((split, readers, purpose))
        return Parts("c" * 64, "d" * 64)

    empty = SimpleNamespace(read=lambda: nullcontext(SimpleNamespace(all=lambda *_: [])))
    question = Question("a" * 64, "", (Domain("new", "s"),), (), (), task=Generate(), base="b" * 64)
    run = EvaluationRun("projects/p/evaluationRuns/r", NOW, NOW, question)
    models = SimpleNamespace(content=lambda model: model)
    scoring_job(empty, SimpleNamespace(open=open_split), SimpleNamespace(), models, run)
    assert opened == [("s", ["a" * 64, "b" * 64], "Evaluation projects/p/evaluationRuns/r")]
