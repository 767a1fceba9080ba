"""Copies of training records with noise and synonyms; entities; texts of the same meaning."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon.tasks.curation import BadStep, Step, settings_of
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import from_json, prompt_text, to_json
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.worker import entities
from ratoon_ingestion.worker.augmenting import augmented
from ratoon_ingestion.worker.curate import repeated
from ratoon_ingestion.worker.embeddings import alike, check_model
from ratoon_ingestion.worker.entities import replace_entities
from ratoon_ingestion.worker.parts import PART
from ratoon_ingestion.worker.stages import StageSettings
from ratoon_ingestion.worker.steps.apply import reported
from ratoon_ingestion.worker.steps.registry import StepNotInstalled

LICENSE = (Path(__file__).parents[4] / "LICENSE").read_text()[:2_000]
KEY = b"key"


def part(*rows: dict[str, object]) -> pa.Table:
    empty = dict.fromkeys(PART.names)
    return pa.Table.from_pylist(
        [
            {**empty, "record_id": f"{n:064x}", "label": "ham", "attributes": [], **row}
            for n, row in enumerate(rows)
        ],
        schema=PART,
    )


def copies(rows: pa.Table, step: Step, synonyms=None, taken=(), seed: int = 0) -> list[dict]:
    return augmented(rows, step, synonyms or {}, set(taken), KEY, seed).to_pylist()


def test_noise_changes_a_share_of_letters_and_leaves_marks_and_addresses():
    step = Step("augment", {"character_noise": "0.1", "copies": "2"})
    text = f"[EMAIL] https://a.example/terms {LICENSE}"
    rows = part({"text": text, "cluster": "c"})
    first, second = copies(rows, step)
    assert first["text"] != second["text"]
    assert first["text"].startswith("[EMAIL] https://a.example/terms ")
    assert abs(len(first["text"]) - len(text)) < 0.1 * len(text)
    assert dict(first["attributes"]) == {"copy_of": rows["record_id"][0].as_py(), "augmented": "yes"}
    assert (first["label"], first["cluster"], first["chars"]) == ("ham", "c", len(first["text"]))
    assert copies(rows, step) == [first, second]
    assert copies(rows, step, seed=1)[0]["text"] != first["text"]


def test_synonyms_of_a_list_take_the_place_of_words_and_keep_their_capital():
    step = Step("augment", {"synonyms": "list", "synonym_share": "1"})
    synonyms = {"big": ("large",), "large": ("big",), "好": ("不错",)}
    rows = part({"text": "Big bigger, a big dog. 很好"}, {"text": "nothing to change"})
    (only,) = copies(rows, step, synonyms)
    assert only["text"] == "Large bigger, a large dog. 很不错"


def test_of_a_conversation_the_messages_of_the_user_change_alone():
    record = Record(
        (Turn(Role.SYSTEM, "be big"), Turn(Role.USER, "how big"), Turn(Role.ASSISTANT, "big")), ("big",)
    )
    rows = part({"text": prompt_text(record.turns), "example": to_json(record), "label": "big"})
    (copy,) = copies(rows, Step("augment", {"synonyms": "s", "synonym_share": "1"}), {"big": ("large",)})
    turns = [turn.content for turn in from_json(copy["example"]).turns]
    assert turns == ["be big", "how large", "big"]
    assert from_json(copy["example"]).answers == ("big",)


def test_copies_take_free_ids_and_are_not_copied_again():
    step = Step("augment", {"character_noise": "0.2"})
    marked = [{"text": LICENSE, "attributes": [(name, "x")]} for name in ("copy_of", "replayed")]
    rows = part({"text": LICENSE}, *marked)
    first = rows["record_id"][0].as_py()
    (copy,) = copies(rows, step, taken={repeated(first, 1, KEY)})
    assert copy["record_id"] == repeated(first, 2, KEY)
    with pytest.raises(BadStep, match="Set character_noise or synonyms"):
        settings_of(Step("augment"))


def test_of_close_vectors_the_first_stays_and_chains_do_not_grow():
    angles = np.deg2rad([0, 10, 20, 30, 90, 91])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    gone = alike(vectors, float(np.cos(np.deg2rad(12))))
    assert {row: stays for row, (stays, _) in gone.items()} == {1: 0, 3: 2, 5: 4}
    many = np.repeat(vectors, 600, axis=0)
    assert {stays for stays, _ in alike(many, 0.999).values()} == {0, 600, 1200, 1800, 2400}
    with pytest.raises(StepNotInstalled, match="RATOON_INGESTION_EMBEDDING_MODEL"):
        check_model("")


def names(texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
    """The entities that a model would find: Ann, and Main Street."""
    kinds = {"Ann": "person", "Main Street": "address", "ACME": "organization"}
    return [
        [
            (text.index(name), text.index(name) + len(name), kind)
            for name, kind in kinds.items()
            if name in text
        ]
        for text in texts
    ]


def records(*texts: str, example: str | None = None) -> pa.RecordBatch:
    count = len(texts)
    attributes = pa.map_(pa.string(), pa.string())
    empty = pa.nulls(count, pa.string())
    return pa.RecordBatch.from_pydict(
        {
            "record_id": pa.array([f"{row:064x}" for row in range(count)]),
            "text": pa.array(texts),
            **dict.fromkeys(("source", "source_path", "source_label"), empty),
            "example": pa.array([example] * count, pa.string()),
            "steps": pa.array([[]] * count, pa.list_(pa.string())),
            "attributes": pa.array([[]] * count, attributes),
        }
    )


def test_entities_are_masked_hashed_kept_or_drop_the_record(monkeypatch):
    monkeypatch.setattr(entities, "model_of", lambda name: names)
    step = Step("named_entities", {"model": "m", "person": "hash", "organization": "keep"})
    settings = StageSettings(KEY, CurationConfig(steps=(step,)))
    stage = partial(replace_entities, settings=settings)
    outcome, report = reported("named_entities", records("Ann of ACME, 1 Main Street", "ANN", "Ann"), stage)
    first, same, again = outcome.accepted.column("text").to_pylist()
    mark = first.split()[0]
    assert first == f"{mark} of ACME, 1 [ADDRESS]" and mark.startswith("[PERSON:") and again == mark
    assert same == "ANN"
    assert report.counts == {"person": 2, "address": 1, "organization": 1}
    drops = Step("named_entities", {"model": "m", "organization": "drop"})
    outcome = replace_entities(records("ACME", "Ann"), StageSettings(KEY, CurationConfig(steps=(drops,))))
    assert outcome.rejected.column("detail").to_pylist() == ["organization"]
    assert outcome.accepted.column("text").to_pylist() == ["[PERSON]"]


def test_a_model_of_entities_that_is_not_installed_is_named():
    with pytest.raises(StepNotInstalled, match=r"no installed package provides the model 'acme\.names'"):
        entities.check_model(Step("named_entities", {"model": "acme.names"}))
    with pytest.raises(StepNotInstalled, match="pipeline 'en_core_web_sm' of spaCy cannot be loaded"):
        entities.check_model(Step("named_entities", {"model": "spacy:en_core_web_sm"}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "客服王小明说，请寄到北京市海淀区中关村大街27号3单元201室，谢谢。",
            "客服[PERSON]说，请寄到[ADDRESS]，谢谢。",
        ),
        ("我叫李建国，住在上海。\n电话以后再说", "我叫[PERSON]，住在[ADDRESS]。\n电话以后再说"),
        ("质量非常好，物流也快，下次还来。", "质量非常好，物流也快，下次还来。"),
        ("Ann lives in London", "Ann lives in London"),
    ],
)
def test_jieba_finds_names_in_chinese_texts(text, expected):
    step = Step("named_entities", {"model": "jieba"})
    outcome = replace_entities(records(text), StageSettings(KEY, CurationConfig(steps=(step,))))
    assert outcome.accepted.column("text").to_pylist() == [expected]
