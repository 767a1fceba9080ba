"""Documents, workbooks, Arrow files, web archives and dumps of wikis as sources, well-formed and hostile."""

import bz2
import datetime as dt
import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import docx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from ratoon.ingestion.v1.source_pb2 import Source
from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec, PreviewSpec
from ratoon.operations.job_messages import from_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import CurationConfig, Rejected
from ratoon_ingestion.domain.sources import Columns, Format, SampleBy
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.decoding import decoded
from ratoon_ingestion.worker.detect import detected
from ratoon_ingestion.worker.documents.pdf import rejoined
from ratoon_ingestion.worker.documents.wikitext import text_of_wikitext
from ratoon_ingestion.worker.preview import preview
from ratoon_ingestion.worker.readers import (
    Item,
    Kind,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
    read_source,
)
from ratoon_ingestion.worker.spec import read_spec
from ratoon_ingestion.worker.writers import write_source

SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))


def spec(store: ArtifactStore, data: bytes, format: Format, **fields) -> SourceSpec:
    return SourceSpec("the source", store.put_bytes(data), format, **{"archive_depth": 3, **fields})


def read(store: ArtifactStore, data: bytes, format: Format, limits: Limits = Limits(), **fields):  # noqa: B008
    return list(read_source(spec(store, data, format, **fields), store, limits))


def rejected(entries: Sequence[Item | Rejection]) -> dict[str, Rejected]:
    return {each.path: each.reason for each in entries if isinstance(each, Rejection)}


def texts(entries: Sequence[Item | Rejection]) -> dict[str, str]:
    return {
        each.path: decoded(each.kind, each.payload, each.path).text()
        for each in entries
        if isinstance(each, Item)
    }


def refusal(payload: bytes) -> tuple[str, str] | None:
    return decoded(Kind.DOCUMENT, payload).refused


def zipped(files: Mapping[str, bytes | str]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data, zipfile.ZIP_STORED if name == "mimetype" else None)
    return sink.getvalue()


def tarred(files: Mapping[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def pdf(pages: Sequence[Sequence[tuple[int, int, str]]], trailer: str = "") -> bytes:
    """A PDF whose pages hold texts at places."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for page in pages:
        drawn = "".join(f"BT /F1 10 Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ET\n" for x, y, text in page)
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}endstream")
        font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {len(objects)} 0 R "
            f"/Resources << /Font << /F1 {font} >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    return (
        out
        + f"trailer << /Size {len(objects) + 1} /Root 1 0 R {trailer}>>\nstartxref\n{start}\n%%EOF".encode()
    )


def word(*paragraphs: str, header: str = "", cells: Sequence[Sequence[str]] = ()) -> bytes:
    document = docx.Document()
    if header:
        document.sections[0].header.paragraphs[0].text = header
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if cells:
        table = document.add_table(len(cells), len(cells[0]))
        for row, values in zip(table.rows, cells, strict=True):
            for cell, value in zip(row.cells, values, strict=True):
                cell.text = value
    sink = io.BytesIO()
    document.save(sink)
    return sink.getvalue()


CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)


def epub(chapters: Mapping[str, str], spine: Sequence[str], extra: Mapping[str, str] = {}) -> bytes:
    items = "".join(
        f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>' for name in chapters
    )
    order = "".join(f'<itemref idref="{name}"/>' for name in spine)
    package = f'<package xmlns="http://www.idpf.org/2007/opf"><manifest>{items}</manifest><spine>{order}</spine></package>'
    pages = {
        f"OEBPS/{name}.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><body><p>{text}</p></body></html>'
        for name, text in chapters.items()
    }
    names = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": package,
    }
    return zipped({**names, **pages, **extra})


Cell = str | float | bool | None | tuple[float, int]


def workbook(sheets: Mapping[str, Sequence[Sequence[Cell]]], hidden: str = "") -> bytes:
    """A workbook as Excel writes it; a pair is a date by its serial number and the style 1 (date) or 2 (time)."""
    kinds = "".join(
        f'<Override PartName="/xl/worksheets/sheet{each}.xml" ContentType="{SHEET_TYPE}.worksheet+xml"/>'
        for each in range(1, len(sheets) + 1)
    )
    links = "".join(
        f'<Relationship Id="r{each}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{each}.xml"/>'
        for each in range(1, len(sheets) + 1)
    )
    states = {hidden: 'state="hidden"'}
    names = "".join(
        f'<sheet name="{name}" sheetId="{each}" r:id="r{each}" {states.get(name, "")}/>'
        for each, name in enumerate(sheets, 1)
    )
    files = {
        "[Content_Types].xml": f'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{SHEET_TYPE}.sheet.main+xml"/>{kinds}'
        f'<Override PartName="/xl/styles.xml" ContentType="{SHEET_TYPE}.styles+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r" Type="{OFFICE}/officeDocument" '
        f'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{names}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}">{links}'
        f'<Relationship Id="s" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14"/>'
        f'<xf numFmtId="22"/></cellXfs></styleSheet>',
    }
    for number, rows in enumerate(sheets.values(), 1):
        data = "".join(f'<row r="{row}">{_cells(cells, row)}</row>' for row, cells in enumerate(rows, 1))
        files[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{MAIN}"><sheetData>{data}</sheetData></worksheet>'
        )
    return zipped(files)


def _cells(cells: Sequence[Cell], row: int) -> str:
    return "".join(_cell(value, f"{chr(65 + place)}{row}") for place, value in enumerate(cells))


def _cell(value: Cell, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, tuple):
        return f'<c r="{place}" s="{value[1]}"><v>{value[0]}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


HTML = b"<html><body><p>" + b"A sentence of the page. " * 10 + b"</p></body></html>"


def warc(records: Sequence[tuple[str, bytes, str, str]], compressed: bool = True) -> list[bytes]:
    """Web archive of records (type, content, content type, status) as warcio writes them, one piece each."""
    pieces = []
    for number, (kind, content, content_type, status) in enumerate(records, 1):
        sink = io.BytesIO()
        writer = WARCWriter(sink, gzip=compressed)
        headers = None
        if kind in ("response", "revisit"):
            headers = StatusAndHeaders(status, [("Content-Type", content_type)], protocol="HTTP/1.1")
        record = writer.create_warc_record(
            f"https://example.org/{number}",
            kind,
            payload=io.BytesIO(content),
            http_headers=headers,
            warc_content_type="" if headers else content_type,
            warc_headers_dict={"WARC-Date": "2024-05-01T12:00:00Z"},
        )
        writer.write_record(record)
        record.raw_stream.close()
        pieces.append(sink.getvalue())
    return pieces


PAGE = ("response", HTML, "text/html; charset=utf-8", "200 OK")


class TestPdf:
    def test_pages_are_text_in_their_order(self, store):
        data = pdf([[(50, 700, "The first page")], [(50, 700, "The second page")]])
        [item] = read(store, data, Format.DOCUMENT)
        source = decoded(item.kind, item.payload)
        assert source.text() == "The first page\n\nThe second page"
        assert source.attributes == {"pages": "2"}

    def test_d11_two_columns_are_read_one_after_the_other(self):
        rows = [
            line
            for n in range(1, 11)
            for line in ((50, 700 - 12 * n, f"Left {n}"), (320, 700 - 12 * n, f"Right {n}"))
        ]
        text = decoded(
            Kind.DOCUMENT,
            pdf([[(50, 730, "A title that goes over both of the two columns of the page"), *rows]]),
        ).text()
        assert text.split("\n")[1:] == [f"Left {n}" for n in range(1, 11)] + [
            f"Right {n}" for n in range(1, 11)
        ]

    def test_d13_a_scan_is_a_rejection_that_says_so(self):
        assert refusal(pdf([[], []])) == ("NO_TEXT", "none of its 2 pages has text: a scan?")
        mixed = decoded(Kind.DOCUMENT, pdf([[(50, 700, "words")], [], [(50, 700, "more")]]))
        assert mixed.text() == "words\n\nmore"
        assert mixed.attributes == {"pages": "3", "pages_without_text": "1"}

    def test_d12_words_that_a_line_end_divides_are_whole_and_compounds_keep_their_hyphen(self):
        assert rejoined(["informa-\ntion of a long-\nterm plan", "a long-term plan", "Po\u00ad\nlitik"]) == [
            "information of a long-term plan",
            "a long-term plan",
            "Politik",
        ]

    @pytest.mark.parametrize("cut", [9, 40, 200])
    def test_a_truncated_file_is_a_rejection(self, cut):
        reason = refusal(pdf([[(50, 700, "words")]])[:cut] + b"\nxref")
        assert reason is not None and reason[0] in ("DAMAGED_MEMBER", "NO_TEXT")


class TestPages:
    """A source of which each page of a document is one record."""

    def read(self, store, data: bytes, format: Format = Format.DOCUMENT):
        return read(store, data, format, sample_by=SampleBy.PAGE)

    def test_d13_each_page_is_an_item_and_one_without_text_is_a_rejection(self, store):
        entries = self.read(store, pdf([[(50, 700, "First page")], [], [(50, 700, "Third page")]]))
        assert texts(entries) == {"document#page=1": "First page", "document#page=3": "Third page"}
        assert dict(entries[2].attributes) == {"page": "3", "pages": "3"}
        [scan] = [each for each in entries if isinstance(each, Rejection)]
        assert (scan.path, scan.reason) == ("document#page=2", Rejected.NO_TEXT)
        assert scan.detail == "page 2 of 3 has no text: a scan?"

    def test_chapters_of_a_book_are_pages_and_other_documents_stay_whole(self, store):
        files = {
            "a/book.epub": epub({"one": "The first.", "two": "The second."}, ["two", "one"]),
            "b/letter.docx": word("A letter."),
            "b/plain.txt": b"Plain text.",
            "b/locked.pdf": b"%PDF-1.4\nxref",
        }
        entries = self.read(store, zipped(files), Format.TEXT_ARCHIVE)
        assert texts(entries) == {
            "a/book.epub#page=1": "The second.",
            "a/book.epub#page=2": "The first.",
            "b/letter.docx": "A letter.",
            "b/plain.txt": "Plain text.",
        }
        assert [each.label for each in entries if isinstance(each, Item)] == ["a", "a", "b", "b"]
        assert rejected(entries) == {"b/locked.pdf": Rejected.DAMAGED_MEMBER}

    @pytest.mark.parametrize("format", [Format.DOCUMENT, Format.TEXT_ARCHIVE])
    def test_what_an_erasure_leaves_of_pages_is_read_as_before(self, store, tmp_path: Path, format):
        data = pdf([[(50, 700, "First page")], [(50, 700, "Second page")]])
        data = zipped({"label/a.pdf": data}) if format is Format.TEXT_ARCHIVE else data
        source = spec(store, data, format, sample_by=SampleBy.PAGE)
        items = [each for each in read_source(source, store) if isinstance(each, Item)]
        write_source(source, items[1:], tmp_path / "left")
        [left] = self.read(store, (tmp_path / "left").read_bytes(), format)
        assert left == items[1]


class TestOffice:
    def test_a_docx_has_its_header_paragraphs_and_tables_once(self, store):
        data = word("First.", "Second.", header="Letterhead", cells=[["a", "b"], ["c", "d"]])
        assert texts(read(store, data, Format.DOCUMENT)) == {
            "document": "Letterhead\nFirst.\nSecond.\na\tb\nc\td"
        }

    def test_a_docx_without_text_and_a_truncated_one_are_rejections(self):
        assert refusal(word()) == ("NO_TEXT", "the DOCX file has no text")
        assert refusal(word("words")[:-300])[0] == "DAMAGED_MEMBER"

    def test_a_docx_that_is_a_bomb_is_a_rejection(self):
        bomb = zipped({"[Content_Types].xml": b"<x/>", "word/document.xml": b"\x00" * 30_000_000})
        assert refusal(bomb)[0] == "COMPRESSION_RATIO"

    def test_a_file_with_a_password_is_named(self, store):
        locked = OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600)
        assert refusal(locked) == ("ENCRYPTED", "an office document with a password: save it without one")
        with pytest.raises(SourceUnreadable, match="has a password"):
            read(store, locked, Format.EXCEL)

    def test_an_epub_is_read_in_the_order_of_its_spine(self, store):
        book = epub({"one": "The first.", "two": "The second."}, ["two", "one"])
        assert texts(read(store, book, Format.DOCUMENT)) == {"document": "The second.\n\nThe first."}

    def test_an_epub_with_copy_protection_or_without_a_chapter_is_a_rejection(self):
        cipher = '<encryption><CipherReference URI="OEBPS/one.xhtml"/></encryption>'
        assert refusal(epub({"one": "x"}, ["one"], {"META-INF/encryption.xml": cipher}))[0] == "ENCRYPTED"
        assert refusal(epub({"one": ""}, ["one"]))[0] == "NO_TEXT"

    def test_entities_of_xml_are_not_resolved(self):
        entity = '<!DOCTYPE c [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        hostile = f'{entity}<container><rootfile full-path="&e;"/></container>'
        data = zipped({"mimetype": "application/epub+zip", "META-INF/container.xml": hostile})
        assert refusal(data)[0] == "DAMAGED_MEMBER"


class TestMarkdown:
    @pytest.mark.parametrize(
        ("data", "text"),
        [
            ("---\ntitle: T\ntags:\n  - a\n---\n# Head\nText", "# Head\nText"),
            ('+++\ntitle = "T"\n+++\nText', "Text"),
            ("---\n\nA rule, no front matter.\n\n---\nText", "---\n\nA rule, no front matter.\n\n---\nText"),
            ("Text\n---\nmore", "Text\n---\nmore"),
        ],
    )
    def test_front_matter_is_left_out(self, store, data, text):
        assert texts(read(store, data.encode(), Format.DOCUMENT)) == {"document": text}


class TestTables:
    def test_sheets_dates_booleans_and_numbers(self, store):
        data = workbook(
            {
                "Tickets": [
                    ["text", "label", "when", "mixed"],
                    ["first", 1, (45047, 1), 1],
                    ["second", 2.5, (45047.5, 2), "abc"],
                    [None, None, None, None],
                    ["third", None, None, (45047, 1)],
                ],
                "Flags": [["text", "label", "when", "mixed"], ["fourth", True, None, None]],
                "Notes": [["remarks"], ["no table"]],
                "Secret": [["text"], ["hidden"]],
            },
            hidden="Secret",
        )
        columns = Columns(time="when", attributes=("mixed",), named=("text", "time"))
        entries = read(store, data, Format.EXCEL, columns=columns)
        items = [each for each in entries if isinstance(each, Item)]
        assert [(each.path, each.payload.decode(), each.label) for each in items] == [
            ("Tickets/row-2", "first", "1"),
            ("Tickets/row-3", "second", "2.5"),
            ("Tickets/row-5", "third", None),
            ("Flags/row-2", "fourth", "true"),
        ]
        assert items[1].time == dt.datetime(2023, 5, 1, 12, tzinfo=dt.UTC)
        assert [dict(each.attributes) for each in items] == [
            {"sheet": "Tickets", "mixed": "1"},
            {"sheet": "Tickets", "mixed": "abc"},
            {"sheet": "Tickets", "mixed": "2023-05-01T00:00:00"},
            {"sheet": "Flags"},
        ]
        assert rejected(entries) == {"Notes": Rejected.BAD_ROW, "Secret": Rejected.BAD_ROW}

    def test_a_workbook_without_the_column_or_damaged_is_an_error(self, store):
        with pytest.raises(SourceUnreadable, match="no column 'text'"):
            read(store, workbook({"A": [["body"], ["x"]]}), Format.EXCEL)
        with pytest.raises(SourceUnreadable) as damaged:
            read(store, workbook({"A": [["text"], ["x"]]})[:700], Format.EXCEL)
        assert damaged.value.reason == "WORKBOOK_DAMAGED"

    @pytest.mark.parametrize("stream", [False, True])
    def test_arrow_files_and_streams(self, store, stream):
        table = pa.table(
            {
                "other": pa.array([["x"], ["y"]]),
                "text": pa.array(["first", "second"]).dictionary_encode(),
                "label": pa.array([1.0, None]),
            }
        )
        sink = io.BytesIO()
        opened = pa.ipc.new_stream if stream else pa.ipc.new_file
        with opened(sink, table.schema) as writer:
            writer.write_table(table)
        data = sink.getvalue()
        assert detected(io.BytesIO(data), "x") is Format.ARROW
        items = read(store, data, Format.ARROW)
        assert [(each.path, each.payload.decode(), each.label) for each in items] == [
            ("row-1", "first", "1"),
            ("row-2", "second", None),
        ]
        with pytest.raises(SourceUnreadable) as damaged:
            read(store, data[: len(data) // 2], Format.ARROW)
        assert damaged.value.reason == "ARROW_DAMAGED"


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # temporary files of warcio's writer
class TestWebArchives:
    @pytest.mark.parametrize("compressed", [True, False])
    def test_pages_and_texts_are_read_and_the_rest_is_counted(self, store, compressed):
        records = [
            PAGE,
            ("response", "<meta charset=gbk><p>中文网页".encode("gbk") * 9, "text/html", "200 OK"),
            ("response", HTML, "text/html", "404 Not Found"),
            ("response", b"\x89PNG\r\n\x1a\n\x00\x00", "text/html", "200 OK"),
            ("response", b"{}", "application/json", "200 OK"),
            ("revisit", b"", "text/html", "200 OK"),
            ("request", b"GET / HTTP/1.1\r\n\r\n", "application/http; msgtype=request", ""),
            ("conversion", "The text of a page, 网页".encode(), "text/plain", ""),
        ]
        data = b"".join(warc(records, compressed))
        assert detected(io.BytesIO(data), "x") is Format.WARC
        entries = read(store, data, Format.WARC)
        assert rejected(entries) == {
            "record-3": Rejected.HTTP_STATUS,
            "record-4": Rejected.NOT_TEXT,
            "record-5": Rejected.NOT_TEXT,
            "record-6": Rejected.REVISIT,
        }
        pages = texts(entries)
        assert pages["record-2"].startswith("中文网页")
        assert pages["record-8"] == "The text of a page, 网页"
        [first] = [each for each in entries if each.path == "record-1"]
        assert dict(first.attributes) == {"url": "https://example.org/1"}
        assert first.time == dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)

    def test_d15_a_cut_file_has_one_rejection_and_keeps_what_is_whole(self, store):
        for compressed in (True, False):
            pieces = warc([PAGE] * 5, compressed)
            entries = read(store, b"".join(pieces)[:-120], Format.WARC)
            assert rejected(entries) == {"record-5": Rejected.DAMAGED_MEMBER}
            assert len(texts(entries)) == 4

    def test_d15_all_records_in_one_gzip_member(self, store):
        data = gzip.compress(b"".join(warc([PAGE] * 5, compressed=False)))
        assert len(texts(read(store, data, Format.WARC))) == 5

    def test_d15_a_damaged_record_is_one_rejection_and_those_after_it_are_read(self, store):
        pieces = warc([PAGE] * 5)
        pieces[2] = pieces[2][:-8] + b"\x00\x00\x00\x00" + pieces[2][-4:]
        entries = read(store, b"".join(pieces), Format.WARC)
        assert rejected(entries) == {"record-3": Rejected.DAMAGED_MEMBER}
        assert len(texts(entries)) == 4
        plain = warc([PAGE] * 5, compressed=False)
        plain[2] = plain[2].replace(b"Content-Length: ", b"Content-Lengthx", 2)[:200]
        entries = read(store, b"".join(plain), Format.WARC)
        assert len(texts(entries)) >= 3
        assert Rejected.DAMAGED_MEMBER in rejected(entries).values()

    def test_what_is_no_web_archive_and_a_bomb_are_named(self, store):
        with pytest.raises(SourceUnreadable, match="no WARC"):
            read(store, b"words", Format.WARC)
        bomb = gzip.compress(b"WARC/1.0\r\nContent-Length: 9000000\r\n\r\n" + b"\x00" * 9_000_000)
        with pytest.raises(SourceUnreadable, match="bomb"):
            read(store, bomb, Format.WARC, Limits(ratio=20, ratio_floor=100_000))


def dump(*pages: str) -> bytes:
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/"><siteinfo><sitename>W</sitename></siteinfo>'
        + "".join(f"<page>{page}</page>" for page in pages)
        + "</mediawiki>"
    ).encode()


def page(number: int, text: str, ns: int = 0, more: str = "") -> str:
    return (
        f"<title>Title {number}</title><ns>{ns}</ns><id>{number}</id>{more}<revision><id>99</id>"
        f"<timestamp>2024-05-01T12:00:00Z</timestamp><model>wikitext</model><text>{text}</text></revision>"
    )


class TestWikipedia:
    @pytest.mark.parametrize("pack", [bytes, bz2.compress, gzip.compress])
    def test_articles_are_read_and_the_rest_is_counted(self, store, pack):
        data = pack(
            dump(
                page(1, "'''Earth''' is a [[planet|world]].{{Infobox}}&lt;ref&gt;A book&lt;/ref&gt;"),
                page(2, "#REDIRECT [[Earth]]", more='<redirect title="Earth"/>'),
                page(3, "Discussion", ns=1),
                page(4, "[[File:a.png|thumb|A [[link]] in a caption]]Second text.\n[[Category:Planets]]"),
            )
        )
        assert detected(io.BytesIO(data), "x") is Format.WIKIPEDIA
        entries = read(store, data, Format.WIKIPEDIA)
        assert texts(entries) == {"page-1": "Earth is a world.", "page-4": "Second text."}
        assert {each.detail for each in entries if isinstance(each, Rejection)} == {
            "1 redirects left out",
            "1 pages of other namespaces left out",
        }
        assert dict(entries[0].attributes) == {"title": "Title 1"}

    def test_a_cut_or_hostile_dump_is_a_named_error(self, store):
        whole = dump(*(page(n, "text") for n in range(9)))
        for data in (whole[:-40], bz2.compress(whole)[:-20]):
            with pytest.raises(SourceUnreadable) as damaged:
                read(store, data, Format.WIKIPEDIA)
            assert damaged.value.reason in ("DUMP_DAMAGED", "ARCHIVE_DAMAGED")
        laughs = b'<!DOCTYPE m [<!ENTITY a "ha">]><mediawiki>&a;</mediawiki>'
        with pytest.raises(SourceUnreadable, match="entities"):
            read(store, laughs, Format.WIKIPEDIA)

    def test_a_text_beyond_the_bound_is_one_rejection(self, store):
        data = dump(page(1, "x" * 5_000), page(2, "a short text"))
        entries = read(store, data, Format.WIKIPEDIA, Limits(item_bytes=1_000))
        assert rejected(entries) == {"page-1": Rejected.TOO_LARGE}
        assert texts(entries) == {"page-2": "a short text"}

    @pytest.mark.parametrize("unit", ["{|\n", "<ref>a ", "[[", "{{", "<div>"])
    def test_very_many_parts_without_an_end_are_no_work_without_end(self, unit):
        assert "words" in text_of_wikitext("words " + unit * 50_000)

    def test_references_go_and_one_without_an_end_stays(self):
        markup = "a<ref name=x/>b<REF>one</ref >c<math>x<ref>y</ref></math>d<ref>last"
        assert text_of_wikitext(markup) == "abcd<ref>last"

    def test_tables_and_unclosed_markup_leave_text(self):
        table = "Before.\n{| class=x\n|-\n| a || b\n{|\n| inner\n|}\n|}\nAfter."
        assert text_of_wikitext(table) == "Before.\n\nAfter."
        assert "words" in text_of_wikitext("words {{open [[link <ref>x")


class TestArchives:
    def test_documents_in_archives_are_texts_with_the_label_of_their_folder(self, store):
        files = {
            "box/a/one.pdf": pdf([[(50, 700, "Words of the PDF")]]),
            "box/b/two.docx": word("Words of the DOCX"),
            "box/b/three.md": b"---\ntitle: x\n---\nWords of the Markdown",
        }
        entries = read(store, zipped(files), Format.TEXT_ARCHIVE)
        assert texts(entries) == {
            "box/a/one.pdf": "Words of the PDF",
            "box/b/two.docx": "Words of the DOCX",
            "box/b/three.md": "Words of the Markdown",
        }
        assert [each.label for each in entries] == ["a", "b", "b"]

    def test_archives_within_archives_are_read_to_their_depth(self, store):
        inner = zipped({"x/a.txt": b"deepest"})
        data = tarred(
            {
                "ham.zip": zipped(
                    {"1.txt": b"first", "more.tar.gz": gzip.compress(tarred({"in.zip": inner}))}
                ),
                "spam/2.txt.gz": gzip.compress(b"second"),
                "spam/broken.zip": zipped({"a": b"b"})[:-10],
            }
        )
        entries = read(store, data, Format.TEXT_ARCHIVE)
        assert texts(entries) == {
            "ham.zip/1.txt": "first",
            "ham.zip/more.tar.gz/in.zip/x/a.txt": "deepest",
            "spam/2.txt.gz": "second",
        }
        assert [each.label for each in entries if isinstance(each, Item)] == ["ham", "x", "spam"]
        assert rejected(entries) == {"spam/broken.zip": Rejected.DAMAGED_MEMBER}
        shallow = read(store, data, Format.TEXT_ARCHIVE, archive_depth=2)
        assert rejected(shallow)["ham.zip/more.tar.gz/in.zip"] is Rejected.NESTED_ARCHIVE

    def test_names_in_gbk_within_a_nested_archive(self, store):
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w") as archive:
            archive.writestr("XXXX/YYYY.txt", "中文".encode())
        raw = sink.getvalue().replace(b"XXXX", "好评".encode("gbk")).replace(b"YYYY", "文本".encode("gbk"))
        entries = read(store, zipped({"in.zip": raw}), Format.TEXT_ARCHIVE)
        assert [(each.path, each.label) for each in entries] == [("in.zip/好评/文本.txt", "好评")]

    def test_bombs_within_archives_stay_within_the_bounds(self, store):
        ratio = Limits(item_bytes=1_000, ratio=20, ratio_floor=20_000)
        packed = gzip.compress(tarred({"zeros": bytes(5_000_000)}))
        entries = read(store, tarred({"bomb.tar.gz": packed, "good": b"text"}), Format.TEXT_ARCHIVE, ratio)
        assert rejected(entries)["bomb.tar.gz"] is Rejected.COMPRESSION_RATIO
        assert set(texts(entries)) == {"good"}
        level = zipped({f"{n}.txt": bytes([n]) * 900 for n in range(65, 85)})
        nested = tarred({f"{n}.zip": level for n in range(20)})
        with pytest.raises(SourceUnreadable, match="more than 300,000 bytes"):
            read(store, nested, Format.TEXT_ARCHIVE, Limits(total_bytes=300_000))
        with pytest.raises(SourceUnreadable, match="more than 100 members"):
            read(store, nested, Format.TEXT_ARCHIVE, Limits(members=100))


WHOLE = {
    Format.DOCUMENT: [pdf([[(50, 700, "words")]]), word("words"), epub({"one": "words"}, ["one"])],
    Format.EXCEL: [workbook({"A": [["text"], ["words"]]})],
    Format.WARC: [b"".join(warc([PAGE] * 3)), b"".join(warc([PAGE] * 3, compressed=False))],
    Format.WIKIPEDIA: [dump(page(1, "words")), bz2.compress(dump(page(1, "words")))],
    Format.TEXT_ARCHIVE: [zipped({"a.zip": zipped({"b.pdf": pdf([[(50, 700, "words")]])})})],
}
SAMPLES = [(format, data) for format, each in WHOLE.items() for data in each]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sample=st.sampled_from(SAMPLES),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), max_size=6),
)
def test_truncated_and_flipped_bytes_are_items_rejections_or_named_errors(store, sample, cut, flips):
    format, whole = sample
    data = bytearray(whole if flips and cut > 0.5 else whole[: int(len(whole) * cut)])
    for place, value in flips:
        if data:
            data[int(len(data) * place)] ^= value
    try:
        entries = read(store, bytes(data), format)
    except SourceUnreadable as error:
        assert error.reason.isupper()
        return
    for entry in entries:
        if isinstance(entry, Item):
            source = decoded(entry.kind, entry.payload, entry.path)
            assert source.refused or isinstance(source.text(), str)


@pytest.mark.parametrize(("format", "data"), SAMPLES)
def test_what_an_erasure_leaves_is_read_as_before(store, tmp_path: Path, format, data):
    source = spec(store, data, format)
    items = [each for each in read_source(source, store) if isinstance(each, Item)]
    write_source(source, items, tmp_path / "left")
    again = read(store, (tmp_path / "left").read_bytes(), format)
    assert [(each.path, each.label, dict(each.attributes)) for each in again] == [
        (each.path, each.label, dict(each.attributes)) for each in items
    ]
    assert texts(again) == texts(items)


STORY = "A sentence about the harbour and the lantern of the orchard near the library. "


def curation(store: ArtifactStore, data: bytes, format: Format) -> CurationSpec:
    source = {"name": "projects/p/sources/s", "digest": store.put_bytes(data), "format": format.value}
    return read_spec(
        CurationSpec,
        {
            "version": "projects/p/datasets/d/versions/v1",
            "sources": [{**source, "archive_depth": 3}],
            "curation": CurationConfig(near_duplicate_threshold=0).stated(),
            "record_key": "ab" * 32,
            "processes": 1,
        },
    )


def test_a_version_of_documents_has_balanced_books(store, tmp_path: Path):
    files = {
        "good/a.pdf": pdf([[(50, 700 - 12 * n, f"{STORY}Line {n}.") for n in range(5)]]),
        "good/scan.pdf": pdf([[]]),
        "bad/b.docx": word(STORY + "This is a letter."),
        "bad/c.zip": zipped({"d.epub": epub({"one": STORY + "This is a book."}, ["one"])}),
        "bad/locked.docx": OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
    }
    result = curate(
        curation(store, zipped(files), Format.TEXT_ARCHIVE), store, tmp_path, lambda *_, **__: None
    )
    assert (result.items, result.records, result.rejected) == (5, 3, 2)
    tree = {file.path: file.sha256 for file in store.tree(result.artifact_digest)}
    records = pq.read_table(store.open(tree["records-00000.parquet"])).to_pylist()
    labels = {row["source_path"]: row["source_label"] for row in records}
    assert labels == {"good/a.pdf": "good", "bad/b.docx": "bad", "bad/c.zip/d.epub": "c"}
    [first] = [row for row in records if row["source_path"] == "good/a.pdf"]
    assert "pdf" in first["steps"]
    assert dict(first["attributes"])["pages"] == "1"
    rejections = pq.read_table(store.open(tree["rejected.parquet"])).to_pylist()
    assert {(row["source_path"], row["reason"]) for row in rejections} == {
        ("good/scan.pdf", "NO_TEXT"),
        ("bad/locked.docx", "ENCRYPTED"),
    }


@pytest.mark.parametrize(
    ("name", "data", "format", "columns"),
    [
        ("a.pdf", pdf([[(50, 700, STORY)]]), Source.FORMAT_DOCUMENT, []),
        ("a.docx", word(STORY), Source.FORMAT_DOCUMENT, []),
        ("a.epub", epub({"one": STORY}, ["one"]), Source.FORMAT_DOCUMENT, []),
        ("a.md", STORY.encode(), Source.FORMAT_DOCUMENT, []),
        ("a.xlsx", workbook({"A": [["text", "more"], [STORY, 1]]}), Source.FORMAT_EXCEL, ["text", "more"]),
        ("a.warc.gz", warc([PAGE])[0], Source.FORMAT_WARC, []),
        ("a.xml.bz2", bz2.compress(dump(page(1, STORY))), Source.FORMAT_WIKIPEDIA, []),
    ],
)
def test_a_preview_detects_the_format_and_shows_the_text(store, name, data, format, columns):
    spec = {
        "source": {
            "name": "s",
            "digest": store.put_bytes(data),
            "format": "TEXT_ARCHIVE",
            "archive_depth": 3,
        },
        "detect": True,
        "file_name": name,
        "record_count": 5,
        "record_key": "00" * 32,
    }
    result = preview(from_json(PreviewSpec, spec), store.url)
    assert (result.format, list(result.columns), result.problem) == (format, columns, "")
    assert "sentence" in result.records[0].text


def test_a_preview_of_a_scan_says_that_it_has_no_text(store):
    spec = {
        "source": {"name": "s", "digest": store.put_bytes(pdf([[]])), "format": "DOCUMENT"},
        "file_name": "scan.pdf",
        "record_count": 5,
        "record_key": "00" * 32,
    }
    result = preview(from_json(PreviewSpec, spec), store.url)
    assert result.problem_reason == "NO_RECORDS"
    assert "a scan?" in result.problem
