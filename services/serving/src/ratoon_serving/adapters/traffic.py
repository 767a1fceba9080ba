"""Recent reports of gateways and votes of users, in the database: a bake reads them after a restart too."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, delete, insert, select

from ratoon.storage.database import Database
from ratoon.tasks.votes import Votes, count_votes
from ratoon_serving.adapters.tables import TRAFFIC, VOTES
from ratoon_serving.application.commands import TrafficReport, VoteReport, Window
from ratoon_serving.domain.rollouts.analysis import Traffic

_RETENTION_S = 1800.0
_HEARTBEAT_S = 2.0
"""Seconds between stored reports of a gateway without requests."""
_PEAK_S = 10.0
"""Length of the spans over which a rate is measured, in seconds."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_ANY_ENGINE = ""
"""Engine of the row with the time of a gateway's last report, whatever it reported."""


class TableTrafficBook:
    """Counts by engine and votes by version, kept for half an hour."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last_report: dict[str, datetime] = {}

    def add_traffic(self, gateway: str, reports: Sequence[TrafficReport], now: datetime) -> None:
        """Add the counts of a gateway; of an empty report only its time is stored."""
        rows = [_traffic_row(gateway, report) for report in reports if report.traffic.requests]
        if not rows and (now - self._last_report.get(gateway, _EPOCH)).total_seconds() < _HEARTBEAT_S:
            return
        heartbeat = _traffic_row(gateway, TrafficReport(_ANY_ENGINE, Window(_EPOCH, now), Traffic()))
        self._put(TRAFFIC, ("engine", "gateway", "start"), [*rows, heartbeat])
        self._last_report[gateway] = now

    def add_votes(self, reports: Sequence[VoteReport]) -> None:
        """Add votes of users; an empty window is stored too, because it may correct an earlier report of it."""
        self._put(VOTES, ("version", "start"), [_vote_row(report) for report in reports])

    def traffic(self, engine: str, since: datetime) -> Traffic:
        """Return the reported traffic of an engine in windows that ended since then, and the length of the interval."""
        t, start = TRAFFIC.c, since.timestamp()
        query = select(TRAFFIC).where(t.engine.in_((engine, _ANY_ENGINE)), t.end > start)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        last = max((row.end for row in rows), default=start)
        return replace(_summed(rows), seconds=last - start)

    def peak_rate(self, engine: str, since: datetime) -> float:
        """Return the highest rate of an engine within ten seconds since then, in requests a second; 0: none."""
        t, answered = TRAFFIC.c, defaultdict[int, int](int)
        query = select(t.end, t.requests, t.errors).where(t.engine == engine, t.end > since.timestamp())
        with self._database.read() as connection:
            for row in connection.execute(query):
                answered[int(row.end // _PEAK_S)] += row.requests - row.errors
        return max(answered.values(), default=0) / _PEAK_S

    def votes(self, version: str, since: datetime) -> Votes:
        """Return the votes on a version in windows that ended since then."""
        t = VOTES.c
        query = select(t.positive, t.negative, t.callers).where(
            t.version == version, t.end > since.timestamp()
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        windows = (Votes(row.positive, row.negative, tuple(json.loads(row.callers))) for row in rows)
        return count_votes(each for window in windows for each in window.rows)

    def _put(self, table: Table, key: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
        if not rows:
            return
        with self._database.write() as connection:
            for row in rows:
                same = and_(*(table.c[name] == row[name] for name in key))
                connection.execute(delete(table).where(same))
                connection.execute(insert(table).values(**row))
            _delete_expired(connection, table, max(row["end"] for row in rows))


def _delete_expired(connection: Connection, table: Table, now: float) -> None:
    connection.execute(delete(table).where(table.c.end < now - _RETENTION_S))


def _traffic_row(gateway: str, report: TrafficReport) -> dict[str, Any]:
    traffic = report.traffic
    counts = {
        "requests": traffic.requests,
        "errors": traffic.errors,
        "cut": traffic.cut,
        "p50_s": traffic.p50_s,
    }
    callers = [[name, own.requests, own.errors, own.cut, own.p50_s] for name, own in traffic.callers]
    values = {**counts, "callers": json.dumps(callers)}
    return {"engine": report.engine, "gateway": gateway, **_times(report.window), **values}


class _Sum:
    """Mutable sum of counts: a bake sums thousands of windows with dozens of callers at each observation."""

    __slots__ = ("cut", "errors", "requests", "weighted_s")

    def __init__(self) -> None:
        self.requests = self.errors = self.cut = 0
        self.weighted_s = 0.0

    def add(self, requests: int, errors: int, cut: int, p50_s: float) -> None:
        """Add one window; medians are averaged by requests."""
        self.requests += requests
        self.errors += errors
        self.cut += cut
        self.weighted_s += p50_s * requests

    def traffic(self) -> Traffic:
        """Return the sum."""
        p50_s = self.weighted_s / self.requests if self.requests else 0.0
        return Traffic(self.requests, self.errors, self.cut, p50_s)


def _summed(rows: Sequence[Row[Any]]) -> Traffic:
    whole, callers = _Sum(), dict[str, _Sum]()
    for row in rows:
        whole.add(row.requests, row.errors, row.cut, row.p50_s)
        for caller, *counts in json.loads(row.callers):
            if (own := callers.get(caller)) is None:
                own = callers[caller] = _Sum()
            own.add(*counts)
    return replace(whole.traffic(), callers=tuple((name, own.traffic()) for name, own in callers.items()))


def _vote_row(report: VoteReport) -> dict[str, Any]:
    votes = report.votes
    counts = {"positive": votes.positive, "negative": votes.negative, "callers": json.dumps(votes.callers)}
    return {"version": report.version, **_times(report.window), **counts}


def _times(window: Window) -> dict[str, float]:
    return {"start": window.start.timestamp(), "end": window.end.timestamp()}
