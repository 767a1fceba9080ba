"""Pre-training on plain texts: blocks of documents, held-out perplexity, and going on with a base model."""

import inspect
import json as json_module
import random
import textwrap
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ratoon.operations.jobs import JobFolder
from ratoon.tasks.kind import Record
from ratoon.tasks.records import to_json
from ratoon_training.domain.errors import DataEmpty
from ratoon_training.domain.recipes import Method, Objective
from ratoon_training.worker import text
from ratoon_training.worker.documents import save_documents
from ratoon_training.worker.text import for_conversations

from .conftest import Row, Task, train
from .test_preferences import SFT

PRETRAIN = replace(SFT, objective=Objective.PRETRAIN, epochs=3.0, max_tokens=64, learning_rate=3e-3)


def documents() -> list[str]:
    """Return paragraphs that were not written for this test: documentation strings of the standard library."""
    modules = (json_module, random, textwrap, inspect)
    texts = [
        inspect.cleandoc(member.__doc__)
        for module in modules
        for _, member in inspect.getmembers(module, callable)
        if isinstance(member.__doc__, str) and len(member.__doc__) > 60
    ]
    return sorted(set(texts))


def plain(texts: list[str]) -> list[Row]:
    """Return plain texts as ingestion writes them."""
    return [(f"{at:04d}", each, None, to_json(Record((), (each,)))) for at, each in enumerate(texts)]


@pytest.fixture(scope="module")
def parts(task: Task) -> dict[str, str]:
    texts = documents()
    held_out = texts[::5]
    return {
        "train": task.part("documents", plain([each for each in texts if each not in held_out])),
        "validation": task.part("documents-held-out", plain(held_out)),
    }


def test_the_perplexity_of_held_out_texts_falls(task, parts):
    short = train(task, "pretrain-short", replace(PRETRAIN, epochs=0.1), **parts)["result"]["metrics"]
    metrics = train(task, "pretrain", PRETRAIN, **parts)["result"]["metrics"]
    assert metrics["validation_perplexity"] < 0.5 * short["validation_perplexity"]
    assert metrics["units"] * 64 >= metrics["learned_tokens"] > 0
    assert metrics["long_documents"] > 0, "they go on in the next block"


@pytest.mark.parametrize("method", [Method.CONTINUE, pytest.param(Method.LORA, marks=pytest.mark.thorough)])
def test_a_base_model_goes_on_and_resumes_to_the_same_bits(task, parts, monkeypatch, method):
    base = train(task, f"pretrain-base-{method}", replace(PRETRAIN, epochs=0.2), **parts)["result"]
    recipe = replace(PRETRAIN, method=method, epochs=0.4, learning_rate=1e-3, lora_rank=2, packed=True)

    def run(name: str, work: str, stop_after: int, fence: int) -> dict[str, Any]:
        polls = iter(range(1, 1000))
        monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) > stop_after)
        return train(task, name, recipe, work=work, fence=fence, base=base["artifact_digest"], **parts)

    whole = run(f"on-{method}", f"on-{method}", 1000, 1)["result"]
    assert run(f"on-a-{method}", f"on-r-{method}", 2, 1)["reason"] == "STOPPED"
    assert (
        run(f"on-b-{method}", f"on-r-{method}", 1000, 2)["result"]["artifact_digest"]
        == whole["artifact_digest"]
    )


def test_blocks_hold_every_token_once_and_each_document_its_end(tmp_path):
    texts = documents()
    speech = for_conversations(texts, 400)
    rows = [(f"{at}", Record((), (each,))) for at, each in enumerate(texts)]
    counts = save_documents(tmp_path / "part.npz", speech, PRETRAIN, rows, "training")
    with np.load(tmp_path / "part.npz") as arrays:
        tokens, lengths = arrays["tokens"].tolist(), np.diff(arrays["offsets"])
    assert set(lengths[:-1]) == {64}
    assert counts.units == len(lengths)
    parts = speech.decode(tokens).split(text.EOS)
    assert sorted(filter(None, parts)) == texts
    assert tokens.count(speech.end) == len(texts)


def test_a_part_without_texts_is_refused_by_a_sentence(tmp_path):
    speech = for_conversations(["a"], 300)
    with pytest.raises(DataEmpty, match="none of its 1 records has a text"):
        save_documents(tmp_path / "part.npz", speech, PRETRAIN, [("a", Record((), ("  ",)))], "training")
