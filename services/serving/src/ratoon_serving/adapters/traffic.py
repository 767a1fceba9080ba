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
_Key = tuple[str, datetime, datetime]


class MemoryTrafficBook:
    """Counts by engine and votes by version, for half an hour."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traffic: dict[str, dict[_Key, Traffic]] = defaultdict(dict)
        self._votes: dict[str, dict[_Key, Votes]] = defaultdict(dict)

    def add_traffic(self, gateway: str, engine: str, window: Window, seen: Traffic) -> None:
        """A gateway's count of one engine in a window; told twice, it counts once."""
        with self._lock:
            _put(self._traffic[engine], (gateway, window.start, window.end), seen)

    def add_votes(self, version: str, window: Window, votes: Votes) -> None:
        """Users' votes on one version in a window; told twice, they count once."""
        with self._lock:
            _put(self._votes[version], ("", window.start, window.end), votes)

    def traffic(self, engine: str, since: datetime) -> Traffic:
        """All that was told of an engine in windows that ended since."""
        with self._lock:
            rows = [(key, seen) for key, seen in self._traffic.get(engine, {}).items() if key[2] > since]
        total = reduce(add, (seen for _, seen in rows), Traffic())
        last = max((end for (_, _, end), _ in rows), default=since)
        return replace(total, seconds=(last - since).total_seconds())

    def votes(self, version: str, since: datetime) -> Votes:
        """All votes on a version in windows that ended since."""
        with self._lock:
            rows = [votes for key, votes in self._votes.get(version, {}).items() if key[2] > since]
        return Votes(sum(v.positive for v in rows), sum(v.negative for v in rows))


def _put(rows: dict[_Key, T], key: _Key, value: T) -> None:
    rows[key] = value
    for old in [k for k in rows if key[2] - k[2] > _KEPT]:
        del rows[old]
