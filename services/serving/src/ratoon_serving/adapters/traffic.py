"""What gateways and users told lately, in the room's database: a bake sees it after a restart, too."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, delete, insert, select

from ratoon.chassis.database import Database
from ratoon.tasks.votes import Votes, count_votes
from ratoon_serving.adapters.tables import TRAFFIC, VOTES
from ratoon_serving.application.commands import TrafficSeen, VotesSeen, Window
from ratoon_serving.domain.rollouts.analysis import Traffic

_KEPT_S = 1800.0
_HEARD_EVERY_S = 2.0
"""A gateway without requests is written down this often, not at each of its reports."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_ANY = ""
"""Stands for the engine in the row that says until when a gateway told, whatever it told of."""


class TableTrafficBook:
    """Counts by engine and votes by version, for half an hour."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heard: dict[str, datetime] = {}

    def add_traffic(self, gateway: str, reports: Sequence[TrafficSeen], now: datetime) -> None:
        """A gateway's counts; of an empty one only remains that the gateway told, and when."""
        told = [_traffic_row(gateway, report) for report in reports if report.traffic.requests]
        if not told and (now - self._heard.get(gateway, _EPOCH)).total_seconds() < _HEARD_EVERY_S:
            return
        heard = _traffic_row(gateway, TrafficSeen(_ANY, Window(_EPOCH, now), Traffic()))
        self._put(TRAFFIC, ("engine", "gateway", "start"), [*told, heard])
        self._heard[gateway] = now

    def add_votes(self, reports: Sequence[VotesSeen]) -> None:
        """Users' votes; a window without any is kept, for it may correct one that had some."""
        self._put(VOTES, ("version", "start"), [_vote_row(report) for report in reports])

    def traffic(self, engine: str, since: datetime) -> Traffic:
        """All that was told of an engine in windows that ended since, and of how long."""
        t, start = TRAFFIC.c, since.timestamp()
        asked = select(TRAFFIC).where(t.engine.in_((engine, _ANY)), t.end > start)
        with self._database.read() as connection:
            rows = connection.execute(asked).all()
        last = max((row.end for row in rows), default=start)
        return replace(_summed(rows), seconds=last - start)

    def votes(self, version: str, since: datetime) -> Votes:
        """All votes on a version in windows that ended since."""
        t = VOTES.c
        asked = select(t.positive, t.negative, t.callers).where(
            t.version == version, t.end > since.timestamp()
        )
        with self._database.read() as connection:
            rows = connection.execute(asked).all()
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
            _forget(connection, table, max(row["end"] for row in rows))


def _forget(connection: Connection, table: Table, now: float) -> None:
    connection.execute(delete(table).where(table.c.end < now - _KEPT_S))


def _traffic_row(gateway: str, report: TrafficSeen) -> dict[str, Any]:
    seen = report.traffic
    counts = {"requests": seen.requests, "errors": seen.errors, "cut": seen.cut, "p50_s": seen.p50_s}
    callers = [[name, own.requests, own.errors, own.cut, own.p50_s] for name, own in seen.callers]
    told = {**counts, "callers": json.dumps(callers)}
    return {"engine": report.engine, "gateway": gateway, **_times(report.window), **told}


class _Sum:
    """Counts that add up in place: a bake sums thousands of windows with dozens of callers, again and again."""

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
        """All of it."""
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


def _vote_row(report: VotesSeen) -> dict[str, Any]:
    votes = report.votes
    counts = {"positive": votes.positive, "negative": votes.negative, "callers": json.dumps(votes.callers)}
    return {"version": report.version, **_times(report.window), **counts}


def _times(window: Window) -> dict[str, float]:
    return {"start": window.start.timestamp(), "end": window.end.timestamp()}
