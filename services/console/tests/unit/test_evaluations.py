"""Evaluations of generated text and of numbers: what is worked out, and the pages over HTTP."""

import re
from typing import Any

import httpx
import pytest

from ratoon_console.domain import evaluations, judges
from ratoon_console.domain.metrics import measure_of
from services.console.tests import seed

from .test_pages import Platform, visit

JSON = dict[str, Any]


def interval(value: float) -> JSON:
    return {"value": value, "lower": value - 0.05, "upper": value + 0.05}


def scores(**metrics: float) -> JSON:
    return {"recordCount": 9, "metrics": {name: interval(value) for name, value in metrics.items()}}


GENERATED: JSON = {
    "task": {"generate": {"form": "FORM_CHAT"}},
    "metric": "chrf",
    "results": [
        {
            "domain": "base",
            "candidate": {
                **scores(rouge_l=0.5, chrf=0.4, perplexity=1234.5),
                "unansweredCount": "3",
                "unmeasured": {"json_validity": "The answers are no JSON documents."},
            },
            "reference": scores(rouge_l=0.45, chrf=0.35),
            "baselines": [{"name": "zero_shot", "scores": scores(chrf=0.6)}],
            "bestBaseline": "zero_shot",
            "difference": interval(0.05),
            "differences": {"rouge_l": interval(0.07), "perplexity": interval(-20.0)},
            "slices": [{"slice": "language=en", "recordCount": 5, **scores(chrf=0.3)}],
            "wrongAnswerCount": 2,
        }
    ],
}
NUMBERS: JSON = {
    "task": {"regress": {}},
    "results": [
        {
            "domain": "base",
            "candidate": scores(mae=0.4, rmse=0.6, r2=0.5),
            "baselines": [{"name": "mean", "scores": scores(mae=0.9)}],
            "bestBaseline": "mean",
            "wrongAnswerCount": 2,
        }
    ],
}


@pytest.fixture
def busy() -> Platform:
    platform = Platform()
    seed.busy_project(platform.memory, platform.blobs)
    return platform


def shown(platform: Platform, path: str) -> str:
    pages: list[str] = []

    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        assert not re.search(r'style="|<script>|onclick', answer.text)
        pages.append(answer.text)

    visit(platform, "viewer", scenario)
    return pages[0]


def test_the_primary_metric_comes_first_and_has_its_direction():
    measure = measure_of(GENERATED)
    result = GENERATED["results"][0]
    assert measure.names(result) == ["chrf", "rouge_l", "perplexity"]
    assert measure.title("perplexity") == "perplexity (lower is better)"
    assert measure.text("perplexity", interval(1234.5)) == "1,234 [1,234, 1,235]"
    assert measure_of(NUMBERS).primary == "mae"


def test_a_run_of_an_earlier_release_is_measured_by_its_own_fields():
    measure = measure_of({"labels": ["a", "b"]})
    result = {"candidate": {"macroF1": interval(0.9), "accuracy": interval(0.8), "auc": interval(0.7)}}
    assert measure.names(result) == ["macro_f1", "accuracy", "auc"]
    assert measure.is_labels


def test_a_metric_of_a_newer_release_is_shown_by_its_name():
    measure = measure_of(NUMBERS | {"metric": "new_error"})
    assert measure.title("new_error") == "new error"
    assert measure.names({"candidate": scores(new_error=0.5)}) == ["new_error"]


def test_a_lower_error_is_better_than_a_baseline():
    measure, result = measure_of(NUMBERS), NUMBERS["results"][0]
    assert evaluations.better_baseline(result, measure) == ""
    worse = {**result, "candidate": scores(mae=1.25)}
    assert evaluations.better_baseline(worse, measure) == (
        "mean of the training part reaches MAE 0.900; the candidate reaches 1.250."
    )


def test_numbers_have_a_scale_of_their_own():
    intervals = evaluations.intervals(NUMBERS["results"][0], measure_of(NUMBERS))
    assert [(each.low, each.high) for each in intervals] == [(0.0, pytest.approx(0.95))] * 2
    assert [each.place(each.value) for each in intervals] == [42.11, 94.74]


def test_a_page_of_generated_text_shows_its_metrics_and_both_answers(busy):
    busy.memory.resources[f"{seed.P}/evaluationRuns/e1"].update(GENERATED)
    case = busy.memory.resources[f"{seed.P}/evaluationRuns/e1/badCases/0"]
    case.update(predicted="<b>bye</b>", references=["hello", "hi"], referencePredicted="ciao", score=0.25)
    del busy.memory.resources[f"{seed.P}/evaluationRuns/e1/badCases/1"]["label"]
    text = shown(busy, "/p/mail/evaluations/e1")
    for part in (
        "chrF [95 % CI]",
        "base model reaches chrF 0.600; the candidate reaches 0.400.",
        "JSON validity: The answers are no JSON documents.",
        "3 records without a valid answer",
        "perplexity (lower is better)",
        "-20.000 [-20.050, -19.950]",
        "&lt;b&gt;bye&lt;/b&gt;",
        ">hello<",
        ">hi<",
        ">ciao<",
        "score 0.250",
        "language=en",
        "evaluations collect e1 --label",
    ):
        assert part in text, part
    assert "acro-F1 [" not in text
    assert "no valid label" not in text


def test_pages_of_numbers_and_their_comparison(busy):
    for run in ("e1", "e2"):
        busy.memory.resources[f"{seed.P}/evaluationRuns/{run}"].update(NUMBERS)
    assert "MAE (lower is better) [95 % CI]" in shown(busy, "/p/mail/evaluations/e1")
    compared = shown(busy, "/p/mail/evaluations/compare?run=e1&run=e2")
    assert "0.400 [0.350, 0.450]" in compared
    assert "acro-F1 [" not in compared


def test_a_page_of_labels_still_shows_them(busy):
    text = shown(busy, "/p/mail/evaluations/e1")
    for part in (
        "macro-F1 [95 % CI]",
        "accuracy [95 % CI]",
        "AUC [95 % CI]",
        "2 × ham predicted as spam",
        "Precision",
    ):
        assert part in text, part


def test_results_of_suites_stand_beside_the_domains(busy):
    half = {"value": 0.5, "lower": 0.25, "upper": 0.75}
    suite = {
        "suite": f"{seed.P}/suites/hard",
        "tests": [
            {
                "test": "typos",
                "kind": "KIND_NOISE",
                "difficulty": "hard",
                "metric": "acc",
                "recordCount": "1200",
                "candidate": {"acc": half, "a": half},
                "reference": {"acc": half},
                "stepByStep": {
                    "candidate": {"acc": {"value": 0.75}},
                    "differences": {"acc": {"value": 0.25}},
                },
            },
            {"test": "code", "metric": "pass@1", "unmeasured": {"": "<b> Programs cannot be run here."}},
        ],
    }
    busy.memory.resources[f"{seed.P}/evaluationRuns/e1"].update(suiteResults=[suite])
    text = shown(busy, "/p/mail/evaluations/e1")
    for part in (
        'Suite <a href="/p/mail/suites/hard">hard</a>',
        "noise, hard",
        "1,200",
        "0.500 [0.250, 0.750]",
        "code: &lt;b&gt; Programs cannot",
    ):
        assert part in text, part
    rows = evaluations.rows_of_tests(suite, measure_of(GENERATED))
    assert [row.metric for row in rows] == ["acc", "a", "acc, step by step (difference to without)"]
    assert rows[2].candidate.startswith("0.750") and rows[2].reference == "–"
    assert rows[2].difference.startswith("0.250")


def with_verdicts(busy):
    rate = {"value": 0.625, "lower": 0.5, "upper": 0.75}
    pairs = {
        "judge": f"{seed.P}/judges/helpful", "verdictCount": "120", "winCount": "60", "tieCount": "30",
        "lossCount": "30", "inconsistentCount": "12", "firstPositionCount": "9", "secondPositionCount": "3",
        "longerWinRate": rate, "longerCount": "50", "failedCount": "2",
    }  # fmt: skip
    scores = {"judge": f"{seed.P}/judges/tone", "verdictCount": "118"}
    human = {"pairCount": "20", "winCount": "11", "lossCount": "5", "tieCount": "4", "comparisonAlpha": 0.4}
    metrics = {"judge_win_rate": rate, "rubric_score": {"value": 4.25, "lower": 4.0, "upper": 4.5}}
    run = busy.memory.resources[f"{seed.P}/evaluationRuns/e1"]
    first, *others = run["results"]
    first = first | {"judges": [pairs, scores], "human": human}
    first["candidate"] = first["candidate"] | {"metrics": metrics}
    run.update(results=[first, *others], task={"generate": {}}, metric="rouge_l")
    return run


def test_an_evaluation_shows_what_judges_and_people_said(busy):
    with_verdicts(busy)
    text = shown(busy, "/p/mail/evaluations/e1")
    for part in (
        '<a href="/p/mail/judges/helpful">helpful</a>',
        "judge win rate 0.625 [0.500, 0.750]",
        "judge consistency –",
        "120 pairs: 60 won, 30 tied, 30 lost",
        "12 changed with the order; won in both orders: the first place 9, the second 3",
        "win rate 0.625 where the candidate&#39;s answer is longer (50)",
        "2 got no reply",
        "rubric score 4.250 [4.000, 4.500]",
        "118 answers scored",
        "Comparisons: 20 (11 won, 4 tied, 5 lost), Krippendorff&#39;s alpha 0.400.",
    ):
        assert part in text, part


def test_a_judge_shows_its_agreement_and_its_verdicts(busy):
    with_verdicts(busy)
    busy.memory.put(seed.P, judges=[f"{seed.P}/judges/helpful"])
    text = shown(busy, "/p/mail/judges/helpful")
    for part in (
        "Compares two answers: large-instruct at https://judge.example/v1",
        "<dt>Compared pairs</dt><dd>61</dd>",
        "<dt>Same verdict as people</dt><dd>82%</dd>",
        "<dd>0.64</dd>",
        "<dt>Records that were erased</dt><dd>2</dd>",
        "120 pairs: 60 won",
        "ask it about each new version",
        "Delete",
    ):
        assert part in text, part
    assert "118 answers" not in text
    tone = shown(busy, "/p/mail/judges/tone")
    assert "Not known yet" in tone and "do not ask it" in tone and "Cancel" in tone


def test_a_judge_without_verdicts_is_known_by_its_metrics(busy):
    run = with_verdicts(busy)
    result = run["results"][0]
    counts = {"judge": f"{seed.P}/judges/helpful", "failedCount": "30"}
    result["judges"] = [counts]
    result["candidate"] = {"unmeasured": {"judge_win_rate": "No reply."}}
    (verdicts,) = judges.verdicts_of(run, result, measure_of(run))
    assert [title for title, _ in verdicts.metrics] == ["judge win rate", "judge consistency"]
    assert verdicts.notes[0].startswith("0 pairs")


def test_a_single_right_answer_is_shown(busy):
    run = busy.memory.resources[f"{seed.P}/evaluationRuns/e1"]
    run.update(task={"generate": {}}, metric="rouge_l")
    busy.memory.put(f"{seed.P}/evaluationRuns/e1/badCases/0", references=[], label="Lunch today")
    assert '<h4>Right answer</h4><p class="text">Lunch today</p>' in shown(busy, "/p/mail/evaluations/e1")


def test_wrong_answers_to_a_test_of_a_suite_are_shown(busy):
    tests = [{"test": "code", "metric": "pass@1", "wrongAnswerCount": "3"}, {"test": "easy"}]
    run = busy.memory.resources[f"{seed.P}/evaluationRuns/e1"]
    run.update(suiteResults=[{"suite": f"{seed.P}/suites/hard", "tests": tests}])
    text = shown(busy, "/p/mail/evaluations/e1")
    assert "?suite=hard&amp;test=code#wrong" in text
    assert "test=easy" not in text
    assert "(3)" not in text.split('id="wrong"')[1][:200]
    of_test = shown(busy, "/p/mail/evaluations/e1?suite=hard&test=code")
    assert "(3)" in of_test.split('id="wrong"')[1][:200]
    assert "collect e1 --suite hard --test code --label" in of_test
    assert 'name="suite" value="hard"' in of_test and 'name="test" value="code"' in of_test
    whole = shown(busy, "/p/mail/evaluations/e1?suite=hard&test=easy")
    assert "Make a dataset version" in whole and 'name="suite"' not in whole
