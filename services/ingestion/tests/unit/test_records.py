"""Pages of records: bounded by what they show, for records of any size."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.process.errors import ResourceExhausted
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.adapters import parquet_records
from ratoon_ingestion.adapters.parquet_records import ParquetRecords
from ratoon_ingestion.application.ports import RejectedItem
from ratoon_ingestion.worker import tree
from ratoon_ingestion.worker.batches import RECORDS, REJECTED
from ratoon_ingestion.worker.tree import (
    GROUP_CHARS,
    GROUP_RECORDS,
    RecordWriter,
    write_records,
    write_rejected,
    write_shard,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def table(texts: list[str], attributes: dict[str, str] | None = None) -> pa.Table:
    def row(number: int, text: str) -> dict:
        filler = {
            field.name: "x" if field.type == pa.string() else 1 if field.type == pa.int32() else None
            for field in RECORDS
        }
        own = {
            "record_id": f"r{number:05}",
            "text": text,
            "chars": len(text),
            "received_time": NOW,
            "attributes": list((attributes or {}).items()),
            "steps": ["made"],
            "example": None,
        }
        return filler | own

    return pa.Table.from_pylist([row(number, text) for number, text in enumerate(texts)], schema=RECORDS)


def version(store: ArtifactStore, folder: Path, records: pa.Table) -> str:
    folder.mkdir()
    write_records(folder, records, list(range(records.num_rows)))
    return store.put_tree(folder)


@pytest.mark.parametrize("size", [1, 7, 40])
def test_records_that_are_added_in_pieces_give_the_same_files(tmp_path, monkeypatch, size):
    for name, value in (("SHARD_RECORDS", 33), ("GROUP_RECORDS", 10), ("GROUP_CHARS", 400)):
        monkeypatch.setattr(tree, name, value)
    records = table([chr(97 + n % 26) * (n * 7 % 150) for n in range(80)])
    for name in ("whole", "pieces"):
        (tmp_path / name).mkdir()
    write_records(tmp_path / "whole", records, list(range(80)))
    writer = RecordWriter(tmp_path / "pieces")
    for start in range(0, 80, size):
        writer.add(records.slice(start, size))
    writer.finish()
    whole, pieces = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("whole", "pieces")
    )
    assert pieces == whole
    files = [pq.ParquetFile(tmp_path / "whole" / name) for name in sorted(whole)]
    assert [file.metadata.num_rows for file in files] == [33, 33, 14]
    groups = [file.metadata.row_group(n).num_rows for file in files for n in range(file.num_row_groups)]
    assert max(groups) <= 10
    assert len(groups) > 9


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def pages(records: ParquetRecords, digest: str, limit: int) -> list[list[str]]:
    listed, last, more = [], "", True
    while more:
        page, more = records.after(digest, last, limit)
        listed.append([each.record_id for each in page])
        last = listed[-1][-1]
    return listed


def groups(path: Path) -> list[int]:
    file = pq.ParquetFile(path)
    return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]


def test_a_row_group_is_bounded_by_records_and_by_characters(store, tmp_path):
    long = "x" * (GROUP_CHARS // 2)
    records = table([*["short"] * (GROUP_RECORDS + 3), long, long, long, "short"])
    version(store, tmp_path / "tree", records)
    written = groups(tmp_path / "tree" / "records-00000.parquet")
    assert sum(written) == records.num_rows
    assert written[0] == GROUP_RECORDS
    assert len(written) == 4
    write_shard(tmp_path / "again.parquet", records)
    assert groups(tmp_path / "again.parquet") == written


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pages_hold_everything_once_and_long_texts_make_them_short(store, tmp_path, limit):
    texts = ["short"] * 20 + ["y" * 300_000] * 12 + ["short"] * 20
    digest, records = version(store, tmp_path / "tree", table(texts)), ParquetRecords(store)
    listed = pages(records, digest, limit)
    assert [each for page in listed for each in page] == [f"r{n:05}" for n in range(len(texts))]
    assert max(map(len, listed)) <= limit
    assert len(listed) >= 4
    assert len(records.find(digest, "r00025").text) == 200_000
    assert records.find(digest, "r00099") is None


def test_a_page_is_bounded_by_attributes_as_well(store, tmp_path):
    attributes = {f"column{n}": "z" * 20_000 for n in range(30)}
    records = ParquetRecords(store)
    digest = version(store, tmp_path / "tree", table(["short"] * 40, attributes))
    page, more = records.after(digest, "", 1000)
    shown = [sum(map(len, each.attributes.values())) for each in page]
    assert more
    assert max(shown) <= 50_000
    assert sum(shown) <= 700_000


def test_a_page_is_bounded_by_the_labels_of_duplicates_as_well(store, tmp_path):
    vote = {"label": "complaint", "source": "projects/p/sources/s", "time": NOW}
    whole = table(["short"] * 200)
    place = whole.schema.get_field_index("label_votes")
    votes = pa.array([[vote] * 3_000] * 200, RECORDS.field("label_votes").type)
    digest = version(store, tmp_path / "tree", whole.set_column(place, "label_votes", votes))
    page, more = ParquetRecords(store).after(digest, "", 1000)
    assert more
    assert {len(each.conflicting_labels) for each in page} == {1_000}
    assert sum(len(label) for each in page for label in each.conflicting_labels) <= 700_000


def test_pages_of_rejections_hold_each_once_and_skip_what_stands_before(store, tmp_path, monkeypatch):
    row = dict.fromkeys(REJECTED.names, "x")
    items = [row | {"source_path": f"line-{number}"} for number in range(1200)]
    folder = tmp_path / "tree"
    folder.mkdir()
    write_rejected(folder, pa.Table.from_pylist(items, schema=REJECTED))
    digest, records, read, more = store.put_tree(folder), ParquetRecords(store), [], True
    while more:
        page, more = records.rejections(digest, len(read), 333)
        read += [item.source_path for item in page]
    assert read == [f"line-{number}" for number in range(1200)]
    decoded: list[object] = []

    class Counted(RejectedItem):
        def __init__(self, **values: str) -> None:
            decoded.append(values)
            super().__init__(**values)

    monkeypatch.setattr(parquet_records, "RejectedItem", Counted)
    assert len(records.rejections(digest, 1100, 10)[0]) == 10
    assert len(decoded) == 11


def test_big_groups_of_an_older_release_are_read_a_few_rows_at_a_time(store, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_records, "_BIG_GROUP_BYTES", 1 << 10)
    monkeypatch.setattr(parquet_records, "_BATCH_BYTES", 1 << 10)
    folder = tmp_path / "tree"
    folder.mkdir()
    pq.write_table(table([f"{n}" * 900 for n in range(60)]), folder / "records-00000.parquet")
    digest, records = store.put_tree(folder), ParquetRecords(store)
    assert [each for page in pages(records, digest, 7) for each in page] == [f"r{n:05}" for n in range(60)]
    assert not parquet_records._BIG_READ.locked()
    monkeypatch.setattr(parquet_records, "_MAX_GROUP_BYTES", 1 << 10)
    with pytest.raises(ResourceExhausted) as error:
        records.after(digest, "", 7)
    assert error.value.reason == "RECORDS_TOO_LARGE"
