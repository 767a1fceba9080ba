"""A PostgreSQL that dies while it is read: nothing half is stored, the position stays, and the next reading goes on."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.postgresql import Server, missing, running_server
from ratoon_ingestion.worker.connections.common import ReadingFailed
from ratoon_ingestion.worker.connections.reading import read_connection

ROWS = 6_000


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if reason := missing():
        pytest.skip(reason)
    with running_server() as server:
        yield server


def test_a_database_that_dies_while_it_is_read(server, tmp_path):
    url = server.url("mails")
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE mails (id INTEGER PRIMARY KEY, at INTEGER, body TEXT)")
        connection.execute(
            "INSERT INTO mails SELECT n, n / 3, repeat('text ', 300) FROM generate_series(1, %s) AS n", [ROWS]
        )
    store, ids = ArtifactStore(f"{tmp_path}/artifacts"), list[int]()
    spec = pb.ReadingSpec(
        kind="SQL",
        url=url,
        query="SELECT * FROM mails",
        cursor_column="at",
        key_column="id",
        max_items=2_500,
        max_bytes=1 << 28,
    )

    def read(dies: bool = False) -> pb.ReadingResult:
        def report(_fraction: float, _message: str, **counts: Any) -> None:
            if dies and counts.get("done"):
                server.close()

        result = read_connection(spec, store, tmp_path, report)
        spec.cursor = result.cursor
        for blob in result.blobs:
            ids.extend(json.loads(line)["id"] for line in store.read(blob.digest).splitlines())
        return result

    assert read().more
    before, blobs = spec.cursor, sorted(path.name for path in (tmp_path / "artifacts").rglob("*"))
    with pytest.raises(ReadingFailed) as died:
        read(dies=True)
    assert died.value.reason == "DATABASE_AWAY"
    with pytest.raises(ReadingFailed):
        read()
    assert spec.cursor == before
    assert sorted(path.name for path in (tmp_path / "artifacts").rglob("*")) == blobs
    assert not list(tmp_path.glob("*.jsonl"))
    server.start()
    while read().more:
        pass
    assert ids == list(range(1, ROWS + 1))
