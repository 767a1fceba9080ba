"""A service's resources in its database: frozen dataclasses as JSON documents with the columns that listings need.

It keeps what every service promises: `request_id` makes a create safe to retry, a stale revision never wins, listings
are paged in the order (create_time, name), and state and event commit together. What could not be read back is never
written; a stored row that cannot be read is left out of listings and named in `Store.unreadable`. `bodies` reads and
writes the documents. It knows no domain.
"""

import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, cast

from pydantic_core import PydanticSerializationError
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from ratoon.events.ports import Record
from ratoon.process.clock import Clock, SystemClock
from ratoon.process.errors import Aborted, AlreadyExists, DataLoss, InvalidArgument, NotFound
from ratoon.runtime import requests
from ratoon.security.identity import Role, caller
from ratoon.storage.bodies import BodyCodec, Mirror, Unreadable, Upgrade, next_revision
from ratoon.storage.database import Database
from ratoon.storage.listing import newest_first, stored_field
from ratoon.storage.names import parent_of
from ratoon.storage.paging import Page, PageTokens, page_size


class Resource(Protocol):
    """Fields of every resource."""

    @property
    def name(self) -> str: ...
    @property
    def create_time(self) -> datetime: ...
    @property
    def update_time(self) -> datetime: ...
    @property
    def revision(self) -> int: ...


R = TypeVar("R")
T = TypeVar("T", bound=Resource)
_LOG = logging.getLogger(__name__)
_MAX_UNREADABLE = 1000
_ROWS, _PAGE_FETCH = 500, 50
_UPGRADES, _MIRROR, _ENDED = "upgrades", "mirror", "ended"
_RETIRED = "retired_names"
_PAGE_CHARS = 1_000_000
"""Of the documents on a page: it stays under a message's 4 MiB, whatever its script. One alone may have more."""
_REFERENCE = re.compile(r'(?<!content_digest)(?<!record_id)": ?"[0-9a-f]{64}"')
"""A text that may be the digest of an artifact; the fields of the resource say whether it is."""
_EVERYTHING: Mapping[str, str] = MappingProxyType({})
_BOOKKEEPING = frozenset(("name", "create_time", "update_time", "revision", "etag"))

Encode = Callable[[object, str, int], Record]
"""Mapping of a service's domain event, its resource's name and revision, to a record of the event log."""


class WrittenByANewerRelease(DataLoss):
    """A newer release wrote the resource with values that this one does not know; nothing is lost."""

    code, reason = "FAILED_PRECONDITION", "WRITTEN_BY_A_NEWER_RELEASE"


def resource_table(
    metadata: MetaData,
    name: str,
    upgrades: Sequence[Upgrade] = (),
    mirror: Mirror | None = None,
    ended: str = "",
) -> Table:
    """Return the table of one kind of resource.

    `upgrades` bring stored bodies from version 1 to the current one. `mirror` serves the previous release, see
    `BodyCodec`. `ended` is the `state` of resources that have ended; an index finds the others.
    """
    return Table(
        name,
        metadata,
        Column("name", String(512), primary_key=True),
        Column("parent", String(512), nullable=False),
        Column("create_time", String(40), nullable=False),
        Column("revision", Integer, nullable=False),
        Column("request_key", String(700), unique=True),
        Column("request_digest", String(64)),
        Column("body", Text, nullable=False),
        Index(f"ix_{name}_listing", "parent", "create_time", "name"),
        *([live_index(name, ended)] if ended else []),
        info={_UPGRADES: tuple(upgrades), _MIRROR: mirror, _ENDED: ended},
    )


def retired_table(metadata: MetaData) -> Table:
    """Return the table of the names of retired resources, which are not used again."""
    return Table(
        _RETIRED,
        metadata,
        Column("name", String(512), primary_key=True),
        Column("parent", String(512), nullable=False, index=True),
    )


def retire_name(connection: Connection, metadata: MetaData, name: str) -> None:
    """Keep a name from being used again: ids of jobs and of requests to other services derive from it."""
    table = metadata.tables[_RETIRED]
    connection.execute(delete(table).where(table.c.name == name))
    connection.execute(insert(table), {"name": name, "parent": parent_of(name)})


def live_index(table: str, ended: str) -> Index:
    """Return the index of the resources of a table whose `state` is not `ended`."""
    return Index(
        f"ix_{table}_live",
        "parent",
        "name",
        sqlite_where=text(live_sql(ended, is_sqlite=True)),
        postgresql_where=text(live_sql(ended, is_sqlite=False)),
    )


def live_sql(ended: str, *, is_sqlite: bool) -> str:
    """Return the SQL condition of bodies without this `state`; a body that is no JSON fulfils it."""
    if not re.fullmatch("[A-Z_]+", ended):
        raise ValueError(f"{ended!r} is no name of a state")
    return f"""{"instr" if is_sqlite else "strpos"}(body, '"state":"{ended}"') = 0"""


def codec_of(kind: type, table: Table) -> BodyCodec:
    """Return the codec of the stored bodies of a kind."""
    return BodyCodec(kind, table.info.get(_UPGRADES, ()), table.info.get(_MIRROR))


class Store:
    """Transactions over the resources of one service."""

    def __init__(
        self,
        database: Database,
        tables: Mapping[type, Table],
        encode: Encode,
        append: Callable[[Connection, Record], None],
        tokens: PageTokens,
        clock: Clock | None = None,
        grant: Callable[[object], None] = lambda _resource: None,
    ) -> None:
        """`grant` lets the artifacts that a resource refers to belong to its project, before it is written."""
        self.database = database
        self._kinds = {kind: (table, codec_of(kind, table)) for kind, table in tables.items()}
        self._by_name = {
            kind: select(table.c.name, table.c.body).where(table.c.name == bindparam("name"))
            for kind, table in tables.items()
        }
        self._encode, self._append, self._tokens = encode, append, tokens
        self._clock = clock or SystemClock()
        self.grant = grant
        self.unreadable: dict[str, str] = {}
        """The stored resources that could not be read, by name, and why; the first thousand that were met."""

    @property
    def tables(self) -> list[Table]:
        """Tables of the resources."""
        return [table for table, _ in self._kinds.values()]

    def run(self, work: Callable[["Transaction"], R]) -> R:
        """Do this in a write transaction of its own; `SharedCommits.run` does it in one that other callers share."""
        with self.write() as tx:
            return work(tx)

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

    def get(self, kind: type[T], name: str) -> T:
        """The resource as it is now, by one statement without a transaction; NotFound when there is none."""
        with self.database.read_once() as connection:
            return Transaction(self, connection).get(kind, name)

    def page(self, kind: type[T], parent: str, size: int, token: str = "", order_by: str = "") -> Page[T]:
        """Return a page of the resources of a parent in a transaction of its own (`Transaction.page`)."""
        with self.read() as tx:
            return tx.page(kind, parent, size, token, order_by)

    def referring(self) -> Iterator[object]:
        """Every stored resource that refers to artifacts, a few at a time; those that cannot be read are left out."""
        for kind, (table, _) in self._kinds.items():
            last = ""
            while rows := self._following(table, last):
                last = rows[-1].name
                with self.read() as tx:
                    yield from tx._readable(kind, (row for row in rows if _REFERENCE.search(row.body)))

    def _following(self, table: Table, name: str) -> Sequence[Any]:
        """The next rows of a table by name."""
        query = select(table.c.name, table.c.body).where(table.c.name > name)
        with self.database.read() as connection:
            return connection.execute(query.order_by(table.c.name).limit(_ROWS)).all()


class Transaction:
    """Operations on resources inside one transaction."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self._store = store
        self.connection = connection

    def find(self, kind: type[T], name: str) -> T | None:
        """The resource, or None; DataLoss when what is stored cannot be read."""
        row = self.connection.execute(self._store._by_name[kind], {"name": name}).first()
        return None if row is None else self.read_row(kind, row)

    def find_readable(self, kind: type[T], name: str) -> T | None:
        """The resource, or None where there is none that can be read."""
        with suppress(DataLoss):
            return self.find(kind, name)
        return None

    def get(self, kind: type[T], name: str) -> T:
        """The resource; NotFound when there is none."""
        resource = self.find(kind, name)
        if resource is None:
            raise NotFound(f"{name} does not exist.", reason=f"{_upper(kind)}_NOT_FOUND")
        return resource

    def create(self, resource: T, request_id: str = "") -> tuple[T, bool]:
        """Add a resource. Returns it and whether it is new: a repeated request gives the first one again.

        AlreadyExists when the name is taken, or when the request id was used for another request.
        """
        kind = type(resource)
        table, codec = self._store._kinds[kind]
        parent = parent_of(resource.name)
        request_key = f"{parent}:{request_id}" if request_id else None
        digest = _request_digest(request_id)
        if request_key and (first := self._by_request(resource, request_key, digest)):
            return first, False
        resource = cast(T, replace(cast(Any, resource), revision=1))
        values = {
            "name": resource.name,
            "parent": parent,
            "create_time": resource.create_time.isoformat(),
            "revision": 1,
            "request_key": request_key,
            "request_digest": digest or None,
            "body": _body(codec, resource),
        }
        if (existing := self.find(kind, resource.name)) is not None:
            raise AlreadyExists(
                f"{resource.name} exists already{_compared(resource, existing)}. Change it with an update, "
                "or choose another id.",
                reason=f"{_upper(kind)}_EXISTS",
            )
        self._check_not_retired(table, resource)
        self._store.grant(resource)
        try:
            self.connection.execute(insert(table), values)
        except IntegrityError:
            raise Aborted(f"{resource.name} was created concurrently; read it again.") from None
        return resource, True

    def save(self, resource: T) -> T:
        """Replace a resource whose revision is still the stored one; Aborted if it was changed concurrently."""
        table, codec = self._store._kinds[type(resource)]
        saved = replace(
            cast(Any, resource),
            revision=next_revision(resource.revision),
            update_time=self._store._clock.now(),
        )
        body = _body(codec, saved)
        self._store.grant(saved)
        changed = self.connection.execute(
            update(table)
            .where(table.c.name == resource.name, table.c.revision == int(resource.revision))
            .values(revision=int(saved.revision), body=body)
        )
        if changed.rowcount != 1:
            raise Aborted(f"{resource.name} was changed concurrently; read it again and repeat.")
        return cast(T, saved)

    def delete(self, resource: Resource) -> None:
        """Remove a resource whose revision is still the stored one; Aborted if it was changed concurrently."""
        table, _ = self._store._kinds[type(resource)]
        ours = (table.c.name == resource.name) & (table.c.revision == int(resource.revision))
        if self.connection.execute(delete(table).where(ours)).rowcount != 1:
            raise Aborted(f"{resource.name} was changed concurrently; read it again and repeat.")

    def retire(self, resource: Resource) -> None:
        """Delete a resource whose name is not used again; for resources that jobs or other services worked for."""
        table, _ = self._store._kinds[type(resource)]
        self.delete(resource)
        retire_name(self.connection, table.metadata, resource.name)

    def retired(self, kind: type[Resource], parent: str) -> list[str]:
        """Return the names of the retired resources of a parent, of this and other kinds."""
        names = self._store._kinds[kind][0].metadata.tables[_RETIRED]
        return list(self.connection.execute(select(names.c.name).where(names.c.parent == parent)).scalars())

    def _check_not_retired(self, table: Table, resource: Resource) -> None:
        names = table.metadata.tables.get(_RETIRED)
        if names is None:
            return
        query = select(names.c.name).where(names.c.name == resource.name)
        if self.connection.execute(query).first() is not None:
            raise AlreadyExists(
                f"{resource.name} was deleted; its name is not used again. Choose another id.",
                reason=f"{_upper(type(resource))}_DELETED",
            )

    def page(
        self,
        kind: type[T],
        parent: str,
        size: int = 0,
        token: str = "",
        order_by: str = "",
        where: Mapping[str, str] = _EVERYTHING,
    ) -> Page[T]:
        """The resources of a parent; `-` as an id in the parent matches none: listings are exact.

        `order_by` is a caller's (`listing.newest_first`); `where` gives values of fields of the stored documents.
        """
        table, _ = self._store._kinds[kind]
        descends = newest_first(order_by)
        marks = [
            *(f"{field}={value}" for field, value in sorted(where.items())),
            *(["desc"] if descends else []),
        ]
        listing, limit = ":".join([table.name, parent, *marks]), page_size(size)
        columns = (table.c.create_time, table.c.name)
        query = select(table).where(self._chosen(kind, parent, where)).limit(limit + 1)
        query = query.order_by(*(column.desc() if descends else column for column in columns))
        if position := self._store._tokens.open(listing, token):
            last = tuple_(*map(literal, position))
            query = query.where(tuple_(*columns) < last if descends else tuple_(*columns) > last)
        rows, more = self._first(query, limit)
        following = self._store._tokens.seal(listing, [rows[-1].create_time, rows[-1].name]) if more else ""
        return Page(list(self._readable(kind, rows)), following)

    def count(self, kind: type[T], parent: str, where: Mapping[str, str] = _EVERYTHING) -> int:
        """Return the number of resources of a parent; `where` gives values of fields of the stored documents."""
        table, _ = self._store._kinds[kind]
        query = select(func.count()).select_from(table).where(self._chosen(kind, parent, where))
        return int(self.connection.execute(query).scalar_one())

    def _chosen(self, kind: type[T], parent: str, where: Mapping[str, str]) -> ColumnElement[bool]:
        table, _ = self._store._kinds[kind]
        is_sqlite = self._store.database.is_sqlite
        fields = [stored_field(table, field, is_sqlite) == value for field, value in where.items()]
        return and_(table.c.parent == parent, *fields)

    def _first(self, query: Select[Any], limit: int) -> tuple[list[Any], bool]:
        """The first rows of a query that fit into one message, and whether more follow."""
        rows: list[Any] = []
        size = 0
        with self.connection.execute(query.execution_options(yield_per=_PAGE_FETCH)) as result:
            for row in result:
                if len(rows) == limit or (rows and size + len(row.body) > _PAGE_CHARS):
                    return rows, True
                rows.append(row)
                size += len(row.body)
        return rows, False

    def all(self, kind: type[T], parent: str) -> list[T]:
        """Every resource of a parent, oldest first; for collections that stay small."""
        table, _ = self._store._kinds[kind]
        query = (
            select(table.c.name, table.c.body)
            .where(table.c.parent == parent)
            .order_by(table.c.create_time, table.c.name)
        )
        return list(self._readable(kind, self.connection.execute(query)))

    def every(self, kind: type[T]) -> list[T]:
        """Every resource of a kind, whosever it is; for kinds that stay few."""
        table, _ = self._store._kinds[kind]
        query = select(table.c.name, table.c.body).order_by(table.c.name)
        return list(self._readable(kind, self.connection.execute(query)))

    def live(self, kind: type[T], parent: str = "") -> list[T]:
        """Every resource of a kind that has not ended, of one parent or of all, by index.

        The table of the kind names its `ended` state.
        """
        table, _ = self._store._kinds[kind]
        is_live = text(live_sql(table.info[_ENDED], is_sqlite=self._store.database.is_sqlite))
        query = select(table.c.name, table.c.body).where(is_live).order_by(table.c.parent, table.c.name)
        if parent:
            query = query.where(table.c.parent == parent)
        return list(self._readable(kind, self.connection.execute(query)))

    def publish(self, event: object, source: Resource) -> None:
        """Commit a domain event of this resource together with its state."""
        self._store._append(self.connection, self._store._encode(event, source.name, source.revision))

    def _by_request(self, resource: T, request_key: str, digest: str) -> T | None:
        """The resource that a request id made first; AlreadyExists when that request was another one."""
        kind = type(resource)
        table, _ = self._store._kinds[kind]
        query = select(table.c.name, table.c.body, table.c.request_digest)
        row = self.connection.execute(query.where(table.c.request_key == request_key)).first()
        if row is None:
            return None
        first = self.read_row(kind, row)
        if digest and row.request_digest and row.request_digest != digest:
            raise AlreadyExists(
                f"The request id {request_key.rpartition(':')[2]!r} made {first.name} by another request"
                f"{_compared(resource, first)}. Repeat that request as it was, or use a new request id.",
                reason="REQUEST_ID_REUSED",
                field="request_id",
            )
        return first

    def _readable(self, kind: type[T], rows: Iterable[Any]) -> Iterator[T]:
        """The resources in these rows, without those that cannot be read."""
        for row in rows:
            with suppress(DataLoss):
                yield self.read_row(kind, row)

    def read_row(self, kind: type[T], row: Any) -> T:
        """Return the resource in a row with `name` and `body`; DataLoss when it cannot be read."""
        _, codec = self._store._kinds[kind]
        try:
            return cast(T, codec.load(row.body))
        except Unreadable as error:
            self._note(row.name, error.fault)
            raise _unreadable(row.name, error) from None

    def _note(self, name: str, why: str) -> None:
        """Count a resource that cannot be read, and say so in the log once."""
        unreadable = self._store.unreadable
        if name not in unreadable and len(unreadable) < _MAX_UNREADABLE:
            unreadable[name] = why
            _LOG.error("what is stored of %s cannot be read: %s; listings leave it out", name, why)


def unreadable_rows(connection: Connection, tables: Mapping[type, Table]) -> Iterator[tuple[str, str]]:
    """Name and fault of every stored resource that cannot be read."""
    for kind, table in tables.items():
        codec = codec_of(kind, table)
        query = select(table.c.name, table.c.body).order_by(table.c.name)
        for row in connection.execute(query.execution_options(yield_per=_ROWS)):
            try:
                codec.load(row.body)
            except Unreadable as error:
                yield row.name, error.fault


def _unreadable(name: str, error: Unreadable) -> DataLoss:
    if error.is_newer:
        return WrittenByANewerRelease(
            f"{name} was written by a newer release; this one cannot read {error.fault}. Upgrade to the newer release."
        )
    return DataLoss(
        f"What is stored of {name} cannot be read: {error.fault}. Restore it from a backup; `ratoon doctor` "
        "lists all such resources.",
        reason="UNREADABLE_RESOURCE",
    )


def _body(codec: BodyCodec, resource: Resource) -> str:
    """The document of a resource; InvalidArgument names the field that could not be read back."""
    try:
        body = codec.dump(resource)
        whole = codec.load(body) == resource
    except Unreadable as error:
        raise _unstorable(resource, error.fault.partition(" ")[0]) from None
    except (PydanticSerializationError, ValueError):  # half of a character, a number beyond what JSON has
        raise _unstorable(resource, _half_character(resource) or "the whole") from None
    if not whole and (field := _no_number(resource) or _half_character(resource)):
        raise _unstorable(resource, field)
    return body


def _unstorable(resource: Resource, field: str) -> InvalidArgument:
    return InvalidArgument(
        f"{resource.name} was not stored: {field} could not be read back (a number that is not finite, or half of a "
        "character).",
        reason="UNSTORABLE_VALUE",
        field=field,
    )


def _no_number(value: object) -> str:
    """The path of the first float that is not finite; empty when there is none."""
    return next(
        (path for path, leaf in _leaves(value) if isinstance(leaf, float) and not math.isfinite(leaf)), ""
    )


def _half_character(value: object) -> str:
    """The path of the first text that UTF-8 cannot hold; empty when there is none."""
    texts = ((path, leaf) for path, leaf in _leaves(value) if isinstance(leaf, str))
    return next((path for path, leaf in texts if any("\ud800" <= c <= "\udfff" for c in leaf)), "")


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every value in a resource that holds no others, with its path."""
    if is_dataclass(value):
        children: Iterable[tuple[object, object]] = ((f.name, getattr(value, f.name)) for f in fields(value))
    elif isinstance(value, Mapping):
        yield from ((f"{path}.{str(key)[:100]!r}", key) for key in value)
        children = value.items()
    elif isinstance(value, list | tuple | set | frozenset):
        children = enumerate(value)
    else:
        yield path, value
        return
    for key, each in children:
        yield from _leaves(each, f"{path}.{key}" if path else str(key))


def _request_digest(request_id: str) -> str:
    """The digest of the request that is being served, where it has this id.

    Services are left out: their request ids follow from the operation that they work for, whose request they build
    again from what is stored when they try once more.
    """
    request = requests.current()
    if request is None or not request_id or caller().role is Role.SERVICE:
        return ""
    return requests.digest_of(request) if getattr(request, "request_id", "") == request_id else ""


def _compared(resource: Resource, existing: Resource) -> str:
    """Return how a new resource differs from an existing one, within the fields of the request; empty if unknown."""
    request = requests.current()
    stored = {field.name for field in fields(cast(Any, resource))}
    provided = (stored if request is None else requests.populated_fields(request)) - _BOOKKEEPING
    known = {name for name in provided if hasattr(existing, name)}
    different = sorted(name for name in known if getattr(resource, name) != getattr(existing, name))
    if different:
        return f" and differs in {', '.join(different)}"
    return " and agrees with all that the request gives" if known == provided else ""


def _upper(kind: type) -> str:
    return "".join(f"_{c}" if c.isupper() and i else c for i, c in enumerate(kind.__name__)).upper()
