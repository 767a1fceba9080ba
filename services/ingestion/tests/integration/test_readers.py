"""Readers on real blobs of an artifact store, well made and hostile."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.chassis.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import Columns, Format
from ratoon_ingestion.worker.markup import text_of
from ratoon_ingestion.worker.readers import Item, Kind, Limits, SourceSpec, SourceUnreadable, read_source

FILES = {"box/ham/1": b"Subject: a\n\nfirst", "box/ham/2": b"Subject: b\n\nsecond", "box/spam/3": b"third"}
SMALL = Limits(item_bytes=1000, members=10, total_bytes=100_000, ratio=20, ratio_floor=20_000)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def tarred(files: dict[str, bytes], extra: Iterable[tarfile.TarInfo] = ()) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return sink.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return sink.getvalue()


def read(
    store: ArtifactStore, data: bytes, format: Format = Format.MAIL_ARCHIVE, limits: Limits = SMALL, **spec
):
    source = SourceSpec("projects/p/sources/s", store.put_bytes(data), format, **spec)
    return list(read_source(source, store, limits))


def items(entries) -> dict[str, Item]:
    return {entry.path: entry for entry in entries if isinstance(entry, Item)}


def rejections(entries) -> dict[str, Rejected]:
    return {entry.path: entry.reason for entry in entries if not isinstance(entry, Item)}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_however_packed_gives_its_files_with_their_folders_as_labels(store, pack):
    found = items(read(store, pack(tarred(FILES))))
    assert {path: item.payload for path, item in found.items()} == FILES
    assert {path: item.label for path, item in found.items()} == {path: path.split("/")[1] for path in FILES}
    assert found["box/ham/1"].kind is Kind.MAIL


def test_a_zip_and_a_tree_give_the_same(store, tmp_path):
    for name, data in FILES.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    tree = SourceSpec("s", store.put_tree(tmp_path / "tree"), Format.TEXT_ARCHIVE)
    from_tree = items(read_source(tree, store, SMALL))
    assert from_tree == items(read(store, zipped(FILES), Format.TEXT_ARCHIVE))
    assert from_tree["box/spam/3"].kind is Kind.TEXT


def test_folders_are_labels_by_the_map_alone_when_there_is_one(store):
    found = items(read(store, tarred(FILES), labels_by_folder={"ham": "good"}))
    assert [found[path].label for path in FILES] == ["good", "good", None]


def test_paths_are_provenance_and_never_leave(store):
    found = items(read(store, tarred({"../../etc/passwd": b"x", "/secret/k\x07ey": b"y", "a\\..\\b": b"z"})))
    assert set(found) == {"etc/passwd", "secret/k?ey", "a/b"}


def test_what_is_no_plain_file_is_counted_and_left(store):
    link, device = tarfile.TarInfo("link"), tarfile.TarInfo("device")
    link.type, link.linkname, device.type = tarfile.SYMTYPE, "/etc/passwd", tarfile.CHRTYPE
    hostile = {
        "nested.zip": zipped(FILES),
        "nested.tar": tarred({"a": b"b"})[:900],
        "__MACOSX/._a": b"x",
        "big": b"x" * 1001,
        "good": b"text",
    }
    entries = read(store, tarred(hostile, [link, device]))
    assert rejections(entries) == {
        "link": Rejected.NOT_A_FILE,
        "device": Rejected.NOT_A_FILE,
        "nested.zip": Rejected.NESTED_ARCHIVE,
        "nested.tar": Rejected.NESTED_ARCHIVE,
        "__MACOSX/._a": Rejected.METADATA_FILE,
        "big": Rejected.TOO_LARGE,
    }
    assert set(items(entries)) == {"good"}


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_tar_bomb_is_refused(store, pack):
    with pytest.raises(SourceUnreadable) as refused:
        read(store, pack(tarred({"zeros": b"\x00" * 5_000_000})))
    assert refused.value.reason == "ARCHIVE_UNFOLDS_TOO_FAR"


def test_a_zip_bomb_is_a_rejection_and_its_neighbours_are_read(store):
    entries = read(store, zipped({"zeros": b"\x00" * 5_000_000, "good": b"text"}))
    assert rejections(entries) == {"zeros": Rejected.COMPRESSION_RATIO}
    assert set(items(entries)) == {"good"}


@pytest.mark.parametrize("make", [tarred, zipped])
def test_too_many_members_are_refused(store, make):
    with pytest.raises(SourceUnreadable, match="more than 10 members"):
        read(store, make({str(n): b"x" for n in range(11)}))


@pytest.mark.parametrize("make", [tarred, lambda files: gzip.compress(tarred(files)), zipped])
@pytest.mark.parametrize("share", [0.1, 0.4, 0.7, 0.9])
def test_an_archive_that_breaks_off_is_a_named_error(store, make, share):
    files = {f"{n}": bytes(str(n), "ascii") * 700 for n in range(5)}
    whole = make(files)
    if make is tarred:
        whole = whole[: 5 * (512 + 1024)]
    with pytest.raises(SourceUnreadable) as broken:
        read(store, whole[: int(len(whole) * share)])
    assert broken.value.reason in ("ARCHIVE_DAMAGED", "NOT_AN_ARCHIVE")


def test_a_damaged_header_in_the_middle_of_a_tar_is_a_named_error(store):
    whole = bytearray(tarred({"a": b"1", "b": b"2", "c": b"3"}))
    whole[1024:1100] = b"\xff" * 76
    with pytest.raises(SourceUnreadable) as broken:
        read(store, bytes(whole))
    assert broken.value.reason == "ARCHIVE_DAMAGED"


def test_a_damaged_member_of_a_zip_is_a_rejection(store):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("bad", b"the first text")
        archive.writestr("good", b"the second text")
    whole = sink.getvalue().replace(b"the first text", b"the fIRst text")
    entries = read(store, whole)
    assert rejections(entries) == {"bad": Rejected.DAMAGED_MEMBER}
    assert set(items(entries)) == {"good"}


def test_what_is_no_archive_is_a_named_error(store):
    with pytest.raises(SourceUnreadable) as refused:
        read(store, b"just a text, long enough to be read as a header of something" * 20)
    assert refused.value.reason == "NOT_AN_ARCHIVE"


@pytest.mark.parametrize("format", [Format.MAIL_ARCHIVE, Format.MBOX, Format.JSONL])
@pytest.mark.parametrize("data", [b"", b"\n\n"])
def test_an_empty_source_is_a_named_error(store, format, data):
    with pytest.raises(SourceUnreadable):
        read(store, data, format)


@pytest.mark.parametrize("data", [tarred({}), zipped({})])
def test_an_empty_archive_is_a_named_error(store, data):
    with pytest.raises(SourceUnreadable) as empty:
        read(store, data)
    assert empty.value.reason == "SOURCE_EMPTY"


def test_an_mbox_is_cut_at_its_from_lines(store):
    box = b"From a Thu\nSubject: 1\n\n>From here\nnot\nFrom a line\n\nFrom b Fri\nSubject: 2\n\nbody\n"
    found = items(read(store, box, Format.MBOX))
    assert list(found) == ["mail-1", "mail-2"]
    assert b"\nFrom here\nnot\nFrom a line\n" in found["mail-1"].payload


def test_a_mail_that_is_too_large_is_a_rejection_and_the_next_is_read(store):
    box = b"From a\n\n" + b"x" * 5000 + b"\n\nFrom b\n\nbody\n"
    entries = read(store, box, Format.MBOX)
    assert rejections(entries) == {"mail-1": Rejected.TOO_LARGE}
    assert set(items(entries)) == {"mail-2"}


def test_json_lines_carry_label_id_time_and_attributes(store):
    rows = [
        {"body": "one", "label": "ham", "id": "a/1", "at": "2026-01-02T03:04:05Z", "lang": "en", "user": 7},
        {"body": "two", "label": None, "at": 1767323045},
        {"body": 3},
        ["no object"],
    ]
    data = (
        "\r\n".join(map(json.dumps, rows)).encode() + b"\n{oops\n\n" + b'{"body": "' + b"y" * 2000 + b'"}\n'
    )
    columns = Columns(text="body", time="at", attributes=("lang", "user"))
    entries = read(store, data, Format.JSONL, columns=columns)
    first, second, third = items(entries).values()
    assert third.payload == b"3"
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (first.path, first.label, first.time, first.attributes) == (
        "a/1",
        "ham",
        moment,
        {"lang": "en", "user": "7"},
    )
    assert (second.path, second.label, second.time) == (
        "line-2",
        None,
        datetime.fromtimestamp(1767323045, UTC),
    )
    assert rejections(entries) == {
        "line-4": Rejected.BAD_ROW,
        "line-5": Rejected.BAD_ROW,
        "line-7": Rejected.TOO_LARGE,
    }


def test_a_line_of_fifty_megabytes_is_one_rejection(store):
    data = b'{"text": "short"}\n{"text": "' + b"z" * 50_000_000 + b'"}\n{"text": "last"}'
    entries = read(store, data, Format.JSONL, Limits())
    assert rejections(entries) == {"line-2": Rejected.TOO_LARGE}
    assert [item.payload for item in items(entries).values()] == [b"short", b"last"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_quotes_and_line_ends_inside(store, delimiter):
    lines = [
        "text,label",
        '"one, two\nthree",ham',
        "plain,spam",
        "too,many,fields",
        '"broken"x,ham',
        '"' + "q" * 3000 + '",ham',
    ]
    data = "\ufeff" + "\n".join(lines).replace(",", delimiter) + "\n"
    entries = read(store, data.encode(), Format.CSV)
    assert [item.label for item in items(entries).values()] == ["ham", "spam"]
    assert list(rejections(entries).values()) == [Rejected.BAD_ROW, Rejected.BAD_ROW, Rejected.TOO_LARGE]
    assert len(entries) == 5


def test_parquet_rows_are_items(store):
    table = pa.table(
        {
            "text": ["one", None, "x" * 2000],
            "label": ["a", "b", "c"],
            "time": pa.array([0, 1, 2], pa.timestamp("s")),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    entries = read(store, sink.getvalue(), Format.PARQUET)
    assert items(entries)["row-1"].time == datetime(1970, 1, 1, tzinfo=UTC)
    assert rejections(entries) == {"row-2": Rejected.NO_TEXT, "row-3": Rejected.TOO_LARGE}


@pytest.mark.parametrize(
    ("format", "data", "reason"),
    [
        (Format.CSV, b"body,label\na,b\n", "COLUMN_MISSING"),
        (Format.CSV, b"", "SOURCE_EMPTY"),
        (Format.PARQUET, b"PAR1 and then nothing", "PARQUET_DAMAGED"),
    ],
)
def test_a_table_that_cannot_be_read_is_a_named_error(store, format, data, reason):
    with pytest.raises(SourceUnreadable) as refused:
        read(store, data, format)
    assert refused.value.reason == reason


def _table() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["first", "second"], "label": ["ham", "spam"]}), sink)
    return sink.getvalue()


WELL_MADE = {
    Format.MAIL_ARCHIVE: [tarred(FILES), zipped(FILES)],
    Format.TEXT_ARCHIVE: [tarred(FILES), zipped(FILES)],
    Format.MBOX: [b"From a@b Thu Jan  1 00:00:00 1970\nSubject: a\n\nfirst\n" * 3],
    Format.JSONL: [b'{"text": "first", "label": "ham"}\n' * 3],
    Format.CSV: [b'text,label\n"fi ""r"" st",ham\nsecond,spam\n'],
    Format.PARQUET: [_table()],
}
DAMAGE = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["flip", "cut", "insert", "double"]), st.binary(max_size=9)),
    min_size=1,
    max_size=6,
)
TAGS = st.sampled_from(
    ["<p>", "</p>", "<table><tr>", "<td", "<!--", "-->", "<script>", "</script", "&#0;", "&#x110000;", "&nbsp",
     "<![CDATA[", "\x00", "<html><body>", "<a href='", '"', "<style>x{}</style>", "<br/>", "<svg><math><mi>"]
)  # fmt: skip


def damaged(data: bytes, damage: list[tuple[float, str, bytes]]) -> bytes:
    """The bytes with some of them changed, left out, put in between or said twice."""
    for where, how, more in damage:
        at = int(where * len(data))
        match how:
            case "flip":
                data = data[:at] + bytes(byte ^ 0x55 for byte in data[at : at + 3]) + data[at + 3 :]
            case "cut":
                data = data[:at] + data[at + 40 :]
            case "insert":
                data = data[:at] + more + data[at:]
            case "double":
                data = data[:at] + data[max(0, at - 60) : at] + data[at:]
    return data


@pytest.mark.parametrize("format", WELL_MADE, ids=lambda format: format.value)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_source_is_read_or_named_unreadable(store, format, data):
    whole = data.draw(st.sampled_from(WELL_MADE[format]))
    broken = data.draw(st.one_of(DAMAGE.map(lambda damage: damaged(whole, damage)), st.binary(max_size=300)))
    try:
        found = read(store, broken, format, columns=Columns("text", "label"))
    except SourceUnreadable as error:
        assert str(error)
        return
    assert all(entry.path for entry in found)


@given(st.lists(TAGS | st.text(max_size=20), max_size=40).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_page_has_a_text(page):
    text_of(page).encode()
