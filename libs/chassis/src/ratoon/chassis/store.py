"""A room's resources in its database: frozen dataclasses as JSON documents with the columns that listings need.

It keeps what every room promises: `request_id` makes a create safe to retry, a stale revision never wins, listings
are paged in the order (create_time, name), and state and event commit together. It knows no domain.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

from pydantic import TypeAdapter
from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    and_,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from ratoon.chassis.clock import Clock, SystemClock
from ratoon.chassis.database import Database
from ratoon.chassis.errors import Aborted, AlreadyExists, NotFound
from ratoon.chassis.names import parent_of
from ratoon.chassis.paging import Page, PageTokens, page_size
from ratoon.events.ports import Record


class Resource(Protocol):
    """What every resource has."""

    @property
    def name(self) -> str: ...
    @property
    def create_time(self) -> datetime: ...
    @property
    def update_time(self) -> datetime: ...
    @property
    def revision(self) -> int: ...


T = TypeVar("T", bound=Resource)

Encode = Callable[[object, str, int], Record]
"""A room's mapping of a domain event, its resource's name and revision, to a record of the event log."""


def resource_table(metadata: MetaData, name: str) -> Table:
    """The table of one kind of resource."""
    return Table(
        name,
        metadata,
        Column("name", String(512), primary_key=True),
        Column("parent", String(512), nullable=False),
        Column("create_time", String(40), nullable=False),
        Column("revision", Integer, nullable=False),
        Column("request_key", String(700), unique=True),
        Column("body", Text, nullable=False),
        Index(f"ix_{name}_listing", "parent", "create_time", "name"),
    )


class Store:
    """Transactions over the resources of one room."""

    def __init__(
        self,
        database: Database,
        tables: Mapping[type, Table],
        encode: Encode,
        append: Callable[[Connection, Record], None],
        tokens: PageTokens,
        clock: Clock | None = None,
    ) -> None:
        self.database = database
        self._kinds = {kind: (table, TypeAdapter[Any](kind)) for kind, table in tables.items()}
        self._encode, self._append, self._tokens = encode, append, tokens
        self._clock = clock or SystemClock()

    @contextmanager
    def write(self) -> Iterator["Transaction"]:
        """A transaction that may change resources; all of it commits, or nothing."""
        with self.database.write() as connection:
            yield Transaction(self, connection)

    @contextmanager
    def read(self) -> Iterator["Transaction"]:
        """A transaction that only reads."""
        with self.database.read() as connection:
            yield Transaction(self, connection)


class Transaction:
    """What a handler may do with resources inside one transaction."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self._store = store
        self.connection = connection

    def find(self, kind: type[T], name: str) -> T | None:
        """The resource, or None."""
        table, adapter = self._store._kinds[kind]
        row = self.connection.execute(select(table.c.body).where(table.c.name == name)).first()
        return None if row is None else cast(T, adapter.validate_json(row.body))

    def get(self, kind: type[T], name: str) -> T:
        """The resource; NotFound when there is none."""
        found = self.find(kind, name)
        if found is None:
            raise NotFound(f"{name} does not exist.", reason=f"{_upper(kind)}_NOT_FOUND")
        return found

    def create(self, resource: T, request_id: str = "") -> tuple[T, bool]:
        """Add a resource. Returns it and whether it is new: a request_id that was used gives the first one again."""
        table, adapter = self._store._kinds[type(resource)]
        parent = parent_of(resource.name)
        request_key = f"{parent}:{request_id}" if request_id else None
        if request_key and (first := self._by_request(table, adapter, request_key)):
            return cast(T, first), False
        resource = cast(T, replace(cast(Any, resource), revision=1))
        values = {
            "name": resource.name,
            "parent": parent,
            "create_time": resource.create_time.isoformat(),
            "revision": 1,
            "request_key": request_key,
            "body": adapter.dump_json(resource).decode(),
        }
        if self.find(type(resource), resource.name) is not None:
            raise AlreadyExists(
                f"{resource.name} exists already; choose another id.",
                reason=f"{_upper(type(resource))}_EXISTS",
            )
        try:
            self.connection.execute(insert(table), values)
        except IntegrityError:
            raise Aborted(f"{resource.name} was created by somebody else just now; read it again.") from None
        return resource, True

    def save(self, resource: T) -> T:
        """Replace a resource whose revision is still the stored one; Aborted when somebody else was first."""
        table, adapter = self._store._kinds[type(resource)]
        saved = replace(
            cast(Any, resource), revision=resource.revision + 1, update_time=self._store._clock.now()
        )
        changed = self.connection.execute(
            update(table)
            .where(table.c.name == resource.name, table.c.revision == resource.revision)
            .values(revision=saved.revision, body=adapter.dump_json(saved).decode())
        )
        if changed.rowcount != 1:
            raise Aborted(f"{resource.name} was changed by somebody else first; read it again and repeat.")
        return cast(T, saved)

    def page(self, kind: type[T], parent: str, size: int = 0, token: str = "") -> Page[T]:
        """The resources of a parent, oldest first; `-` as an id in the parent matches none: listings are exact."""
        table, adapter = self._store._kinds[kind]
        listing, limit = f"{table.name}:{parent}", page_size(size)
        query = (
            select(table)
            .where(table.c.parent == parent)
            .order_by(table.c.create_time, table.c.name)
            .limit(limit + 1)
        )
        if position := self._store._tokens.open(listing, token):
            time, name = position
            query = query.where(
                or_(table.c.create_time > time, and_(table.c.create_time == time, table.c.name > name))
            )
        rows = self.connection.execute(query).all()
        more = len(rows) > limit
        rows = rows[:limit]
        following = self._store._tokens.seal(listing, [rows[-1].create_time, rows[-1].name]) if more else ""
        return Page([cast(T, adapter.validate_json(row.body)) for row in rows], following)

    def all(self, kind: type[T], parent: str) -> list[T]:
        """Every resource of a parent, oldest first; for collections that stay small."""
        table, adapter = self._store._kinds[kind]
        query = (
            select(table.c.body).where(table.c.parent == parent).order_by(table.c.create_time, table.c.name)
        )
        return [cast(T, adapter.validate_json(row.body)) for row in self.connection.execute(query)]

    def every(self, kind: type[T]) -> list[T]:
        """Every resource of a kind, whosever it is; for kinds that stay few."""
        table, adapter = self._store._kinds[kind]
        bodies = self.connection.execute(select(table.c.body).order_by(table.c.name)).scalars()
        return [cast(T, adapter.validate_json(body)) for body in bodies]

    def publish(self, event: object, source: Resource) -> None:
        """Commit a domain event of this resource together with its state."""
        self._store._append(self.connection, self._store._encode(event, source.name, source.revision))

    def _by_request(self, table: Table, adapter: TypeAdapter[Any], request_key: str) -> object | None:
        row = self.connection.execute(select(table.c.body).where(table.c.request_key == request_key)).first()
        return None if row is None else adapter.validate_json(row.body)


def _upper(kind: type) -> str:
    return "".join(f"_{c}" if c.isupper() and i else c for i, c in enumerate(kind.__name__)).upper()
