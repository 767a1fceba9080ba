"""Items of a place that are live: which blob holds each, so that one that vanishes can be withdrawn.

An item is a row, a message with a key or a file. A blob is named by its reading and its number. In a blob, an item is
its mark (a row), its path (a file of a tree), or an empty text (the whole blob). The position holds the live items by
their key in the place, and the digest of each blob's list of withdrawn items.
"""

import json
from collections import defaultdict
from collections.abc import Iterable

from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.connections.common import JSON, Reading, ReadingFailed

WITHDRAW = "withdraw"
_MAX_LIVE = 1_000_000
"""Items that a position holds."""


class LiveItems:
    """Live items of a connection that withdraws; of one that keeps, nothing changes."""

    def __init__(self, spec: pb.ReadingSpec, store: ArtifactStore, cursor: JSON, reading: Reading) -> None:
        self.is_on = spec.vanished == WITHDRAW
        self._name, self._store, self._reading = spec.reading, store, reading
        self._live: dict[str, list[str]] = dict(cursor.get("live", {}))
        self._lists: dict[str, str] = dict(cursor.get("withdrawn", {}))
        self._gone: dict[str, list[str]] = defaultdict(list)

    @property
    def keys(self) -> list[str]:
        """Return the keys of the live items."""
        return list(self._live)

    def put(self, key: str, blob: int, item: str) -> None:
        """Add an item of a blob of this reading. One with the same key is replaced, and withdrawn."""
        if not self.is_on:
            return
        self.remove(key)
        self._live[key] = [f"{self._name}-{blob}", item]
        if len(self._live) > _MAX_LIVE:
            raise ReadingFailed(
                "TOO_MANY_ITEMS",
                f"The place has more than {_MAX_LIVE:,} items, too many to withdraw those that vanish. Set vanished to "
                "VANISHED_KEEP, or create several connections.",
            )

    def item(self, key: str) -> str:
        """Return the live item of a key; empty if there is none."""
        return self._live[key][1] if key in self._live else ""

    def remove(self, key: str) -> bool:
        """Withdraw the item of a key. Returns False if none is live."""
        if not self.is_on or key not in self._live:
            return False
        blob, item = self._live.pop(key)
        self._gone[blob].append(item)
        return True

    def remove_absent(self, present: Iterable[str]) -> int:
        """Withdraw all whose key the place does not have any more; returns their number.

        A place that has nothing at all is taken for one that is away.
        """
        if not self.is_on:
            return 0
        there = set(present)
        gone = [key for key in self._live if key not in there]
        if gone and not there:
            self._reading.note(
                f"The place is empty, though {len(gone):,} items were read from it: none of them is withdrawn. Delete "
                "their sources if that is right."
            )
            return 0
        return sum(map(self.remove, gone))

    def stored(self) -> JSON:
        """Store the lists of withdrawn items, report them, and return the entries of the position."""
        for blob, items in sorted(self._gone.items()):
            before = json.loads(self._store.read(self._lists[blob])) if blob in self._lists else []
            listed = sorted({*before, *items})
            digest = self._store.put_bytes(json.dumps(listed, separators=(",", ":")).encode())
            self._lists[blob] = digest
            self._reading.withdrawn.append(
                pb.ReadingResult.Withdrawn(
                    blob=blob, digest=digest, count=len(listed), added=len(listed) - len(before)
                )
            )
        named = {"live": self._live, "withdrawn": self._lists}
        return {name: value for name, value in named.items() if value}
