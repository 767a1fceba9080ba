"""What a crawl has done so far, on disk: after a kill it goes on there, and no page is stored twice.

The pages are one file of JSON Lines; each line of the journal says how long that file was after it. What follows in the
file, and a line of the journal that was cut, was not done.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Entry = Mapping[str, Any]


class Journal:
    """Journal and pages of one crawl in a directory."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.pages_path = folder / "pages.jsonl"
        self._path = folder / "journal.jsonl"
        self.size = 0
        """Bytes of the pages that count."""
        self.begun_time = time.time()
        """Wall-clock time at which the crawl began, in seconds since 1970."""

    def replay(self) -> Iterator[Entry]:
        """Yield what was done, and cut off what was not; then entries can be added."""
        whole = 0
        for entry, end in self._entries():
            whole, self.size = end, entry.get("size", self.size)
            if "begun" in entry:
                self.begun_time = float(entry["begun"])
            else:
                yield entry
        _truncate(self._path, whole)
        _truncate(self.pages_path, self.size)
        if not whole:
            self._append({"begun": self.begun_time})

    def add(self, entry: dict[str, Any], row: Mapping[str, Any] | None = None) -> None:
        """Add what was done, with the row of the page that was stored, if any."""
        if row is not None:
            line = json.dumps(row, ensure_ascii=False).encode("utf-8", errors="replace") + b"\n"
            _write(self.pages_path, line)
            self.size += len(line)
        self._append({**entry, "size": self.size})

    def _append(self, entry: Entry) -> None:
        _write(self._path, json.dumps(entry, ensure_ascii=False).encode("utf-8", errors="replace") + b"\n")

    def _entries(self) -> Iterator[tuple[Entry, int]]:
        if not self._path.exists():
            return
        end = 0
        with self._path.open("rb") as lines:
            for line in lines:
                end += len(line)
                if not line.endswith(b"\n"):
                    return
                yield json.loads(line), end


def _write(path: Path, data: bytes) -> None:
    with path.open("ab") as sink:
        sink.write(data)
        sink.flush()
        os.fsync(sink.fileno())


def _truncate(path: Path, size: int) -> None:
    with path.open("ab") as file:
        file.truncate(size)
