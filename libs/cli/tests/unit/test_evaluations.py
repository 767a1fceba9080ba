"""Scores and wrong answers of an evaluation on the command line."""

import re
from pathlib import Path

import pytest

from .conftest import problem, watch

RUN = "projects/p/evaluationRuns/r"
DATASET = "projects/p/datasets/p-bad-cases"
VERSION = f"{DATASET}/versions/v1"
CASE = {
    "recordId": "a1",
    "domain": "new",
    "label": "hello",
    "predicted": "bye",
    "referencePredicted": "ciao",
    "score": 0.25,
    "text": "Say hello",
}


@pytest.fixture
def collected(server):
    """Serve an export, its source, its version and a guideline."""
    server.answers["POST", f"{RUN}/badCases:export"] = {"digest": "d" * 64, "recordCount": "3"}
    server.answers["POST", "projects/p/sources"] = {"name": "projects/p/sources/s"}
    server.answers["POST", f"{DATASET}/versions"] = {"name": VERSION}
    ready = {"name": VERSION, "state": "STATE_READY", "recordCount": "2"}
    server.answers["GET", f"{VERSION}:watch"] = watch(ready)
    server.listing(
        "projects/p/guidelines", "guidelines", [{"name": f"projects/p/guidelines/{i}"} for i in "ab"]
    )
    server.answers["POST", "projects/p/labelSets"] = {"name": "projects/p/labelSets/l"}
    labelled = {"name": "projects/p/labelSets/l", "state": "STATE_SUCCEEDED"}
    server.answers["GET", "projects/p/labelSets/l:watch"] = watch(labelled)
    return server


def test_answers_of_both_models_are_listed(ratoon, server):
    server.answers["GET", RUN] = {"name": RUN, "referenceDigest": "b" * 64}
    server.listing(f"{RUN}/badCases", "badCases", [CASE])
    printed = ratoon("evaluations", "bad-cases", "r", "--domain", "new")[1]
    assert server.requests[-1].url.params["domain"] == "new"
    for part in ("hello", "bye", "ciao", "0.25", "Say hello"):
        assert part in printed


def test_wrong_answers_to_tests_of_a_suite_are_listed(ratoon, server):
    server.answers["GET", RUN] = {"name": RUN}
    case = {"suite": "projects/p/suites/hard", "test": "human-eval", "outcome": "failed: AssertionError"}
    server.listing(f"{RUN}/badCases", "badCases", [{**CASE, "domain": "", **case}])
    printed = ratoon(
        "evaluations", "bad-cases", "r", "--suite", "hard", "--test", "human-eval", "-o", "wide"
    )[1]
    params = server.requests[-1].url.params
    assert (params["suite"], params["test"], params.get("domain")) == ("hard", "human-eval", None)
    for part in ("human-eval", "Say hello", "failed: AssertionError"):
        assert part in printed
    assert "domain" not in ratoon("evaluations", "bad-cases", "r", "--suite", "hard")[1]


def test_labels_have_no_columns_without_values(ratoon, server):
    server.answers["GET", RUN] = {"name": RUN, "labels": ["ham", "spam"], "referenceDigest": "b" * 64}
    server.listing(f"{RUN}/badCases", "badCases", [{"label": "ham", "predicted": "spam", "domain": "new"}])
    printed = ratoon("evaluations", "bad-cases", "r")[1]
    assert "referencePredicted" not in printed
    assert "score" not in printed


def test_wrong_answers_become_a_dataset_version(ratoon, collected):
    status, printed, errors = ratoon("evaluations", "collect", "r", "--domain", "new", "--count", "3")
    assert status == 0, errors
    assert [(path, body) for _, path, _, body in collected.sent()] == [
        (f"{RUN}/badCases:export", {"domain": "new", "maxRecordCount": 3}),
        (
            "projects/p/sources",
            {
                "displayName": f"Wrong answers of {RUN}",
                "format": "FORMAT_JSONL",
                "digest": "d" * 64,
                "columns": {"attributes": ["domain", "predicted"]},
            },
        ),
        ("projects/p/datasets", {}),
        (f"{DATASET}/versions", {"sources": ["projects/p/sources/s"]}),
    ]
    assert VERSION.removeprefix("projects/p/") in printed


def test_wrong_answers_become_a_labelling_queue_under_the_newest_guideline(ratoon, collected):
    collected.answers["POST", "projects/p/datasets"] = problem(
        409, "ALREADY_EXISTS", "It exists.", "ALREADY_EXISTS"
    )
    status, _, errors = ratoon("evaluations", "collect", "r", "--label")
    assert status == 0, errors
    assert "Adding a version to projects/p/datasets/p-bad-cases." in errors
    assert "2 tasks wait for annotators" in errors
    assert collected.sent()[-1][3] == {
        "datasetVersion": VERSION,
        "guideline": "projects/p/guidelines/b",
        "reviewSampleSize": 2,
    }


def test_a_run_without_wrong_answers_makes_nothing(ratoon, collected):
    collected.answers["POST", f"{RUN}/badCases:export"] = {"digest": "d" * 64}
    status, _, errors = ratoon("evaluations", "collect", "r")
    assert status != 0
    assert "has no wrong answers to collect" in errors
    assert len(collected.sent()) == 1


def interval(value):
    return {"value": value, "lower": value - 1, "upper": value + 1}


def test_scores_are_listed_with_the_primary_metric_first(ratoon, server):
    result = {
        "domain": "new",
        "candidate": {
            "metrics": {"mae": interval(2.5), "rmse": interval(3.25)},
            "unmeasured": {"r2": "All right numbers are the same."},
        },
        "reference": {"metrics": {"rmse": interval(4)}},
        "baselines": [{"name": "mean", "scores": {"metrics": {"rmse": interval(5)}}}],
        "bestBaseline": "mean",
        "differences": {"rmse": interval(-0.75)},
    }
    server.answers["GET", RUN] = {"name": RUN, "metric": "rmse", "results": [result]}
    status, printed, errors = ratoon("evaluations", "scores", "r", "-o", "wide")
    assert status == 0, errors
    rows = [line for line in printed.splitlines() if line.strip()]
    assert rows[1].split("  ")[0] == "new"
    assert "RMSE (lower is better)" in rows[1]
    for part in ("3.25 [2.25, 4.25]", "4 [3, 5]", "5 [4, 6] mean", "-0.75 [-1.75, 0.25]"):
        assert part in rows[1]
    assert "MAE (lower is better)" in rows[2]
    assert "All right numbers are the same." in rows[3]


def test_an_evaluation_is_planned(ratoon, server):
    plan = {"recordCount": "2000", "answerCount": "4000", "seconds": 600.0, "timeBasis": "Measured."}
    server.answers["POST", "projects/p/evaluationRuns:plan"] = plan
    status, output, _ = ratoon("evaluations", "plan", "--records", "2000", "--models", "2")
    assert status == 0
    assert "4000" in output and "Measured." in output


def test_a_run_without_scores_says_so(ratoon, server):
    server.answers["GET", RUN] = {"name": RUN, "state": "STATE_RUNNING"}
    assert "has no scores yet" in ratoon("evaluations", "scores", "r")[2]


def test_the_example_of_the_guide_is_sent_as_it_stands(ratoon, server, tmp_path):
    guide = Path(__file__).parents[4] / "docs/guides/evaluation.md"
    documents = re.findall(r"```yaml\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    (document,) = (each for each in documents if "domains:" in each)
    path = tmp_path / "run.yaml"
    path.write_text(document, encoding="utf-8")
    status, _, errors = ratoon("create", "evaluation-runs", "-f", str(path))
    assert status == 0, errors
    ((_, parent, _, body),) = server.sent()
    assert parent == "projects/p/evaluationRuns"
    assert body["task"] == {"generate": {"form": "FORM_CHAT", "defaults": {"maxTokens": 200}}}
    assert body["gate"][1] == {
        "kind": "KIND_NOT_WORSE",
        "domain": "new",
        "metric": "chrf",
        "threshold": -0.02,
    }
    assert set(body) == {
        "task",
        "candidateDigest",
        "referenceDigest",
        "baseDigest",
        "metric",
        "domains",
        "gate",
    }
