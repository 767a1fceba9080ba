"""Tests of suites within jobs: multi-turn conversations, rows of many forms, programming problems."""

import gzip
import json
import shutil
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ratoon.operations.jobs import JobFolder
from ratoon.process.sandbox.sandbox import SandboxMissing, run_program
from ratoon.storage.models import ModelFolder
from ratoon.tasks.kind import Record, Turn
from ratoon_evaluation.domain.perturbations import Noise, Perturbation
from ratoon_evaluation.domain.suites import CodeTest
from ratoon_evaluation.worker import job as evaluation_job
from ratoon_evaluation.worker.generator import Completions, Generator
from ratoon_evaluation.worker.parts import read_part
from ratoon_evaluation.worker.scorer import Scorer
from ratoon_evaluation.worker.suites import code_test
from ratoon_evaluation.worker.suites.code_test import read_problems
from ratoon_evaluation.worker.suites.failures import TestFailed as Failed
from ratoon_evaluation.worker.suites.likelihood import LikelihoodScorer, Texts
from ratoon_evaluation.worker.suites.records_test import noisy
from ratoon_evaluation.worker.suites.rows import MAX_BYTES, read_records
from ratoon_evaluation.worker.suites.step_by_step import EXTRACTION, TRIGGER

from .conftest import mails, part_blob


def blob(store, *rows):
    return store.put_bytes("\n".join(map(json.dumps, rows)).encode())


def run(store, folder, model, *tests, **more):
    folder.mkdir()
    spec = {
        "artifacts": store.url,
        "candidate": model,
        "task_spec": {"generate": {"defaults": {"max_tokens": 6}}},
        "suites": [{"name": "s", "revision": 1, "tests": list(tests)}],
        "resamples": 200,
        "threads": 1,
        **more,
    }
    return evaluation_job.run(spec, JobFolder(folder))["evaluation"]["measured"]["suites"][0]["tests"]


USER, SYSTEM = "user", "system"


def turns(*contents):
    roles = (SYSTEM, USER, "assistant", USER, "assistant", USER)
    return [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]


def test_the_models_own_answers_are_fed_back(store, taught, always_ham, tmp_path, monkeypatch):
    rendered, answer = [], Generator.answer

    def recorded(self, prompts, advance):
        rendered.append([self._loaded.tokenizer.decode(prompt.tokens) for prompt in prompts])
        return answer(self, prompts, advance)

    monkeypatch.setattr(Generator, "answer", recorded)
    digest = blob(
        store,
        {"messages": turns("Sort mail.", "First", "WRITTEN", "Second"), "reference": "ham"},
        {"messages": turns("Sort mail.", "Only"), "reference": "spam"},
    )
    (test,) = run(
        store, tmp_path / "job", always_ham, {"name": "t", "records": {"digest": digest, "multi_turn": True}}
    )
    first, second = rendered
    assert ["First" in each for each in first] == [True, False]
    assert len(second) == 1
    assert "WRITTEN" not in second[0]
    assert "<|assistant|>ham</s>" in second[0]
    assert test["records"] == 2
    assert test["candidate"]["exact_match"]["value"] == 0.5
    (wrong,) = pq.read_table(BytesIO(store.read(test["wrong"]))).to_pylist()
    assert (wrong["text"], wrong["label"], wrong["predicted"], test["wrong_count"]) == (
        "Sort mail.\n\nOnly",
        "spam",
        "ham",
        1,
    )


def test_labels_are_no_turns(store, taught, tmp_path):
    digest = blob(store, *({"prompt": text, "label": label} for text, label in mails(4)))
    (test,) = run(
        store,
        tmp_path / "job",
        taught,
        {"name": "t", "records": {"digest": digest, "multi_turn": True}},
        task_spec={"classify": {"labels": ["ham", "spam"]}},
    )
    assert "needs a task `generate`" in test["unmeasured"][""]


def scripted(monkeypatch, answer):
    """Let a function of the text of a prompt answer in place of models; returns the prompts."""
    prompted = []

    def answered(self, prompts, advance):
        texts = [self._loaded.tokenizer.decode(prompt.tokens) for prompt in prompts]
        prompted.extend(texts)
        advance(len(texts))
        count = np.zeros(len(texts), dtype=np.int64)
        answers = tuple(map(answer, texts))
        return Completions(answers, count + 1, ("stop",) * len(texts), np.zeros(len(texts)), count)

    monkeypatch.setattr(Generator, "answer", answered)
    return prompted


def by_reasoning(prompt):
    """Be right about the second half of the records only after reasoning."""
    if EXTRACTION in prompt:
        return "eleven"
    return f"I count {prompt[-40:]!r}." if TRIGGER in prompt else "eleven" if "early" in prompt else "ten"


def test_the_same_records_are_answered_without_and_with_reasoning(store, taught, tmp_path, monkeypatch):
    prompted = scripted(monkeypatch, by_reasoning)
    rows = [
        {"prompt": f"{n} {'early' if n < 10 else 'late'}: 5 + 6?", "reference": "eleven"} for n in range(20)
    ]
    (test,) = run(
        store,
        tmp_path / "job",
        taught,
        {
            "name": "t",
            "metric": "exact_match",
            "records": {"digest": blob(store, *rows), "step_by_step": {"max_tokens": 8}},
        },
        reference=taught,
    )
    assert test["candidate"]["exact_match"]["value"] == 0.5
    reasoned = test["step_by_step"]
    assert reasoned["candidate"]["exact_match"]["value"] == 1.0
    gain = reasoned["differences"]["exact_match"]
    assert gain["value"] == 0.5
    assert 0.2 < gain["low"] < 0.5 < gain["high"] < 0.8
    assert test["differences"]["exact_match"]["value"] == 0.0
    last = [text for text in prompted if EXTRACTION in text]
    assert len(last) == 20
    for text in last:
        request_text, _, own = text.partition("<|assistant|>")
        assert "5 + 6?" in request_text
        assert request_text.endswith(TRIGGER)
        assert own.startswith("I count")
        assert own.endswith(f"\n\n{EXTRACTION}")
    table = pq.read_table(BytesIO(store.read(reasoned["answers"]))).to_pylist()
    assert {row["predicted"] for row in table} == {"eleven"}
    assert all(row["reasoning"].startswith("I count") for row in table)


def test_a_template_that_cannot_leave_an_answer_open_gets_the_reasoning_in_the_request(
    store, taught_folder, tmp_path, monkeypatch
):
    folder = tmp_path / "closed"
    shutil.copytree(taught_folder, folder)
    template = folder / "chat_template.jinja"
    opened = "{% if add_generation_prompt %}{{ '<|assistant|>"
    assert opened in template.read_text()
    template.write_text(template.read_text().replace(opened, opened + "<think></think>"))
    prompted = scripted(monkeypatch, by_reasoning)
    rows = [{"prompt": f"{n} late: 5 + 6?", "reference": "eleven"} for n in range(4)]
    records = {"digest": blob(store, *rows), "step_by_step": {"max_tokens": 8}}
    (test,) = run(store, tmp_path / "job", store.put_tree(folder), {"name": "t", "records": records})
    assert test["step_by_step"]["candidate"]["exact_match"]["value"] == 1.0
    last = [text for text in prompted if EXTRACTION in text]
    assert len(last) == 4
    for text in last:
        request_text, _, own = text.rpartition("<|assistant|>")
        question, reasoning, extraction = (
            request_text.index(part) for part in ("5 + 6?", "I count", EXTRACTION)
        )
        assert question < request_text.index(TRIGGER) < reasoning < extraction
        assert own == "<think></think>"


def test_labels_are_scored_as_they_go_on_after_the_reasoning(taught_folder):
    scorer = Scorer(ModelFolder(taught_folder), ("ham", "spam"), 1)
    texts, openings = ["Cheap loans", "The patch"], [f"I think.\n\n{EXTRACTION}"] * 2
    answers = scorer.score(texts, lambda _: None, openings)
    tokenizer, model = scorer._tokenizer, scorer._model
    for row, text in enumerate(texts):
        chat = [{"role": USER, "content": text}, {"role": "assistant", "content": openings[row]}]
        ids = tokenizer.apply_chat_template(chat, continue_final_message=True, return_dict=True)["input_ids"]
        assert tokenizer.decode(ids).endswith(f"<|assistant|>{openings[row]}")
        for place, label in enumerate(("ham", "spam")):
            added = tokenizer.encode(f" {label}", add_special_tokens=False)
            logits = model(torch.tensor([ids + added])).logits[0].log_softmax(-1)
            expected = sum(logits[len(ids) - 1 + at, token].item() for at, token in enumerate(added))
            assert answers.label_logprobs[row, place] == pytest.approx(expected, abs=1e-4)
    plain = scorer.score(texts, lambda _: None)
    assert plain.label_logprobs.tolist() != answers.label_logprobs.tolist()


@pytest.mark.parametrize(
    "task",
    [
        {"classify": {"labels": ["ham", "spam"]}},
        {"classify": {"labels": ["ham", "spam"], "multi_label": True}},
        {"regress": {"min": 0, "max": 10}},
    ],
    ids=["classify", "several labels", "regress"],
)
def test_labels_and_numbers_are_answered_after_reasoning(store, taught, tmp_path, task):
    answers = ("ham", "spam") if "classify" in task else ("1", "2")
    rows = [{"prompt": text, "label": answers[number % 2]} for number, (text, _) in enumerate(mails(8))]
    records = {"digest": blob(store, *rows), "step_by_step": {"max_tokens": 4}}
    (test,) = run(store, tmp_path / "job", taught, {"name": "t", "records": records}, task_spec=task)
    metric = "accuracy" if "classify" in task else "mae"
    reasoned = test["step_by_step"]
    difference = reasoned["candidate"][metric]["value"] - test["candidate"][metric]["value"]
    assert reasoned["differences"][metric]["value"] == pytest.approx(difference)


def test_rows_of_all_forms_are_records(store):
    digest = blob(
        store,
        {"prompt": "a", "completion": "b"},
        {"text": "a", "label": " b "},
        {"messages": [{"role": USER, "content": "a"}, {"role": "assistant", "content": "b"}]},
        {"prompt": "a", "references": ["b", "c"]},
        {"prompt": [{"role": USER, "content": "a"}], "answer": 3},
        {"prompt": "a"},
    )
    part = read_records(store, digest)
    assert part.texts == ("a",) * 6
    assert part.labels == ("b", "b", "b", "b", "3", "")
    user = (Turn(USER, "a"),)
    assert part.records == (
        Record(user, ("b",)),
        Record(user, (" b ",)),
        Record(user, ("b",)),
        Record(user, ("b", "c")),
        Record(user, ("3",)),
        Record(user),
    )
    sink = BytesIO()
    pq.write_table(pa.table({"prompt": ["a"], "reference": ["b"]}), sink)
    assert read_records(store, store.put_bytes(sink.getvalue())).labels == ("b",)
    of_split = store.put_bytes(part_blob(mails(3)))
    assert read_records(store, of_split) == read_part(store, of_split)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no row"),
        (b"[]", "no row"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"prompt": "a"}\nx', "Line 2 is not JSON"),
        (b"3", "Line 1 is no JSON object"),
        (b"[3]", "Row 1 is no JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b'{"answer": "b"}', "Row 1 has no prompt"),
        (b'{"messages": [{"role": "robot", "content": "a"}]}', "Row 1: Message 1 has the role"),
        (b'{"messages": [{"role": "user", "content": " "}]}', "Row 1: No message of the user"),
        (b'{"messages": [3]}', "no conversation"),
        (b'{"prompt": "\\ud800"}', "surrogate"),
        (b'{"prompt": "a", "references": [{}]}', "a reference must be"),
        (b'{"prompt": "a", "label": NaN}', "Row 1: a reference must be"),
        (b'{"prompt": "a", "label": 1e999}', "Row 1: a reference must be"),
        (b'{"prompt": "a", "references": ["b", ""]}', "Row 1: a reference is empty"),
        (b'{"prompt": "a", "reference": "\\ud800"}', "Row 1: a reference is empty or contains half"),
        (
            b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant"}]}',
            "Row 1: a reference is empty",
        ),
        (b'{"messages": []}', "Row 1 has no prompt"),
        (b'{"prompt": "a", "prompt": "b"}', "Line 1 is not JSON: a key stands twice"),
        (b'[{"prompt": "a"},', "The file is not JSON"),
        (
            b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}',
            "content is no text",
        ),
        (b'{"prompt": 7}', "no conversation"),
        (b'{"prompt": "a", "example": "{"}', "Row 1: The example"),
        (b"PAR1 and no more", "cannot be read"),
    ],
)
def test_rows_that_are_none_are_named(store, data, reason):
    with pytest.raises(Failed, match=reason):
        read_records(store, store.put_bytes(data))


def test_a_file_that_is_gone_or_too_large_is_named(store, monkeypatch):
    with pytest.raises(Failed, match="not in the store"):
        read_records(store, "0" * 64)
    monkeypatch.setattr("ratoon_evaluation.worker.suites.rows.MAX_BYTES", 3)
    with pytest.raises(Failed, match="more than 0 MiB"):
        read_records(store, store.put_bytes(b"four"))
    assert MAX_BYTES > 3


def test_noise_changes_prompts_alone(store):
    part = read_records(
        store,
        blob(
            store,
            {
                "messages": turns("System text", "First question", "Some answer", "Second question"),
                "reference": "right",
            },
            {"prompt": "A plain question", "reference": "right"},
        ),
    )
    changed = noisy(part, Noise((Perturbation.TYPOS,), 0.3, 1))
    assert changed.digest != part.digest
    assert changed == noisy(part, Noise((Perturbation.TYPOS,), 0.3, 1))
    assert (changed.labels, changed.record_ids) == (part.labels, part.record_ids)
    for before, after in zip(part.records, changed.records, strict=True):
        assert before.answers == after.answers
        for one, other in zip(before.turns, after.turns, strict=True):
            assert (one.content == other.content) is (one.role != USER)


PROBLEM = {
    "task_id": "HumanEval/x",
    "prompt": "def one():\n",
    "test": "def check(candidate):\n    assert candidate() == 1\n",
    "entry_point": "one",
}


@pytest.fixture
def answers(monkeypatch):
    """Let models answer with these texts, in turn."""
    texts = []

    class Fixed:
        def __init__(self, _loaded, decoding):
            self.seed = decoding.seed

        def continued(self, prompts, advance):
            advance(len(prompts))
            return type("Completions", (), {"texts": [texts[self.seed % len(texts)]] * len(prompts)})

    monkeypatch.setattr(code_test, "RawGenerator", Fixed)
    return texts


def test_pass_at_k_counts_programs_that_pass(store, always_ham, tmp_path, answers):
    try:
        run_program("")
    except SandboxMissing as error:
        pytest.skip(str(error))
    answers += ["    return 1\n", "    return 2\n", "    import os; os._exit(0)\n", "    return 1\n"]
    digest = store.put_bytes(
        gzip.compress(json.dumps(PROBLEM).encode() + b"\n" + json.dumps(PROBLEM).encode())
    )
    code = {"digest": digest, "samples": 4, "k": [1, 2, 4]}
    (test,) = run(store, tmp_path / "job", always_ham, {"name": "t", "metric": "pass@1", "code": code})
    values = {name: each["value"] for name, each in test["candidate"].items()}
    assert values == {"pass@1": 0.5, "pass@2": pytest.approx(1 - 1 / 6), "pass@4": 1.0}
    rows = pq.read_table(BytesIO(store.read(test["answers"]))).to_pylist()
    assert [row["outcome"] for row in rows[::2]] == ["passed", "failed", "failed", "passed"]
    assert test["wrong_count"] == 4
    wrong = pq.read_table(BytesIO(store.read(test["wrong"]))).to_pylist()
    assert {row["record_id"] for row in wrong} == {"HumanEval/x"}
    assert wrong[0]["text"] == "def one():\n"
    assert wrong[0]["predicted"] == "    return 2\n"
    assert wrong[0]["outcome"].startswith("failed: AssertionError")


def test_without_a_sandbox_the_test_has_no_value(store, always_ham, tmp_path, answers, monkeypatch):
    def refused(_program, _limits):
        raise SandboxMissing("Programs cannot be run here: namespaces are refused.")

    monkeypatch.setattr(code_test, "run_program", refused)
    answers.append("    return 1\n")
    (test,) = run(
        store, tmp_path / "job", always_ham, {"name": "t", "code": {"digest": blob(store, PROBLEM, PROBLEM)}}
    )
    assert "namespaces are refused" in test["unmeasured"][""]
    assert not test["candidate"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x1f\x8bx", "cannot be unpacked"),
        (json.dumps(PROBLEM | {"test": ""}).encode(), "Problem 1 lacks test"),
        (json.dumps(PROBLEM | {"entry_point": "os.system('x')"}).encode(), "the name of a function"),
    ],
)
def test_problems_that_are_none_are_named(store, data, reason):
    with pytest.raises(Failed, match=reason):
        read_problems(store, CodeTest(store.put_bytes(data)))


@pytest.fixture(scope="module")
def loaded(store, taught, tmp_path_factory):
    from ratoon.storage.models import fetch_model
    from ratoon_evaluation.worker.models import LoadedModel

    return LoadedModel(fetch_model(store, taught, tmp_path_factory.mktemp("loaded")), 1)


def test_likelihoods_are_those_of_a_plain_forward_pass(loaded):
    import torch

    pairs = [
        ("The meeting is ", "moved"),
        ("", "The patch"),
        ("You have won ", "a free prize, click here"),
        ("a", " b"),
    ]
    texts = Texts(loaded.tokenizer)
    scores = LikelihoodScorer(loaded).score(pairs, lambda done: None)
    for (context, continuation), score in zip(pairs, scores, strict=True):
        before, following = texts.pair(context, continuation)
        with torch.inference_mode():
            logits = loaded.model(torch.tensor([[*before, *following]])).logits[0].log_softmax(-1)
        expected = sum(float(logits[len(before) + place - 1, token]) for place, token in enumerate(following))
        assert score.value == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("limit", [1, 1 << 11, 1 << 30])
def test_likelihoods_do_not_depend_on_batches(loaded, monkeypatch, limit):
    contexts = ("The patch fixes ", "You have won a free", "Cheap loans without any credit check")
    endings = (" the parser", " prize, click here", " x", " and bring your notes on Monday")
    pairs = [(context, ending) for context in contexts for ending in endings]
    expected = [LikelihoodScorer(loaded).score([pair], lambda done: None)[0] for pair in pairs]
    monkeypatch.setattr("ratoon_evaluation.worker.suites.likelihood._LOGITS", limit)
    monkeypatch.setattr("ratoon_evaluation.worker.suites.likelihood._TOKENS", limit)
    finished = []
    for one, other in zip(expected, LikelihoodScorer(loaded).score(pairs, finished.append), strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-4)
        assert one.is_greedy == other.is_greedy
    assert finished[-1] == len(pairs)


def test_a_long_context_is_cut_on_the_left(loaded):
    """T36: the score of the continuation alone, given as much of the context as the model can read."""
    import torch

    limit = loaded.max_positions
    before, following = Texts(loaded.tokenizer).pair("The patch fixes the parser " * limit, "all tests")
    assert len(before) > limit
    ids = [*before, *following][-(limit + 1) :]
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([ids[:-1]])).logits[0].log_softmax(-1)
    rows = logits[-len(following) :]
    expected = sum(float(row[token]) for row, token in zip(rows, following, strict=True))
    long = "The patch fixes the parser " * limit
    (score, short) = LikelihoodScorer(loaded).score(
        [(long, "all tests"), ("x", "all tests")], lambda done: None
    )
    assert score.value == pytest.approx(expected, abs=1e-3)
    assert score.value != short.value
    with pytest.raises(Failed, match="can be scored"):
        LikelihoodScorer(loaded).score([("a", long)], lambda done: None)
    with pytest.raises(Failed, match="has 0 tokens"):
        LikelihoodScorer(loaded).score([("a", "")], lambda done: None)


def stored_answers(test, candidate, reference=""):
    each = [(candidate, test["answers"]), (reference, test["reference_answers"])]
    return [
        {"model": model, "test": "suites", "predictions": digest, "answer_settings": test["answer_settings"]}
        for model, digest in each
        if digest
    ]


CHOICES = """task: mails
dataset_path: json
dataset_kwargs: {data_files: {test: mails.jsonl}}
output_type: multiple_choice
test_split: test
doc_to_text: text
doc_to_target: label
doc_to_choice: [ham, spam]
"""
WRITTEN = CHOICES.replace("multiple_choice", "generate_until").replace("doc_to_choice: [ham, spam]\n", "")


@pytest.fixture
def calls(monkeypatch):
    """The number of prompts of each call of a model."""
    sizes = []
    for kind, name in ((Generator, "answer"), (LikelihoodScorer, "score")):
        original = getattr(kind, name)

        def counted(self, prompts, advance, original=original):
            sizes.append(len(prompts))
            return original(self, prompts, advance)

        monkeypatch.setattr(kind, name, counted)
    return sizes


def test_a_repeated_run_asks_no_model_and_another_model_is_asked(
    store, taught, always_ham, untaught, tmp_path, calls
):
    rows = [{"text": text, "label": label} for text, label in mails(6)]
    files = [{"name": "mails.jsonl", "digest": blob(store, *rows)}]
    tests = [
        {"name": "choices", "harness": {"yaml": CHOICES, "files": files}},
        {
            "name": "written",
            "harness": {"yaml": WRITTEN + "generation_kwargs: {max_gen_toks: 4}\n", "files": files},
        },
        {"name": "records", "records": {"digest": files[0]["digest"], "multi_turn": True}},
    ]
    first = run(store, tmp_path / "first", taught, *tests, reference=always_ham)
    assert len(calls) == 6
    known = {"stored_answers": [one for test in first for one in stored_answers(test, taught, always_ham)]}
    calls.clear()
    again = run(store, tmp_path / "again", taught, *tests, reference=always_ham, **known)
    assert again == first
    assert calls == []
    run(store, tmp_path / "other", untaught, *tests, reference=always_ham, **known)
    assert len(calls) == 3, "the version in production is known, the new candidate is not"
    calls.clear()
    shorter = [{**tests[0], "harness": {**tests[0]["harness"], "limit": 5}}]
    run(store, tmp_path / "shorter", taught, *shorter, **known)
    assert calls == [10]
