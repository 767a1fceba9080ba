"""What gateways and users told lately, in memory: after a restart a bake has less to see."""

import threading
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce
from operator import add
from typing import TypeVar

from ratoon_serving.application.ports import Window
from ratoon_serving.domain.analysis import Traffic, Votes

_KEPT = timedelta(minutes=30)
T = TypeVar("T")
_Rows = dict[tuple[str, datetime], tuple[datetime, T]]


class MemoryTrafficBook:
    """Counts by engine and votes by version, for half an hour."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traffic: dict[str, _Rows[Traffic]] = defaultdict(dict)
        self._votes: dict[str, _Rows[Votes]] = defaultdict(dict)

    def add_traffic(self, gateway: str, engine: str, window: Window, seen: Traffic) -> None:
        """A gateway's count of one engine in a window; told twice, it counts once."""
        with self._lock:
            _put(self._traffic[engine], gateway, window, seen)

    def add_votes(self, version: str, window: Window, votes: Votes) -> None:
        """Users' votes on one version in a window; told twice, they count once."""
        with self._lock:
            _put(self._votes[version], "", window, votes)

    def traffic(self, engine: str, since: datetime) -> Traffic:
        """All that was told of an engine in windows that ended since."""
        with self._lock:
            rows = [row for row in self._traffic.get(engine, {}).values() if row[0] > since]
        total = reduce(add, (seen for _, seen in rows), Traffic())
        last = max((end for end, _ in rows), default=since)
        return replace(total, seconds=(last - since).total_seconds())

    def votes(self, version: str, since: datetime) -> Votes:
        """All votes on a version in windows that ended since."""
        with self._lock:
            rows = [votes for end, votes in self._votes.get(version, {}).values() if end > since]
        return Votes(sum(v.positive for v in rows), sum(v.negative for v in rows))


def _put(rows: _Rows[T], source: str, window: Window, value: T) -> None:
    rows[(source, window.start)] = (window.end, value)
    for key in [key for key, (end, _) in rows.items() if window.end - end > _KEPT]:
        del rows[key]
