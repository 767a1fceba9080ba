# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Resources of ingestion."""

from collections.abc import Callable, Mapping, Sequence

from ratoon.client._generated.ingestion_types import (
    Curation,
    Dataset,
    DatasetVersion,
    Erasure,
    OpenSplitResponse,
    Part,
    Record,
    RecordLineage,
    RejectedItem,
    Source,
    SourceColumns,
    SourceFormat,
    SourcePreview,
    SourceSampleBy,
    Split,
    SplitMode,
    SplitRatios,
    SplitReading,
    SplitReplay,
)
from ratoon.client._models import changes, present
from ratoon.client._omit import Omit, omit
from ratoon.client._pagination import AsyncPaginator, SyncPage
from ratoon.client._paths import expand
from ratoon.client._transport import AsyncTransport, Call, SyncTransport, new_request_id
from ratoon.client._watch import AsyncWatch, SyncWatch


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
            sources: Resource names of the sources. At least one is required; all must belong to the same
                project, and none may occur twice.
            curation: Curation settings.
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
                body=present({"sources": sources, "curation": curation}),
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
            sources: Resource names of the sources. At least one is required; all must belong to the same
                project, and none may occur twice.
            curation: Curation settings.
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
                body=present({"sources": sources, "curation": curation}),
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
                body=present({"recordIds": record_ids, "reason": reason}),
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
                body=present({"recordIds": record_ids, "reason": reason}),
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


class RecordsResource:
    """One curated record."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def get(self, parent: str, record_id: str, *, timeout: float | None = None) -> Record:
        """Return one record of a dataset version with its text.

        Refused until the version is READY (`NOT_READY`). A record that the version does not hold:
        `RECORD_NOT_FOUND`.

        Args:
            parent: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            record_id: ID of the record: 64 hexadecimal digits.
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
            ),
            timeout,
        )

    def lineage(self, parent: str, record_id: str, *, timeout: float | None = None) -> RecordLineage:
        """Return every dataset version and split that holds a record, or that held it until it was erased.

        For an unknown record, the lists are empty. An ID that is not 64 hexadecimal digits is refused
        (`BAD_RECORD_ID`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            record_id: ID of the record: 64 hexadecimal digits.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            RecordLineage,
            Call(
                "GET",
                expand(
                    "/v1/{parent=projects/*}/records/{record_id}:lineage", parent=parent, record_id=record_id
                ),
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

    async def get(self, parent: str, record_id: str, *, timeout: float | None = None) -> Record:
        """Return one record of a dataset version with its text.

        Refused until the version is READY (`NOT_READY`). A record that the version does not hold:
        `RECORD_NOT_FOUND`.

        Args:
            parent: Resource name of the version: `projects/{project}/datasets/{dataset}/versions/{version}`.
            record_id: ID of the record: 64 hexadecimal digits.
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
            ),
            timeout,
        )

    async def lineage(self, parent: str, record_id: str, *, timeout: float | None = None) -> RecordLineage:
        """Return every dataset version and split that holds a record, or that held it until it was erased.

        For an unknown record, the lists are empty. An ID that is not 64 hexadecimal digits is refused
        (`BAD_RECORD_ID`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            record_id: ID of the record: 64 hexadecimal digits.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            RecordLineage,
            Call(
                "GET",
                expand(
                    "/v1/{parent=projects/*}/records/{record_id}:lineage", parent=parent, record_id=record_id
                ),
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

        Refused until the dataset version is READY (`NOT_READY`).

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

        Refused until the dataset version is READY (`NOT_READY`).

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
                archives, also the digest of an artifact tree.
            license: License of the data: an SPDX identifier or a sentence.
            labels_by_folder: For archives: label of each directory. Items in other directories have no label.
                Empty: the name of the directory that holds an item is its label.
            columns: For JSONL, CSV and Parquet: columns to read. An empty name selects the default: `text`,
                `label`, `id`, `time`. A column that is named must exist.
            encoding: Character encoding of tables, and of texts that declare none, as a WHATWG label such as
                `gb18030` or `windows-1252`. Empty: detected. A byte order mark in the data takes precedence.
            sample_by: For a text file: the part that is one record. Default: a line.
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
                archives, also the digest of an artifact tree.
            license: License of the data: an SPDX identifier or a sentence.
            labels_by_folder: For archives: label of each directory. Items in other directories have no label.
                Empty: the name of the directory that holds an item is its label.
            columns: For JSONL, CSV and Parquet: columns to read. An empty name selects the default: `text`,
                `label`, `id`, `time`. A column that is named must exist.
            encoding: Character encoding of tables, and of texts that declare none, as a WHATWG label such as
                `gb18030` or `windows-1252`. Empty: detected. A byte order mark in the data takes precedence.
            sample_by: For a text file: the part that is one record. Default: a line.
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
            columns: For JSONL, CSV and Parquet: columns to read. An empty name selects the default: `text`,
                `label`, `id`, `time`. A column that is named must exist.
            encoding: Character encoding of tables, and of texts that declare none, as a WHATWG label such as
                `gb18030` or `windows-1252`. Empty: detected. A byte order mark in the data takes precedence.
            format: Format of the blob. Required.
            sample_by: For a text file: the part that is one record. Default: a line.
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
                archives, also the digest of an artifact tree.
            license: License of the data: an SPDX identifier or a sentence.
            labels_by_folder: For archives: label of each directory. Items in other directories have no label.
                Empty: the name of the directory that holds an item is its label.
            columns: For JSONL, CSV and Parquet: columns to read. An empty name selects the default: `text`,
                `label`, `id`, `time`. A column that is named must exist.
            encoding: Character encoding of tables, and of texts that declare none, as a WHATWG label such as
                `gb18030` or `windows-1252`. Empty: detected. A byte order mark in the data takes precedence.
            sample_by: For a text file: the part that is one record. Default: a line.
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
                archives, also the digest of an artifact tree.
            license: License of the data: an SPDX identifier or a sentence.
            labels_by_folder: For archives: label of each directory. Items in other directories have no label.
                Empty: the name of the directory that holds an item is its label.
            columns: For JSONL, CSV and Parquet: columns to read. An empty name selects the default: `text`,
                `label`, `id`, `time`. A column that is named must exist.
            encoding: Character encoding of tables, and of texts that declare none, as a WHATWG label such as
                `gb18030` or `windows-1252`. Empty: detected. A byte order mark in the data takes precedence.
            sample_by: For a text file: the part that is one record. Default: a line.
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
            columns: For JSONL, CSV and Parquet: columns to read. An empty name selects the default: `text`,
                `label`, `id`, `time`. A column that is named must exist.
            encoding: Character encoding of tables, and of texts that declare none, as a WHATWG label such as
                `gb18030` or `windows-1252`. Empty: detected. A byte order mark in the data takes precedence.
            format: Format of the blob. Required.
            sample_by: For a text file: the part that is one record. Default: a line.
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
        ratios: SplitRatios | None = None,
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
            ratios: Shares of the training, validation and test part. Default: 0.8, 0.1, 0.1.
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
                        "ratios": ratios,
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
        ratios: SplitRatios | None = None,
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
            ratios: Shares of the training, validation and test part. Default: 0.8, 0.1, 0.1.
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
                        "ratios": ratios,
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
