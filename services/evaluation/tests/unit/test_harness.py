"""Tasks of lm-evaluation-harness: what is read, what is refused, prompts, and scores of answers."""

import json

import pytest
import yaml

from ratoon.storage.artifacts import ArtifactStore
from ratoon_evaluation.domain.errors import BadSuite
from ratoon_evaluation.domain.harness import Filter, HarnessMetric, Output, Sampler, Step, read_task
from ratoon_evaluation.domain.pass_at_k import pass_at_k
from ratoon_evaluation.domain.suites import File, HarnessTest
from ratoon_evaluation.harness_yaml import read_yaml
from ratoon_evaluation.worker.suites.failures import TestFailed as Failed
from ratoon_evaluation.worker.suites.harness_documents import TaskDocuments
from ratoon_evaluation.worker.suites.harness_scores import equal, filtered, of_choices, of_text, references_of

BASE = {
    "task": "x",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"train": "train.jsonl", "test": "test.jsonl"}},
    "test_split": "test",
    "doc_to_text": "Q: {{q}}\nA:",
    "doc_to_target": "a",
}
CHOICES = BASE | {"output_type": "multiple_choice", "doc_to_choice": ["no", "yes"], "doc_to_target": "a"}


def task_of(**settings):
    return read_yaml(yaml.safe_dump(BASE | settings))


def test_the_defaults_are_those_of_the_harness():
    task = task_of()
    assert (task.output, task.few_shot, task.sampler) == (Output.GENERATE_UNTIL, 0, Sampler.DEFAULT)
    assert (task.sampling.until, task.sampling.max_tokens, task.sampling.temperature) == (("\n\n",), 256, 0.0)
    assert task.metric_names == ("exact_match",)
    assert (task.documents.files, task.shots.files) == (("test.jsonl",), ("test.jsonl",))
    assert task_of(training_split="train").shots.files == ("train.jsonl",)
    choices = read_task(CHOICES)
    assert choices.metric_names == ("acc", "acc_norm")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"until": ["\n"], "max_gen_toks": 5, "max_tokens": 9}, (("\n",), 5, 0.0, 1.0)),
        ({"until": "\n", "temperature": 0.7, "do_sample": False, "top_p": 0.5}, (("\n",), 256, 0.0, 1.0)),
        ({"do_sample": True, "top_p": 0.5}, (("\n\n",), 256, 1.0, 0.5)),
        ({"temperature": 0.7}, (("\n\n",), 256, 0.7, 1.0)),
    ],
)
def test_generation_settings(given, expected):
    sampling = task_of(generation_kwargs=given).sampling
    assert (sampling.until, sampling.max_tokens, sampling.temperature, sampling.top_p) == expected


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"dataset_path": "openai/gsm8k"}, "dataset_path must be `json`"),
        ({"dataset_kwargs": {"data_files": {"test": "a"}, "field": "x"}}, "data_files alone"),
        ({"dataset_kwargs": {}}, "must name a file"),
        ({"dataset_kwargs": 3}, "must be a mapping"),
        ({"test_split": "dev"}, "one of the splits"),
        ({"fewshot_split": "dev"}, "none of data_files"),
        ({"output_type": "loglikelihood_rolling"}, "output_type must be"),
        ({"output_type": "multiple_choice"}, "needs doc_to_choice"),
        ({"process_docs": "x"}, "sets process_docs"),
        ({"process_results": "x", "unsafe_code": True}, "sets process_results, unsafe_code"),
        ({"gen_prefix": "The answer is"}, "sets gen_prefix"),
        ({"repeats": 5}, "repeats must be 1"),
        ({"metric_list": [{"metric": "bleu"}]}, "'bleu' of a task generate_until is not supported"),
        ({"metric_list": [{"metric": "exact_match", "aggregation": "median"}]}, "aggregation must be mean"),
        (
            {"metric_list": [{"metric": "exact_match", "regexes_to_ignore": ["("]}]},
            "not a regular expression",
        ),
        ({"metric_list": "exact_match"}, "metric_list must be a list"),
        ({"filter_list": [{"name": "x", "filter": [{"function": "majority_vote"}]}]}, "'majority_vote'"),
        ({"filter_list": [{"filter": [{"function": "regex", "group_select": "a"}]}]}, "whole number"),
        ({"filter_list": [{"filter": []}, {"filter": []}]}, "different names"),
        ({"generation_kwargs": {"num_beams": 4}}, "sets num_beams"),
        ({"generation_kwargs": {"temperature": "hot"}}, "must hold numbers"),
        ({"num_fewshot": 65}, "0 to 64"),
        ({"num_fewshot": -1}, "0 to 64"),
        ({"fewshot_config": {"sampler": "balanced"}}, "'balanced' is not supported"),
        ({"fewshot_config": {"samples": []}}, "sets samples"),
        ({"doc_to_text": 3}, "doc_to_text must be a text"),
        ({"doc_to_target": [3]}, "doc_to_target must be"),
        ({"doc_to_choice": [3]}, "doc_to_choice must be"),
        ({"doc_to_text": "{{q"}, "not a Jinja template"),
    ],
)
def test_what_is_not_supported_is_refused_with_its_name(settings, reason):
    with pytest.raises(BadSuite, match=reason):
        task_of(**settings)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: !function utils.f", "the tag !function"),
        ("- 1", "a mapping of its settings"),
        ("a: [", "not YAML"),
        ("a: !!python/object/apply:os.system ['x']", "not YAML"),
        ("[" * 5000, "not YAML"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: *b\n", "An alias may stand"),
        ("x" * 70_000, "at most 65,536"),
    ],
)
def test_other_texts_are_no_tasks(text, reason):
    with pytest.raises(BadSuite, match=reason):
        read_yaml(text)


def test_a_template_is_not_computed_when_it_is_read():
    assert task_of(doc_to_text="{{ 9 ** 9 ** 9 }}").format.text == "{{ 9 ** 9 ** 9 }}"
    nested = "(" * 5000 + "1" + ")" * 5000
    with pytest.raises(BadSuite, match="not a Jinja template"):
        task_of(doc_to_text="{{" + nested + "}}")
    assert task_of(doc_to_text="a", doc_to_target="a").format.target == "a"


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(str(tmp_path / "artifacts"))


ROWS = [{"q": f"question {number}", "a": number % 2} for number in range(6)]


def documents_of(store, rows=ROWS, pool=ROWS, few_shot=None, limit=0, **settings):
    files = []
    for name, each in (("test.jsonl", rows), ("train.jsonl", pool)):
        files.append(File(name, store.put_bytes("\n".join(map(json.dumps, each)).encode())))
    text = yaml.safe_dump(CHOICES | settings)
    return TaskDocuments(HarnessTest(text, tuple(files), few_shot, limit), read_yaml(text), store)


def test_examples_stand_before_the_prompt(store):
    documents = documents_of(
        store,
        fewshot_split="train",
        num_fewshot=2,
        fewshot_config={"sampler": "first_n"},
        description="Answer {{q}}.\n",
        limit=2,
    )
    assert documents.contexts()[1] == (
        "Answer question 1.\nQ: question 0\nA: no\n\nQ: question 1\nA: yes\n\nQ: question 1\nA:"
    )
    assert (len(documents), documents.targets(), documents.choices()[0]) == (2, [0, 1], ["no", "yes"])


def test_a_document_is_not_its_own_example(store):
    documents = documents_of(
        store, fewshot_split="test", num_fewshot=3, fewshot_config={"sampler": "first_n"}
    )
    for row, context in zip(ROWS, documents.contexts(), strict=True):
        assert context.count(row["q"]) == 1
    drawn = documents_of(store, fewshot_split="test", num_fewshot=3).contexts()
    assert drawn == documents_of(store, fewshot_split="test", num_fewshot=3).contexts()
    assert all(context.count(row["q"]) == 1 for row, context in zip(ROWS, drawn, strict=True))


def test_the_test_may_set_the_number_of_examples(store):
    assert documents_of(store, few_shot=0, num_fewshot=2).contexts()[0] == "Q: question 0\nA:"
    with pytest.raises(Failed, match="7 examples are needed, but their split has 6"):
        documents_of(store, few_shot=7, fewshot_split="train")


def test_fields_that_a_row_lacks_are_none(store):
    documents = documents_of(
        store, rows=[{"q": "x", "a": 0}, {"q": "y", "a": 1, "hint": "z"}], doc_to_text="{{hint}}"
    )
    assert documents.contexts() == ["None", "z"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"doc_to_text": "{{nothing}}"}, "cannot be rendered"),
        ({"doc_to_text": "{{q.__class__.__mro__}}"}, "cannot be rendered"),
        ({"doc_to_text": "{% for i in range(1000000) %}x{% endfor %}"}, "cannot be rendered"),
        ({"doc_to_text": "{{ 9 ** 9 ** 9 }}"}, "may be too large"),
        ({"doc_to_text": "{{ 'x' * 10000000 }}"}, "may be too large"),
        ({"doc_to_text": "{{a}}"}, "several inputs"),
        ({"doc_to_choice": "{{q}}"}, "no list of texts"),
    ],
)
def test_documents_that_cannot_be_rendered_are_named(store, settings, reason):
    documents = documents_of(store, **settings)
    with pytest.raises(Failed, match=reason):
        documents.contexts()
        documents.choices()


LAST_NUMBER = Filter("n", (Step("regex", r"(-?[$0-9.,]{2,})|(-?[0-9]+)", -1), Step("take_first")))
STRICT = Filter("s", (Step("regex", r"#### (\-?[0-9\.\,]+)"), Step("take_first")))
NUMBER = HarnessMetric("exact_match", True, ignored=(",", r"\$", "(?s).*#### ", r"\.$"))


@pytest.mark.parametrize(
    ("answer", "each", "gold"),
    [
        ("Paris \n", Filter("w", (Step("remove_whitespace"),)), "Paris"),
        ("\n\n42", LAST_NUMBER, "42"),
        ("The total is 72 clips, altogether.", LAST_NUMBER, "72"),
        ("It costs $29", LAST_NUMBER, "29"),
        ("#### 5\nQuestion: next\n#### 9", STRICT, "5"),
        ("so #### -3", STRICT, "Two steps.\n#### -3"),
        ("#### 1,234.", STRICT, "#### 1234"),
        ("YES", Filter("l", (Step("lowercase"),)), "yes"),
        ("yes", Filter("u", (Step("uppercase"),)), "YES"),
    ],
)
def test_answers_are_extracted(answer, each, gold):
    """T39."""
    assert equal(NUMBER, filtered(answer, each), gold)


def test_an_answer_without_a_match_counts_as_unanswered():
    settings = {"name": "s", "filter": [{"function": "regex", "fallback": "none", "group_select": 3}]}
    task = task_of(filter_list=[settings])
    score = of_text(task, "#### 5", ["5"])
    assert (score.metrics, score.extracted, score.is_answered) == (
        {"exact_match,s": 0.0},
        {"s": "none"},
        False,
    )
    assert of_text(task_of(), " ", ["5"]).is_answered is False
    assert of_text(task_of(), "5", ["5"]).metrics == {"exact_match": 1.0}


@pytest.mark.parametrize(
    ("metric", "one", "other", "expected"),
    [
        (HarnessMetric("exact_match"), "A", "a", False),
        (HarnessMetric("exact_match", ignore_case=True), "A", "a", True),
        (HarnessMetric("exact_match", ignore_punctuation=True), "a.", "a!", True),
        (HarnessMetric("exact_match", ignore_numbers=True), "a1", "a2", True),
    ],
)
def test_exact_match_leaves_out_of_account_what_it_says(metric, one, other, expected):
    assert equal(metric, one, other) is expected


@pytest.mark.parametrize(
    ("target", "choices", "several", "expected"),
    [
        ("x", [], False, ["x"]),
        (7, [], False, ["7"]),
        (1, ["a", "b"], False, ["b"]),
        (["x", 7], [], True, ["x", "7"]),
        ("x", [], True, ["x"]),
    ],
)
def test_references_of_targets(target, choices, several, expected):
    assert references_of(target, choices, several) == expected


def test_the_likeliest_choice_counts():
    task = read_task(
        CHOICES | {"metric_list": [{"metric": name} for name in ("acc", "acc_norm", "acc_bytes")]}
    )
    choices = ["a much longer choice", "short", "短い"]
    score = of_choices(task, [-10.0, -4.0, -4.0], choices, 1)
    assert score.metrics == {"acc": 1.0, "acc_norm": 0.0, "acc_bytes": 0.0}
    assert of_choices(task, [-10.0, -4.0, -4.0], choices, "short").metrics["acc"] == 1.0
    assert of_choices(task, [-10.0, -4.0, -4.0], choices, [0, 2]).metrics["acc_norm"] == 1.0
    for never in (9, -1, "gone", []):
        assert of_choices(task, [-10.0, -4.0, -4.0], choices, never).metrics["acc"] == 0.0
    with pytest.raises(Failed, match="empty"):
        of_choices(task, [-1.0, -2.0], ["", "a"], 0)


@pytest.mark.parametrize(
    ("samples", "passed", "k", "expected"),
    [
        (1, 1, 1, 1.0),
        (1, 0, 1, 0.0),
        (4, 2, 1, 0.5),
        (4, 2, 2, 1 - 1 / 6),
        (4, 2, 3, 1.0),
        (200, 1, 100, 0.5),
    ],
)
def test_pass_at_k_is_the_unbiased_estimate(samples, passed, k, expected):
    assert pass_at_k(samples, passed, k) == pytest.approx(expected)
