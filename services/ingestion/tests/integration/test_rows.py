"""Rows of SQLite and PostgreSQL: equal cursor values, late commits, rows without cursor, a database that is away."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine, make_url

from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.postgresql import Databases
from ratoon_ingestion.worker.connections.common import ReadingFailed
from ratoon_ingestion.worker.connections.reading import read_connection

T = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass
class Reader:
    """A connection to a database, its position, and all that it has read."""

    engine: Engine
    store: ArtifactStore
    folder: Path
    variable: str = ""
    cursor: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)

    def execute(self, sql: str, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(sql), values)

    def read(self, keep: bool = True, **settings: Any) -> pb.ReadingResult:
        """Read once; without `keep`, the position and the rows are lost, as by a crash."""
        spec = pb.ReadingSpec(
            connection="projects/p/connections/c",
            kind="SQL",
            url=self.engine.url.set(password=None).render_as_string(hide_password=False),
            credentials=self.variable,
            cursor=self.cursor,
            **{
                "query": "SELECT id, at, body FROM mails -- all of them",
                "cursor_column": "at",
                "key_column": "id",
                "max_items": 100,
                "max_bytes": 1 << 20,
                **settings,
            },
        )
        result = read_connection(spec, self.store, self.folder, lambda *_, **__: None)
        if keep:
            self.cursor = result.cursor
            for blob in result.blobs:
                self.rows += map(json.loads, self.store.read(blob.digest).decode().splitlines())
        return result

    def read_all(self, **settings: Any) -> None:
        while self.read(**settings).more:
            pass

    @property
    def ids(self) -> list[int]:
        return [int(row["id"]) for row in self.rows]


@pytest.fixture
def reader(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    url = databases.url("rows", tmp_path) or f"sqlite:///{tmp_path}/rows.db"
    engine = create_engine(url)
    monkeypatch.setenv("ROWS_PASSWORD", make_url(url).password or "none")
    variable = "ROWS_PASSWORD" if make_url(url).password else ""
    reader = Reader(engine, ArtifactStore(f"{tmp_path}/artifacts"), tmp_path, variable)
    reader.execute("DROP TABLE IF EXISTS mails")
    reader.execute("CREATE TABLE mails (id INTEGER PRIMARY KEY, at INTEGER, body TEXT)")
    yield reader
    reader.execute("DROP TABLE mails")
    engine.dispose()


def insert(reader: Reader, *rows: tuple[int, object]) -> None:
    for id, at in rows:
        reader.execute(
            "INSERT INTO mails VALUES (:id, :at, :body)", id=id, at=at, body=f"Mail {id}: größte ☃"
        )


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_d01_equal_cursor_values_are_neither_lost_nor_read_twice(reader, size):
    insert(reader, (1, 1), (2, 1), (3, 1), (4, 2), (5, 2))
    for _ in range(8):
        reader.read(keep=False, max_items=size)
        reader.read(max_items=size)
    assert reader.ids == [1, 2, 3, 4, 5]
    insert(reader, (6, 3), (7, 2))
    reader.read_all(max_items=size)
    assert sorted(reader.ids) == [1, 2, 3, 4, 5, 6, 7]
    assert reader.rows[0]["body"] == "Mail 1: größte ☃"


def test_d01_many_rows_of_one_cursor_value(reader):
    insert(reader, *((id, 7) for id in range(201)))
    reader.read_all(max_items=10)
    assert reader.ids == list(range(201))


def test_d02_rows_that_commit_late_are_found_within_the_overlap(reader):
    insert(reader, (101, 101))
    reader.read(overlap=10)
    insert(reader, (100, 100), (102, 102))
    reader.read(overlap=10, keep=False)
    reader.read_all(overlap=10, max_items=1)
    assert sorted(reader.ids) == [100, 101, 102]
    insert(reader, (80, 80))
    assert reader.read(overlap=10).taken == 0
    assert sorted(reader.ids) == [100, 101, 102]


def test_d04_rows_without_a_cursor_value_are_counted(reader):
    insert(reader, (1, 1), (2, None), (3, 3), (4, None))
    result = reader.read()
    assert (result.taken, dict(result.skipped)) == (2, {"CURSOR_MISSING": 2})
    assert "2 rows have no at or id" in result.notes[0]
    reader.execute("UPDATE mails SET at = 9 WHERE id = 4")
    reader.execute("UPDATE mails SET at = 2 WHERE id = 2")
    late = reader.read()
    assert reader.ids == [1, 3, 4]
    assert dict(late.skipped) == {"BEHIND_POSITION": 1}
    assert "1 rows appeared up to at 3" in late.notes[0]
    assert dict(reader.read().skipped) == {}


def test_d02_rows_that_commit_late_without_an_overlap_are_counted(reader):
    insert(reader, (101, 101))
    reader.read()
    insert(reader, (100, 100), (102, 102))
    late = reader.read()
    assert (reader.ids, dict(late.skipped)) == ([101, 102], {"BEHIND_POSITION": 1})
    insert(reader, (80, 80), (99, 99))
    late = reader.read(overlap=10)
    assert dict(late.skipped) == {}  # the first reading with an overlap counts again
    insert(reader, (81, 81), (98, 98))
    assert dict(reader.read(overlap=10).skipped) == {"BEHIND_POSITION": 1}
    assert set(reader.ids) == {98, 99, 100, 101, 102}


def test_a_changed_row_is_read_again(reader):
    insert(reader, (1, 1), (2, 2))
    reader.read()
    reader.execute("UPDATE mails SET at = 3, body = 'New.' WHERE id = 1")
    reader.read()
    assert [(row["id"], row["body"][:4]) for row in reader.rows] == [(1, "Mail"), (2, "Mail"), (1, "New.")]


def test_bounds_in_bytes(reader):
    insert(reader, (1, 1), (2, 2), (3, 3))
    reader.execute("UPDATE mails SET body = :body WHERE id = 2", body="x" * 500)
    first = reader.read(max_bytes=150)
    assert (first.taken, first.more, dict(first.skipped)) == (1, True, {})
    rest = reader.read(max_bytes=150)
    assert (rest.taken, dict(rest.skipped), reader.ids) == (1, {"TOO_LARGE": 1}, [1, 3])


def test_nothing_can_be_written(reader):
    insert(reader, (1, 1))
    for query in (
        "SELECT 1 AS id, 1 AS at) AS q, (DELETE FROM mails RETURNING id",
        "DELETE FROM mails RETURNING id, at",
        "WITH gone AS (DELETE FROM mails RETURNING id, at) SELECT * FROM gone",
    ):
        with pytest.raises(ReadingFailed):
            reader.read(query=query)
    reader.read()
    assert reader.ids == [1]


def test_bad_queries_name_their_fault(reader):
    with pytest.raises(ReadingFailed, match="gives no column At, only id, at, body"):
        reader.read(cursor_column="At")
    if reader.engine.dialect.name == "postgresql":
        with pytest.raises(ReadingFailed, match="two columns of one name"):
            reader.read(query="SELECT id, at, at FROM mails")
    with pytest.raises(ReadingFailed) as refused:
        reader.read(query="SELECT * FROM nothing")
    assert refused.value.reason == "DATABASE_REFUSED"


def test_colons_and_percents_in_a_query_are_its_own(reader):
    insert(reader, (1, 1), (2, 2))
    query = "SELECT id, at, body FROM mails WHERE body LIKE '%:%' AND body <> ':id' AND body LIKE 'Mail 1%'"
    reader.read(query=query)
    assert reader.ids == [1]


def test_values_of_every_type(reader):
    if reader.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has five types")
    query = (
        "SELECT 1 AS id, TIMESTAMPTZ '2026-06-01 12:00:00+02' AS at, 1.50::numeric AS price, 'NaN'::float AS none, "
        "true AS yes, ARRAY['a', 'b'] AS label, '{\"x\": 1}'::jsonb AS data, DATE '2026-06-01' AS day, "
        "'\\x6162'::bytea AS raw, NULL AS empty"
    )
    reader.read(query=query)
    (row,) = reader.rows
    assert datetime.fromisoformat(row.pop("at")) == datetime(2026, 6, 1, 10, tzinfo=UTC)
    assert row == {
        "id": 1, "price": "1.5", "none": None, "yes": True, "label": ["a", "b"], "data": {"x": 1},
        "day": "2026-06-01", "raw": "ab", "empty": None,
    }  # fmt: skip
    assert reader.read(query=query).taken == 0


def test_times_as_cursor_with_an_overlap(reader):
    if reader.engine.dialect.name != "postgresql":
        with pytest.raises(ReadingFailed, match="overlap needs a cursor column of numbers or times"):
            for _ in range(2):
                reader.read(query="SELECT 1 AS id, '2026-06-01' AS at", overlap=5)
        return
    reader.execute("ALTER TABLE mails ALTER at TYPE timestamptz USING now()")
    insert(reader, (1, T), (2, T + timedelta(seconds=1)))
    reader.read_all(overlap=60, max_items=1)
    insert(reader, (3, T - timedelta(seconds=30)), (4, T - timedelta(seconds=90)))
    reader.read_all(overlap=60)
    assert reader.ids == [1, 2, 3]


def test_d02_a_transaction_that_is_still_open_is_found_later(reader):
    if reader.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer")
    with reader.engine.connect() as other:
        other.execute(text("INSERT INTO mails VALUES (100, 100, 'late')"))
        insert(reader, (101, 101))
        reader.read(overlap=10)
        assert reader.ids == [101]
        other.commit()
    reader.read(overlap=10)
    assert reader.ids == [101, 100]


def test_errors_do_not_show_the_password(tmp_path, monkeypatch):
    monkeypatch.setenv("DB", "t0p-s3cret")
    store = ArtifactStore(f"{tmp_path}/artifacts")
    spec = pb.ReadingSpec(kind="SQL", url="postgresql+psycopg://reader@127.0.0.1:1/mail", credentials="DB",
                          query="SELECT 1", cursor_column="a", key_column="b", max_items=1, max_bytes=1)  # fmt: skip
    with pytest.raises(ReadingFailed) as away:
        read_connection(spec, store, tmp_path, lambda *_, **__: None)
    assert away.value.reason == "DATABASE_AWAY" and "t0p-s3cret" not in str(away.value)
    spec.credentials = "NOT_SET"
    with pytest.raises(ReadingFailed, match="NOT_SET is not set where data are read"):
        read_connection(spec, store, tmp_path, lambda *_, **__: None)


def test_a_database_file_is_not_created(tmp_path):
    spec = pb.ReadingSpec(kind="SQL", url=f"sqlite:///{tmp_path}/none.db", query="SELECT 1", cursor_column="a",
                          key_column="b", max_items=1, max_bytes=1)  # fmt: skip
    with pytest.raises(ReadingFailed):
        read_connection(spec, ArtifactStore(f"{tmp_path}/artifacts"), tmp_path, lambda *_, **__: None)
    assert not (tmp_path / "none.db").exists()


def withdrawn(reader: Reader, result: pb.ReadingResult) -> dict[str, list[str]]:
    return {each.blob: json.loads(reader.store.read(each.digest)) for each in result.withdrawn}


def test_d08_rows_that_are_gone_or_replaced_are_withdrawn(reader):
    insert(reader, (1, 1), (2, 2), (3, 3))
    reader.read(vanished="withdraw", reading="r1")
    marks = {int(row["id"]): row["ratoon.item"] for row in reader.rows}
    reader.execute("DELETE FROM mails WHERE id = 2")
    reader.execute("UPDATE mails SET at = 9, body = 'new' WHERE id = 1")
    result = reader.read(vanished="withdraw", reading="r2")
    assert result.vanished == 1 and reader.ids == [1, 2, 3, 1]
    assert withdrawn(reader, result) == {"r1-0": sorted([marks[1], marks[2]])}
    reader.execute("DELETE FROM mails")
    result = reader.read(vanished="withdraw", reading="r3")
    assert result.vanished == 0 and "The place is empty" in result.notes[-1]


def test_d08_rows_that_are_gone_are_counted_without_the_setting(reader):
    insert(reader, (1, 1), (2, 2), (3, 3))
    reader.read()
    reader.execute("DELETE FROM mails WHERE id = 2")
    result = reader.read()
    assert (result.vanished, len(result.withdrawn)) == (1, 0)
    assert "1 rows that were read before are gone" in result.notes[0]
