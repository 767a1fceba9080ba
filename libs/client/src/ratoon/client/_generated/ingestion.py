# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Resources of ingestion."""

from collections.abc import Callable, Mapping, Sequence

from ratoon.client._generated.ingestion_types import (
    AppendedRecord,
    AppendRecordsResponse,
    Connection,
    ConnectionKind,
    ConnectionSchedule,
    ConnectionVanished,
    Crawl,
    CrawlRefusal,
    Curation,
    Dataset,
    DatasetVersion,
    DeadLetter,
    Erasure,
    Export,
    ExportFormat,
    Mixture,
    MixtureComponent,
    MixturePlan,
    MixtureStrategy,
    MixtureUnit,
    OpenExportResponse,
    OpenSplitResponse,
    Part,
    Profile,
    ProfileReport,
    Record,
    RecordDifference,
    RecordDifferenceKind,
    RecordLineage,
    RejectedItem,
    Source,
    SourceColumns,
    SourceFormat,
    SourcePreview,
    SourceRows,
    SourceSampleBy,
    Split,
    SplitFolds,
    SplitMode,
    SplitRatios,
    SplitReading,
    SplitReplay,
    Stream,
    VersionDifference,
)
from ratoon.client._models import changes, present
from ratoon.client._omit import Omit, omit
from ratoon.client._pagination import AsyncPaginator, SyncPage
from ratoon.client._paths import expand
from ratoon.client._transport import AsyncTransport, Call, SyncTransport, new_request_id
from ratoon.client._watch import AsyncWatch, SyncWatch


class ConnectionsResource:
    """Place with data that is read again and again: each reading with new data creates sources.

    Which places may be read, and with which credentials, is a setting of the operator
    (`RATOON_INGESTION_CONNECTION_ENDPOINTS`).
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def create(
        self,
        parent: str,
        *,
        display_name: str | None = None,
        kind: ConnectionKind | None = None,
        url: str | None = None,
        pattern: str | None = None,
        query: str | None = None,
        cursor_column: str | None = None,
        key_column: str | None = None,
        overlap: float | None = None,
        format: SourceFormat | None = None,
        labels_by_folder: Mapping[str, str] | None = None,
        columns: SourceColumns | None = None,
        encoding: str | None = None,
        sample_by: SourceSampleBy | None = None,
        license: str | None = None,
        consent: str | None = None,
        domain: str | None = None,
        schedule: ConnectionSchedule | None = None,
        max_items: int | None = None,
        max_bytes: int | None = None,
        paused: bool | None = None,
        vanished: ConnectionVanished | None = None,
        connection_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Connection:
        """Create a connection.

        If it has a schedule, its first reading starts. Refused: settings that do not fit (`BAD_CONNECTION`),
        and an address that no operator allowed (`CONNECTION_NOT_ALLOWED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            kind: Kind of the place. Required; it cannot be changed.
            url: Address without credentials. Required; it cannot be changed. `FSSPEC`: a directory or prefix,
                such as `s3://bucket/prefix` or `file:///srv/data`. `SQL`: an SQLAlchemy URL, such as
                `postgresql+psycopg://reader@db/mail`. `KAFKA`: `kafka://host:port/topic`.
            pattern: `FSSPEC`: glob of the paths to read, relative to the address, such as `*.jsonl`; `*` also
                matches `/`. Empty: all.
            query: `SQL`: one SELECT statement without parameters and without `;`, at most 20,000 characters.
                Required for `SQL`.
            cursor_column: `SQL`: column of the result by which new rows are found. Its values must not
                decrease for new rows. Required for `SQL`.
            key_column: `SQL`: column of the result that tells apart rows with the same cursor value, usually
                the primary key. Required for `SQL`.
            overlap: `SQL`: rows whose cursor value is up to so many units below the last one are read again
                and left out if they are known: seconds for times, numbers for numbers. It finds rows of
                transactions that committed late. Default: 0.
            format: Format of the objects. Required for `FSSPEC`; not set for `SQL` and `KAFKA`, which give
                JSON Lines.
            labels_by_folder: Label of each directory, as in a source.
            columns: Columns to read, as in a source.
            encoding: Character encoding, as in a source.
            sample_by: For text files and documents: the part that is one record, as in a source.
            license: License of the data: an SPDX identifier or a sentence. The sources have it.
            consent: Basis on which the data may be used, such as the version of a consent form. The sources
                have it.
            domain: Tag of the domain, such as `news`. The sources have it.
            schedule: Schedule of the readings. Not set: it is read on request only.
            max_items: Maximum number of records (`SQL`, `KAFKA`) or objects (`FSSPEC`) of one reading, at
                most 100,000. If there are more, the next reading follows at once. Default: 10,000.
            max_bytes: Maximum size of one reading in bytes, at most 8 GiB. A single object that is larger is
                left out. Default: 256 MiB.
            paused: The schedule is suspended.
            vanished: What becomes of records whose object, row or message vanishes from the place or is
                replaced there. Default: VANISHED_KEEP.
            connection_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Connection,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/connections", parent=parent),
                query=present({"connectionId": connection_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "displayName": display_name,
                        "kind": kind,
                        "url": url,
                        "pattern": pattern,
                        "query": query,
                        "cursorColumn": cursor_column,
                        "keyColumn": key_column,
                        "overlap": overlap,
                        "format": format,
                        "labelsByFolder": labels_by_folder,
                        "columns": columns,
                        "encoding": encoding,
                        "sampleBy": sample_by,
                        "license": license,
                        "consent": consent,
                        "domain": domain,
                        "schedule": schedule,
                        "maxItems": max_items,
                        "maxBytes": max_bytes,
                        "paused": paused,
                        "vanished": vanished,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete a connection and forget its position.

        Its sources stay. A reading in progress is stopped.

        Args:
            name: Resource name of the connection: `projects/{project}/connections/{connection}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/connections/*}", name=name),
                query=present({"etag": etag}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Connection:
        """Return one connection, with its last reading and error.

        Args:
            name: Resource name of the connection: `projects/{project}/connections/{connection}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Connection, Call("GET", expand("/v1/{name=projects/*/connections/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Connection]:
        """List the connections of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Connection,
            "connections",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/connections", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def read(self, name: str, *, timeout: float | None = None) -> Connection:
        """Read a connection now, whatever its schedule and even if it is paused.

        A reading in progress suffices.

        Args:
            name: Resource name of the connection: `projects/{project}/connections/{connection}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Connection,
            Call("POST", expand("/v1/{name=projects/*/connections/*}:read", name=name), body={}),
            timeout,
        )

    def replay_dead_letters(self, name: str, *, timeout: float | None = None) -> Connection:
        """Read the dead letters of a connection again, with its present settings.

        Those that give a record now become a source; the others stay dead letters. The position is kept.
        Refused without dead letters (`NO_DEAD_LETTERS`).

        Args:
            name: Resource name of the connection: `projects/{project}/connections/{connection}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Connection,
            Call("POST", expand("/v1/{name=projects/*/connections/*}:replayDeadLetters", name=name), body={}),
            timeout,
        )

    def update(
        self,
        name: str,
        *,
        display_name: str | Omit = omit,
        pattern: str | Omit = omit,
        overlap: float | Omit = omit,
        license: str | Omit = omit,
        consent: str | Omit = omit,
        domain: str | Omit = omit,
        schedule: ConnectionSchedule | Omit | None = omit,
        max_items: int | Omit = omit,
        max_bytes: int | Omit = omit,
        paused: bool | Omit = omit,
        query: str | Omit = omit,
        columns: SourceColumns | Omit | None = omit,
        format: SourceFormat | Omit = omit,
        encoding: str | Omit = omit,
        vanished: ConnectionVanished | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Connection:
        """Update a connection.

        Sources of earlier readings stay as they are, and the position is kept.

        Args:
            name: Resource name: `projects/{project}/connections/{connection}`.
            display_name: Name for people. At most 1,024 characters.
            pattern: `FSSPEC`: glob of the paths to read, relative to the address, such as `*.jsonl`; `*` also
                matches `/`. Empty: all.
            overlap: `SQL`: rows whose cursor value is up to so many units below the last one are read again
                and left out if they are known: seconds for times, numbers for numbers. It finds rows of
                transactions that committed late. Default: 0.
            license: License of the data: an SPDX identifier or a sentence. The sources have it.
            consent: Basis on which the data may be used, such as the version of a consent form. The sources
                have it.
            domain: Tag of the domain, such as `news`. The sources have it.
            schedule: Schedule of the readings. Not set: it is read on request only.
            max_items: Maximum number of records (`SQL`, `KAFKA`) or objects (`FSSPEC`) of one reading, at
                most 100,000. If there are more, the next reading follows at once. Default: 10,000.
            max_bytes: Maximum size of one reading in bytes, at most 8 GiB. A single object that is larger is
                left out. Default: 256 MiB.
            paused: The schedule is suspended.
            query: `SQL`: one SELECT statement without parameters and without `;`, at most 20,000 characters.
                Required for `SQL`.
            columns: Columns to read, as in a source.
            format: Format of the objects. Required for `FSSPEC`; not set for `SQL` and `KAFKA`, which give
                JSON Lines.
            encoding: Character encoding, as in a source.
            vanished: What becomes of records whose object, row or message vanishes from the place or is
                replaced there. Default: VANISHED_KEEP.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Connection,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/connections/*}", name=name),
                body=changes(
                    {
                        "displayName": display_name,
                        "pattern": pattern,
                        "overlap": overlap,
                        "license": license,
                        "consent": consent,
                        "domain": domain,
                        "schedule": schedule,
                        "maxItems": max_items,
                        "maxBytes": max_bytes,
                        "paused": paused,
                        "query": query,
                        "columns": columns,
                        "format": format,
                        "encoding": encoding,
                        "vanished": vanished,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )


class AsyncConnectionsResource:
    """Place with data that is read again and again: each reading with new data creates sources.

    Which places may be read, and with which credentials, is a setting of the operator
    (`RATOON_INGESTION_CONNECTION_ENDPOINTS`).
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        parent: str,
        *,
        display_name: str | None = None,
        kind: ConnectionKind | None = None,
        url: str | None = None,
        pattern: str | None = None,
        query: str | None = None,
        cursor_column: str | None = None,
        key_column: str | None = None,
        overlap: float | None = None,
        format: SourceFormat | None = None,
        labels_by_folder: Mapping[str, str] | None = None,
        columns: SourceColumns | None = None,
        encoding: str | None = None,
        sample_by: SourceSampleBy | None = None,
        license: str | None = None,
        consent: str | None = None,
        domain: str | None = None,
        schedule: ConnectionSchedule | None = None,
        max_items: int | None = None,
        max_bytes: int | None = None,
        paused: bool | None = None,
        vanished: ConnectionVanished | None = None,
        connection_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Connection:
        """Create a connection.

        If it has a schedule, its first reading starts. Refused: settings that do not fit (`BAD_CONNECTION`),
        and an address that no operator allowed (`CONNECTION_NOT_ALLOWED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            kind: Kind of the place. Required; it cannot be changed.
            url: Address without credentials. Required; it cannot be changed. `FSSPEC`: a directory or prefix,
                such as `s3://bucket/prefix` or `file:///srv/data`. `SQL`: an SQLAlchemy URL, such as
                `postgresql+psycopg://reader@db/mail`. `KAFKA`: `kafka://host:port/topic`.
            pattern: `FSSPEC`: glob of the paths to read, relative to the address, such as `*.jsonl`; `*` also
                matches `/`. Empty: all.
            query: `SQL`: one SELECT statement without parameters and without `;`, at most 20,000 characters.
                Required for `SQL`.
            cursor_column: `SQL`: column of the result by which new rows are found. Its values must not
                decrease for new rows. Required for `SQL`.
            key_column: `SQL`: column of the result that tells apart rows with the same cursor value, usually
                the primary key. Required for `SQL`.
            overlap: `SQL`: rows whose cursor value is up to so many units below the last one are read again
                and left out if they are known: seconds for times, numbers for numbers. It finds rows of
                transactions that committed late. Default: 0.
            format: Format of the objects. Required for `FSSPEC`; not set for `SQL` and `KAFKA`, which give
                JSON Lines.
            labels_by_folder: Label of each directory, as in a source.
            columns: Columns to read, as in a source.
            encoding: Character encoding, as in a source.
            sample_by: For text files and documents: the part that is one record, as in a source.
            license: License of the data: an SPDX identifier or a sentence. The sources have it.
            consent: Basis on which the data may be used, such as the version of a consent form. The sources
                have it.
            domain: Tag of the domain, such as `news`. The sources have it.
            schedule: Schedule of the readings. Not set: it is read on request only.
            max_items: Maximum number of records (`SQL`, `KAFKA`) or objects (`FSSPEC`) of one reading, at
                most 100,000. If there are more, the next reading follows at once. Default: 10,000.
            max_bytes: Maximum size of one reading in bytes, at most 8 GiB. A single object that is larger is
                left out. Default: 256 MiB.
            paused: The schedule is suspended.
            vanished: What becomes of records whose object, row or message vanishes from the place or is
                replaced there. Default: VANISHED_KEEP.
            connection_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Connection,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/connections", parent=parent),
                query=present({"connectionId": connection_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "displayName": display_name,
                        "kind": kind,
                        "url": url,
                        "pattern": pattern,
                        "query": query,
                        "cursorColumn": cursor_column,
                        "keyColumn": key_column,
                        "overlap": overlap,
                        "format": format,
                        "labelsByFolder": labels_by_folder,
                        "columns": columns,
                        "encoding": encoding,
                        "sampleBy": sample_by,
                        "license": license,
                        "consent": consent,
                        "domain": domain,
                        "schedule": schedule,
                        "maxItems": max_items,
                        "maxBytes": max_bytes,
                        "paused": paused,
                        "vanished": vanished,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete a connection and forget its position.

        Its sources stay. A reading in progress is stopped.

        Args:
            name: Resource name of the connection: `projects/{project}/connections/{connection}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/connections/*}", name=name),
                query=present({"etag": etag}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Connection:
        """Return one connection, with its last reading and error.

        Args:
            name: Resource name of the connection: `projects/{project}/connections/{connection}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Connection, Call("GET", expand("/v1/{name=projects/*/connections/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Connection]:
        """List the connections of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Connection,
            "connections",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/connections", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def read(self, name: str, *, timeout: float | None = None) -> Connection:
        """Read a connection now, whatever its schedule and even if it is paused.

        A reading in progress suffices.

        Args:
            name: Resource name of the connection: `projects/{project}/connections/{connection}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Connection,
            Call("POST", expand("/v1/{name=projects/*/connections/*}:read", name=name), body={}),
            timeout,
        )

    async def replay_dead_letters(self, name: str, *, timeout: float | None = None) -> Connection:
        """Read the dead letters of a connection again, with its present settings.

        Those that give a record now become a source; the others stay dead letters. The position is kept.
        Refused without dead letters (`NO_DEAD_LETTERS`).

        Args:
            name: Resource name of the connection: `projects/{project}/connections/{connection}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Connection,
            Call("POST", expand("/v1/{name=projects/*/connections/*}:replayDeadLetters", name=name), body={}),
            timeout,
        )

    async def update(
        self,
        name: str,
        *,
        display_name: str | Omit = omit,
        pattern: str | Omit = omit,
        overlap: float | Omit = omit,
        license: str | Omit = omit,
        consent: str | Omit = omit,
        domain: str | Omit = omit,
        schedule: ConnectionSchedule | Omit | None = omit,
        max_items: int | Omit = omit,
        max_bytes: int | Omit = omit,
        paused: bool | Omit = omit,
        query: str | Omit = omit,
        columns: SourceColumns | Omit | None = omit,
        format: SourceFormat | Omit = omit,
        encoding: str | Omit = omit,
        vanished: ConnectionVanished | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Connection:
        """Update a connection.

        Sources of earlier readings stay as they are, and the position is kept.

        Args:
            name: Resource name: `projects/{project}/connections/{connection}`.
            display_name: Name for people. At most 1,024 characters.
            pattern: `FSSPEC`: glob of the paths to read, relative to the address, such as `*.jsonl`; `*` also
                matches `/`. Empty: all.
            overlap: `SQL`: rows whose cursor value is up to so many units below the last one are read again
                and left out if they are known: seconds for times, numbers for numbers. It finds rows of
                transactions that committed late. Default: 0.
            license: License of the data: an SPDX identifier or a sentence. The sources have it.
            consent: Basis on which the data may be used, such as the version of a consent form. The sources
                have it.
            domain: Tag of the domain, such as `news`. The sources have it.
            schedule: Schedule of the readings. Not set: it is read on request only.
            max_items: Maximum number of records (`SQL`, `KAFKA`) or objects (`FSSPEC`) of one reading, at
                most 100,000. If there are more, the next reading follows at once. Default: 10,000.
            max_bytes: Maximum size of one reading in bytes, at most 8 GiB. A single object that is larger is
                left out. Default: 256 MiB.
            paused: The schedule is suspended.
            query: `SQL`: one SELECT statement without parameters and without `;`, at most 20,000 characters.
                Required for `SQL`.
            columns: Columns to read, as in a source.
            format: Format of the objects. Required for `FSSPEC`; not set for `SQL` and `KAFKA`, which give
                JSON Lines.
            encoding: Character encoding, as in a source.
            vanished: What becomes of records whose object, row or message vanishes from the place or is
                replaced there. Default: VANISHED_KEEP.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Connection,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/connections/*}", name=name),
                body=changes(
                    {
                        "displayName": display_name,
                        "pattern": pattern,
                        "overlap": overlap,
                        "license": license,
                        "consent": consent,
                        "domain": domain,
                        "schedule": schedule,
                        "maxItems": max_items,
                        "maxBytes": max_bytes,
                        "paused": paused,
                        "query": query,
                        "columns": columns,
                        "format": format,
                        "encoding": encoding,
                        "vanished": vanished,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )


class CrawlsResource:
    """Visit of web pages whose texts become a source.

    The crawler obeys `robots.txt` and waits between two requests to one host.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> Crawl:
        """Request the cancellation of a crawl. A crawl that has ended is returned unchanged.

        Args:
            name: Resource name of the crawl: `projects/{project}/crawls/{crawl}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Crawl, Call("POST", expand("/v1/{name=projects/*/crawls/*}:cancel", name=name), body={}), timeout
        )

    def create(
        self,
        parent: str,
        *,
        start_urls: Sequence[str] | None = None,
        hosts: Sequence[str] | None = None,
        path_prefixes: Sequence[str] | None = None,
        license: str | None = None,
        max_pages: int | None = None,
        max_depth: int | None = None,
        max_page_bytes: int | None = None,
        max_seconds: int | None = None,
        delay_seconds: float | None = None,
        skip_sitemaps: bool | None = None,
        previous: str | None = None,
        source: str | None = None,
        page_count: int | None = None,
        stored_count: int | None = None,
        unchanged_count: int | None = None,
        refused_counts: Mapping[str, int] | None = None,
        refusals: Sequence[CrawlRefusal] | None = None,
        stopped_by: str | None = None,
        crawl_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Crawl:
        """Start a crawl.

        Refused: settings out of range (`BAD_CRAWL`), any crawl while the operator has named no contact
        (`CRAWLER_OFF`), and while an erasure is in progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            start_urls: Addresses of the first pages, 1 to 100, with the scheme `http` or `https`. Required.
            hosts: Further hosts whose pages may be visited. The hosts of `start_urls` always are.
            path_prefixes: Only pages whose path starts with one of these are visited, such as `/docs/`.
                Empty: all paths.
            license: License of the texts: an SPDX identifier or a sentence. The source has it.
            max_pages: Maximum number of pages to request, 1 to 100,000. Default: 1,000.
            max_depth: Maximum number of links from a first page to a page, 0 to 100. Not set: 10.
            max_page_bytes: Maximum size of one page in bytes, after decompression, 1 to 8,388,608. Default:
                2,097,152.
            max_seconds: Seconds after which the crawl ends with the pages that it has, 1 to 86,400. Default:
                3,600.
            delay_seconds: Minimum number of seconds between two requests to one host, 0 to 60. Not set: 1. A
                longer `Crawl-delay` of the host takes precedence.
            skip_sitemaps: Do not read the sitemaps of the hosts.
            previous: Resource name of an earlier crawl that has succeeded. Its pages are requested with their
                `ETag` and `Last-Modified`; the source holds only new and changed pages. Empty: all pages.
            source: Resource name of the source with the texts. Empty until the crawl has succeeded, and if it
                found no new text.
            page_count: Number of requested pages.
            stored_count: Number of pages in the source.
            unchanged_count: Number of pages that have not changed since the earlier crawl.
            refused_counts: Number of pages and links that are not in the source, by reason, such as
                `ROBOTS_DISALLOWED` or `DUPLICATE`.
            refusals: Up to 20 examples of refused pages.
            stopped_by: Bound that ended the crawl: `pages`, `seconds` or `bytes`. Empty: no page was left.
            crawl_id: Last segment of the resource name: 1 to 52 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Crawl,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/crawls", parent=parent),
                query=present({"crawlId": crawl_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "startUrls": start_urls,
                        "hosts": hosts,
                        "pathPrefixes": path_prefixes,
                        "license": license,
                        "maxPages": max_pages,
                        "maxDepth": max_depth,
                        "maxPageBytes": max_page_bytes,
                        "maxSeconds": max_seconds,
                        "delaySeconds": delay_seconds,
                        "skipSitemaps": skip_sitemaps,
                        "previous": previous,
                        "source": source,
                        "pageCount": page_count,
                        "storedCount": stored_count,
                        "unchangedCount": unchanged_count,
                        "refusedCounts": refused_counts,
                        "refusals": refusals,
                        "stoppedBy": stopped_by,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a crawl that has ended; its source stays.

        Refused while it is in progress (`IN_USE`).

        Args:
            name: Resource name of the crawl: `projects/{project}/crawls/{crawl}`.
            allow_missing: If true, the deletion of a crawl that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/crawls/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Crawl:
        """Return one crawl.

        Args:
            name: Resource name of the crawl: `projects/{project}/crawls/{crawl}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Crawl, Call("GET", expand("/v1/{name=projects/*/crawls/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Crawl]:
        """List the crawls of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Crawl,
            "crawls",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/crawls", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[Crawl]:
        """Stream a crawl: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the crawl: `projects/{project}/crawls/{crawl}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Crawl,
            Call(
                "GET",
                expand("/v1/{name=projects/*/crawls/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Crawl], object] | None = None
    ) -> Crawl:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the crawl: `projects/{project}/crawls/{crawl}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            Crawl, Call("GET", expand("/v1/{name=projects/*/crawls/*}:watch", name=name)), timeout, on_state
        )


class AsyncCrawlsResource:
    """Visit of web pages whose texts become a source.

    The crawler obeys `robots.txt` and waits between two requests to one host.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> Crawl:
        """Request the cancellation of a crawl. A crawl that has ended is returned unchanged.

        Args:
            name: Resource name of the crawl: `projects/{project}/crawls/{crawl}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Crawl, Call("POST", expand("/v1/{name=projects/*/crawls/*}:cancel", name=name), body={}), timeout
        )

    async def create(
        self,
        parent: str,
        *,
        start_urls: Sequence[str] | None = None,
        hosts: Sequence[str] | None = None,
        path_prefixes: Sequence[str] | None = None,
        license: str | None = None,
        max_pages: int | None = None,
        max_depth: int | None = None,
        max_page_bytes: int | None = None,
        max_seconds: int | None = None,
        delay_seconds: float | None = None,
        skip_sitemaps: bool | None = None,
        previous: str | None = None,
        source: str | None = None,
        page_count: int | None = None,
        stored_count: int | None = None,
        unchanged_count: int | None = None,
        refused_counts: Mapping[str, int] | None = None,
        refusals: Sequence[CrawlRefusal] | None = None,
        stopped_by: str | None = None,
        crawl_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Crawl:
        """Start a crawl.

        Refused: settings out of range (`BAD_CRAWL`), any crawl while the operator has named no contact
        (`CRAWLER_OFF`), and while an erasure is in progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            start_urls: Addresses of the first pages, 1 to 100, with the scheme `http` or `https`. Required.
            hosts: Further hosts whose pages may be visited. The hosts of `start_urls` always are.
            path_prefixes: Only pages whose path starts with one of these are visited, such as `/docs/`.
                Empty: all paths.
            license: License of the texts: an SPDX identifier or a sentence. The source has it.
            max_pages: Maximum number of pages to request, 1 to 100,000. Default: 1,000.
            max_depth: Maximum number of links from a first page to a page, 0 to 100. Not set: 10.
            max_page_bytes: Maximum size of one page in bytes, after decompression, 1 to 8,388,608. Default:
                2,097,152.
            max_seconds: Seconds after which the crawl ends with the pages that it has, 1 to 86,400. Default:
                3,600.
            delay_seconds: Minimum number of seconds between two requests to one host, 0 to 60. Not set: 1. A
                longer `Crawl-delay` of the host takes precedence.
            skip_sitemaps: Do not read the sitemaps of the hosts.
            previous: Resource name of an earlier crawl that has succeeded. Its pages are requested with their
                `ETag` and `Last-Modified`; the source holds only new and changed pages. Empty: all pages.
            source: Resource name of the source with the texts. Empty until the crawl has succeeded, and if it
                found no new text.
            page_count: Number of requested pages.
            stored_count: Number of pages in the source.
            unchanged_count: Number of pages that have not changed since the earlier crawl.
            refused_counts: Number of pages and links that are not in the source, by reason, such as
                `ROBOTS_DISALLOWED` or `DUPLICATE`.
            refusals: Up to 20 examples of refused pages.
            stopped_by: Bound that ended the crawl: `pages`, `seconds` or `bytes`. Empty: no page was left.
            crawl_id: Last segment of the resource name: 1 to 52 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Crawl,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/crawls", parent=parent),
                query=present({"crawlId": crawl_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "startUrls": start_urls,
                        "hosts": hosts,
                        "pathPrefixes": path_prefixes,
                        "license": license,
                        "maxPages": max_pages,
                        "maxDepth": max_depth,
                        "maxPageBytes": max_page_bytes,
                        "maxSeconds": max_seconds,
                        "delaySeconds": delay_seconds,
                        "skipSitemaps": skip_sitemaps,
                        "previous": previous,
                        "source": source,
                        "pageCount": page_count,
                        "storedCount": stored_count,
                        "unchangedCount": unchanged_count,
                        "refusedCounts": refused_counts,
                        "refusals": refusals,
                        "stoppedBy": stopped_by,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a crawl that has ended; its source stays.

        Refused while it is in progress (`IN_USE`).

        Args:
            name: Resource name of the crawl: `projects/{project}/crawls/{crawl}`.
            allow_missing: If true, the deletion of a crawl that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/crawls/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Crawl:
        """Return one crawl.

        Args:
            name: Resource name of the crawl: `projects/{project}/crawls/{crawl}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Crawl, Call("GET", expand("/v1/{name=projects/*/crawls/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Crawl]:
        """List the crawls of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Crawl,
            "crawls",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/crawls", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[Crawl]:
        """Stream a crawl: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the crawl: `projects/{project}/crawls/{crawl}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Crawl,
            Call(
                "GET",
                expand("/v1/{name=projects/*/crawls/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Crawl], object] | None = None
    ) -> Crawl:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the crawl: `projects/{project}/crawls/{crawl}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            Crawl, Call("GET", expand("/v1/{name=projects/*/crawls/*}:watch", name=name)), timeout, on_state
        )


class DatasetVersionsResource:
    """Immutable set of curated records: Parquet files and a manifest, identified by a Merkle root."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> DatasetVersion:
        """Request the cancellation of a curation. A version that has ended is returned unchanged.

        Args:
            name: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            DatasetVersion,
            Call("POST", expand("/v1/{name=projects/*/datasets/*/versions/*}:cancel", name=name), body={}),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        sources: Sequence[str] | None = None,
        curation: Curation | None = None,
        mixture: Mixture | None = None,
        version_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> DatasetVersion:
        """Start the curation of sources into a new dataset version.

        Refused: no sources (`NO_SOURCES`), a source that is named twice (`SOURCE_TWICE`), settings out of
        range (`BAD_CURATION`), and any version while an erasure is in progress in the project
        (`ERASURE_UNDER_WAY`).

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            sources: Resource names of the sources. At least one is required unless `mixture` is set; all must
                belong to the same project, and none may occur twice.
            curation: Curation settings.
            mixture: Composition of the version from other versions, in place of `sources` and `curation`.
                `sources` then lists the sources of these versions. Not set: the version is curated from its
                sources.
            version_id: Last segment of the resource name. Empty: the next one of `v1`, `v2`, …
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            DatasetVersion,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/datasets/*}/versions", parent=parent),
                query=present({"versionId": version_id, "requestId": request_id or new_request_id()}),
                body=present({"sources": sources, "curation": curation, "mixture": mixture}),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a dataset version that failed or was cancelled.

        Refused while it is in progress or when it has records (`IN_USE`), and while an erasure is in progress
        in the project (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            allow_missing: If true, the deletion of a version that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/datasets/*/versions/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def diff(
        self,
        name: str,
        *,
        base: str | None = None,
        split: str | None = None,
        base_split: str | None = None,
        timeout: float | None = None,
    ) -> VersionDifference:
        """Count the records that differ between a dataset version and another one.

        They were added, removed or changed, or they moved between the parts of a split of each. Refused until
        both versions are READY (`NOT_READY`).

        Args:
            name: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            base: Resource name of the version to compare with, of the same project. Required.
            split: Resource name of a split of the version. Empty: parts are not compared. Required together
                with `base_split`.
            base_split: Resource name of a split of the base.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            VersionDifference,
            Call(
                "GET",
                expand("/v1/{name=projects/*/datasets/*/versions/*}:diff", name=name),
                query=present({"base": base, "split": split, "baseSplit": base_split}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> DatasetVersion:
        """Return one dataset version.

        Args:
            name: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            DatasetVersion,
            Call("GET", expand("/v1/{name=projects/*/datasets/*/versions/*}", name=name)),
            timeout,
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[DatasetVersion]:
        """List the dataset versions of a dataset, oldest first.

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            DatasetVersion,
            "datasetVersions",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*}/versions", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def plan(
        self,
        parent: str,
        *,
        components: Sequence[MixtureComponent] | None = None,
        strategy: MixtureStrategy | None = None,
        temperature: float | None = None,
        unit: MixtureUnit | None = None,
        budget: int | None = None,
        seed: int | None = None,
        language_shares: Mapping[str, float] | None = None,
        label_shares: Mapping[str, float] | None = None,
        balance_labels: bool | None = None,
        timeout: float | None = None,
    ) -> MixturePlan:
        """Return what a mixture would consist of, without building it.

        A plan that cannot be met is returned with its `problem`. Refused: settings out of range
        (`BAD_MIXTURE`), a version that is not READY (`NOT_READY`), and a version of which records were erased
        (`VERSION_REDACTED`).

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            components: Components. At least one is required. No record may belong to two of them by their
                settings: a version is named whole, or by its sources.
            strategy: Rule for the shares of the components. Default: TEMPERATURE.
            temperature: Temperature T of the strategy TEMPERATURE, from 1. 1: shares in proportion to the
                sizes; higher: closer to equal shares. 0: 1.
            unit: Unit of sizes, shares and budget. Default: TOKENS.
            budget: Size of the mixture in `unit`. 0: as large as the components allow.
            seed: Random seed of the sample.
            language_shares: Share of each language, such as `zh: 0.5, en: 0.5`. They are divided by their
                sum; records in other languages are left out. Empty: not balanced.
            label_shares: Share of each label of the sources. They are divided by their sum; records with
                other labels, or none, are left out. Empty: not balanced.
            balance_labels: Give each label the same share. Refused together with `label_shares`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            MixturePlan,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/datasets/*}/versions:plan", parent=parent),
                body=present(
                    {
                        "components": components,
                        "strategy": strategy,
                        "temperature": temperature,
                        "unit": unit,
                        "budget": budget,
                        "seed": seed,
                        "languageShares": language_shares,
                        "labelShares": label_shares,
                        "balanceLabels": balance_labels,
                    }
                ),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[DatasetVersion]:
        """Stream a dataset version: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            DatasetVersion,
            Call(
                "GET",
                expand("/v1/{name=projects/*/datasets/*/versions/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[DatasetVersion], object] | None = None,
    ) -> DatasetVersion:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            DatasetVersion,
            Call("GET", expand("/v1/{name=projects/*/datasets/*/versions/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncDatasetVersionsResource:
    """Immutable set of curated records: Parquet files and a manifest, identified by a Merkle root."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> DatasetVersion:
        """Request the cancellation of a curation. A version that has ended is returned unchanged.

        Args:
            name: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            DatasetVersion,
            Call("POST", expand("/v1/{name=projects/*/datasets/*/versions/*}:cancel", name=name), body={}),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        sources: Sequence[str] | None = None,
        curation: Curation | None = None,
        mixture: Mixture | None = None,
        version_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> DatasetVersion:
        """Start the curation of sources into a new dataset version.

        Refused: no sources (`NO_SOURCES`), a source that is named twice (`SOURCE_TWICE`), settings out of
        range (`BAD_CURATION`), and any version while an erasure is in progress in the project
        (`ERASURE_UNDER_WAY`).

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            sources: Resource names of the sources. At least one is required unless `mixture` is set; all must
                belong to the same project, and none may occur twice.
            curation: Curation settings.
            mixture: Composition of the version from other versions, in place of `sources` and `curation`.
                `sources` then lists the sources of these versions. Not set: the version is curated from its
                sources.
            version_id: Last segment of the resource name. Empty: the next one of `v1`, `v2`, …
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            DatasetVersion,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/datasets/*}/versions", parent=parent),
                query=present({"versionId": version_id, "requestId": request_id or new_request_id()}),
                body=present({"sources": sources, "curation": curation, "mixture": mixture}),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a dataset version that failed or was cancelled.

        Refused while it is in progress or when it has records (`IN_USE`), and while an erasure is in progress
        in the project (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            allow_missing: If true, the deletion of a version that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/datasets/*/versions/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def diff(
        self,
        name: str,
        *,
        base: str | None = None,
        split: str | None = None,
        base_split: str | None = None,
        timeout: float | None = None,
    ) -> VersionDifference:
        """Count the records that differ between a dataset version and another one.

        They were added, removed or changed, or they moved between the parts of a split of each. Refused until
        both versions are READY (`NOT_READY`).

        Args:
            name: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            base: Resource name of the version to compare with, of the same project. Required.
            split: Resource name of a split of the version. Empty: parts are not compared. Required together
                with `base_split`.
            base_split: Resource name of a split of the base.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            VersionDifference,
            Call(
                "GET",
                expand("/v1/{name=projects/*/datasets/*/versions/*}:diff", name=name),
                query=present({"base": base, "split": split, "baseSplit": base_split}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> DatasetVersion:
        """Return one dataset version.

        Args:
            name: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            DatasetVersion,
            Call("GET", expand("/v1/{name=projects/*/datasets/*/versions/*}", name=name)),
            timeout,
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[DatasetVersion]:
        """List the dataset versions of a dataset, oldest first.

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            DatasetVersion,
            "datasetVersions",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*}/versions", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def plan(
        self,
        parent: str,
        *,
        components: Sequence[MixtureComponent] | None = None,
        strategy: MixtureStrategy | None = None,
        temperature: float | None = None,
        unit: MixtureUnit | None = None,
        budget: int | None = None,
        seed: int | None = None,
        language_shares: Mapping[str, float] | None = None,
        label_shares: Mapping[str, float] | None = None,
        balance_labels: bool | None = None,
        timeout: float | None = None,
    ) -> MixturePlan:
        """Return what a mixture would consist of, without building it.

        A plan that cannot be met is returned with its `problem`. Refused: settings out of range
        (`BAD_MIXTURE`), a version that is not READY (`NOT_READY`), and a version of which records were erased
        (`VERSION_REDACTED`).

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            components: Components. At least one is required. No record may belong to two of them by their
                settings: a version is named whole, or by its sources.
            strategy: Rule for the shares of the components. Default: TEMPERATURE.
            temperature: Temperature T of the strategy TEMPERATURE, from 1. 1: shares in proportion to the
                sizes; higher: closer to equal shares. 0: 1.
            unit: Unit of sizes, shares and budget. Default: TOKENS.
            budget: Size of the mixture in `unit`. 0: as large as the components allow.
            seed: Random seed of the sample.
            language_shares: Share of each language, such as `zh: 0.5, en: 0.5`. They are divided by their
                sum; records in other languages are left out. Empty: not balanced.
            label_shares: Share of each label of the sources. They are divided by their sum; records with
                other labels, or none, are left out. Empty: not balanced.
            balance_labels: Give each label the same share. Refused together with `label_shares`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            MixturePlan,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/datasets/*}/versions:plan", parent=parent),
                body=present(
                    {
                        "components": components,
                        "strategy": strategy,
                        "temperature": temperature,
                        "unit": unit,
                        "budget": budget,
                        "seed": seed,
                        "languageShares": language_shares,
                        "labelShares": label_shares,
                        "balanceLabels": balance_labels,
                    }
                ),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[DatasetVersion]:
        """Stream a dataset version: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            DatasetVersion,
            Call(
                "GET",
                expand("/v1/{name=projects/*/datasets/*/versions/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[DatasetVersion], object] | None = None,
    ) -> DatasetVersion:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            DatasetVersion,
            Call("GET", expand("/v1/{name=projects/*/datasets/*/versions/*}:watch", name=name)),
            timeout,
            on_state,
        )


class DatasetsResource:
    """Series of dataset versions."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def create(
        self,
        parent: str,
        *,
        display_name: str | None = None,
        dataset_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Dataset:
        """Create a dataset.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            dataset_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Dataset,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/datasets", parent=parent),
                query=present({"datasetId": dataset_id, "requestId": request_id or new_request_id()}),
                body=present({"displayName": display_name}),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a dataset.

        Refused while it has versions or splits (`IN_USE`), and while an erasure is in progress in the project
        (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            allow_missing: If true, the deletion of a dataset that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/datasets/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Dataset:
        """Return one dataset.

        Args:
            name: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Dataset, Call("GET", expand("/v1/{name=projects/*/datasets/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Dataset]:
        """List the datasets of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Dataset,
            "datasets",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/datasets", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class AsyncDatasetsResource:
    """Series of dataset versions."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        parent: str,
        *,
        display_name: str | None = None,
        dataset_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Dataset:
        """Create a dataset.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            dataset_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Dataset,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/datasets", parent=parent),
                query=present({"datasetId": dataset_id, "requestId": request_id or new_request_id()}),
                body=present({"displayName": display_name}),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a dataset.

        Refused while it has versions or splits (`IN_USE`), and while an erasure is in progress in the project
        (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            allow_missing: If true, the deletion of a dataset that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/datasets/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Dataset:
        """Return one dataset.

        Args:
            name: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Dataset, Call("GET", expand("/v1/{name=projects/*/datasets/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Dataset]:
        """List the datasets of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Dataset,
            "datasets",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/datasets", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class DeadLettersResource:
    """Message of a topic that gave no record, with its bytes."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[DeadLetter]:
        """List the messages of a topic that gave no record, with their bytes, oldest first.

        Args:
            parent: Resource name of the connection: `projects/{project}/connections/{connection}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            DeadLetter,
            "deadLetters",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/connections/*}/deadLetters", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token}),
            ),
            timeout,
        )


class AsyncDeadLettersResource:
    """Message of a topic that gave no record, with its bytes."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[DeadLetter]:
        """List the messages of a topic that gave no record, with their bytes, oldest first.

        Args:
            parent: Resource name of the connection: `projects/{project}/connections/{connection}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            DeadLetter,
            "deadLetters",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/connections/*}/deadLetters", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token}),
            ),
            timeout,
        )


class ErasuresResource:
    """Erasure of records from all data of a project: sources, dataset versions, splits, and the data of
    other services.

    An erasure can be neither undone nor cancelled.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def create(
        self,
        parent: str,
        *,
        record_ids: Sequence[str] | None = None,
        reason: str | None = None,
        shared_attachments: bool | None = None,
        erasure_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Erasure:
        """Start the permanent erasure of records from all data of the project.

        No or too many records, and a missing or too long reason are refused (`BAD_ERASURE`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            record_ids: IDs of the records to erase, 1 to 100. From the creation of the erasure on, curation
                rejects items with these IDs.
            reason: Reason for the erasure, 1 to 500 characters. It is stored permanently and must not contain
                personal data.
            shared_attachments: Whether the records that have an attachment (image, audio, video, file) of one
                of these records are erased as well, with the attachment. Otherwise an attachment stays for as
                long as another record has it.
            erasure_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Erasure,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/erasures", parent=parent),
                query=present({"erasureId": erasure_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {"recordIds": record_ids, "reason": reason, "sharedAttachments": shared_attachments}
                ),
                repeatable=True,
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Erasure:
        """Return one erasure.

        Args:
            name: Resource name of the erasure: `projects/{project}/erasures/{erasure}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Erasure, Call("GET", expand("/v1/{name=projects/*/erasures/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Erasure]:
        """List the erasures of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Erasure,
            "erasures",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/erasures", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[Erasure]:
        """Stream an erasure: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the erasure: `projects/{project}/erasures/{erasure}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Erasure,
            Call(
                "GET",
                expand("/v1/{name=projects/*/erasures/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Erasure], object] | None = None
    ) -> Erasure:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the erasure: `projects/{project}/erasures/{erasure}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            Erasure,
            Call("GET", expand("/v1/{name=projects/*/erasures/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncErasuresResource:
    """Erasure of records from all data of a project: sources, dataset versions, splits, and the data of
    other services.

    An erasure can be neither undone nor cancelled.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        parent: str,
        *,
        record_ids: Sequence[str] | None = None,
        reason: str | None = None,
        shared_attachments: bool | None = None,
        erasure_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Erasure:
        """Start the permanent erasure of records from all data of the project.

        No or too many records, and a missing or too long reason are refused (`BAD_ERASURE`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            record_ids: IDs of the records to erase, 1 to 100. From the creation of the erasure on, curation
                rejects items with these IDs.
            reason: Reason for the erasure, 1 to 500 characters. It is stored permanently and must not contain
                personal data.
            shared_attachments: Whether the records that have an attachment (image, audio, video, file) of one
                of these records are erased as well, with the attachment. Otherwise an attachment stays for as
                long as another record has it.
            erasure_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Erasure,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/erasures", parent=parent),
                query=present({"erasureId": erasure_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {"recordIds": record_ids, "reason": reason, "sharedAttachments": shared_attachments}
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Erasure:
        """Return one erasure.

        Args:
            name: Resource name of the erasure: `projects/{project}/erasures/{erasure}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Erasure, Call("GET", expand("/v1/{name=projects/*/erasures/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Erasure]:
        """List the erasures of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Erasure,
            "erasures",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/erasures", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[Erasure]:
        """Stream an erasure: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the erasure: `projects/{project}/erasures/{erasure}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Erasure,
            Call(
                "GET",
                expand("/v1/{name=projects/*/erasures/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Erasure], object] | None = None
    ) -> Erasure:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the erasure: `projects/{project}/erasures/{erasure}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            Erasure,
            Call("GET", expand("/v1/{name=projects/*/erasures/*}:watch", name=name)),
            timeout,
            on_state,
        )


class ExportsResource:
    """Records of a dataset version or of parts of a split as files for other tools."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> Export:
        """Request the cancellation of an export. An export that has ended is returned unchanged.

        Args:
            name: Resource name of the export: `projects/{project}/datasets/{dataset}/exports/{export}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Export,
            Call("POST", expand("/v1/{name=projects/*/datasets/*/exports/*}:cancel", name=name), body={}),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        dataset_version: str | None = None,
        split: str | None = None,
        parts: Sequence[Part] | None = None,
        format: ExportFormat | None = None,
        tokenizer_digest: str | None = None,
        end_token: str | None = None,
        escape_formulas: bool | None = None,
        reader: str | None = None,
        purpose: str | None = None,
        export_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Export:
        """Start an export.

        Refused: settings that do not fit (`BAD_EXPORT`), a version or split that is not READY (`NOT_READY`),
        the test part without a reader and a purpose (`BAD_READING`), and any export while an erasure is in
        progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            dataset_version: Resource name of the dataset version to export. Either this or `split` is
                required; it must be READY or REDACTED and belong to the dataset of the export.
            split: Resource name of the split to export. It must be READY or REDACTED and belong to the
                dataset of the export.
            parts: Parts of the split. Default: the training and the validation part. The test part is sealed:
                it needs `reader` and `purpose`, and its reading is logged as by `OpenSplit`.
            format: Format of the files. Required.
            tokenizer_digest: Digest of a tree that contains `tokenizer.json`, for example of a base model, or
                of that file itself. Required by MEGATRON and TOKENS, refused with other formats.
            end_token: Token at the end of each record in MEGATRON and TOKENS. Default: the `eos_token` in
                `tokenizer_config.json` of the tokenizer.
            escape_formulas: Put an apostrophe before cells of CSV that spreadsheets take for formulas. This
                changes such texts. Default: false.
            reader: Reader of the test part: the digest of a model artifact, or a resource name.
            purpose: Purpose of the export. It is logged if the test part is exported.
            export_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Export,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/datasets/*}/exports", parent=parent),
                query=present({"exportId": export_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "datasetVersion": dataset_version,
                        "split": split,
                        "parts": parts,
                        "format": format,
                        "tokenizerDigest": tokenizer_digest,
                        "endToken": end_token,
                        "escapeFormulas": escape_formulas,
                        "reader": reader,
                        "purpose": purpose,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete an export that has ended, and its files.

        Refused while it is in progress (`IN_USE`), and while an erasure is in progress in the project
        (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the export: `projects/{project}/datasets/{dataset}/exports/{export}`.
            allow_missing: If true, the deletion of an export that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/datasets/*/exports/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Export:
        """Return one export.

        Args:
            name: Resource name of the export: `projects/{project}/datasets/{dataset}/exports/{export}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Export, Call("GET", expand("/v1/{name=projects/*/datasets/*/exports/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Export]:
        """List the exports of a dataset, oldest first.

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Export,
            "exports",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*}/exports", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def open(
        self,
        name: str,
        *,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> OpenExportResponse:
        """Return the digest and the files of an export.

        If it holds the test part of a split, the reading is logged. Refused until the export is READY
        (`NOT_READY`), and for the test part without a reader and a purpose (`BAD_READING`).

        Args:
            name: Resource name of the export: `projects/{project}/datasets/{dataset}/exports/{export}`.
            reader: Reader of the test part: the digest of a model artifact, or a resource name.
            purpose: Purpose of the reading. It is logged for the test part.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            OpenExportResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/datasets/*/exports/*}:open", name=name),
                body=present({"reader": reader, "purpose": purpose}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[Export]:
        """Stream an export: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the export: `projects/{project}/datasets/{dataset}/exports/{export}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Export,
            Call(
                "GET",
                expand("/v1/{name=projects/*/datasets/*/exports/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Export], object] | None = None
    ) -> Export:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the export: `projects/{project}/datasets/{dataset}/exports/{export}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            Export,
            Call("GET", expand("/v1/{name=projects/*/datasets/*/exports/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncExportsResource:
    """Records of a dataset version or of parts of a split as files for other tools."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> Export:
        """Request the cancellation of an export. An export that has ended is returned unchanged.

        Args:
            name: Resource name of the export: `projects/{project}/datasets/{dataset}/exports/{export}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Export,
            Call("POST", expand("/v1/{name=projects/*/datasets/*/exports/*}:cancel", name=name), body={}),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        dataset_version: str | None = None,
        split: str | None = None,
        parts: Sequence[Part] | None = None,
        format: ExportFormat | None = None,
        tokenizer_digest: str | None = None,
        end_token: str | None = None,
        escape_formulas: bool | None = None,
        reader: str | None = None,
        purpose: str | None = None,
        export_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Export:
        """Start an export.

        Refused: settings that do not fit (`BAD_EXPORT`), a version or split that is not READY (`NOT_READY`),
        the test part without a reader and a purpose (`BAD_READING`), and any export while an erasure is in
        progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            dataset_version: Resource name of the dataset version to export. Either this or `split` is
                required; it must be READY or REDACTED and belong to the dataset of the export.
            split: Resource name of the split to export. It must be READY or REDACTED and belong to the
                dataset of the export.
            parts: Parts of the split. Default: the training and the validation part. The test part is sealed:
                it needs `reader` and `purpose`, and its reading is logged as by `OpenSplit`.
            format: Format of the files. Required.
            tokenizer_digest: Digest of a tree that contains `tokenizer.json`, for example of a base model, or
                of that file itself. Required by MEGATRON and TOKENS, refused with other formats.
            end_token: Token at the end of each record in MEGATRON and TOKENS. Default: the `eos_token` in
                `tokenizer_config.json` of the tokenizer.
            escape_formulas: Put an apostrophe before cells of CSV that spreadsheets take for formulas. This
                changes such texts. Default: false.
            reader: Reader of the test part: the digest of a model artifact, or a resource name.
            purpose: Purpose of the export. It is logged if the test part is exported.
            export_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Export,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/datasets/*}/exports", parent=parent),
                query=present({"exportId": export_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "datasetVersion": dataset_version,
                        "split": split,
                        "parts": parts,
                        "format": format,
                        "tokenizerDigest": tokenizer_digest,
                        "endToken": end_token,
                        "escapeFormulas": escape_formulas,
                        "reader": reader,
                        "purpose": purpose,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete an export that has ended, and its files.

        Refused while it is in progress (`IN_USE`), and while an erasure is in progress in the project
        (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the export: `projects/{project}/datasets/{dataset}/exports/{export}`.
            allow_missing: If true, the deletion of an export that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/datasets/*/exports/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Export:
        """Return one export.

        Args:
            name: Resource name of the export: `projects/{project}/datasets/{dataset}/exports/{export}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Export, Call("GET", expand("/v1/{name=projects/*/datasets/*/exports/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Export]:
        """List the exports of a dataset, oldest first.

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Export,
            "exports",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*}/exports", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def open(
        self,
        name: str,
        *,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> OpenExportResponse:
        """Return the digest and the files of an export.

        If it holds the test part of a split, the reading is logged. Refused until the export is READY
        (`NOT_READY`), and for the test part without a reader and a purpose (`BAD_READING`).

        Args:
            name: Resource name of the export: `projects/{project}/datasets/{dataset}/exports/{export}`.
            reader: Reader of the test part: the digest of a model artifact, or a resource name.
            purpose: Purpose of the reading. It is logged for the test part.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            OpenExportResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/datasets/*/exports/*}:open", name=name),
                body=present({"reader": reader, "purpose": purpose}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[Export]:
        """Stream an export: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the export: `projects/{project}/datasets/{dataset}/exports/{export}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Export,
            Call(
                "GET",
                expand("/v1/{name=projects/*/datasets/*/exports/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Export], object] | None = None
    ) -> Export:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the export: `projects/{project}/datasets/{dataset}/exports/{export}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            Export,
            Call("GET", expand("/v1/{name=projects/*/datasets/*/exports/*}:watch", name=name)),
            timeout,
            on_state,
        )


class ProfilesResource:
    """Statistical profile of a dataset version. Records of test parts are left out."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> Profile:
        """Request the cancellation of a profile. A profile that has ended is returned unchanged.

        Args:
            name: Resource name of the profile: `projects/{project}/datasets/{dataset}/profiles/{profile}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Profile,
            Call("POST", expand("/v1/{name=projects/*/datasets/*/profiles/*}:cancel", name=name), body={}),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        dataset_version: str | None = None,
        label_set_digest: str | None = None,
        topic_count: int | None = None,
        profile_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Profile:
        """Start a profile: a report on the records of a dataset version.

        Refused: a version that is not READY or REDACTED (`NOT_READY`), a version of another dataset or a
        number of topics out of range (`BAD_PROFILE`).

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            dataset_version: Resource name of the dataset version. It must be READY or REDACTED and belong to
                the dataset of the profile.
            label_set_digest: Digest of a label set (`LabelSet.digest` of the labeling service). Empty: the
                labels of the sources count.
            topic_count: Number of topics, from 2 to 50. Default: 8.
            profile_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Profile,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/datasets/*}/profiles", parent=parent),
                query=present({"profileId": profile_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "datasetVersion": dataset_version,
                        "labelSetDigest": label_set_digest,
                        "topicCount": topic_count,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a profile that has ended.

        Refused while it is in progress (`IN_USE`), and while an erasure is in progress in the project
        (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the profile: `projects/{project}/datasets/{dataset}/profiles/{profile}`.
            allow_missing: If true, the deletion of a profile that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/datasets/*/profiles/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Profile:
        """Return one profile, without its report.

        Args:
            name: Resource name of the profile: `projects/{project}/datasets/{dataset}/profiles/{profile}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Profile, Call("GET", expand("/v1/{name=projects/*/datasets/*/profiles/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Profile]:
        """List the profiles of a dataset, oldest first.

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Profile,
            "profiles",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*}/profiles", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def report(self, name: str, *, timeout: float | None = None) -> ProfileReport:
        """Return the report of a profile.

        Records that were sealed or erased since it was made are left out of its examples. Refused until the
        profile is READY (`NOT_READY`).

        Args:
            name: Resource name of the profile: `projects/{project}/datasets/{dataset}/profiles/{profile}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ProfileReport,
            Call("GET", expand("/v1/{name=projects/*/datasets/*/profiles/*}:report", name=name)),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[Profile]:
        """Stream a profile: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the profile: `projects/{project}/datasets/{dataset}/profiles/{profile}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Profile,
            Call(
                "GET",
                expand("/v1/{name=projects/*/datasets/*/profiles/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Profile], object] | None = None
    ) -> Profile:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the profile: `projects/{project}/datasets/{dataset}/profiles/{profile}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            Profile,
            Call("GET", expand("/v1/{name=projects/*/datasets/*/profiles/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncProfilesResource:
    """Statistical profile of a dataset version. Records of test parts are left out."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> Profile:
        """Request the cancellation of a profile. A profile that has ended is returned unchanged.

        Args:
            name: Resource name of the profile: `projects/{project}/datasets/{dataset}/profiles/{profile}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Profile,
            Call("POST", expand("/v1/{name=projects/*/datasets/*/profiles/*}:cancel", name=name), body={}),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        dataset_version: str | None = None,
        label_set_digest: str | None = None,
        topic_count: int | None = None,
        profile_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Profile:
        """Start a profile: a report on the records of a dataset version.

        Refused: a version that is not READY or REDACTED (`NOT_READY`), a version of another dataset or a
        number of topics out of range (`BAD_PROFILE`).

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            dataset_version: Resource name of the dataset version. It must be READY or REDACTED and belong to
                the dataset of the profile.
            label_set_digest: Digest of a label set (`LabelSet.digest` of the labeling service). Empty: the
                labels of the sources count.
            topic_count: Number of topics, from 2 to 50. Default: 8.
            profile_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Profile,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/datasets/*}/profiles", parent=parent),
                query=present({"profileId": profile_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "datasetVersion": dataset_version,
                        "labelSetDigest": label_set_digest,
                        "topicCount": topic_count,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a profile that has ended.

        Refused while it is in progress (`IN_USE`), and while an erasure is in progress in the project
        (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the profile: `projects/{project}/datasets/{dataset}/profiles/{profile}`.
            allow_missing: If true, the deletion of a profile that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/datasets/*/profiles/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Profile:
        """Return one profile, without its report.

        Args:
            name: Resource name of the profile: `projects/{project}/datasets/{dataset}/profiles/{profile}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Profile, Call("GET", expand("/v1/{name=projects/*/datasets/*/profiles/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Profile]:
        """List the profiles of a dataset, oldest first.

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Profile,
            "profiles",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*}/profiles", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def report(self, name: str, *, timeout: float | None = None) -> ProfileReport:
        """Return the report of a profile.

        Records that were sealed or erased since it was made are left out of its examples. Refused until the
        profile is READY (`NOT_READY`).

        Args:
            name: Resource name of the profile: `projects/{project}/datasets/{dataset}/profiles/{profile}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ProfileReport,
            Call("GET", expand("/v1/{name=projects/*/datasets/*/profiles/*}:report", name=name)),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[Profile]:
        """Stream a profile: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the profile: `projects/{project}/datasets/{dataset}/profiles/{profile}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Profile,
            Call(
                "GET",
                expand("/v1/{name=projects/*/datasets/*/profiles/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Profile], object] | None = None
    ) -> Profile:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the profile: `projects/{project}/datasets/{dataset}/profiles/{profile}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            Profile,
            Call("GET", expand("/v1/{name=projects/*/datasets/*/profiles/*}:watch", name=name)),
            timeout,
            on_state,
        )


class RecordDifferencesResource:
    """Difference of one record."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        base: str | None = None,
        split: str | None = None,
        base_split: str | None = None,
        kinds: Sequence[RecordDifferenceKind] | None = None,
        timeout: float | None = None,
    ) -> SyncPage[RecordDifference]:
        """List the differences that `DiffDatasetVersion` counts, ordered by record ID.

        Sealed records are left out.

        Args:
            parent: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            page_size: Maximum number of items to return. 0: 20. Values above 100 are reduced to 100; negative
                values are refused.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            base: Resource name of the version to compare with, of the same project. Required.
            split: Resource name of a split of the version. Empty: parts are not compared. Required together
                with `base_split`.
            base_split: Resource name of a split of the base.
            kinds: Kinds to return. Empty: all.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            RecordDifference,
            "recordDifferences",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*/versions/*}/recordDifferences", parent=parent),
                query=present(
                    {
                        "pageSize": page_size,
                        "pageToken": page_token,
                        "base": base,
                        "split": split,
                        "baseSplit": base_split,
                        "kinds": kinds,
                    }
                ),
            ),
            timeout,
        )


class AsyncRecordDifferencesResource:
    """Difference of one record."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        base: str | None = None,
        split: str | None = None,
        base_split: str | None = None,
        kinds: Sequence[RecordDifferenceKind] | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[RecordDifference]:
        """List the differences that `DiffDatasetVersion` counts, ordered by record ID.

        Sealed records are left out.

        Args:
            parent: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            page_size: Maximum number of items to return. 0: 20. Values above 100 are reduced to 100; negative
                values are refused.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            base: Resource name of the version to compare with, of the same project. Required.
            split: Resource name of a split of the version. Empty: parts are not compared. Required together
                with `base_split`.
            base_split: Resource name of a split of the base.
            kinds: Kinds to return. Empty: all.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            RecordDifference,
            "recordDifferences",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*/versions/*}/recordDifferences", parent=parent),
                query=present(
                    {
                        "pageSize": page_size,
                        "pageToken": page_token,
                        "base": base,
                        "split": split,
                        "baseSplit": base_split,
                        "kinds": kinds,
                    }
                ),
            ),
            timeout,
        )


class RecordsResource:
    """One curated record."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def get(
        self,
        parent: str,
        record_id: str,
        *,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> Record:
        """Return one record of a dataset version with its text.

        Refused until the version is READY (`NOT_READY`). A record that the version does not hold:
        `RECORD_NOT_FOUND`. The same for a sealed record, unless the caller has at least the role ANNOTATOR
        and sets `reader` and `purpose`: the reading is then logged at the split.

        Args:
            parent: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            record_id: ID of the record: 64 hexadecimal digits.
            reader: Reader of a sealed record: the digest of a model artifact, or a resource name, for example
                of a task.
            purpose: Purpose of the reading of a sealed record. It is logged.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Record,
            Call(
                "GET",
                expand(
                    "/v1/{parent=projects/*/datasets/*/versions/*}/records/{record_id}",
                    parent=parent,
                    record_id=record_id,
                ),
                query=present({"reader": reader, "purpose": purpose}),
            ),
            timeout,
        )

    def lineage(
        self,
        parent: str,
        record_id: str,
        *,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> RecordLineage:
        """Return every dataset version and split that holds a record, or that held it until it was erased.

        For an unknown record, the lists are empty. The same for a sealed record, unless the caller has at
        least the role ENGINEER and sets `reader` and `purpose`: the reading is then logged at the split. An
        ID that is not 64 hexadecimal digits is refused (`BAD_RECORD_ID`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            record_id: ID of the record: 64 hexadecimal digits.
            reader: Reader of the lineage of a sealed record: a resource name, for example of an erasure.
            purpose: Purpose of the reading of the lineage of a sealed record. It is logged.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            RecordLineage,
            Call(
                "GET",
                expand(
                    "/v1/{parent=projects/*}/records/{record_id}:lineage", parent=parent, record_id=record_id
                ),
                query=present({"reader": reader, "purpose": purpose}),
            ),
            timeout,
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Record]:
        """List the records of a dataset version with their texts, ordered by record ID.

        Sealed records are left out: those of a test part of the project, and those with the text of one.
        Refused until the version is READY (`NOT_READY`).

        Args:
            parent: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Record,
            "records",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*/versions/*}/records", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token}),
            ),
            timeout,
        )


class AsyncRecordsResource:
    """One curated record."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(
        self,
        parent: str,
        record_id: str,
        *,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> Record:
        """Return one record of a dataset version with its text.

        Refused until the version is READY (`NOT_READY`). A record that the version does not hold:
        `RECORD_NOT_FOUND`. The same for a sealed record, unless the caller has at least the role ANNOTATOR
        and sets `reader` and `purpose`: the reading is then logged at the split.

        Args:
            parent: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            record_id: ID of the record: 64 hexadecimal digits.
            reader: Reader of a sealed record: the digest of a model artifact, or a resource name, for example
                of a task.
            purpose: Purpose of the reading of a sealed record. It is logged.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Record,
            Call(
                "GET",
                expand(
                    "/v1/{parent=projects/*/datasets/*/versions/*}/records/{record_id}",
                    parent=parent,
                    record_id=record_id,
                ),
                query=present({"reader": reader, "purpose": purpose}),
            ),
            timeout,
        )

    async def lineage(
        self,
        parent: str,
        record_id: str,
        *,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> RecordLineage:
        """Return every dataset version and split that holds a record, or that held it until it was erased.

        For an unknown record, the lists are empty. The same for a sealed record, unless the caller has at
        least the role ENGINEER and sets `reader` and `purpose`: the reading is then logged at the split. An
        ID that is not 64 hexadecimal digits is refused (`BAD_RECORD_ID`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            record_id: ID of the record: 64 hexadecimal digits.
            reader: Reader of the lineage of a sealed record: a resource name, for example of an erasure.
            purpose: Purpose of the reading of the lineage of a sealed record. It is logged.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            RecordLineage,
            Call(
                "GET",
                expand(
                    "/v1/{parent=projects/*}/records/{record_id}:lineage", parent=parent, record_id=record_id
                ),
                query=present({"reader": reader, "purpose": purpose}),
            ),
            timeout,
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Record]:
        """List the records of a dataset version with their texts, ordered by record ID.

        Sealed records are left out: those of a test part of the project, and those with the text of one.
        Refused until the version is READY (`NOT_READY`).

        Args:
            parent: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Record,
            "records",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*/versions/*}/records", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token}),
            ),
            timeout,
        )


class RejectionsResource:
    """Item that became no record."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[RejectedItem]:
        """List the items of the sources that became no record, each with the curation step and the reason.

        Items that repeat a sealed record are left out. Refused until the dataset version is READY
        (`NOT_READY`).

        Args:
            parent: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            RejectedItem,
            "rejections",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*/versions/*}/rejections", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token}),
            ),
            timeout,
        )


class AsyncRejectionsResource:
    """Item that became no record."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[RejectedItem]:
        """List the items of the sources that became no record, each with the curation step and the reason.

        Items that repeat a sealed record are left out. Refused until the dataset version is READY
        (`NOT_READY`).

        Args:
            parent: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            RejectedItem,
            "rejections",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*/versions/*}/rejections", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token}),
            ),
            timeout,
        )


class SourcesResource:
    """Raw items, uploaded as one blob, and the settings to read them."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def create(
        self,
        parent: str,
        *,
        display_name: str | None = None,
        format: SourceFormat | None = None,
        digest: str | None = None,
        license: str | None = None,
        labels_by_folder: Mapping[str, str] | None = None,
        columns: SourceColumns | None = None,
        encoding: str | None = None,
        sample_by: SourceSampleBy | None = None,
        archive_depth: int | None = None,
        rows: SourceRows | None = None,
        source_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Source:
        """Create a source from an uploaded blob.

        Refused: a blob that was not uploaded (`BLOB_NOT_FOUND`), settings that do not fit (`BAD_SOURCE`), and
        any source while an erasure is in progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            format: Format of the blob. Required.
            digest: SHA-256 of the blob, which must be uploaded before with `PUT /v1/blobs/{sha256}`. For
                archives, also the digest of an artifact tree. Empty for callers below the role ENGINEER, as
                the blob may hold texts of test parts.
            license: License of the data: an SPDX identifier or a sentence.
            labels_by_folder: For archives: label of each directory. Items in other directories have no label.
                Empty: the name of the directory that holds an item is its label.
            columns: For tables (JSONL, CSV, Parquet, Excel, Arrow): columns to read. An empty name selects
                the default: `text`, `label`, `id`, `time`. A column that is named must exist.
            encoding: Character encoding of tables, and of texts that declare none, as a WHATWG label such as
                `gb18030` or `windows-1252`. Empty: detected. A byte order mark in the data takes precedence.
            sample_by: For a text file: the part that is one record. Default: a line. For documents:
                `SAMPLE_BY_PAGE`, or the whole.
            archive_depth: For archives: number of levels of archives within archives that are read, from 0 to
                10. Not set in a request: 3. Sources without a value are those of release 0.1: they read
                neither archives within archives nor documents.
            rows: For tables: what is done with the rows before they become records. Not set: nothing.
            source_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Source,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/sources", parent=parent),
                query=present({"sourceId": source_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "displayName": display_name,
                        "format": format,
                        "digest": digest,
                        "license": license,
                        "labelsByFolder": labels_by_folder,
                        "columns": columns,
                        "encoding": encoding,
                        "sampleBy": sample_by,
                        "archiveDepth": archive_depth,
                        "rows": rows,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete a source.

        Refused if a dataset version was created from it (`SOURCE_IN_USE`), and while an erasure is in
        progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the source: `projects/{project}/sources/{source}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE", expand("/v1/{name=projects/*/sources/*}", name=name), query=present({"etag": etag})
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Source:
        """Return one source.

        Args:
            name: Resource name of the source: `projects/{project}/sources/{source}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Source, Call("GET", expand("/v1/{name=projects/*/sources/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Source]:
        """List the sources of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Source,
            "sources",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/sources", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def preview(
        self,
        parent: str,
        *,
        display_name: str | None = None,
        format: SourceFormat | None = None,
        digest: str | None = None,
        license: str | None = None,
        labels_by_folder: Mapping[str, str] | None = None,
        columns: SourceColumns | None = None,
        encoding: str | None = None,
        sample_by: SourceSampleBy | None = None,
        archive_depth: int | None = None,
        rows: SourceRows | None = None,
        record_count: int | None = None,
        steps: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> SourcePreview:
        """Read the beginning of an uploaded blob as a source.

        Nothing is stored. A blob without usable records gives a preview that names the problem. Refused: a
        blob that was not uploaded (`BLOB_NOT_FOUND`), and one whose reading fails or takes too long
        (`PREVIEW_FAILED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            format: Format of the blob. Required.
            digest: SHA-256 of the blob, which must be uploaded before with `PUT /v1/blobs/{sha256}`. For
                archives, also the digest of an artifact tree. Empty for callers below the role ENGINEER, as
                the blob may hold texts of test parts.
            license: License of the data: an SPDX identifier or a sentence.
            labels_by_folder: For archives: label of each directory. Items in other directories have no label.
                Empty: the name of the directory that holds an item is its label.
            columns: For tables (JSONL, CSV, Parquet, Excel, Arrow): columns to read. An empty name selects
                the default: `text`, `label`, `id`, `time`. A column that is named must exist.
            encoding: Character encoding of tables, and of texts that declare none, as a WHATWG label such as
                `gb18030` or `windows-1252`. Empty: detected. A byte order mark in the data takes precedence.
            sample_by: For a text file: the part that is one record. Default: a line. For documents:
                `SAMPLE_BY_PAGE`, or the whole.
            archive_depth: For archives: number of levels of archives within archives that are read, from 0 to
                10. Not set in a request: 3. Sources without a value are those of release 0.1: they read
                neither archives within archives nor documents.
            rows: For tables: what is done with the rows before they become records. Not set: nothing.
            record_count: Maximum number of records to return, 1 to 50. Default: 5.
            steps: Steps of the curation, as `NAME` or `NAME:PARAMETER=VALUE;PARAMETER=VALUE`, or
                `preset:name=NAME`; see `Curation.steps`. Default: the default steps.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            SourcePreview,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/sources:preview", parent=parent),
                query=present({"recordCount": record_count, "steps": steps}),
                body=present(
                    {
                        "displayName": display_name,
                        "format": format,
                        "digest": digest,
                        "license": license,
                        "labelsByFolder": labels_by_folder,
                        "columns": columns,
                        "encoding": encoding,
                        "sampleBy": sample_by,
                        "archiveDepth": archive_depth,
                        "rows": rows,
                    }
                ),
            ),
            timeout,
        )

    def update(
        self,
        name: str,
        *,
        display_name: str | Omit = omit,
        license: str | Omit = omit,
        labels_by_folder: Mapping[str, str] | Omit = omit,
        columns: SourceColumns | Omit = omit,
        encoding: str | Omit = omit,
        format: SourceFormat | Omit = omit,
        sample_by: SourceSampleBy | Omit = omit,
        rows: SourceRows | Omit | None = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Source:
        """Update the display name or license of a source, or how it is read.

        A change of how it is read is refused once a dataset version was created from it (`SOURCE_IN_USE`).
        Any change is refused while an erasure is in progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name: `projects/{project}/sources/{source}`.
            display_name: Name for people. At most 1,024 characters.
            license: License of the data: an SPDX identifier or a sentence.
            labels_by_folder: For archives: label of each directory. Items in other directories have no label.
                Empty: the name of the directory that holds an item is its label.
            columns: For tables (JSONL, CSV, Parquet, Excel, Arrow): columns to read. An empty name selects
                the default: `text`, `label`, `id`, `time`. A column that is named must exist.
            encoding: Character encoding of tables, and of texts that declare none, as a WHATWG label such as
                `gb18030` or `windows-1252`. Empty: detected. A byte order mark in the data takes precedence.
            format: Format of the blob. Required.
            sample_by: For a text file: the part that is one record. Default: a line. For documents:
                `SAMPLE_BY_PAGE`, or the whole.
            rows: For tables: what is done with the rows before they become records. Not set: nothing.
            etag: Version tag of the source. Send it with an update or a delete, so that a concurrent change
                is not lost: a stale value is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Source,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/sources/*}", name=name),
                body=changes(
                    {
                        "displayName": display_name,
                        "license": license,
                        "labelsByFolder": labels_by_folder,
                        "columns": columns,
                        "encoding": encoding,
                        "format": format,
                        "sampleBy": sample_by,
                        "rows": rows,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )


class AsyncSourcesResource:
    """Raw items, uploaded as one blob, and the settings to read them."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        parent: str,
        *,
        display_name: str | None = None,
        format: SourceFormat | None = None,
        digest: str | None = None,
        license: str | None = None,
        labels_by_folder: Mapping[str, str] | None = None,
        columns: SourceColumns | None = None,
        encoding: str | None = None,
        sample_by: SourceSampleBy | None = None,
        archive_depth: int | None = None,
        rows: SourceRows | None = None,
        source_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Source:
        """Create a source from an uploaded blob.

        Refused: a blob that was not uploaded (`BLOB_NOT_FOUND`), settings that do not fit (`BAD_SOURCE`), and
        any source while an erasure is in progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            format: Format of the blob. Required.
            digest: SHA-256 of the blob, which must be uploaded before with `PUT /v1/blobs/{sha256}`. For
                archives, also the digest of an artifact tree. Empty for callers below the role ENGINEER, as
                the blob may hold texts of test parts.
            license: License of the data: an SPDX identifier or a sentence.
            labels_by_folder: For archives: label of each directory. Items in other directories have no label.
                Empty: the name of the directory that holds an item is its label.
            columns: For tables (JSONL, CSV, Parquet, Excel, Arrow): columns to read. An empty name selects
                the default: `text`, `label`, `id`, `time`. A column that is named must exist.
            encoding: Character encoding of tables, and of texts that declare none, as a WHATWG label such as
                `gb18030` or `windows-1252`. Empty: detected. A byte order mark in the data takes precedence.
            sample_by: For a text file: the part that is one record. Default: a line. For documents:
                `SAMPLE_BY_PAGE`, or the whole.
            archive_depth: For archives: number of levels of archives within archives that are read, from 0 to
                10. Not set in a request: 3. Sources without a value are those of release 0.1: they read
                neither archives within archives nor documents.
            rows: For tables: what is done with the rows before they become records. Not set: nothing.
            source_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Source,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/sources", parent=parent),
                query=present({"sourceId": source_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "displayName": display_name,
                        "format": format,
                        "digest": digest,
                        "license": license,
                        "labelsByFolder": labels_by_folder,
                        "columns": columns,
                        "encoding": encoding,
                        "sampleBy": sample_by,
                        "archiveDepth": archive_depth,
                        "rows": rows,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete a source.

        Refused if a dataset version was created from it (`SOURCE_IN_USE`), and while an erasure is in
        progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the source: `projects/{project}/sources/{source}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE", expand("/v1/{name=projects/*/sources/*}", name=name), query=present({"etag": etag})
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Source:
        """Return one source.

        Args:
            name: Resource name of the source: `projects/{project}/sources/{source}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Source, Call("GET", expand("/v1/{name=projects/*/sources/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Source]:
        """List the sources of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Source,
            "sources",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/sources", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def preview(
        self,
        parent: str,
        *,
        display_name: str | None = None,
        format: SourceFormat | None = None,
        digest: str | None = None,
        license: str | None = None,
        labels_by_folder: Mapping[str, str] | None = None,
        columns: SourceColumns | None = None,
        encoding: str | None = None,
        sample_by: SourceSampleBy | None = None,
        archive_depth: int | None = None,
        rows: SourceRows | None = None,
        record_count: int | None = None,
        steps: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> SourcePreview:
        """Read the beginning of an uploaded blob as a source.

        Nothing is stored. A blob without usable records gives a preview that names the problem. Refused: a
        blob that was not uploaded (`BLOB_NOT_FOUND`), and one whose reading fails or takes too long
        (`PREVIEW_FAILED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            format: Format of the blob. Required.
            digest: SHA-256 of the blob, which must be uploaded before with `PUT /v1/blobs/{sha256}`. For
                archives, also the digest of an artifact tree. Empty for callers below the role ENGINEER, as
                the blob may hold texts of test parts.
            license: License of the data: an SPDX identifier or a sentence.
            labels_by_folder: For archives: label of each directory. Items in other directories have no label.
                Empty: the name of the directory that holds an item is its label.
            columns: For tables (JSONL, CSV, Parquet, Excel, Arrow): columns to read. An empty name selects
                the default: `text`, `label`, `id`, `time`. A column that is named must exist.
            encoding: Character encoding of tables, and of texts that declare none, as a WHATWG label such as
                `gb18030` or `windows-1252`. Empty: detected. A byte order mark in the data takes precedence.
            sample_by: For a text file: the part that is one record. Default: a line. For documents:
                `SAMPLE_BY_PAGE`, or the whole.
            archive_depth: For archives: number of levels of archives within archives that are read, from 0 to
                10. Not set in a request: 3. Sources without a value are those of release 0.1: they read
                neither archives within archives nor documents.
            rows: For tables: what is done with the rows before they become records. Not set: nothing.
            record_count: Maximum number of records to return, 1 to 50. Default: 5.
            steps: Steps of the curation, as `NAME` or `NAME:PARAMETER=VALUE;PARAMETER=VALUE`, or
                `preset:name=NAME`; see `Curation.steps`. Default: the default steps.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            SourcePreview,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/sources:preview", parent=parent),
                query=present({"recordCount": record_count, "steps": steps}),
                body=present(
                    {
                        "displayName": display_name,
                        "format": format,
                        "digest": digest,
                        "license": license,
                        "labelsByFolder": labels_by_folder,
                        "columns": columns,
                        "encoding": encoding,
                        "sampleBy": sample_by,
                        "archiveDepth": archive_depth,
                        "rows": rows,
                    }
                ),
            ),
            timeout,
        )

    async def update(
        self,
        name: str,
        *,
        display_name: str | Omit = omit,
        license: str | Omit = omit,
        labels_by_folder: Mapping[str, str] | Omit = omit,
        columns: SourceColumns | Omit = omit,
        encoding: str | Omit = omit,
        format: SourceFormat | Omit = omit,
        sample_by: SourceSampleBy | Omit = omit,
        rows: SourceRows | Omit | None = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Source:
        """Update the display name or license of a source, or how it is read.

        A change of how it is read is refused once a dataset version was created from it (`SOURCE_IN_USE`).
        Any change is refused while an erasure is in progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name: `projects/{project}/sources/{source}`.
            display_name: Name for people. At most 1,024 characters.
            license: License of the data: an SPDX identifier or a sentence.
            labels_by_folder: For archives: label of each directory. Items in other directories have no label.
                Empty: the name of the directory that holds an item is its label.
            columns: For tables (JSONL, CSV, Parquet, Excel, Arrow): columns to read. An empty name selects
                the default: `text`, `label`, `id`, `time`. A column that is named must exist.
            encoding: Character encoding of tables, and of texts that declare none, as a WHATWG label such as
                `gb18030` or `windows-1252`. Empty: detected. A byte order mark in the data takes precedence.
            format: Format of the blob. Required.
            sample_by: For a text file: the part that is one record. Default: a line. For documents:
                `SAMPLE_BY_PAGE`, or the whole.
            rows: For tables: what is done with the rows before they become records. Not set: nothing.
            etag: Version tag of the source. Send it with an update or a delete, so that a concurrent change
                is not lost: a stale value is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Source,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/sources/*}", name=name),
                body=changes(
                    {
                        "displayName": display_name,
                        "license": license,
                        "labelsByFolder": labels_by_folder,
                        "columns": columns,
                        "encoding": encoding,
                        "format": format,
                        "sampleBy": sample_by,
                        "rows": rows,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )


class SplitReadingsResource:
    """Logged reading of a part of a split."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[SplitReading]:
        """List the logged readings of a split, oldest first.

        Args:
            parent: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            SplitReading,
            "readings",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*/splits/*}/readings", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class AsyncSplitReadingsResource:
    """Logged reading of a part of a split."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[SplitReading]:
        """List the logged readings of a split, oldest first.

        Args:
            parent: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            SplitReading,
            "readings",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*/splits/*}/readings", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class SplitsResource:
    """Division of a labelled dataset version into three parts. The test part is sealed."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> Split:
        """Request the cancellation of a split. A split that has ended is returned unchanged.

        Args:
            name: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Split,
            Call("POST", expand("/v1/{name=projects/*/datasets/*/splits/*}:cancel", name=name), body={}),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        dataset_version: str | None = None,
        label_set_digest: str | None = None,
        mode: SplitMode | None = None,
        group_attribute: str | None = None,
        ratios: SplitRatios | None = None,
        folds: SplitFolds | None = None,
        seed: int | None = None,
        replay: SplitReplay | None = None,
        split_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Split:
        """Start the split of a READY dataset version.

        Refused: a version or a replayed split that is not READY (`NOT_READY`), a version of which records
        were erased (`VERSION_REDACTED`), shares, a mode or a replay that do not fit (`BAD_SPLIT`), and any
        split while an erasure is in progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            dataset_version: Resource name of the dataset version. It must be READY and belong to the dataset
                of the split.
            label_set_digest: Digest of the label set (`LabelSet.digest` of the labeling service).
            mode: Assignment of records to parts. Default: STRATIFIED.
            group_attribute: Name of the attribute that groups records. Required by GROUPED, refused with
                other modes.
            ratios: Shares of the training, validation and test part. Default: 0.8, 0.1, 0.1.
            folds: Division of the records that are not in the test part into folds, where data are few. Not
                set: there are none.
            seed: Random seed of the assignment.
            replay: Records of an earlier split to mix into the training part.
            split_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Split,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/datasets/*}/splits", parent=parent),
                query=present({"splitId": split_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "datasetVersion": dataset_version,
                        "labelSetDigest": label_set_digest,
                        "mode": mode,
                        "groupAttribute": group_attribute,
                        "ratios": ratios,
                        "folds": folds,
                        "seed": seed,
                        "replay": replay,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a split that failed or was cancelled.

        Refused while it is in progress or when it has parts (`IN_USE`), and while an erasure is in progress
        in the project (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            allow_missing: If true, the deletion of a split that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/datasets/*/splits/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Split:
        """Return one split.

        Args:
            name: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Split, Call("GET", expand("/v1/{name=projects/*/datasets/*/splits/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Split]:
        """List the splits of a dataset, oldest first.

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Split,
            "splits",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*}/splits", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def open(
        self,
        name: str,
        *,
        part: Part | None = None,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> OpenSplitResponse:
        """Return the digest of a part of a split, for example of the sealed test part, and log the reading.

        Refused until the split is READY (`SPLIT_NOT_READY`), and without a part, a reader and a purpose
        (`BAD_READING`).

        Args:
            name: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            part: Part to open. An unset part is refused.
            reader: Reader of the part: the digest of the model artifact, or a resource name. Required.
            purpose: Purpose of the reading. Required; it is logged.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            OpenSplitResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/datasets/*/splits/*}:open", name=name),
                body=present({"part": part, "reader": reader, "purpose": purpose}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[Split]:
        """Stream a split: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Split,
            Call(
                "GET",
                expand("/v1/{name=projects/*/datasets/*/splits/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Split], object] | None = None
    ) -> Split:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            Split,
            Call("GET", expand("/v1/{name=projects/*/datasets/*/splits/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncSplitsResource:
    """Division of a labelled dataset version into three parts. The test part is sealed."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> Split:
        """Request the cancellation of a split. A split that has ended is returned unchanged.

        Args:
            name: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Split,
            Call("POST", expand("/v1/{name=projects/*/datasets/*/splits/*}:cancel", name=name), body={}),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        dataset_version: str | None = None,
        label_set_digest: str | None = None,
        mode: SplitMode | None = None,
        group_attribute: str | None = None,
        ratios: SplitRatios | None = None,
        folds: SplitFolds | None = None,
        seed: int | None = None,
        replay: SplitReplay | None = None,
        split_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Split:
        """Start the split of a READY dataset version.

        Refused: a version or a replayed split that is not READY (`NOT_READY`), a version of which records
        were erased (`VERSION_REDACTED`), shares, a mode or a replay that do not fit (`BAD_SPLIT`), and any
        split while an erasure is in progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            dataset_version: Resource name of the dataset version. It must be READY and belong to the dataset
                of the split.
            label_set_digest: Digest of the label set (`LabelSet.digest` of the labeling service).
            mode: Assignment of records to parts. Default: STRATIFIED.
            group_attribute: Name of the attribute that groups records. Required by GROUPED, refused with
                other modes.
            ratios: Shares of the training, validation and test part. Default: 0.8, 0.1, 0.1.
            folds: Division of the records that are not in the test part into folds, where data are few. Not
                set: there are none.
            seed: Random seed of the assignment.
            replay: Records of an earlier split to mix into the training part.
            split_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Split,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/datasets/*}/splits", parent=parent),
                query=present({"splitId": split_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "datasetVersion": dataset_version,
                        "labelSetDigest": label_set_digest,
                        "mode": mode,
                        "groupAttribute": group_attribute,
                        "ratios": ratios,
                        "folds": folds,
                        "seed": seed,
                        "replay": replay,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a split that failed or was cancelled.

        Refused while it is in progress or when it has parts (`IN_USE`), and while an erasure is in progress
        in the project (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            allow_missing: If true, the deletion of a split that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/datasets/*/splits/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Split:
        """Return one split.

        Args:
            name: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Split, Call("GET", expand("/v1/{name=projects/*/datasets/*/splits/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Split]:
        """List the splits of a dataset, oldest first.

        Args:
            parent: Resource name of the dataset: `projects/{project}/datasets/{dataset}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Split,
            "splits",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/datasets/*}/splits", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def open(
        self,
        name: str,
        *,
        part: Part | None = None,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> OpenSplitResponse:
        """Return the digest of a part of a split, for example of the sealed test part, and log the reading.

        Refused until the split is READY (`SPLIT_NOT_READY`), and without a part, a reader and a purpose
        (`BAD_READING`).

        Args:
            name: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            part: Part to open. An unset part is refused.
            reader: Reader of the part: the digest of the model artifact, or a resource name. Required.
            purpose: Purpose of the reading. Required; it is logged.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            OpenSplitResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/datasets/*/splits/*}:open", name=name),
                body=present({"part": part, "reader": reader, "purpose": purpose}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[Split]:
        """Stream a split: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Split,
            Call(
                "GET",
                expand("/v1/{name=projects/*/datasets/*/splits/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Split], object] | None = None
    ) -> Split:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the split: `projects/{project}/datasets/{dataset}/splits/{split}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            Split,
            Call("GET", expand("/v1/{name=projects/*/datasets/*/splits/*}:watch", name=name)),
            timeout,
            on_state,
        )


class StreamsResource:
    """Records that programs append one by one or in batches.

    Appended records are collected in a segment; a sealed segment is a source in the format JSONL.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def append(
        self, name: str, *, records: Sequence[AppendedRecord] | None = None, timeout: float | None = None
    ) -> AppendRecordsResponse:
        """Append records to a stream: all of the request, or none.

        Once the call returns, the records are stored durably; a retry with the same IDs stores none of them
        twice. Refused: a record that is not valid (`BAD_RECORD`), an ID that another record of the stream has
        (`RECORD_ID_REUSED`), more bytes than the project may append on one day (`APPEND_QUOTA_EXCEEDED`), and
        any record while an erasure is in progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the stream: `projects/{project}/streams/{stream}`.
            records: The records, 1 to 1,000, each at most 262,144 characters, and all of them less than 4
                MiB.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            AppendRecordsResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/streams/*}:append", name=name),
                body=present({"records": records}),
            ),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        display_name: str | None = None,
        license: str | None = None,
        columns: SourceColumns | None = None,
        segment_records: int | None = None,
        segment_seconds: int | None = None,
        stream_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Stream:
        """Create a stream of records. Refused: settings out of range (`BAD_STREAM`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            license: License of the records: an SPDX identifier or a sentence. The sources of the stream have
                it.
            columns: Columns of the records, as of a source in the format JSONL.
            segment_records: Number of records at which a segment is sealed, 1 to 100,000. Default: 10,000.
            segment_seconds: Age of its first record at which a segment is sealed, in seconds, 1 to 86,400.
                Default: 3,600.
            stream_id: Last segment of the resource name: 1 to 52 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Stream,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/streams", parent=parent),
                query=present({"streamId": stream_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "displayName": display_name,
                        "license": license,
                        "columns": columns,
                        "segmentRecords": segment_records,
                        "segmentSeconds": segment_seconds,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a stream; its sources stay.

        Refused while it has records in an open segment (`STREAM_NOT_SEALED`), and while an erasure is in
        progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the stream: `projects/{project}/streams/{stream}`.
            allow_missing: If true, the deletion of a stream that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/streams/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Stream:
        """Return one stream.

        Args:
            name: Resource name of the stream: `projects/{project}/streams/{stream}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Stream, Call("GET", expand("/v1/{name=projects/*/streams/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Stream]:
        """List the streams of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Stream,
            "streams",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/streams", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def seal(self, name: str, *, timeout: float | None = None) -> Stream:
        """Seal the open segment of a stream now, and return the stream with its latest source.

        A stream without open records is returned unchanged.

        Args:
            name: Resource name of the stream: `projects/{project}/streams/{stream}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Stream, Call("POST", expand("/v1/{name=projects/*/streams/*}:seal", name=name), body={}), timeout
        )

    def update(
        self,
        name: str,
        *,
        display_name: str | Omit = omit,
        license: str | Omit = omit,
        segment_records: int | Omit = omit,
        segment_seconds: int | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Stream:
        """Update a stream.

        Sources of sealed segments stay as they are; the open segment is sealed by the new bounds.

        Args:
            name: Resource name: `projects/{project}/streams/{stream}`.
            display_name: Name for people. At most 1,024 characters.
            license: License of the records: an SPDX identifier or a sentence. The sources of the stream have
                it.
            segment_records: Number of records at which a segment is sealed, 1 to 100,000. Default: 10,000.
            segment_seconds: Age of its first record at which a segment is sealed, in seconds, 1 to 86,400.
                Default: 3,600.
            etag: Version tag of the changeable fields. Send it with an update: a stale value is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Stream,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/streams/*}", name=name),
                body=changes(
                    {
                        "displayName": display_name,
                        "license": license,
                        "segmentRecords": segment_records,
                        "segmentSeconds": segment_seconds,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )


class AsyncStreamsResource:
    """Records that programs append one by one or in batches.

    Appended records are collected in a segment; a sealed segment is a source in the format JSONL.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def append(
        self, name: str, *, records: Sequence[AppendedRecord] | None = None, timeout: float | None = None
    ) -> AppendRecordsResponse:
        """Append records to a stream: all of the request, or none.

        Once the call returns, the records are stored durably; a retry with the same IDs stores none of them
        twice. Refused: a record that is not valid (`BAD_RECORD`), an ID that another record of the stream has
        (`RECORD_ID_REUSED`), more bytes than the project may append on one day (`APPEND_QUOTA_EXCEEDED`), and
        any record while an erasure is in progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the stream: `projects/{project}/streams/{stream}`.
            records: The records, 1 to 1,000, each at most 262,144 characters, and all of them less than 4
                MiB.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            AppendRecordsResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/streams/*}:append", name=name),
                body=present({"records": records}),
            ),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        display_name: str | None = None,
        license: str | None = None,
        columns: SourceColumns | None = None,
        segment_records: int | None = None,
        segment_seconds: int | None = None,
        stream_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Stream:
        """Create a stream of records. Refused: settings out of range (`BAD_STREAM`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            license: License of the records: an SPDX identifier or a sentence. The sources of the stream have
                it.
            columns: Columns of the records, as of a source in the format JSONL.
            segment_records: Number of records at which a segment is sealed, 1 to 100,000. Default: 10,000.
            segment_seconds: Age of its first record at which a segment is sealed, in seconds, 1 to 86,400.
                Default: 3,600.
            stream_id: Last segment of the resource name: 1 to 52 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Stream,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/streams", parent=parent),
                query=present({"streamId": stream_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "displayName": display_name,
                        "license": license,
                        "columns": columns,
                        "segmentRecords": segment_records,
                        "segmentSeconds": segment_seconds,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a stream; its sources stay.

        Refused while it has records in an open segment (`STREAM_NOT_SEALED`), and while an erasure is in
        progress in the project (`ERASURE_UNDER_WAY`).

        Args:
            name: Resource name of the stream: `projects/{project}/streams/{stream}`.
            allow_missing: If true, the deletion of a stream that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/streams/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Stream:
        """Return one stream.

        Args:
            name: Resource name of the stream: `projects/{project}/streams/{stream}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Stream, Call("GET", expand("/v1/{name=projects/*/streams/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Stream]:
        """List the streams of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Stream,
            "streams",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/streams", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def seal(self, name: str, *, timeout: float | None = None) -> Stream:
        """Seal the open segment of a stream now, and return the stream with its latest source.

        A stream without open records is returned unchanged.

        Args:
            name: Resource name of the stream: `projects/{project}/streams/{stream}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Stream, Call("POST", expand("/v1/{name=projects/*/streams/*}:seal", name=name), body={}), timeout
        )

    async def update(
        self,
        name: str,
        *,
        display_name: str | Omit = omit,
        license: str | Omit = omit,
        segment_records: int | Omit = omit,
        segment_seconds: int | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Stream:
        """Update a stream.

        Sources of sealed segments stay as they are; the open segment is sealed by the new bounds.

        Args:
            name: Resource name: `projects/{project}/streams/{stream}`.
            display_name: Name for people. At most 1,024 characters.
            license: License of the records: an SPDX identifier or a sentence. The sources of the stream have
                it.
            segment_records: Number of records at which a segment is sealed, 1 to 100,000. Default: 10,000.
            segment_seconds: Age of its first record at which a segment is sealed, in seconds, 1 to 86,400.
                Default: 3,600.
            etag: Version tag of the changeable fields. Send it with an update: a stale value is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Stream,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/streams/*}", name=name),
                body=changes(
                    {
                        "displayName": display_name,
                        "license": license,
                        "segmentRecords": segment_records,
                        "segmentSeconds": segment_seconds,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )
