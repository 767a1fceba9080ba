"""Readers on real blobs of an artifact store, well-formed and hostile."""

import bz2
import copy
import gzip
import io
import json
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.classify import Classify
from ratoon.tasks.kinds import parse
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import Columns, Format
from ratoon_ingestion.worker.charset import Encoding, names_encoding
from ratoon_ingestion.worker.markup import text_of
from ratoon_ingestion.worker.readers import Item, Kind, Limits, SourceSpec, SourceUnreadable, read_source
from ratoon_ingestion.worker.readers import tar as tar_reader

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
    items_by_path = items(read(store, pack(tarred(FILES))))
    assert {path: item.payload for path, item in items_by_path.items()} == FILES
    assert {path: item.label for path, item in items_by_path.items()} == {
        path: path.split("/")[1] for path in FILES
    }
    assert items_by_path["box/ham/1"].kind is Kind.MAIL


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
    items_by_path = items(read(store, tarred(FILES), labels_by_folder={"ham": "good"}))
    assert [items_by_path[path].label for path in FILES] == ["good", "good", None]


def test_paths_are_provenance_and_never_leave(store):
    items_by_path = items(
        read(store, tarred({"../../etc/passwd": b"x", "/secret/k\x07ey": b"y", "a\\..\\b": b"z"}))
    )
    assert set(items_by_path) == {"etc/passwd", "secret/k?ey", "a/b"}


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


def test_a_member_without_a_name_and_one_with_a_broken_name_break_nothing_else(store):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("x", b"the first text")
        archive.writestr("good", b"the second text")
    nameless = sink.getvalue().replace(b"\x01\x00\x00\x00x", b"\x00\x00\x00\x00")
    with suppress(SourceUnreadable):
        read(store, nameless)
    info = zipfile.ZipInfo("ä")
    with zipfile.ZipFile(sink := io.BytesIO(), "w") as archive:
        archive.writestr(info, b"text")
    with pytest.raises(SourceUnreadable, match="damaged or truncated") as broken:
        read(store, sink.getvalue().replace("ä".encode(), b"\xff\xff"))
    assert "codec" not in str(broken.value)


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


POSTMARKS = (
    b"From ann@example.org Thu Jan  1 00:00:00 1970",
    b"From MAILER-DAEMON Fri Jul  8 12:08:34 2011",
    b"From - Tue Jan 02 10:11:12 2001",
    b"From ???@??? Mon Jan 05 10:11:12 1998",
    b"From 1234567890@xxx Tue Jan 02 10:11:12 +0000 2024",
    b"From ann@example.org  Thu Jan  1 00:00:00 1970 remote from host",
    b"From ann@example.org Thu, 1 Jan 1970 00:00:00 +0000",
    b'From "Ann Lee"@example.org Thu Jan  1 00:00 1970',
)


@pytest.mark.parametrize("postmark", POSTMARKS)
def test_an_mbox_is_cut_at_its_postmarks(store, postmark):
    box = (
        postmark
        + b"\nSubject: 1\n\n>From here\n>>From there\nnot\nFrom a line\n\nFrom now on the counter opens at ten.\n"
        + b"\nFrom the 1st of Jan 2026 on, at 10:00.\n\n"
        + postmark
        + b"\nSubject: 2\n\nbody\n"
    )
    items_by_path = items(read(store, box, Format.MBOX))
    assert list(items_by_path) == ["mail-1", "mail-2"]
    assert b"\nFrom here\n>From there\nnot\nFrom a line\n\nFrom now on the" in items_by_path["mail-1"].payload
    assert b"\nFrom the 1st of" in items_by_path["mail-1"].payload


def test_a_quoted_postmark_without_a_header_after_it_is_text(store):
    box = POSTMARKS[0] + b"\nSubject: 1\n\nThe line was:\n\n" + POSTMARKS[0] + b"\nand nothing else.\n"
    assert list(items(read(store, box, Format.MBOX))) == ["mail-1"]


def test_an_mbox_may_begin_with_a_mark_and_end_with_a_postmark(store):
    box = b"\xef\xbb\xbf" + POSTMARKS[0] + b"\r\nSubject: 1\r\n\r\nbody\r\n\r\n" + POSTMARKS[0]
    items_by_path = items(read(store, box, Format.MBOX))
    assert list(items_by_path) == ["mail-1"]
    assert items_by_path["mail-1"].payload.startswith(POSTMARKS[0] + b"\n")


def test_a_mail_that_is_too_large_is_a_rejection_and_the_next_is_read(store):
    box = POSTMARKS[0] + b"\n\n" + b"x" * 5000 + b"\n\n" + POSTMARKS[1] + b"\n\nbody\n"
    entries = read(store, box, Format.MBOX)
    assert rejections(entries) == {"mail-1": Rejected.TOO_LARGE}
    assert set(items(entries)) == {"mail-2"}


def test_an_mbox_within_an_archive_gives_its_mails(store):
    box = POSTMARKS[0] + b"\nSubject: 1\n\none\n\n" + POSTMARKS[1] + b"\nSubject: 2\n\ntwo\n"
    single = POSTMARKS[0] + b"\nSubject: 3\n\nthree\n"
    items_by_path = items(read(store, tarred({"ham/all.mbox": box, "ham/one": single})))
    assert {path: item.label for path, item in items_by_path.items()} == {
        "ham/all.mbox/mail-1": "ham",
        "ham/all.mbox/mail-2": "ham",
        "ham/one": "ham",
    }
    assert list(items(read(store, tarred({"ham/all.mbox": box}), Format.TEXT_ARCHIVE))) == ["ham/all.mbox"]


def test_the_folders_of_a_maildir_are_no_labels(store):
    files = {"spam/cur/1:2,S": b"Subject: a\n\na", "new/2": b"Subject: b\n\nb", "cur/x/3": b"Subject: c\n\nc"}
    items_by_path = items(read(store, tarred(files)))
    assert {path: item.label for path, item in items_by_path.items()} == {
        "spam/cur/1:2,S": "spam",
        "new/2": None,
        "cur/x/3": "x",
    }


class Sizes(ArtifactStore):
    """A store that fails when a large blob is read whole."""

    def read(self, digest: str) -> bytes:
        """A small blob."""
        assert self.size(digest) < 100_000
        return super().read(digest)


def test_a_tree_that_lies_about_sizes_is_read_by_the_sizes_of_its_blobs(tmp_path):
    store = Sizes(str(tmp_path / "artifacts"))
    large = store.put_bytes(b"x" * 200_000)
    manifest = (
        b'{"files":[{"path":"a/large.txt","sha256":"' + large.encode() + b'","size":10},'
        b'{"path":"a/none.txt","sha256":"' + b"0" * 64 + b'","size":10}]}'
    )
    source = SourceSpec("s", store.put_bytes(manifest), Format.TEXT_ARCHIVE)
    entries = list(read_source(source, store, SMALL))
    assert rejections(entries) == {
        "a/large.txt": Rejected.TOO_LARGE,
        "a/none.txt": Rejected.DAMAGED_MEMBER,
    }


def test_a_tree_that_names_one_blob_many_times_is_bounded_as_a_whole(store):
    blob = store.put_bytes(b"word " * 180).encode()
    rows = [b'{"path":"%d.txt","sha256":"%s","size":900}' % (n, blob) for n in range(200)]
    source = SourceSpec("s", store.put_bytes(b'{"files":[' + b",".join(rows) + b"]}"), Format.TEXT_ARCHIVE)
    with pytest.raises(SourceUnreadable) as refused:
        list(read_source(source, store, SMALL))
    assert refused.value.reason == "ARCHIVE_UNFOLDS_TOO_FAR"
    with pytest.raises(SourceUnreadable, match="lists its files in more than 1,000 bytes"):
        list(read_source(source, store, replace(SMALL, directory_bytes=1000)))


def test_a_zip_whose_members_share_their_bytes_is_refused(store):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a", b"the only text of the archive")
        first = archive.infolist()[0]
        for n in range(5):
            again = copy.copy(first)
            again.filename = f"b{n}"
            archive.filelist.append(again)
    with pytest.raises(SourceUnreadable, match="share their bytes") as refused:
        read(store, sink.getvalue())
    assert refused.value.reason == "ARCHIVE_UNFOLDS_TOO_FAR"


def test_a_zip_whose_directory_is_too_large_is_not_opened(store):
    with pytest.raises(SourceUnreadable, match="lists its members in more than 100 bytes"):
        read(store, zipped(FILES), limits=replace(SMALL, directory_bytes=100))


def test_a_tar_whose_header_is_too_large_is_an_error(store):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 3 << 20
    sink = io.BytesIO()
    sink.write(info.tobuf(tarfile.GNU_FORMAT))
    sink.write(b"0" * (3 << 20))
    with pytest.raises(SourceUnreadable) as refused:
        read(store, sink.getvalue(), limits=Limits())
    assert refused.value.reason in ("ARCHIVE_DAMAGED", "NOT_AN_ARCHIVE")


CHINESE = {
    "客服/投诉/一.txt": "客服态度不好".encode("gb18030"),
    "客服/表扬/二.txt": "物流很快".encode("gb18030"),
}


def _zip_of_windows(files: dict[str, bytes]) -> bytes:
    """As Windows in China makes it: names in GBK, and nothing says so."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for number, (name, data) in enumerate(files.items()):
            archive.writestr(str(number) * len(name.encode("gb18030")), data)
    whole = sink.getvalue()
    for number, name in enumerate(files):
        raw = name.encode("gb18030")
        whole = whole.replace(b"%d" % number * len(raw), raw)
    return whole


def _tar_of_windows(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.GNU_FORMAT, encoding="gb18030") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return sink.getvalue()


@pytest.mark.parametrize("make", [zipped, tarred, _zip_of_windows, _tar_of_windows])
def test_names_in_an_archive_are_read_in_their_encoding(store, make):
    items_by_path = items(read(store, make(CHINESE), Format.TEXT_ARCHIVE))
    assert {path: item.label for path, item in items_by_path.items()} == {
        "客服/投诉/一.txt": "投诉",
        "客服/表扬/二.txt": "表扬",
    }


@pytest.mark.parametrize("make", [_zip_of_windows, _tar_of_windows])
def test_names_in_an_archive_are_in_the_configured_encoding(store, make):
    items_by_path = items(read(store, make({"客服/一.txt": b"text"}), Format.TEXT_ARCHIVE, encoding="gbk"))
    assert list(items_by_path) == ["客服/一.txt"]


def test_the_encoding_of_names_is_detected_from_the_first_ones_of_a_large_archive(store, monkeypatch):
    """A guess takes milliseconds: with one for each name an archive of 100,000 files took a quarter of an hour."""
    guesses: list[int] = []

    def counted(raw: list[bytes], override: str = "") -> Encoding:
        guesses.append(len(raw))
        return names_encoding(raw, override)

    monkeypatch.setattr(tar_reader, "names_encoding", counted)
    files = {f"客服/表扬/文件{number}.txt": b"text" for number in range(300)}
    assert list(items(read(store, _tar_of_windows(files), Format.TEXT_ARCHIVE, Limits()))) == list(files)
    assert len(guesses) <= 201


@given(st.binary(max_size=200) | st.text(max_size=60).map(str.encode))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_manifest_is_read_or_named_unreadable(store, rest):
    try:
        read(store, b'{"files":[' + rest, Format.TEXT_ARCHIVE)
    except SourceUnreadable as error:
        assert error.reason in (
            "ARTIFACT_NOT_A_TREE",
            "BAD_TREE_PATH",
            "SOURCE_EMPTY",
            "ARCHIVE_UNFOLDS_TOO_FAR",
        )


def test_the_name_of_info_zip_goes_before_the_old_one(store):
    name = "Größe.txt".encode()
    extra = struct.pack("<HHBI", 0x7075, 5 + len(name), 1, 0) + name
    info = zipfile.ZipInfo("Gr__e.txt")
    info.extra = extra
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(info, b"text")
    assert list(items(read(store, sink.getvalue()))) == ["Größe.txt"]


def test_what_is_no_text_is_rejected_by_its_kind(store):
    office = zipped({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"})
    entries = read(
        store,
        zipped(
            {
                "a.png": b"\x89PNG\r\n\x1a\n\x00\x00",
                "b.docx": office,
                "c.gz": gzip.compress(b"x"),
                "d": b"text",
            }
        ),
        Format.TEXT_ARCHIVE,
    )
    assert rejections(entries) == {
        "a.png": Rejected.NOT_TEXT,
        "b.docx": Rejected.NOT_TEXT,
        "c.gz": Rejected.NESTED_ARCHIVE,
    }
    details = {entry.path: entry.detail for entry in entries if not isinstance(entry, Item)}
    assert details == {
        "a.png": "image/png, 10 bytes",
        "b.docx": f"application/docx, {len(office)} bytes",
        "c.gz": f"application/gzip, {len(gzip.compress(b'x'))} bytes",
    }


def test_a_blob_that_is_another_kind_of_archive_is_named(store):
    with pytest.raises(SourceUnreadable, match="but application/rar"):
        read(store, b"Rar!\x1a\x07\x00" + bytes(600))


@pytest.mark.parametrize("format", [Format.MAIL_ARCHIVE, Format.TEXT_ARCHIVE, Format.MBOX])
def test_an_unknown_encoding_is_refused(store, format):
    with pytest.raises(SourceUnreadable, match="'latin-77' is not an encoding") as refused:
        read(store, tarred(FILES), format, encoding="latin-77")
    assert refused.value.reason == "ENCODING_UNKNOWN"


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
    time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (first.path, first.label, first.time, first.attributes) == (
        "a/1",
        "ham",
        time,
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
def test_csv_with_quotes_and_line_ends_in_cells(store, delimiter):
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
    literal = ["ham"] if delimiter == "\t" else []  # between tabs a quote may be one that is meant
    assert [item.label for item in items(entries).values()] == ["ham", "spam", *literal]
    broken = [] if literal else [Rejected.BAD_ROW]
    assert list(rejections(entries).values()) == [Rejected.BAD_ROW, *broken, Rejected.TOO_LARGE]
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


TOPICS = Classify(("billing", "urgent", "a;b"), multi_label=True)


@pytest.mark.parametrize(
    ("labels", "expected", "canonical"),
    [
        (["Urgent", "billing", "billing"], '["Urgent", "billing"]', "billing\nurgent"),
        (["a;b", "billing"], '["a;b", "billing"]', "billing\na;b"),
        (["urgent", None, ""], "urgent", "urgent"),
        ([], None, None),
    ],
)
def test_a_list_of_labels_is_a_label_that_the_task_reads(store, labels, expected, canonical):
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["one"], "label": pa.array([labels], pa.list_(pa.string()))}), sink)
    chat = [{"role": "user", "content": "one"}]
    for entries in (
        read(store, sink.getvalue(), Format.PARQUET),
        read(store, json.dumps({"text": "one", "label": labels}).encode(), Format.JSONL),
        read(store, json.dumps({"messages": chat, "label": labels}).encode(), Format.JSONL),
    ):
        (item,) = items(entries).values()
        assert item.label == expected
        assert (item.label and parse(TOPICS, item.label)) == canonical


def test_what_is_no_list_of_texts_is_no_label(store):
    rows = [{"text": "one", "label": [["a"]]}, {"text": "two", "label": {"a": 1}}]
    entries = read(store, "\n".join(map(json.dumps, rows)).encode(), Format.JSONL)
    assert set(rejections(entries).values()) == {Rejected.BAD_ROW}


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


WELL_FORMED = {
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
    """The bytes with some of them changed, left out, inserted or repeated."""
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


@pytest.mark.parametrize("format", WELL_FORMED, ids=lambda format: format.value)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_source_is_read_or_named_unreadable(store, format, data):
    whole = data.draw(st.sampled_from(WELL_FORMED[format]))
    broken = data.draw(st.one_of(DAMAGE.map(lambda damage: damaged(whole, damage)), st.binary(max_size=300)))
    try:
        entries = read(store, broken, format, columns=Columns("text", "label"))
    except SourceUnreadable as error:
        assert str(error)
        return
    assert all(entry.path for entry in entries)


@given(st.lists(TAGS | st.text(max_size=20), max_size=40).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_page_has_a_text(page):
    text_of(page).encode()
