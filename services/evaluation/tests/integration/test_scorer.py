"""The scorer against plain transformers, one text at a time and without padding."""

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from ratoon.storage.models import ModelFolder
from ratoon.testkit.models import tiny_adapter, tiny_llama
from ratoon_evaluation.domain.kinds.classify import OTHER
from ratoon_evaluation.worker.scorer import Scorer

TEXTS = [
    "Hello",
    "The patch fixes the parser " * 9,
    "You have won",
    "A",
    "Cheap loans, act now! " * 3,
    "¿Qué? 早上好",
]


def alone(folder, text, labels, answer_tokens):
    """The reference: no batch, no cache, no padding."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    chat = [{"role": "user", "content": text}]
    prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
    special = set(tokenizer.all_special_ids)
    with torch.no_grad():
        logprobs = model(torch.tensor([prompt])).logits[0].log_softmax(-1)
        nll = [-logprobs[i, token].item() for i, token in enumerate(prompt[1:]) if token not in special]
        of_labels = []
        for label in labels:
            ids = tokenizer.encode(label, add_special_tokens=False)
            rows = model(torch.tensor([prompt + ids])).logits[0].log_softmax(-1)
            of_labels.append(sum(rows[len(prompt) - 1 + i, token].item() for i, token in enumerate(ids)))
        written = model.generate(torch.tensor([prompt]), max_new_tokens=answer_tokens, do_sample=False)
    answer = tokenizer.decode(written[0][len(prompt) :], skip_special_tokens=True).strip()
    return sum(nll), len(nll), of_labels, answer if answer in labels else OTHER


@pytest.mark.parametrize("labels", [("ham", "spam"), ("ham", "spam and more")])
def test_batches_score_as_single_texts_do(taught_folder, labels):
    answers = Scorer(ModelFolder(taught_folder), labels).score(TEXTS, lambda done: None)
    longest = 2 if labels[1] == "spam" else 12
    for row, text in enumerate(TEXTS):
        nll, tokens, of_labels, answer = alone(taught_folder, text, labels, longest)
        assert answers.nll[row] == pytest.approx(nll, rel=1e-4)
        assert answers.tokens[row] == tokens
        assert answers.label_logprobs[row].tolist() == pytest.approx(of_labels, abs=1e-3)
        assert answers.predicted[row] == answer


def test_a_model_that_says_something_else_is_other(tmp_path):
    answers = Scorer(ModelFolder(tiny_llama(tmp_path, seed=5)), ("ham", "spam")).score(
        TEXTS, lambda done: None
    )
    assert set(answers.predicted) == {OTHER}


def test_a_prompt_beyond_the_positions_is_unfit_and_does_not_stop_the_rest(tmp_path):
    folder = tiny_llama(tmp_path, answer="spam", max_chars=100_000)
    progress = []
    answers = Scorer(ModelFolder(folder), ("ham", "spam")).score(["short", "long " * 3000], progress.append)
    assert answers.predicted == ("spam", OTHER)
    assert answers.unfit.tolist() == [False, True]
    assert progress == [2]


def test_an_empty_text_has_no_tokens(taught_folder):
    answers = Scorer(ModelFolder(taught_folder), ("ham", "spam")).score([""], lambda done: None)
    assert (answers.tokens[0], answers.nll[0]) == (0, 0)


def test_an_adapter_is_scored_as_its_base_with_its_weights_added(taught_folder, tmp_path):
    adapter = tiny_adapter(tmp_path / "adapter", taught_folder, "b" * 64, seed=2)
    merged = tmp_path / "merged"
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(taught_folder), adapter)
    loaded.merge_and_unload().save_pretrained(merged)
    AutoTokenizer.from_pretrained(adapter).save_pretrained(merged)
    labels = ("ham", "spam")
    beside, whole, base = (
        Scorer(folder, labels).score(TEXTS, lambda done: None)
        for folder in (
            ModelFolder(adapter, taught_folder, "b" * 64),
            ModelFolder(merged),
            ModelFolder(taught_folder),
        )
    )
    assert beside.label_logprobs == pytest.approx(whole.label_logprobs, abs=1e-4)
    assert beside.nll == pytest.approx(whole.nll, abs=1e-3)
    assert abs(beside.nll - base.nll).max() > 0.1
