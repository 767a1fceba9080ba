"""The same raw text, once through curation and training, once through the chat template as an engine renders it.

Both ways must give the same tokens: what a model is asked with is what it was trained on.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.models import tiny_llama
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.worker.batches import items_batch
from ratoon_ingestion.worker.readers import Item, Kind
from ratoon_ingestion.worker.readers.sources import SourceSpec
from ratoon_ingestion.worker.stages import StageSettings, curate_batch
from ratoon_training.domain.recipes import Architecture, Method, Recipe
from ratoon_training.worker.prepare import prepare

LABELS = ("pos", "neg")
RAW = [
    "质量非常好，物流也快，下次还来！😀👍（满分：１００）",
    "ｆｕｌｌ－ｗｉｄｔｈ　ｌｅｔｔｅｒｓ，and ﬁne ligatures ½ ™",
    "Cafe\u0301 re\u0301sume\u0301 in NFD, café résumé in NFC",
    "first line\r\nsecond line\r\n\r\n\r\nlast line\r\n",
    "tabs\tand\u00a0no-break\u202fspaces\u2009between   many    blanks",
    "zero\u200bwidth\u200cjoiners\u200d and a soft\u00adhyphen \ufeffmark",
    "👩‍👩‍👧‍👦 family, 🏳️‍🌈 flag, e\u0301\u0323 stacked marks",
    "   white space around it \n\t ",
    "line\u2028separator\u2029paragraph\x85next",
    "UPPER and lower case, ｶﾀｶﾅ and ㍿, \u2160 \u2461",
    "مرحبا بالعالم \u200fright to left\u200e",
    "A long one: " + "the quick brown fox，" * 80,
]


def curated(raw: list[str]) -> list[str]:
    """Return the texts after curation."""
    source = SourceSpec(name="projects/p/sources/s", digest="0" * 64, format="CSV", licence="")
    items = [Item(f"row {n}", Kind.CELL, text.encode(), label="pos") for n, text in enumerate(raw)]
    accepted = curate_batch(items_batch(source, items), StageSettings(b"k" * 32, CurationConfig())).accepted
    texts: list[str] = accepted.column("text").to_pylist()
    assert len(texts) == len(raw), "no text is rejected"
    return texts


def part(store: ArtifactStore, folder: Path, texts: list[str]) -> str:
    """A part of a split of these texts, in their order."""
    ids = [f"{n:064x}" for n in range(len(texts))]
    labels = [LABELS[n % 2] for n in range(len(texts))]
    path = folder / "part.parquet"
    pq.write_table(pa.table({"record_id": ids, "text": texts, "label": labels}), path)
    return store.put_file(path)


def trained_prompts(prepared: Path) -> list[list[int]]:
    """The tokens of each training sample before its answer."""
    with np.load(prepared / "train.npz") as arrays:
        tokens, offsets, answers = arrays["tokens"], arrays["offsets"], arrays["answers"]
    bounds = zip(offsets, offsets[1:], answers, strict=False)
    return [tokens[begin : end - answer].tolist() for begin, end, answer in bounds]


def served_prompts(folder: Path, raw: list[str]) -> list[list[int]]:
    """The tokens that an engine makes of each raw text."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False
        )
        for text in raw
    ]


def prepared_with(folder: Path, recipe: Recipe, base: Path | None = None) -> Path:
    """The tokens and the tokenizer of a run over the curated texts."""
    store = ArtifactStore(str(folder / "artifacts"))
    digest = part(store, folder, curated(RAW))
    spec: dict[str, Any] = {"artifacts": store.url, "train": digest, "validation": digest}
    if base is not None:
        spec["base"] = store.put_tree(base)
    return prepare(spec, recipe, folder / "prepared", lambda _: None)


@pytest.mark.parametrize("max_chars", [0, 40])
def test_a_model_from_scratch_is_served_with_the_tokens_it_was_trained_on(tmp_path, max_chars):
    recipe = Recipe(
        labels=LABELS,
        max_chars=max_chars,
        prompt_tokens=0,
        architecture=Architecture(vocab_size=600, hidden_size=32, layers=1, heads=1),
    )
    prepared = prepared_with(tmp_path, recipe)
    assert trained_prompts(prepared) == served_prompts(prepared / "tokenizer", RAW)


@pytest.mark.parametrize("max_chars", [0, 40])
def test_a_base_model_is_served_with_the_tokens_it_was_trained_on(tmp_path, max_chars):
    base = tiny_llama(tmp_path / "base", LABELS, hidden=32, layers=1)
    (base / "recipe.json").unlink()
    vocabulary = json.loads((base / "config.json").read_text())["vocab_size"]
    shape = Architecture(vocab_size=vocabulary, hidden_size=32, layers=1, heads=1)
    recipe = Recipe(
        method=Method.LORA, labels=LABELS, max_chars=max_chars, prompt_tokens=0, architecture=shape
    )
    prepared = prepared_with(tmp_path, recipe, base)
    assert trained_prompts(prepared) == served_prompts(prepared / "tokenizer", RAW)


def test_width_and_white_space_do_not_change_what_a_model_from_scratch_sees(tmp_path):
    recipe = Recipe(
        labels=LABELS,
        prompt_tokens=0,
        architecture=Architecture(vocab_size=600, hidden_size=32, layers=1, heads=1),
    )
    folder = prepared_with(tmp_path, recipe) / "tokenizer"
    wide, narrow = served_prompts(folder, ["很好，满分：１００！", "很好,满分:100!"])
    assert wide == narrow
    loose, tight = served_prompts(folder, ["one \r\n\t two", "one two"])
    assert loose == tight
