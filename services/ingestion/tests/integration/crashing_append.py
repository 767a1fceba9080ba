"""Append ten records and seal them, in a process that is killed at a given point: `… <directory> <crash_point>`."""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ratoon.operations.operations import Operations
from ratoon.process.clock import SystemClock
from ratoon.process.errors import AlreadyExists
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon_ingestion.adapters import tables
from ratoon_ingestion.adapters.stream_records import SqlStreamRecords
from ratoon_ingestion.application import streams
from ratoon_ingestion.domain.sources import Source

CRASH_POINTS = ("before commit", "after commit", "before blob", "after blob", "before source", "after source")
PARENT, NAME = "projects/p", "projects/p/streams/s"


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def around(function: Callable[..., Any], before: bool, after: bool) -> Callable[..., Any]:
    """Return a function that kills this process before or after it is called."""

    def called(*arguments: Any, **named: Any) -> Any:
        if before:
            kill()
        result = function(*arguments, **named)
        if after:
            kill()
        return result

    return called


def main(folder: Path, crash_point: str) -> None:
    """Do it, and print what the stream and its sources hold."""
    database = Database(f"sqlite:///{folder}/ingestion.db")
    tables.METADATA.create_all(database.engine)
    store = Store(database, tables.RESOURCES, lambda *_: None, lambda *_: None, PageTokens(b"k" * 32))  # type: ignore[arg-type, return-value]
    clock, records, blobs = SystemClock(), SqlStreamRecords(), ArtifactStore(f"{folder}/artifacts")
    operations = Operations(store, tables.METADATA.tables["operations"], [], clock)
    with suppress(AlreadyExists):
        streams.create_stream(streams.CreateStream(PARENT, "s"), store, operations, clock)
    records.add = around(records.add, False, crash_point == "before commit")  # type: ignore[method-assign]
    blobs.put_bytes = around(blobs.put_bytes, crash_point == "before blob", crash_point == "after blob")  # type: ignore[method-assign]
    records.release = around(records.release, False, crash_point == "before source")  # type: ignore[method-assign]
    append = around(streams.append_records, False, crash_point == "after commit")
    write = around(streams.seal_stream, False, crash_point == "after source")
    new = tuple(streams.NewRecord(f"r-{n}", f"Text {n}.") for n in range(10))
    append(streams.AppendRecords(NAME, new), store, records, operations, clock, streams.StreamLimits())
    status = write(NAME, store, records, blobs, clock)
    with store.read() as tx:
        sources = tx.all(Source, PARENT)
    rows = [json.loads(line)["id"] for source in sources for line in blobs.read(source.digest).splitlines()]
    print(
        json.dumps(
            {
                "rows": rows,
                "sealed_record_count": status.stream.sealed_record_count,
                "open_record_count": status.open_record_count,
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
