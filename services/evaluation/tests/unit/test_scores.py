"""Scores of earlier releases and of every kind of task, as callers see them."""

from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from ratoon.tasks.regress import Regress
from ratoon_evaluation import mapping
from ratoon_evaluation.domain.gate import Outcome, Rule, RuleKind, judge
from ratoon_evaluation.domain.runs import Domain, EvaluationRun, Question, Scored, State
from ratoon_evaluation.domain.scores import DomainScores, Interval, Measurements, Scores, SliceScore

NOW = datetime(2026, 6, 1, tzinfo=UTC)
INTERVAL = {"value": 0.8, "low": 0.7, "high": 0.9}
SCORES: dict[str, Any] = {
    "records": 4,
    "accuracy": INTERVAL,
    "macro_f1": INTERVAL,
    "precision": 0.5,
    "recall": 0.5,
    "auc": None,
    "perplexity": 12.0,
    "classes": [{"label": "ham", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 4}],
    "confusion": {"labels": ["ham"], "counts": [[3, 1]]},
    "slices": [{"slice": "language=en", "records": 5, "accuracy": INTERVAL, "macro_f1": INTERVAL}],
    "unfit": 0,
    "predictions": "1" * 64,
}
RUN: dict[str, Any] = {
    "name": "projects/p/evaluationRuns/e",
    "create_time": "2026-06-01T00:00:00Z",
    "update_time": "2026-06-01T00:00:00Z",
    "question": {
        "candidate": "a" * 64,
        "reference": "b" * 64,
        "domains": [{"name": "new", "split": "projects/p/datasets/d/splits/s"}],
        "labels": ["ham", "spam"],
        "rules": [{"kind": "BETTER", "domain": "new", "threshold": 0.0, "metric": ""}],
        "seed": 1,
    },
    "state": "SUCCEEDED",
    "scored": {
        "outcome": {
            "measured": {
                "domains": [
                    {
                        "domain": "new",
                        "test": "c" * 64,
                        "candidate": SCORES,
                        "reference": SCORES,
                        "baselines": {"majority": SCORES | {"predictions": ""}},
                        "difference": {"value": 0.1, "low": 0.05, "high": 0.2},
                        "best_baseline": "majority",
                        "baseline_difference": INTERVAL,
                        "wrong": "4" * 64,
                        "wrong_count": 2,
                    }
                ]
            },
            "verdict": {"passed": True, "findings": []},
        },
        "report_json": "2" * 64,
        "report_html": "3" * 64,
    },
    "revision": 3,
}


def test_a_run_of_an_older_release_is_shown_with_its_metrics_and_has_the_same_verdict():
    run = TypeAdapter(EvaluationRun).validate_python(RUN)
    shown = mapping.run(run)
    (result,) = shown.results
    assert {name: each.value for name, each in result.candidate.metrics.items()} == {
        "macro_f1": 0.8,
        "accuracy": 0.8,
    }
    assert result.candidate.macro_f1 == result.candidate.metrics["macro_f1"]
    assert (result.candidate.unanswered_count, result.candidate.other_count) == (1, 1)
    assert result.slices[0].metrics["macro_f1"].value == 0.8
    assert result.difference.value == result.differences["macro_f1"].value == 0.1
    assert result.baseline_differences["macro_f1"].value == 0.8
    assert list(shown.task.classify.labels) == ["ham", "spam"]
    assert run.scored is not None
    verdict = judge(run.question.rules, run.scored.outcome.measured, run.question.spec, run.question.metric)
    assert verdict.passed
    assert "macro-F1 changes by +0.100 [+0.050, +0.200]" in verdict.sentence


def test_numbers_have_no_fields_of_labels():
    mae = Interval(2.5, 2.0, 3.0)
    candidate = Scores(
        9,
        slices=(SliceScore("language=en", 5, metrics={"mae": mae}),),
        unfit=2,
        metrics={"mae": mae},
        unanswered=3,
        unmeasured={"r2": "All right numbers are the same."},
    )
    domain = DomainScores(
        "new",
        "c" * 64,
        candidate,
        candidate,
        {"mean": candidate},
        best_baseline="mean",
        differences={"mae": mae},
    )
    rules = (Rule(RuleKind.BETTER, "new"),)
    measured = Measurements((domain,))
    question = Question(
        "a" * 64,
        "b" * 64,
        (Domain("new", "projects/p/datasets/d/splits/s"),),
        (),
        rules,
        task=Regress(unit="km"),
    )
    scored = Scored(Outcome(measured, judge(rules, measured, Regress())), "2" * 64, "3" * 64)
    name = "projects/p/evaluationRuns/e"
    shown = mapping.run(EvaluationRun(name, NOW, NOW, question, State.SUCCEEDED, scored=scored))
    (result,) = shown.results
    assert shown.metric == "mae"
    assert shown.task.regress.unit == "km"
    assert result.difference == result.differences["mae"]
    assert (result.candidate.metrics["mae"].upper, result.slices[0].metrics["mae"].lower) == (3.0, 2.0)
    assert (result.candidate.unanswered_count, result.candidate.too_long_count) == (3, 2)
    assert dict(result.candidate.unmeasured) == {"r2": "All right numbers are the same."}
    assert not result.candidate.HasField("macro_f1")
    assert not result.HasField("majority")
    assert [each.name for each in result.baselines] == ["mean"]
    assert shown.verdict.summary.startswith(
        "Refused: Better than the version in production on the domain new: MAE"
    )
