"""Retention of resources that ended: they are removed some days after their last change, unless a resource names them.

A service registers its kinds as `ratoon.retentions`. Any string of any stored document that equals the name of a
resource keeps it, unless its document is removed too; so no service can forget to declare a reference. It knows no
domain.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Table, select, text

from ratoon.runtime.services import load_optional
from ratoon.runtime.settings import ServiceSettings
from ratoon.storage.bodies import Unreadable
from ratoon.storage.database import Database
from ratoon.storage.gc_items import resource_tables
from ratoon.storage.store import codec_of, retire_name

_NAME = re.compile(r'"(projects/[^"\\]+)"')
_ROWS = 1000


@dataclass(frozen=True)
class Retention:
    """Retention of the ended resources of one kind."""

    kind: type
    table: Table
    days: float
    """Days from the last change to the removal; 0: never removed."""
    ended: Callable[[Any], bool]
    newest: int = 1
    """Resources of each parent that stay whatever their age, the newest ones."""
    mentions: tuple[Column[str], ...] = ()
    """Columns of other tables that name resources of this kind; such rows are removed with them."""


@dataclass(frozen=True)
class Expired:
    """Ended resource that can be removed: the URL of its database, its retention, its name and its revision."""

    database_url: str
    retention: Retention
    name: str
    revision: int
    size: int
    """Bytes of its stored document."""

    @property
    def why(self) -> str:
        """Return the reason of its removal."""
        return f"it ended more than {self.retention.days:g} days ago, and no resource names it"


def survey(services: Sequence[ServiceSettings], now: datetime | None = None) -> list[Expired]:
    """Return the ended resources of all services that are older than their retention and not referred to."""
    as_of = now or datetime.now(UTC)
    old = {each.name: each for settings in services for each in _expired(settings, as_of)}
    return list(_unreferenced(old, services).values()) if old else []


def remove(expired: Iterable[Expired]) -> list[Expired]:
    """Remove these resources; return those that were removed. One that changed since the survey stays."""
    removed = []
    for each in expired:
        with closing(Database(each.database_url)) as database, database.write() as connection:
            if _remove(connection, each):
                removed.append(each)
    return removed


def _remove(connection: Connection, expired: Expired) -> bool:
    table = expired.retention.table
    same = (table.c.name == expired.name) & (table.c.revision == expired.revision)
    if connection.execute(table.delete().where(same)).rowcount != 1:
        return False
    retire_name(connection, table.metadata, expired.name)
    for column in expired.retention.mentions:
        connection.execute(column.table.delete().where(column == expired.name))
    return True


def _expired(settings: ServiceSettings, now: datetime) -> Iterator[Expired]:
    """Return the resources of a service that ended long ago, whether referred to or not."""
    retentions: Callable[[ServiceSettings], Sequence[Retention]] | None
    if (retentions := load_optional("ratoon.retentions", settings.service)) is None:
        return
    with closing(Database(settings.database_url)) as database, database.read() as connection:
        for retention in retentions(settings):
            if retention.days > 0:
                yield from _of_kind(settings.database_url, connection, retention, now)


def _of_kind(url: str, connection: Connection, retention: Retention, now: datetime) -> Iterator[Expired]:
    table, codec = retention.table, codec_of(retention.kind, retention.table)
    before = now - timedelta(days=retention.days)
    under_way = set(connection.execute(text("SELECT name FROM operations")).scalars())
    newer: Counter[str] = Counter()
    query = select(table.c.name, table.c.parent, table.c.revision, table.c.body)
    newest_first = query.order_by(table.c.create_time.desc(), table.c.name.desc())
    for row in connection.execution_options(yield_per=_ROWS).execute(newest_first):
        newer[row.parent] += 1
        if newer[row.parent] <= retention.newest or row.name in under_way:
            continue
        try:
            resource = codec.load(row.body)
        except Unreadable:
            continue
        if retention.ended(resource) and resource.update_time < before:
            yield Expired(url, retention, row.name, row.revision, len(row.body.encode()))


def _unreferenced(old: dict[str, Expired], services: Sequence[ServiceSettings]) -> dict[str, Expired]:
    """Return those of these resources that only resources among them name."""
    referrers = _referrers(old.keys(), services)
    left = dict(old)
    while retained := [name for name in left if not referrers.get(name, set()) <= left.keys()]:
        for name in retained:
            del left[name]
    return left


def _referrers(names: Iterable[str], services: Sequence[ServiceSettings]) -> dict[str, set[str]]:
    """Return the names of the resources that name these resources, by the resource that they name."""
    targets, referrers = frozenset(names), dict[str, set[str]]()
    for url in sorted({settings.database_url for settings in services}):
        with closing(Database(url)) as database, database.read() as connection:
            for table in resource_tables(connection):
                query = text(f"SELECT name, body FROM {table}")
                for row in connection.execution_options(yield_per=_ROWS).execute(query):
                    for name in targets.intersection(_NAME.findall(row.body)) - {row.name}:
                        referrers.setdefault(name, set()).add(row.name)
    return referrers
