"""Standard methods of resources over gRPC: get, list, watch, cancel, delete. It knows no domain."""

from collections.abc import AsyncIterator, Callable
from typing import Generic, Protocol, TypeVar

from ratoon.operations.operations import Cancellable, Operations
from ratoon.runtime.server import Threads
from ratoon.storage.names import matched, parent_of
from ratoon.storage.paging import Page
from ratoon.storage.store import Resource, Store, Transaction
from ratoon.storage.watch import Changes, watch

T = TypeVar("T", bound=Resource)
C = TypeVar("C", bound=Cancellable)
M = TypeVar("M")


class NamedRequest(Protocol):
    """Request that names a resource."""

    @property
    def name(self) -> str: ...


class WatchRequest(NamedRequest, Protocol):
    """Request for the states of a resource that are newer than a revision."""

    @property
    def revision(self) -> int: ...


class DeleteRequest(NamedRequest, Protocol):
    """Request to delete a resource."""

    @property
    def allow_missing(self) -> bool: ...


class PageRequest(Protocol):
    """Request for a page of a listing."""

    @property
    def page_size(self) -> int: ...
    @property
    def page_token(self) -> str: ...
    @property
    def order_by(self) -> str: ...


class ListRequest(PageRequest, Protocol):
    """Request for a page of the resources of a parent."""

    @property
    def parent(self) -> str: ...


class StandardMethods(Generic[T, M]):
    """Standard methods of one kind of resource. They return its messages, and run on the service's threads."""

    def __init__(
        self,
        store: Store,
        threads: Threads,
        kind: type[T],
        pattern: str,
        message: Callable[[T], M],
        ended: Callable[[T], bool] = lambda _resource: False,
    ) -> None:
        """`pattern` is the pattern of its names (`projects/*/models/*`); `ended` is true for its final states."""
        self._store, self._threads, self._kind, self._pattern = store, threads, kind, pattern
        self._message, self._ended = message, ended

    def check_name(self, request: NamedRequest) -> None:
        """Raise InvalidArgument if the name in a request cannot be one of this kind."""
        matched(request.name, self._pattern)

    async def get(self, request: NamedRequest) -> M:
        """Return a resource."""
        self.check_name(request)
        return self._message(await self._threads(self._store.get, self._kind, request.name))

    async def list(self, request: ListRequest) -> Page[M]:
        """Return a page of the resources of a parent, oldest first unless the request names another order."""
        matched(request.parent, parent_of(self._pattern), "parent")
        return await self.page(request.parent, request)

    async def page(self, parent: str, request: PageRequest) -> Page[M]:
        """Return a page of the resources of a parent that is not in the request."""
        page = await self._threads(
            self._store.page, self._kind, parent, request.page_size, request.page_token, request.order_by
        )
        return Page([self._message(resource) for resource in page.items], page.next_token)

    async def watch(self, request: WatchRequest, changes: Changes) -> AsyncIterator[M]:
        """Yield the current state of a resource, then each newer one, until it has ended."""
        name, revision = request.name, request.revision
        states = watch(self._store, changes, self._threads, self._kind, name, revision, self._ended)
        async for resource in states:
            yield self._message(resource)

    async def cancel(self: "StandardMethods[C, M]", request: NamedRequest, operations: Operations) -> M:
        """Request the cancellation of a resource; one that has ended stays as it is."""
        self.check_name(request)
        return self._message(await self._threads(operations.cancel, self._kind, request.name, self._ended))

    async def delete(self, request: DeleteRequest, remove: Callable[[T, Transaction], None]) -> None:
        """Delete a resource by the rule of its kind: `remove` deletes it in a transaction, or raises.

        NotFound if it does not exist, unless the request allows that.
        """
        self.check_name(request)
        await self._threads(self._delete, request.name, request.allow_missing, remove)

    def _delete(self, name: str, allow_missing: bool, remove: Callable[[T, Transaction], None]) -> None:
        with self._store.write() as tx:
            resource = tx.find(self._kind, name) if allow_missing else tx.get(self._kind, name)
            if resource is not None:
                remove(resource, tx)
