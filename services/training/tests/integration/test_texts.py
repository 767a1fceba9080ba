"""Runs whose answers are texts: from scratch, continued, adapted; what is learned, counted, cut and published."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ratoon.operations.jobs import JobFolder
from ratoon.tasks.generate import Generate, Sampling
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import prompt_text, to_json
from ratoon_training.domain.recipes import Recipe

from .conftest import TINY, Row, Task, train

TASK = Generate(defaults=Sampling(max_tokens=12))
RECIPE = Recipe(
    task=TASK,
    architecture=TINY,
    batch_size=8,
    epochs=4.0,
    learning_rate=0.01,
    max_tokens=256,
    language_model_weight=0.0,
)
ANIMALS = ("cat", "dog", "cow", "hen", "pig")
SOUNDS = ("Meow!", "Woof!", "Moo.", "Cluck?", "Oink")


def row(record: Record, number: int = 0) -> Row:
    """Return a record as ingestion writes it: the label is the first answer."""
    label = record.answers[0] if record.answers else None
    return (f"{number:03d}", prompt_text(record.turns), label, to_json(record))


def conversation(number: int) -> Record:
    """Two questions, the second of which needs the first."""
    kind = number % len(ANIMALS)
    turns = (
        Turn(Role.SYSTEM, "You are an animal."),
        Turn(Role.USER, f"Are you a {ANIMALS[kind]} {number}?"),
        Turn(Role.ASSISTANT, "Yes"),
        Turn(Role.USER, "Say something."),
    )
    return Record(turns, (SOUNDS[kind],))


def rows(first: int, count: int) -> list[Row]:
    """Return conversations, and single questions without an example."""
    chats = [row(conversation(number), number) for number in range(first, first + count)]
    single = [
        (f"{number:03d}-s", f"Sound of a {ANIMALS[number % 5]}?", SOUNDS[number % 5], None)
        for number in range(first, first + count)
    ]
    return [*chats, *single]


@pytest.fixture(scope="module")
def chat(task: Task) -> dict[str, str]:
    return {
        "train": task.part("chat", rows(0, 100)),
        "validation": task.part("chat-validation", rows(500, 10)),
    }


@pytest.fixture(scope="module")
def trained(task: Task, chat: dict[str, str]) -> dict[str, Any]:
    return train(task, "chat", RECIPE, **chat)["result"]


@pytest.fixture(scope="module")
def folder(task: Task, trained: dict[str, Any]) -> Path:
    return task.fetch(trained["artifact_digest"], "chat")


def test_a_model_from_scratch_learns_to_converse(trained):
    metrics = trained["metrics"]
    assert metrics["validation_loss"] < 0.2
    assert metrics["validation_perplexity"] == pytest.approx(np.exp(metrics["validation_loss"]))
    assert "validation_macro_f1" not in metrics
    assert (metrics["records"], metrics["samples_without_targets"]) == (200, 0)
    assert metrics["learned_tokens"] > 3 * 200


def test_the_artifact_answers_and_stops(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for number in range(5):
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": f"Sound of a {ANIMALS[number]}?"}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        answer = model.generate(**prompt)[0, prompt["input_ids"].shape[1] :]
        assert tokenizer.decode(answer, skip_special_tokens=True) == SOUNDS[number % 5]
        assert answer[-1] == tokenizer.eos_token_id


def test_the_artifact_states_its_task_and_answers_greedily(folder):
    recipe = json.loads((folder / "recipe.json").read_text())
    assert recipe["task"]["kind"] == "generate"
    assert Recipe.parse({name: recipe[name] for name in RECIPE.as_json()}).task == TASK
    generation = json.loads((folder / "generation_config.json").read_text())
    assert (generation["do_sample"], generation["max_new_tokens"]) == (False, 12)
    curves = json.loads((folder / "training.json").read_text())["curves"]
    assert curves["epochs"]["columns"] == ["epoch", "step", "loss", "perplexity"]
    assert len(curves["epochs"]["rows"][0]) == 4


def test_a_stopped_run_resumes_to_the_same_bytes(task, chat, trained, monkeypatch):
    polls = iter(range(1000))
    monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) >= 37)
    assert train(task, "chat-stopped", RECIPE, work="chat-again", fence=1, **chat)["reason"] == "STOPPED"
    monkeypatch.undo()
    resumed = train(task, "chat-resumed", RECIPE, work="chat-again", fence=2, **chat)["result"]
    assert resumed["artifact_digest"] == trained["artifact_digest"]
