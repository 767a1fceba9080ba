"""A single text file as a source: lines, paragraphs or the whole, of any charset, and what is no item."""

import io
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.ingestion.v1.source_pb2 import Source
from ratoon.jobs.v1.ingestion_jobs_pb2 import ErasureSpec, PreviewSpec
from ratoon.operations.job_messages import from_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import Format, SampleBy
from ratoon_ingestion.worker.decoding import record_id_of
from ratoon_ingestion.worker.detect import detected
from ratoon_ingestion.worker.erase import erase
from ratoon_ingestion.worker.preview import preview
from ratoon_ingestion.worker.readers import Item, Kind, Limits, SourceSpec, SourceUnreadable, read_source

POEM = "\ufeff\n  Über allen Gipfeln\r\nIst Ruh,\r\n\r\n \t\nIn allen Wipfeln\rSpürest du\n"
PARTS = (SampleBy.LINE, SampleBy.PARAGRAPH, SampleBy.DOCUMENT)
LICENSES = Path("/usr/share/common-licenses")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def source(store: ArtifactStore, data: bytes, sample_by: SampleBy, **fields: str) -> SourceSpec:
    return SourceSpec(
        "projects/p/sources/s", store.put_bytes(data), Format.TEXT, sample_by=sample_by, **fields
    )


def texts(entries) -> list[tuple[str, str]]:
    return [(entry.path, entry.payload.decode()) for entry in entries if isinstance(entry, Item)]


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "windows-1252"])
@pytest.mark.parametrize(
    ("sample_by", "expected"),
    [
        (
            SampleBy.LINE,
            [(2, "  Über allen Gipfeln"), (3, "Ist Ruh,"), (6, "In allen Wipfeln"), (7, "Spürest du")],
        ),
        (
            SampleBy.PARAGRAPH,
            [(2, "  Über allen Gipfeln\r\nIst Ruh,"), (6, "In allen Wipfeln\rSpürest du")],
        ),
        (SampleBy.DOCUMENT, [(2, POEM[2:].removesuffix("\n"))]),
    ],
)
def test_a_text_file_is_cut_at_lines_or_blank_lines_or_nowhere(store, sample_by, expected, charset):
    poem = POEM.removeprefix("\ufeff") if charset != "utf-8" else POEM
    encoding = charset if charset == "windows-1252" else ""
    entries = list(read_source(source(store, poem.encode(charset), sample_by, encoding=encoding), store))
    assert texts(entries) == [(f"line-{number}", text) for number, text in expected]
    assert len(entries) == len(expected)


def test_a_text_file_of_a_guessed_charset_says_so(store):
    sentences = "Der Drücker klemmt größtenteils, bitte prüfen Sie das möglichst früh.\n" * 20
    (first, *_) = read_source(source(store, sentences.encode("cp1252"), SampleBy.LINE), store)
    assert isinstance(first, Item)
    assert (first.kind, first.attributes["charset"]) == (Kind.GUESSED_CELL, "cp1252")
    assert first.payload.decode() == sentences.splitlines()[0]


@pytest.mark.parametrize("sample_by", PARTS)
def test_a_part_that_is_too_large_is_one_rejection(store, sample_by):
    data = b"short\n\n" + b"x" * 90 + b"\n" + b"y" * 60 + b"\n\n" + b"z" * 400 + b"\n\nlast"
    entries = list(read_source(source(store, data, sample_by), store, Limits(item_bytes=100)))
    rejected = [(entry.path, entry.reason) for entry in entries if not isinstance(entry, Item)]
    expected = {
        SampleBy.LINE: (["short", "x" * 90, "y" * 60, "last"], ["line-6"]),
        SampleBy.PARAGRAPH: (["short", "last"], ["line-3", "line-6"]),
        SampleBy.DOCUMENT: ([], ["line-1"]),
    }[sample_by]
    assert ([text for _, text in texts(entries)], [path for path, _ in rejected]) == expected
    assert {reason for _, reason in rejected} == {Rejected.TOO_LARGE}


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "SOURCE_EMPTY"), (b" \n\n\t", "SOURCE_EMPTY"), (b"%PDF-1.7\n", "NOT_A_TABLE")]
)
def test_a_file_without_text_is_a_named_error(store, data, reason):
    with pytest.raises(SourceUnreadable) as refused:
        list(read_source(source(store, data, SampleBy.LINE), store))
    assert refused.value.reason == reason


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n\ufeff\x00"), max_size=40), max_size=30
    )
)
def test_no_line_is_lost_whatever_the_part(store, lines):
    data = "\n".join(lines).encode()
    expected = [line for line in lines if line.strip()]
    for sample_by in PARTS:
        try:
            read = texts(read_source(source(store, data, sample_by, encoding="utf-8"), store))
        except SourceUnreadable:
            assert not expected
            continue
        lines_read = [line for _, text in read for line in text.split("\n") if line.strip()]
        assert lines_read == expected
        for path, text in read:
            assert lines[int(path.removeprefix("line-")) - 1] == text.split("\n")[0]


@pytest.mark.parametrize("sample_by", PARTS)
def test_an_erased_part_goes_and_the_others_stay(store, sample_by):
    data = b"The first line.\nIt goes on.\n\nThe second one is another.\n\nThe third.\n"
    before = source(store, data, sample_by)
    items = [entry for entry in read_source(before, store) if isinstance(entry, Item)]
    gone = record_id_of(items[0], bytes(32))
    spec = {"record_key": "00" * 32, "record_ids": [gone], "sources": [asdict(before)]}
    result = erase(from_json(ErasureSpec, spec), store, lambda *_, **__: None)
    (rewritten,) = result.sources.values()
    after = SourceSpec(before.name, rewritten, Format.TEXT, sample_by=sample_by)
    if sample_by is SampleBy.DOCUMENT:
        with pytest.raises(SourceUnreadable, match="no items"):
            list(read_source(after, store))
        return
    left = [text for _, text in texts(read_source(after, store))]
    assert left == [item.payload.decode() for item in items[1:]]


@pytest.mark.parametrize(
    ("name", "data", "format"),
    [
        ("notes.txt", b"Dear all,\nthe shop, as you know, is closed.\nBye\n", Format.TEXT),
        ("one.txt", b"one, line", Format.TEXT),
        ("notes.txt.gz", b"Dear all,\nthe shop is closed.\n", Format.TEXT),
        ("table.txt", b"text\tlabel\na\tb\nc\td\n", Format.CSV),
        ("rows.txt", b'{"text": "a"}\n{"text": "b"}\n', Format.JSONL),
        ("log.txt", b"[12:00] started\n[12:01] stopped\n", Format.TEXT),
        ("utf16.txt", "Grüße aus Köln\nund zurück\n".encode("utf-16"), Format.TEXT),
    ],
)
def test_a_text_file_is_detected_by_its_name_unless_it_is_a_table(name, data, format):
    assert detected(io.BytesIO(data), name) is format


def test_a_preview_states_what_one_record_is(store):
    digest = store.put_bytes(
        b"A long first line that is a whole record, more than fifty characters.\nShort.\n"
    )
    fields = {"name": "s", "digest": digest, "format": "", "sample_by": "LINE"}
    spec = {
        "source": fields | {"format": "TEXT_ARCHIVE"},
        "detect": True,
        "file_name": "a.txt",
        "record_count": 5,
        "record_key": "00" * 32,
    }
    result = preview(from_json(PreviewSpec, spec), store.url)
    assert result.format == Source.FORMAT_TEXT
    assert result.sample_by == Source.SAMPLE_BY_LINE
    assert (result.encoding, result.item_count, result.record_count, result.complete) == ("utf-8", 2, 1, True)
    assert dict(result.rejected_counts) == {"TOO_SHORT": 1}


@pytest.mark.skipif(not LICENSES.is_dir(), reason="the machine has no directory of licences")
@pytest.mark.parametrize("sample_by", PARTS)
def test_each_word_of_real_texts_is_read_once(store, sample_by):
    for path in sorted(LICENSES.iterdir()):
        data = path.read_bytes()
        read = texts(read_source(source(store, data, sample_by, encoding="utf-8"), store))
        assert " ".join(text for _, text in read).split() == data.decode("utf-8", errors="replace").split()
