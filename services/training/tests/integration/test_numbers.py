"""Numbers of a bounded scale: one token each, targets shared with near numbers, epochs compared by their errors."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ratoon.operations.jobs import JobFolder
from ratoon.tasks import regress
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.regress import Regress
from ratoon_training.domain.recipes import Method, Recipe
from ratoon_training.worker import numbers, objective, text
from ratoon_training.worker.corpus import Batch, Corpus
from ratoon_training.worker.prepare import prepare

from .conftest import TINY, Row, Task, train

TASK = Regress(min=-2.0, max=2.0)
RECIPE = Recipe(
    task=TASK,
    architecture=TINY,
    batch_size=8,
    epochs=12.0,
    learning_rate=0.01,
    max_tokens=64,
    language_model_weight=0.0,
)
WORDS = {"awful": -1.8, "bad": -0.9, "plain": 0.0, "good": 1.1, "great": 1.7}


def rated(first: int, count: int) -> list[Row]:
    """Return rated texts: of four raters of each, one is far off."""
    rng = random.Random(first)
    rows: list[Row] = []
    for number in range(first, first + count):
        word, strength = list(WORDS.items())[number % len(WORDS)]
        value = round(rng.uniform(-2, 2), 1) if number % 4 == 3 else strength
        rows.append((f"{number:04d}", f"The food was {word}.", regress.format_number(value), None))
    return rows


@pytest.fixture(scope="module")
def parts(task: Task) -> dict[str, str]:
    return {"train": task.part("rated", rated(0, 240)), "validation": task.part("rated-2", rated(900, 60))}


@pytest.fixture(scope="module")
def trained(task: Task, parts: dict[str, str]) -> dict[str, Any]:
    return train(task, "rated", RECIPE, **parts)["result"]


@pytest.fixture(scope="module")
def folder(task: Task, trained: dict[str, Any]) -> Path:
    return task.fetch(trained["artifact_digest"], "rated")


def answers(folder: Path) -> dict[str, str]:
    """Return the greedy answer to each word, as any engine generates it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    answered = {}
    for word in WORDS:
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": f"The food was {word}."}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        answer = model.generate(**prompt)[0, prompt["input_ids"].shape[1] :]
        assert len(answer) == 2, "the number is one token, and the end another"
        answered[word] = tokenizer.decode(answer, skip_special_tokens=True)
    return answered


def test_the_artifact_answers_the_median_by_plain_greedy_decoding(folder):
    answered = answers(folder)
    assert set(answered) == set(WORDS)
    for word, strength in WORDS.items():
        assert regress.parse(TASK, answered[word]) == answered[word]
        assert abs(float(answered[word]) - strength) <= 0.4, f"a quarter of the raters of {word!r} is far off"


def test_validation_measures_errors_and_compares_epochs_by_them(folder, trained):
    metrics = trained["metrics"]
    assert 0 < metrics["validation_mae"] < metrics["validation_rmse"]
    assert metrics["validation_mse"] == pytest.approx(metrics["validation_rmse"] ** 2)
    assert 0 < metrics["validation_spearman"] <= 1
    epochs = json.loads((folder / "training.json").read_text())["curves"]["epochs"]
    assert epochs["columns"] == ["epoch", "step", "loss", "mae", "mse", "rmse", "r2", "spearman"]


def test_a_stopped_run_resumes_to_the_same_bytes(task, parts, trained, monkeypatch):
    polls = iter(range(1000))
    monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) >= 67)
    assert train(task, "rated-stopped", RECIPE, work="rated-again", fence=1, **parts)["reason"] == "STOPPED"
    monkeypatch.undo()
    resumed = train(task, "rated-resumed", RECIPE, work="rated-again", fence=2, **parts)["result"]
    assert resumed["artifact_digest"] == trained["artifact_digest"]


def test_what_continues_keeps_the_scale_and_puts_other_numbers_on_it(task, parts, trained):
    recipe = replace(RECIPE, method=Method.CONTINUE, selection_metric="mse")
    part = task.part("finer", [("1", "The soup was bad.", "-0.949", None), ("2", "Good.", "1.52", None)])
    spec = task.spec("finer", recipe, train=part, validation=part, base=trained["artifact_digest"])
    prepared = prepare(spec, recipe, task.folder / "finer", lambda _: None)
    corpus, speech = Corpus(prepared / "train.npz"), text.of_base(prepared / "tokenizer")
    batch = corpus.batch([0, 1])
    learned = [
        speech.decode(ids[:length].tolist()).partition(text.ASSISTANT)[2]
        for ids, length in zip(batch.ids, batch.lengths, strict=True)
    ]
    assert learned == ["-0.9</s>", "1.5</s>"]
    assert len(corpus.number_tokens) == 41


def test_the_end_is_learned_after_any_number():
    shared = objective.SharedTargets(torch.arange(10, 15), torch.eye(5))
    ids = torch.tensor([[1, 12, 4, 12, 2]]).repeat(200, 1)
    answer = torch.tensor([[False, False, True, True, False]]).repeat(200, 1)
    drawn = shared.any_number(ids, answer)
    assert set(drawn[:, 3].tolist()) == set(range(10, 15))
    assert (drawn[:, [0, 1, 2, 4]] == ids[:, [0, 1, 2, 4]]).all(), "a number of the question stays"


def test_an_answer_that_is_no_number_is_as_wrong_as_can_be(monkeypatch):
    logits = torch.tensor([[0.0, 0.0, 9.0, 1.0, 2.0], [9.0, 0.0, 1.0, 2.0, 3.0]])
    monkeypatch.setattr(objective.forward, "hidden_states", lambda *_: torch.zeros(2, 1, 3))
    monkeypatch.setattr(objective.forward, "logits", lambda *_: logits)
    ids, two = torch.tensor([[1, 2], [1, 2]]), torch.tensor([2, 2])
    batch = Batch(ids, two, two, two, torch.tensor([[True], [True]]))
    right, answered = objective.numbers(None, batch, torch.tensor([2, 3, 4]))
    assert (right.tolist(), answered.tolist()) == ([0, 0], [0, 2])


def test_targets_are_shared_by_distance_and_other_tokens_keep_their_own():
    values = np.array([-1.0, 0.0, 1.0])
    shares = numbers.shared_targets(values, 1.0, squared=False)
    assert shares.sum(axis=1) == pytest.approx([1, 1, 1])
    assert shares[0, 0] > shares[0, 1] > shares[0, 2]
    assert numbers.shared_targets(values, 0.0, squared=False).tolist() == np.eye(3).tolist()
    shared = objective.SharedTargets(torch.tensor([4, 2, 3]), torch.from_numpy(shares))
    logits = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    plain = torch.nn.functional.cross_entropy(logits, torch.tensor([3, 5]), reduction="none")
    losses = shared.losses(logits, torch.tensor([3, 5]), plain)
    target = torch.from_numpy(shares)[2]
    scores = logits[0].log_softmax(0)[[4, 2, 3]]
    expected = (target * (target.log() - scores)).sum() - objective.OTHERS_WEIGHT * scores.logsumexp(0)
    assert losses.tolist() == pytest.approx([float(expected), float(plain[1])])


@pytest.mark.parametrize(
    ("task", "right", "count"),
    [
        (Regress(min=-4, max=4), ["1.5", "-2"], 81),
        (Regress(min=0, max=5), ["1", "3"], 6),
        (Regress(min=0, max=10), ["1.23456"], 1_001),
        (Regress(min=0, max=1e6), ["5"], 0),
        (Regress(min=0), ["5"], 0),
    ],
)
def test_a_scale_is_as_fine_as_the_numbers_and_never_long(task, right, count):
    records = [Record((Turn(Role.USER, "How much?"),), (answer,)) for answer in right]
    assert len(numbers.scale_of(task, records)) == count
