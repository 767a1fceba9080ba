"""Situations that users of other tools report about files: PDF, web archives, charsets, duplicates of cut pages.

Each test is named by the situation and holds the smallest input that shows it.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, NameObject
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.decoding import Source, decoded
from ratoon_ingestion.worker.readers import Item, Kind
from services.ingestion.tests.integration.test_documents import curation, pdf, read

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SENTENCE = "The ferry to the northern islands leaves every morning at eight from the old stone pier. "


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))


def glyphs(text: str, names: Mapping[str, str]) -> Source:
    """A PDF that draws a text with a font whose map gives other characters for some of its glyphs."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf([[(50, 700, text)]]))))
    lines = "".join(
        f"<{ord(drawn):02X}> <{name.encode('utf-16-be').hex()}>\n" for drawn, name in names.items()
    )
    cmap = DecodedStreamObject()
    cmap.set_data(
        b"/CIDInit /ProcSet findresource begin begincmap\n1 begincodespacerange <00> <FF> endcodespacerange\n"
        + f"{len(names)} beginbfchar\n{lines}endbfchar\nendcmap end".encode()
    )
    font = writer.pages[0]["/Resources"]["/Font"]["/F1"]
    font[NameObject("/ToUnicode")] = writer._add_object(cmap)
    return decoded(Kind.DOCUMENT, written(writer))


def written(writer: PdfWriter) -> bytes:
    sink = io.BytesIO()
    writer.write(sink)
    return sink.getvalue()


def locked(user: str, algorithm: str) -> Source:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf([[(50, 700, "The words of a page")], []]))))
    writer.encrypt(user, "owner", permissions_flag=0, algorithm=algorithm)  # type: ignore[arg-type]
    return decoded(Kind.DOCUMENT, written(writer))


def test_d12_ligatures_are_letters():
    source = glyphs("o!ce a#ects tra!c", {"!": "\ufb03", "#": "\ufb00"})
    assert (source.text(), dict(source.attributes)) == ("office affects traffic", {"pages": "1"})


def test_d12_glyphs_without_a_character_are_flagged():
    source = glyphs("o!ce a#ects tra!c", {"!": "\x00", "#": "\ue001"})
    assert "\x00" not in source.text() and "ects tra" in source.text()
    assert source.attributes["unmapped_characters"] == "3"


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_d13_a_pdf_that_opens_without_a_password_is_read_and_a_locked_one_is_refused(algorithm):
    opened = locked("", algorithm)
    assert (opened.refused, opened.text()) == (None, "The words of a page")
    assert opened.attributes["pages_without_text"] == "1"
    assert locked("secret", algorithm).refused == (
        "ENCRYPTED",
        "the PDF needs a password: save it without one",
    )


def page(
    url: str, body: bytes, kind: str = "text/html", more: Mapping[str, str] = {}, length: int | None = None
) -> bytes:
    sink = io.BytesIO()
    writer = WARCWriter(sink, gzip=True)
    headers = [("Content-Type", kind), ("Content-Length", str(len(body) if length is None else length))]
    record = writer.create_warc_record(
        url,
        "response",
        payload=io.BytesIO(body),
        http_headers=StatusAndHeaders("200 OK", headers, protocol="HTTP/1.1"),
        warc_headers_dict={"WARC-Date": "2024-05-01T12:00:00Z", **more},
    )
    writer.write_record(record)
    record.raw_stream.close()
    return sink.getvalue()


def test_d15_a_page_that_the_crawler_cut_is_never_the_copy_that_stays(store, tmp_path: Path):
    sentences = "".join(f"{SENTENCE} Number {n} waits for all of them. " for n in range(60))
    whole = f"<html><body><p>{sentences}</p></body></html>".encode()
    pages = [
        page(f"https://example.org/{n}", whole[:-400], more={"WARC-Truncated": "time"}, length=50_000)
        for n in (1, 2)
    ]
    data = b"".join([pages[0], page("https://example.org/3", whole), pages[1]])
    entries = read(store, data, Format.WARC)
    assert [dict(each.attributes).get("truncated") for each in entries if isinstance(each, Item)] == [
        "time",
        None,
        "time",
    ]
    spec = curation(store, data, Format.WARC)
    spec.curation.near_duplicate_threshold = 0.8
    result = curate(spec, store, tmp_path, lambda *_, **__: None)
    assert (result.items, result.records, result.rejected) == (3, 1, 2)
    tree = {file.path: file.sha256 for file in store.tree(result.artifact_digest)}
    [stays] = pq.read_table(store.open(tree["records-00000.parquet"])).to_pylist()
    assert stays["source_path"] == "record-2"
    reasons = pq.read_table(store.open(tree["rejected.parquet"])).column("reason").to_pylist()
    assert sorted(reasons) == ["EXACT_DUPLICATE", "NEAR_DUPLICATE"]


def html(text: str, meta: str = "") -> str:
    return f"<html><head>{meta}</head><body><p>{text}</p></body></html>"


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (html("Käse für Köln", "<meta charset=iso-8859-1>").encode("latin-1"), "text/html", "Käse für Köln"),
        (
            html("Käse – Köln", "<meta charset=utf-8>").encode("cp1252"),
            "text/html; charset=windows-1252",
            "Käse – Köln",
        ),
        (html("中文", '<meta content="charset=gbk">').encode("gbk"), "text/html", "中文"),
        (b"\xef\xbb\xbf" + html("Köln 中文").encode(), "text/html; charset=latin-1", "Köln 中文"),
        (html("plain words").encode(), "text/html", "plain words"),
        (html("Käse für Köln").encode(), "text/html; charset=nonsense", "Käse für Köln"),
    ],
)
def test_d16_the_charset_of_a_page_is_mark_then_header_then_page(store, body, kind, text):
    [item] = read(store, page("https://example.org/", body, kind), Format.WARC)
    assert isinstance(item, Item)
    assert decoded(item.kind, item.payload).text() == text


def test_d16_a_charset_that_the_bytes_contradict_is_guessed_and_named(store):
    body = html("Käse für Köln, and more words.").encode("latin-1")
    [item] = read(store, page("https://example.org/", body, "text/html; charset=utf-8"), Format.WARC)
    assert isinstance(item, Item)
    assert decoded(item.kind, item.payload).text() == "Käse für Köln, and more words."
    assert item.attributes["charset"] == "cp1252"


def test_d16_characters_that_could_not_be_decoded_are_counted(store):
    body = html("我们去看海" * 20).encode("gbk").replace("看".encode("gbk"), b"\xbf\x20", 2)
    [item] = read(store, page("https://example.org/", body, "text/html; charset=gbk"), Format.WARC)
    assert isinstance(item, Item)
    assert "characters_replaced:2" in decoded(item.kind, item.payload).steps
