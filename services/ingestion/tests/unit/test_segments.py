"""Tokens and windows: token counts, segments of long texts, words of Chinese."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import BadStep, Step, settings_of, sources_of
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.readers.items import SourceSpec
from ratoon_ingestion.worker.references import SourcesOfSteps, prepare
from ratoon_ingestion.worker.segmenting import segment, segment_id
from ratoon_ingestion.worker.stages import StageSettings
from ratoon_ingestion.worker.steps.apply import reported, run_step
from ratoon_ingestion.worker.steps.references import BadReference
from ratoon_ingestion.worker.steps.segments import windows
from ratoon_ingestion.worker.steps.tokens import token_starts

LICENSE = (Path(__file__).parents[4] / "LICENSE").read_text()
NOVEL = "子曰：“学而时习之，不亦说乎？有朋自远方来，不亦乐乎？”北京大学的学生每天早上去图书馆看书。" * 3

References = Callable[..., SourcesOfSteps]


@pytest.fixture
def references(tmp_path: Path) -> References:
    def of(**sources: str) -> SourcesOfSteps:
        store = ArtifactStore(str(tmp_path / "artifacts"))
        specs = {
            name: SourceSpec(f"projects/p/sources/{name}", store.put_bytes(data.encode()), Format.TEXT)
            for name, data in sources.items()
        }
        return SourcesOfSteps(StageSettings(b"key", CurationConfig()), specs, store)

    return of


@pytest.fixture(scope="module")
def bpe() -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([LICENSE], trainer)
    tokenizer.enable_truncation(7)
    return str(tokenizer.to_str())


def records(*texts: str) -> pa.RecordBatch:
    count = len(texts)
    attributes = pa.map_(pa.string(), pa.string())
    empty = pa.nulls(count, pa.string())
    return pa.RecordBatch.from_pydict(
        {
            "record_id": pa.array([f"{row:064x}" for row in range(count)]),
            "text": pa.array(texts),
            **dict.fromkeys(
                ("source", "source_path", "source_label", "licence", "language", "example"), empty
            ),
            "steps": pa.array([[]] * count, pa.list_(pa.string())),
            "attributes": pa.array([[]] * count, attributes),
        }
    )


def attributes(batch: pa.RecordBatch, name: str) -> list[str | None]:
    return [dict(row).get(name) for row in batch.column("attributes").to_pylist()]


def test_tokens_are_counted_by_a_tokenizer_of_the_project_or_as_words(references, bpe, tmp_path):
    step = Step("token_count", {"tokenizer": "bpe", "max_tokens": "100"})
    assert sources_of((step, Step("token_count"), Step("c4"))) == ("bpe",)
    prepare([step], references(bpe=bpe), tmp_path / "models")
    outcome = run_step(step, records("a short text", NOVEL, LICENSE), str(tmp_path / "models"))
    expected = len(Tokenizer.from_str(bpe).encode("a short text").ids)
    assert attributes(outcome.accepted, "token_count") == [str(expected)]
    assert outcome.rejected.column("reason").to_pylist() == ["TOO_MANY_TOKENS"] * 2
    words = run_step(Step("token_count", {"min_tokens": "4"}), records("a short text", "北京大学的学生"))
    assert words.rejected.column("reason").to_pylist() == ["TOO_FEW_TOKENS"] * 2


def test_a_source_that_is_no_tokenizer_is_named(references, tmp_path):
    step = Step("token_count", {"tokenizer": "notes"})
    with pytest.raises(BadReference, match="The source notes holds no usable tokenizer"):
        prepare([step], references(notes="text"), tmp_path / "one")
    with pytest.raises(BadReference, match="'notes' that the step token_count names was not found"):
        prepare([step], references(), tmp_path / "two")


@pytest.mark.parametrize("text", [LICENSE, NOVEL])
@pytest.mark.parametrize("by_sentences", [True, False])
def test_windows_hold_all_of_a_text_and_no_more_tokens_than_allowed(
    text, by_sentences, bpe, references, tmp_path
):
    step = Step("segment", {"tokenizer": "bpe"})
    prepare([step], references(bpe=bpe), tmp_path)
    for model in (tmp_path / "segment", tmp_path / "none"):
        (starts,) = token_starts([text], model)
        pieces = windows(text, starts, 60, 0, by_sentences)
        assert len(pieces) > 1
        assert "".join("".join(pieces).split()) == "".join(text.split())
        assert max(map(len, token_starts(pieces, model))) <= 64
        if by_sentences and text is NOVEL:
            assert all(piece.endswith(("？", "”", "。")) for piece in pieces)


@given(
    text=st.text(st.sampled_from("ab 。.\n中文é🙂"), max_size=300),
    size=st.integers(1, 20),
    overlap=st.integers(0, 19),
    by_sentences=st.booleans(),
)
def test_windows_overlap_end_and_lose_nothing(text, size, overlap, by_sentences):
    (starts,) = token_starts([text], Path("none"))
    pieces = windows(text, starts, size, min(overlap, size - 1), by_sentences)
    assert all(piece in text for piece in pieces)
    assert len(pieces) <= max(1, len(starts))
    if not overlap:
        assert "".join("".join(pieces).split()) == "".join(text.split())


def test_segments_are_records_of_their_own_traced_to_their_text():
    step = Step("segment", {"max_tokens": "100", "overlap": "20"})
    settings = StageSettings(b"key", CurationConfig(steps=(step,)))
    batch = records("short", LICENSE)
    outcome, report = reported("segment", batch, partial(segment, settings=settings))
    texts = outcome.accepted.column("text").to_pylist()
    parent = batch.column("record_id")[1].as_py()
    ids = outcome.accepted.column("record_id").to_pylist()
    assert texts[0] == "short" and attributes(outcome.accepted, "segment_of")[0] is None
    assert ids[1:] == [segment_id(b"key", parent, number) for number in range(len(texts) - 1)]
    assert set(attributes(outcome.accepted, "segment_of")[1:]) == {parent}
    assert attributes(outcome.accepted, "segment")[1] == f"1 of {len(texts) - 1}"
    assert dict(report.counts) == {"segmented": 1, "segments": len(texts) - 1}
    assert (report.changed, report.removed) == (1, {})


def test_a_text_of_which_a_segment_was_erased_is_not_segmented_again():
    batch = records(LICENSE, "short")
    erased = segment_id(b"key", batch.column("record_id")[0].as_py(), 3)
    config = CurationConfig(steps=(Step("segment"),))
    outcome = segment(batch, StageSettings(b"key", config, frozenset({erased})))
    assert outcome.accepted.column("text").to_pylist() == ["short"]
    assert outcome.rejected.select(["reason", "text_start"]).to_pylist() == [
        {"reason": "ERASED", "text_start": ""}
    ]


def test_an_overlap_must_be_shorter_than_a_window():
    with pytest.raises(BadStep, match="Set overlap below max_tokens of the step segment"):
        settings_of(Step("segment", {"max_tokens": "10", "overlap": "10"}))


def test_chinese_words_are_separated_and_other_texts_stay(references, tmp_path):
    step = Step("chinese_words", {"dictionary": "words"})
    texts = ("我来到北京清华大学。\n很好 吃", "plain text", "東京に行きました", "")
    spaced = run_step(Step("chinese_words"), records(*texts[:3])).accepted.column("text").to_pylist()
    assert spaced[:2] == ["我 来到 北京 清华大学 。\n很 好 吃", "plain text"]
    prepare([step], references(words="来到北京\n"), tmp_path)
    own = run_step(step, records(texts[0]), str(tmp_path)).accepted.column("text").to_pylist()
    assert own == ["我 来到北京 清华大学 。\n很 好 吃"]
