"""Files that harm a reader: cells far away, very many columns, very long lines, archives that lead elsewhere.

Each is an item, a rejection or a named error, within the memory of any machine.
"""

import gzip
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.readers import Item, Limits, Rejection, SourceUnreadable
from services.ingestion.tests.integration.test_documents import read, workbook, zipped

COLUMNS = 100_000
OPEN_DOCUMENT = "urn:oasis:names:tc:opendocument:xmlns"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))


def outcome(store: ArtifactStore, data: bytes, format: Format, limits: Limits = Limits()) -> list[str]:  # noqa: B008
    """What becomes of each item; the reason alone where the source cannot be read."""
    try:
        entries = read(store, data, format, limits)
    except SourceUnreadable as error:
        return [error.reason]
    return [
        each.reason.value if isinstance(each, Rejection) else each.payload.decode()[:10] for each in entries
    ]


def with_cell(place: str) -> bytes:
    """A workbook whose second filled cell stands elsewhere."""
    row = place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    with zipfile.ZipFile(io.BytesIO(workbook({"A": [["text"], ["words"]]}))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    sheet = files["xl/worksheets/sheet1.xml"]
    sheet = sheet.replace(b'<row r="2">', f'<row r="{row}">'.encode()).replace(b'"A2"', f'"{place}"'.encode())
    return zipped(files | {"xl/worksheets/sheet1.xml": sheet})


def open_document(rows: str) -> bytes:
    names = " ".join(f'xmlns:{name}="{OPEN_DOCUMENT}:{name}:1.0"' for name in ("office", "table", "text"))
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    entry = f'<m:file-entry m:full-path="/" m:media-type="{kind}"/>'
    manifest = f'<m:manifest xmlns:m="{OPEN_DOCUMENT}:manifest:1.0">{entry}</m:manifest>'
    content = (
        f"<office:document-content {names}><office:body><office:spreadsheet>"
        f'<table:table table:name="A">{rows}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    return zipped({"mimetype": kind, "META-INF/manifest.xml": manifest, "content.xml": content})


def row(text: str, columns: int = 1, rows: int = 1) -> str:
    kind, cell = (' office:value-type="string"', f"<text:p>{text}</text:p>") if text else ("", "")
    return (
        f'<table:table-row table:number-rows-repeated="{rows}"><table:table-cell{kind} '
        f'table:number-columns-repeated="{columns}">{cell}</table:table-cell></table:table-row>'
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (with_cell("A5000"), ["words"]),
        (with_cell("XFD1048576"), ["SOURCE_TOO_LARGE"]),
        (open_document(row("text") + row("words") + row("", 16_384, 1_048_574)), ["words"]),
        (open_document(row("text") + row("words", 16_384, 1_048_574)), ["SOURCE_TOO_LARGE"]),
        (open_document(row("text") + row("words", 999_999_999)), ["SOURCE_TOO_LARGE"]),
    ],
    ids=[
        "far",
        "end of a sheet",
        "empty cells to the end",
        "filled cells to the end",
        "wider than any sheet",
    ],
)
def test_a_workbook_with_cells_far_away_is_read_or_refused_before_it_is_loaded(store, data, expected):
    assert outcome(store, data, Format.EXCEL) == expected


def test_a_binary_workbook_is_measured_by_its_records():
    from ratoon_ingestion.worker.readers.extents import _of_binary

    header = bytes([0, 4]) + (1_048_575).to_bytes(4, "little")
    cell = bytes([7, 8]) + (16_383).to_bytes(4, "little") + bytes(4)
    long = bytes([0x94, 0x01, 0x81, 0x01]) + bytes(129)
    assert _of_binary(long + header + cell) == (1_048_576, 16_384)
    assert _of_binary(header + cell[:4]) == (1_048_576, 0)


def wide_rows() -> list[tuple[Format, bytes]]:
    names = [f"c{number}" for number in range(COLUMNS)]
    line = ",".join(["words of a row", *("1" for _ in names)])
    csv = "\n".join([",".join(["text", *names]), line, line]).encode()
    rows = "\n".join([json.dumps({"text": "words", **dict.fromkeys(names, 1)})] * 2).encode()
    arrow, table = (
        io.BytesIO(),
        pa.table({"text": ["words"] * 2, **{name: [1, 1] for name in names[:20_000]}}),
    )
    with pa.ipc.new_file(arrow, table.schema) as writer:
        writer.write_table(table)
    return [(Format.CSV, csv), (Format.JSONL, rows), (Format.ARROW, arrow.getvalue())]


@pytest.mark.parametrize(("format", "data"), wide_rows(), ids=lambda value: str(value)[:5])
def test_a_hundred_thousand_columns_are_columns(store, format, data):
    assert [text[:5] for text in outcome(store, data, format)] == ["words", "words"]


@pytest.mark.thorough
def test_a_hundred_thousand_columns_of_parquet_are_columns(store):
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["words"], **{f"c{number}": [1] for number in range(COLUMNS)}}), sink)
    assert outcome(store, sink.getvalue(), Format.PARQUET) == ["words"]


LONG = {
    Format.TEXT: (b"", b"x", b"\nnext\n"),
    Format.CSV: (b"text,label\n", b"x", b",a\nnext,b\n"),
    Format.JSONL: (b'{"text": "', b"x", b'"}\n{"text": "next"}\n'),
    Format.MBOX: (
        b"From a@b Thu Jan  1 00:00:00 1970\n\n",
        b"x",
        b"\n\nFrom a@b Thu Jan  1 00:00:00 1970\n\nnext\n",
    ),
}


@pytest.mark.parametrize("format", LONG, ids=str)
def test_a_line_beyond_the_bound_is_one_rejection_and_the_next_is_read(store, format):
    before, fill, after = LONG[format]
    entries = outcome(store, before + fill * (9 << 20) + after, format)
    assert (entries[0], len(entries)) == ("TOO_LARGE", 2)
    assert entries[1] in ("next", "From a@b T")


@pytest.mark.thorough
@pytest.mark.parametrize("format", [Format.TEXT, Format.CSV, Format.JSONL])
def test_a_line_of_two_gigabytes_is_one_rejection(tmp_path: Path, format):
    """The file is written in pieces and read as a stream; zeros would be UTF-16, so that it is full of letters."""
    before, fill, after = LONG[format]
    path, piece = tmp_path / "long", fill * (16 << 20)
    with path.open("wb") as file:
        file.write(before)
        for _ in range(128):
            file.write(piece)
        file.write(after)
    store = ArtifactStore(str(tmp_path / "artifacts"))
    digest = store.put_file(path)
    path.unlink()
    from ratoon_ingestion.worker.readers import SourceSpec, read_source

    entries = list(read_source(SourceSpec("s", digest, format, encoding="utf-8"), store))
    assert [type(each) for each in entries] == [Rejection, Item]


def test_compressed_zeros_are_refused_whatever_holds_them(store):
    limits = Limits(ratio=20, ratio_floor=100_000)
    zeros = gzip.compress(bytes(9_000_000))
    for format in (Format.TEXT, Format.CSV, Format.JSONL, Format.WIKIPEDIA):
        assert outcome(store, zeros, format, limits)[0].isupper(), format
