"""Whole evaluation jobs in this process and in a process of their own."""

import json
import sys
from functools import partial
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from ratoon.operations.jobs import JobFolder, JobState, LocalJobs
from ratoon.testkit.waiting import until
from ratoon_evaluation.worker import job as evaluation_job
from ratoon_evaluation.worker.baselines import BaselinesFailed, Task, fit_and_answer, stride, words
from ratoon_evaluation.worker.models import AcceleratorMissing
from ratoon_evaluation.worker.parts import UnusablePart
from ratoon_evaluation.worker.scorer import Scorer

from .conftest import LABELS, mails, part_blob


@pytest.fixture(scope="module")
def spec(store, taught, always_ham):
    test, train = store.put_bytes(part_blob(mails(60))), store.put_bytes(part_blob(mails(90, spam_every=4)))
    return {
        "artifacts": store.url,
        "candidate": taught,
        "reference": always_ham,
        "labels": list(LABELS),
        "domains": [
            {"name": "old", "test": test, "train": train},
            {"name": "new", "test": test, "train": ""},
        ],
        "rules": [
            {"kind": "BEATS_MAJORITY", "domain": "old", "threshold": 0.0},
            {"kind": "BETTER", "domain": "new", "threshold": 0.0},
        ],
        "resamples": 1000,
        "rates": {"hourly_costs": {"CPU": 0.2}, "currency": "EUR"},
        "title": "Evaluation of <mail>",
    }


@pytest.fixture(scope="module")
def plain(spec):
    """The job without a training part, whose baselines take most of the time."""
    domains = [each | {"train": ""} for each in spec["domains"]]
    return spec | {"domains": domains, "rules": spec["rules"][1:]}


@pytest.fixture(scope="module")
def result(spec, tmp_path_factory):
    return evaluation_job.run(spec, job_in(tmp_path_factory.mktemp("whole") / "job"))


@pytest.fixture(scope="module")
def plain_result(plain, tmp_path_factory):
    return evaluation_job.run(plain, job_in(tmp_path_factory.mktemp("plain") / "job"))


def job_in(folder):
    folder.mkdir()
    return JobFolder(folder)


def test_a_taught_model_passes_against_one_that_always_says_ham(result, store):
    old, new = result["evaluation"]["measured"]["domains"]
    assert result["evaluation"]["verdict"]["passed"]
    assert old["candidate"]["macro_f1"]["value"] > 0.9
    assert old["reference"]["macro_f1"]["value"] == pytest.approx(0.4)
    assert old["baselines"]["majority"]["accuracy"]["value"] == pytest.approx(40 / 60)
    assert old["baselines"]["tfidf"]["macro_f1"]["value"] > 0.7
    assert old["best_baseline"] == "classical"
    best = old["baselines"][old["best_baseline"]]["macro_f1"]["value"]
    assert old["baseline_difference"]["value"] == pytest.approx(old["candidate"]["macro_f1"]["value"] - best)
    assert new["best_baseline"] == ""
    assert new["baselines"] == {}
    assert new["difference"]["low"] > 0
    assert old["candidate"]["perplexity"] > 1
    assert {scores["slice"] for scores in old["candidate"]["slices"]} == {"html=no", "html=yes"}
    report = json.loads(store.read(result["report_json"]))
    assert report["models"]["candidate"]["architecture"]["num_hidden_layers"] == 2
    assert report["models"]["candidate"]["recipe"]["seed"] == 1
    page = store.read(result["report_html"]).decode()
    assert "Evaluation of &lt;mail&gt;" in page
    assert "num_hidden_layers" in page
    assert "Passed." in page


def test_one_record_passes_no_gate(spec, store, tmp_path):
    """All resamples of it are the same, so its interval would be a point."""
    test = store.put_bytes(part_blob(mails(1)))
    domains = [{"name": name, "test": test, "train": ""} for name in ("old", "new")]
    result = evaluation_job.run(
        spec | {"domains": domains, "rules": spec["rules"][1:]}, job_in(tmp_path / "job")
    )
    verdict = result["evaluation"]["verdict"]
    assert not verdict["passed"]
    assert (
        "macro-F1 was not measured there (The test part has one record" in verdict["findings"][0]["sentence"]
    )
    assert "has one record" in store.read(result["report_html"]).decode()


def test_predictions_and_wrong_answers_are_stored_without_text(plain, store, tmp_path):
    swapped = plain | {"candidate": plain["reference"], "reference": ""}
    result = evaluation_job.run(swapped, job_in(tmp_path / "job"))
    old = result["evaluation"]["measured"]["domains"][0]
    predictions = pq.read_table(BytesIO(store.read(old["candidate"]["predictions"])))
    assert predictions.num_rows == 60
    names = "record_id label predicted correct label_logprob nll tokens unfit attributes label_logprobs"
    assert predictions.column_names == names.split()
    wrong = pq.read_table(BytesIO(store.read(old["wrong"]))).to_pylist()
    assert old["wrong_count"] == len(wrong) == 20
    assert {(row["label"], row["predicted"]) for row in wrong} == {("spam", "ham")}
    names = "record_id content_digest label predicted label_logprob attributes"
    assert set(wrong[0]) == set(names.split())
    assert [row["label_logprob"] for row in wrong] == sorted(row["label_logprob"] for row in wrong)
    assert not result["evaluation"]["verdict"]["passed"]


def test_the_same_job_gives_the_same_digests(spec, result, tmp_path):
    assert without_times(evaluation_job.run(spec, job_in(tmp_path / "again"))) == without_times(result)


_OF_TIME = ("cost", "notes", "report_json", "report_html")
"""Results that hold a measured time, or are digests of what does."""


def without_times(result):
    if isinstance(result, dict):
        return {name: without_times(each) for name, each in result.items() if name not in _OF_TIME}
    return [without_times(each) for each in result] if isinstance(result, list) else result


def test_the_report_has_what_a_million_answers_of_each_model_cost(plain, result, store, tmp_path):
    old = result["evaluation"]["measured"]["domains"][0]
    costs = [old[role]["cost"] for role in ("candidate", "reference")]
    costs += [old["baselines"][name]["cost"] for name in ("classical", "tfidf")]
    assert all(each["core_seconds_per_million"] > 0 and each["price_per_million"] > 0 for each in costs)
    assert not old["baselines"]["majority"].get("cost")
    page = store.read(result["report_html"]).decode()
    assert "Cost of a million answers" in page and "costs 0.2 EUR an hour" in page
    stored = {
        "model": plain["candidate"],
        "test": old["test"],
        "predictions": old["candidate"]["predictions"],
        "cost": {"core_seconds_per_million": 123.0},
    }
    unpriced = plain | {"rates": {}, "stored_answers": [stored]}
    again = evaluation_job.run(unpriced, job_in(tmp_path / "again"))
    cost = again["evaluation"]["measured"]["domains"][0]["candidate"]["cost"]
    assert cost["core_seconds_per_million"] == 123.0 and cost.get("price_per_million") is None


def test_stored_answers_are_not_computed_again(plain, plain_result, tmp_path, monkeypatch):
    scores = plain_result["evaluation"]["measured"]["domains"][0]
    stored = [
        {"model": plain[role], "test": scores["test"], "predictions": scores[role]["predictions"]}
        for role in ("candidate", "reference")
    ]
    scored = []
    monkeypatch.setattr(Scorer, "score", lambda *_: scored.append(1))
    again = evaluation_job.run(plain | {"stored_answers": stored}, job_in(tmp_path / "again"))
    assert without_times(again) == without_times(plain_result)
    assert scored == []


def test_answers_in_another_number_format_are_other_answers(spec, store, tmp_path, monkeypatch):
    half = spec | {"compute": {"dtype": "DTYPE_BFLOAT16"}, "domains": spec["domains"][1:], "rules": []}
    first = evaluation_job.run(half, job_in(tmp_path / "first"))["evaluation"]["measured"]["domains"][0]
    exact = evaluation_job.run(half | {"compute": {}}, job_in(tmp_path / "exact"))
    scores = exact["evaluation"]["measured"]["domains"][0]
    assert first["candidate"]["predictions"] != scores["candidate"]["predictions"]
    assert [each["candidate"]["answer_settings"] for each in (first, scores)] == ["bfloat16", ""]
    stored = [
        {
            "model": spec["candidate"],
            "test": scores["test"],
            "predictions": each["predictions"],
            "answer_settings": each["answer_settings"],
        }
        for each in (first["candidate"], scores["candidate"])
    ]
    monkeypatch.setattr(Scorer, "score", None)
    for stored_one, original in zip(stored, (first, scores), strict=True):
        again = half | {"stored_answers": stored, "reference": ""}
        again |= {} if stored_one["answer_settings"] else {"compute": {}}
        result = evaluation_job.run(again, job_in(tmp_path / f"again-{stored_one['answer_settings']}"))
        again = result["evaluation"]["measured"]["domains"][0]["candidate"]
        assert without_times(again) == without_times(original["candidate"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an NVIDIA GPU here")
def test_a_missing_gpu_ends_the_job_before_anything_is_fetched(spec, tmp_path):
    wrong = spec | {"compute": {"accelerator": "ACCELERATOR_CUDA"}, "candidate": "0" * 64}
    with pytest.raises(AcceleratorMissing) as refused:
        evaluation_job.run(wrong, job_in(tmp_path / "job"))
    assert refused.value.reason == "ACCELERATOR_UNAVAILABLE"


def test_stored_answers_that_are_gone_are_computed_again(plain, plain_result, store, tmp_path):
    test = plain["domains"][0]["test"]
    stored = [
        {"model": plain["candidate"], "test": test, "predictions": "0" * 64},
        {"model": plain["reference"], "test": test, "predictions": store.put_bytes(b"no table")},
    ]
    again = evaluation_job.run(plain | {"stored_answers": stored}, job_in(tmp_path / "again"))
    assert without_times(again) == without_times(plain_result)


def test_a_part_with_unknown_labels_is_refused(spec, store, tmp_path):
    strange = store.put_bytes(part_blob([("hello", "eggs")]))
    broken = spec | {"domains": [{"name": "old", "test": strange}]}
    with pytest.raises(UnusablePart, match="eggs"):
        evaluation_job.run(broken, job_in(tmp_path / "job"))
    with pytest.raises(UnusablePart, match="not a table"):
        rubbish = store.put_bytes(b"rubbish")
        evaluation_job.run(spec | {"domains": [{"name": "old", "test": rubbish}]}, job_in(tmp_path / "other"))


def test_a_stop_request_ends_the_job(spec, tmp_path):
    job = job_in(tmp_path / "job")
    (job.path / "stop").touch()
    with pytest.raises(evaluation_job.Stopped):
        evaluation_job.run(spec, job)
    assert list((job.path / "baselines").iterdir()) == []


def test_baselines_of_a_single_class_answer_it():
    answers = fit_and_answer(Task(["a", "b"], ["ham", "ham"], ["c"]))
    assert answers["tfidf"]["predicted"] == answers["majority"]["predicted"] == ["ham"]
    assert answers["best"] == "majority"


def test_chinese_is_cut_into_words_and_characters():
    """White space does not separate the words of Chinese: a clause taken for a word is seen once and never again."""
    good = ["质量非常好，物流也快", "非常好的书，孩子喜欢", "服务态度好，下次还来", "很好，非常满意"]
    bad = ["质量太差，物流又慢", "太差的书，孩子不喜欢", "服务态度差，不会再来", "很差，非常失望"]
    texts = [text for pair in zip(good, bad, strict=True) for text in pair] * 3
    answers = fit_and_answer(Task(texts, ["pos", "neg"] * 12, ["这次质量很好！", "这次质量很差！"]))
    assert answers["tfidf"]["predicted"] == answers["tfidf_chars"]["predicted"] == ["pos", "neg"]
    assert words("质量非常好，物流也快") == ["质量", "非常", "好", "，", "物流", "也", "快"]
    assert words("It works, a lot") == ["It", "works", "lot"]


@pytest.mark.parametrize("texts", [["👍", "👎"], ["1", "2"], ["あ", "い"], ["?", "!!"]])
def test_texts_without_words_are_compared_as_they_are(texts):
    answers = fit_and_answer(Task(texts * 10, ["a", "b"] * 10, texts))
    assert answers["tfidf"]["predicted"] == ["a", "b"]


def test_baselines_of_large_parts_are_fitted_on_a_share_of_them():
    assert stride(["short"] * 1000) == 1
    assert stride([]) == 1
    assert stride(["x" * 1_000_000] * 10_000) == 2, "no more than the first characters of each are read"


def test_baselines_that_cannot_be_fitted_say_so(spec, store, tmp_path):
    blank = store.put_bytes(part_blob([("", "ham"), ("", "spam")]))
    domain = spec["domains"][0] | {"train": blank}
    with pytest.raises(BaselinesFailed, match="log"):
        evaluation_job.run(spec | {"domains": [domain]}, job_in(tmp_path / "job"))


def test_jobs_run_in_a_warm_process_and_report_their_progress(plain, warm_folder, tmp_path):
    """The process keeps scikit-learn out, whose import takes seconds."""
    jobs = LocalJobs(tmp_path / "jobs", {"PYTHONPATH": ":".join(filter(None, sys.path))})
    for job_id in ("one", "two"):
        jobs.start(job_id, "ratoon_evaluation.worker", plain | {"warm": warm_folder})
        status = until(partial(ended, jobs, job_id))
        assert status.state is JobState.SUCCEEDED, status.message
        assert status.progress.message == "Computing scores and intervals"
    (process,) = Path(warm_folder).glob("**/process.json")
    loaded = Path(f"/proc/{json.loads(process.read_text())['pid']}/maps").read_text()
    assert "/torch/" in loaded
    assert "/sklearn/" not in loaded


def ended(jobs, job_id):
    status = jobs.observe(job_id)
    return None if status.state is JobState.RUNNING else status


def test_the_progress_says_which_model_is_scored_from_its_first_batch_on(plain, tmp_path, monkeypatch):
    job, score, messages = job_in(tmp_path / "job"), Scorer.score, []

    def watched(self, *arguments):
        messages.append(json.loads((job.path / "progress.json").read_text())["message"])
        return score(self, *arguments)

    monkeypatch.setattr(Scorer, "score", watched)
    evaluation_job.run(plain, job)
    assert messages == [f"Scoring the {role} on the domain new" for role in ("candidate", "reference")]
