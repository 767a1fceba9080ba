"""Whole evaluation jobs of models that write their answers: texts, numbers, several labels."""

import json
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.operations.jobs import JobFolder
from ratoon.tasks.kind import Record, Turn
from ratoon.tasks.records import prompt_text, to_json
from ratoon.testkit.models import tiny_llama
from ratoon_evaluation.worker import job as evaluation_job
from ratoon_evaluation.worker.generator import Completions, Generator
from ratoon_evaluation.worker.kinds.generate import evaluator
from ratoon_evaluation.worker.parts import Part, UnusablePart
from ratoon_evaluation.worker.passes import Domain

from .conftest import mails, part_blob


@pytest.fixture(scope="module")
def spec(store, taught, always_ham, untaught):
    """Mails with an answer that the candidate learnt to write, and the reference writes for every second kind."""
    test, train = store.put_bytes(part_blob(mails(18))), store.put_bytes(part_blob(mails(60, spam_every=4)))
    return {
        "artifacts": store.url,
        "candidate": taught,
        "reference": always_ham,
        "base": untaught,
        "few_shot": 2,
        "task_spec": {"generate": {"defaults": {"max_tokens": 6}}},
        "metric": "exact_match",
        "domains": [{"name": "new", "test": test, "train": train}],
        "rules": [
            {"kind": "BETTER", "domain": "new", "threshold": 0.0},
            {"kind": "MIN_VALUE", "domain": "new", "metric": "rouge_l", "threshold": 0.5},
        ],
        "resamples": 500,
    }


def run(spec, folder):
    folder.mkdir()
    return evaluation_job.run(spec, JobFolder(folder))


@pytest.fixture(scope="module")
def result(spec, tmp_path_factory):
    return run(spec, tmp_path_factory.mktemp("generate") / "job")


def scores_of(result):
    return result["evaluation"]["measured"]["domains"][0]


def stored_answers(spec, result, models=("candidate", "reference", "zero_shot", "few_shot")):
    """The answers of a result as a later job gets them."""
    domain = scores_of(result)
    digests = {"candidate": spec["candidate"], "reference": spec["reference"]}
    scores = {**domain, **domain["baselines"]}
    of_models = [(digests.get(name, spec["base"]), scores[name]) for name in models]
    return [
        {
            "model": model,
            "test": domain["test"],
            "predictions": scores["predictions"],
            "answer_settings": scores["answer_settings"],
            "cost": scores["cost"],
        }
        for model, scores in of_models
    ]


@pytest.fixture
def calls(monkeypatch):
    """The number of prompts of each call of a generator."""
    sizes, answer = [], Generator.answer

    def counted(self, prompts, advance):
        sizes.append(len(prompts))
        return answer(self, prompts, advance)

    monkeypatch.setattr(Generator, "answer", counted)
    return sizes


def test_texts_are_compared_with_the_reference_and_with_baselines(result, store):
    domain = scores_of(result)
    candidate, reference = domain["candidate"], domain["reference"]
    assert result["evaluation"]["verdict"]["passed"]
    assert candidate["metrics"]["exact_match"]["value"] > 0.9
    assert reference["metrics"]["exact_match"]["value"] == pytest.approx(12 / 18)
    assert domain["differences"]["exact_match"]["low"] > 0
    assert (
        candidate["metrics"]["perplexity"]["value"]
        < domain["baselines"]["zero_shot"]["metrics"]["perplexity"]["value"]
    )
    assert set(domain["baselines"]) == {"zero_shot", "few_shot", "nearest_reference"}
    assert domain["best_baseline"] == "nearest_reference"
    assert domain["baseline_differences"]["exact_match"]["value"] == pytest.approx(
        candidate["metrics"]["exact_match"]["value"]
        - domain["baselines"]["nearest_reference"]["metrics"]["exact_match"]["value"]
    )
    assert {each["slice"] for each in candidate["slices"]} == {"html=no", "html=yes"}
    assert all(
        each["metrics"]["rouge_l"]["low"] <= each["metrics"]["rouge_l"]["high"]
        for each in candidate["slices"]
    )
    report = json.loads(store.read(result["report_json"]))
    assert report["metric"] == "exact_match"
    assert set(report["models"]) == {"candidate", "reference"}
    assert b"ROUGE-L" in store.read(result["report_html"])


@pytest.mark.parametrize(
    ("right", "answer", "tokenizer"),
    [
        ("今天天气很好我们去公园散步吧", "今天天气很好我们去公园散步", "zh"),
        ("The cat sat on the mat.", "The cat sat on a mat.", "13a"),
        ("天気がいいから、さんぽしよう。", "天気がいいから、さんぽしよう。", "char"),
        ("Yes", "Yes", ""),
    ],
)
def test_the_tokenizer_of_bleu_is_stored_with_the_score(store, right, answer, tokenizer):
    """T40."""
    ids, several = tuple("123"), (right,) * 3
    part = Part("0" * 64, ids, ids, ("What?",) * 3, several, ("",) * 3, ({},) * 3)
    ones = np.ones(3, dtype=np.int64)
    answers = Completions((answer,) * 3, ones, ("stop",) * 3, ones.astype(float), ones)
    spec = ScoringSpec(candidate="1" * 64, task_spec={"generate": {}}, resamples=50)
    measured = evaluator(spec, store).measure(Domain("new", part, None), {"candidate": answers}, None)
    assert measured.bleu_tokenizer == tokenizer
    assert ("bleu" in measured.candidate.metrics) is bool(tokenizer)


def test_wrong_answers_come_with_both_answers_the_worst_first(spec, store, tmp_path):
    swapped = spec | {
        "candidate": spec["reference"],
        "reference": spec["candidate"],
        "base": "",
        "metric": "chrf",
    }
    result = run(swapped, tmp_path / "job")
    domain = scores_of(result)
    wrong = pq.read_table(BytesIO(store.read(domain["wrong"]))).to_pylist()
    assert len(wrong) == domain["wrong_count"] == 6
    assert {(row["predicted"], row["reference_predicted"]) for row in wrong} == {("ham", "spam")}
    assert [row["score"] for row in wrong] == sorted(row["score"] for row in wrong)
    assert not {"text", "label"} & wrong[0].keys(), "they can be erased from the part alone"
    assert not result["evaluation"]["verdict"]["passed"]
    assert set(domain["baselines"]) == {"nearest_reference"}


def test_a_repeated_job_asks_no_model(spec, result, tmp_path, calls, monkeypatch):
    monkeypatch.setattr(evaluation_job, "fetch_model", count := counting(evaluation_job.fetch_model))
    again = run(spec | {"stored_answers": stored_answers(spec, result)}, tmp_path / "job")
    assert again == result
    assert calls == []
    assert count.calls == 3


def counting(function):
    def counted(*arguments):
        counted.calls += 1
        return function(*arguments)

    counted.calls = 0
    return counted


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"reference": "other"}, 1),
        ({"few_shot": 1}, 1),
        ({"task_spec": {"generate": {"defaults": {"max_tokens": 6}, "stop": ["x"]}}}, 4),
        ({"generation": {"sampling": {"temperature": 0.5}}}, 4),
        ({"generation": {"seed": 5}}, 0),
    ],
)
def test_stored_answers_are_not_those_of_another_model_or_other_settings(
    spec, result, store, tmp_path, calls, change, expected
):
    if "reference" in change:
        change = {"reference": store.put_tree(tiny_llama(tmp_path / "other", ("ham", "spam"), seed=9))}
    run(spec | change | {"stored_answers": stored_answers(spec, result)}, tmp_path / "job")
    assert len(calls) == expected


def test_stored_answers_that_name_other_settings_than_they_have_are_not_used(spec, result, tmp_path, calls):
    stored = stored_answers(spec, result)
    stored[0] |= {"predictions": stored[1]["predictions"]}
    stored[1] |= {"predictions": "0" * 64}
    stored[2] |= {"predictions": stored[3]["predictions"]}
    run(spec | {"stored_answers": stored}, tmp_path / "job")
    assert len(calls) == 2, "the predictions are gone, or of other settings"


def conversations(count, example=True):
    turns = [
        Turn("system", "You sort mail."),
        Turn("user", "Is this spam?"),
        Turn("assistant", "Show me."),
    ]
    rows = []
    for text, label in mails(count):
        record = Record((*turns, Turn("user", text)), (label,))
        rows.append((prompt_text(record.turns), label, to_json(record) if example else None))
    return rows


def blob(rows, clusters=None, group=None):
    count = len(rows)
    ids = [f"{index:064x}" for index in range(count)]
    columns = {
        "record_id": ids,
        "content_digest": ids,
        "text": [row[0] for row in rows],
        "label": pa.array([row[1] for row in rows], pa.string()),
        "cluster": clusters or ids,
        "attributes": pa.array(
            [[("user", group[i])] if group else [] for i in range(count)], pa.map_(pa.string(), pa.string())
        ),
        "example": pa.array([row[2] if len(row) > 2 else None for row in rows], pa.string()),
    }
    sink = BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def test_conversations_are_answered_whole(spec, store, tmp_path, monkeypatch):
    rendered, answer = [], Generator.answer

    def recorded(self, prompts, advance):
        rendered.extend(self._loaded.tokenizer.decode(prompt.tokens) for prompt in prompts)
        return answer(self, prompts, advance)

    monkeypatch.setattr(Generator, "answer", recorded)
    test = store.put_bytes(blob(conversations(6)))
    run(spec | {"reference": "", "base": "", "domains": [{"name": "new", "test": test}]}, tmp_path / "job")
    assert len(rendered) == 6
    assert all("You sort mail." in each and "<|assistant|>Show me.</s>" in each for each in rendered)


def test_near_duplicates_alone_give_no_interval_and_do_not_pass(spec, store, tmp_path):
    test = store.put_bytes(blob(mails(9), clusters=["same"] * 9))
    result = run(spec | {"base": "", "domains": [{"name": "new", "test": test}]}, tmp_path / "job")
    candidate = scores_of(result)["candidate"]
    assert candidate["metrics"] == {}
    assert "near-duplicates" in candidate["unmeasured"]["exact_match"]
    assert not result["evaluation"]["verdict"]["passed"]


def test_records_of_one_user_count_as_one(spec, store, tmp_path):
    rows = mails(18)
    test = store.put_bytes(blob(rows, group=[f"user-{index // 3}" for index in range(18)]))
    domain = {"name": "new", "test": test}
    plain = run(spec | {"base": "", "domains": [domain]}, tmp_path / "plain")
    stored = {"stored_answers": stored_answers(spec, plain, models=("candidate", "reference"))}
    grouped = run(
        spec | stored | {"base": "", "domains": [domain | {"group_attribute": "user"}]}, tmp_path / "grouped"
    )
    one, other = (scores_of(each)["reference"]["metrics"]["exact_match"] for each in (plain, grouped))
    assert one["value"] == other["value"]
    assert other["high"] - other["low"] < one["high"] - one["low"], "each user has one spam of three mails"


def test_a_part_without_references_needs_a_task_without_them(spec, store, tmp_path):
    test = store.put_bytes(blob([(text, None) for text, _ in mails(6)]))
    without = spec | {"base": "", "reference": "", "domains": [{"name": "new", "test": test}]}
    with pytest.raises(UnusablePart, match="no reference answer"):
        run(without, tmp_path / "one")
    free = without | {"task_spec": {"generate": {"reference_free": True, "defaults": {"max_tokens": 6}}}}
    result = run(free, tmp_path / "two")
    candidate = scores_of(result)["candidate"]
    assert set(candidate["metrics"]) == {"refusal_rate", "answer_length", "distinct_1"}
    assert candidate["unmeasured"]["distinct_2"] == "No answer has 2 words."
    assert "exact_match" in candidate["unmeasured"]
    assert not result["evaluation"]["verdict"]["passed"]


@pytest.fixture(scope="module")
def numbers(store, tmp_path_factory):
    """Mails with a number that follows from their words, a model that says 3 and one that says no number."""
    rows = [(text, "3" if label == "ham" else "8") for text, label in mails(24)]
    threes, words = (
        store.put_tree(tiny_llama(tmp_path_factory.mktemp("numbers"), (answer, "x"), answer=answer))
        for answer in ("3", "none")
    )
    return {
        "artifacts": store.url,
        "candidate": threes,
        "reference": words,
        "task_spec": {"regress": {"min": 0, "max": 10, "tolerance": 1}},
        "domains": [
            {"name": "new", "test": store.put_bytes(blob(rows)), "train": store.put_bytes(blob(rows + rows))}
        ],
        "rules": [{"kind": "BETTER", "domain": "new", "threshold": 0.0}],
        "resamples": 500,
    }


def test_numbers_are_scored_and_answers_that_are_none_count_as_the_worst(numbers, store, tmp_path):
    result = run(numbers, tmp_path / "job")
    domain = scores_of(result)
    candidate, reference = domain["candidate"], domain["reference"]
    assert candidate["metrics"]["mae"]["value"] == pytest.approx(5 * 8 / 24)
    assert (candidate["unanswered"], reference["unanswered"]) == (0, 24)
    assert reference["metrics"]["mae"]["value"] == pytest.approx((16 * 7 + 8 * 8) / 24)
    assert "spearman" in candidate["unmeasured"]
    assert domain["differences"]["mae"]["high"] < 0
    assert result["evaluation"]["verdict"]["passed"], "a lower error is better"
    assert domain["best_baseline"] in ("ridge_tfidf", "classical")
    assert domain["baselines"]["mean"]["metrics"]["mae"]["value"] == pytest.approx(
        (16 * (14 / 3 - 3) + 8 * (8 - 14 / 3)) / 24
    )
    assert domain["baselines"]["ridge_tfidf"]["metrics"]["mae"]["value"] < 1
    wrong = pq.read_table(BytesIO(store.read(domain["wrong"]))).to_pylist()
    assert {(row["predicted"], row["score"]) for row in wrong} == {("3", 5.0)}


def test_a_part_with_other_answers_than_numbers_is_refused(numbers, store, tmp_path):
    test = store.put_bytes(blob([("one", "3"), ("two", "11"), ("three", None)]))
    with pytest.raises(UnusablePart, match="2 records without a number from 0 to 10"):
        run(numbers | {"domains": [{"name": "new", "test": test}]}, tmp_path / "job")


@pytest.fixture(scope="module")
def label_sets(store, taught, always_ham):
    """Mails that bear the label that the candidate learnt, and every sixth a second one that it never lists."""
    rows = [
        (text, f"{label};urgent" if row % 6 == 1 else label) for row, (text, label) in enumerate(mails(24))
    ]
    return {
        "artifacts": store.url,
        "candidate": taught,
        "reference": always_ham,
        "task_spec": {"classify": {"labels": ["ham", "spam", "urgent"], "multi_label": True}},
        "domains": [
            {"name": "new", "test": store.put_bytes(blob(rows)), "train": store.put_bytes(blob(rows + rows))}
        ],
        "rules": [
            {"kind": "BETTER", "domain": "new", "threshold": 0.0},
            {"kind": "MIN_VALUE", "domain": "new", "metric": "micro_f1", "threshold": 0.5},
        ],
        "resamples": 500,
    }


def test_several_labels_are_scored_one_by_one(label_sets, store, tmp_path):
    result = run(label_sets, tmp_path / "job")
    domain = scores_of(result)
    candidate, reference = domain["candidate"], domain["reference"]
    classes = {each["label"]: each for each in candidate["classes"]}
    assert {label: each["support"] for label, each in classes.items()} == {"ham": 16, "spam": 8, "urgent": 4}
    assert classes["urgent"]["f1"] == 0 < classes["spam"]["f1"]
    for name in ("accuracy", "macro_f1"):
        assert candidate[name] == candidate["metrics"][name]
    assert candidate["metrics"]["recall"]["value"] == candidate["recall"]
    assert candidate["metrics"]["accuracy"]["value"] <= 20 / 24
    assert domain["differences"]["macro_f1"]["low"] > 0
    assert result["evaluation"]["verdict"]["passed"]
    assert set(domain["baselines"]) == {"majority", "tfidf", "tfidf_chars", "classical"}
    assert domain["baselines"]["majority"]["accuracy"]["value"] == 12 / 24
    assert domain["baselines"]["tfidf_chars"]["macro_f1"]["value"] > reference["macro_f1"]["value"]
    wrong = pq.read_table(BytesIO(store.read(domain["wrong"]))).to_pylist()
    assert len(wrong) == domain["wrong_count"] >= 4
    assert b"Candidate by class" in store.read(result["report_html"])


def test_a_part_with_labels_that_are_not_evaluated_is_refused(label_sets, store, tmp_path):
    test = store.put_bytes(blob([("one", "ham"), ("two", "ham;gone"), ("three", None)]))
    with pytest.raises(UnusablePart, match="2 records whose labels are not one or more of ham, spam, urgent"):
        run(label_sets | {"domains": [{"name": "new", "test": test}]}, tmp_path / "job")
