"""Pages of a listing. Iterating over a page yields its items and those of all following pages."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class SyncPage(Generic[T]):
    """One page of a listing. `next_page_token` is empty on the last page."""

    def __init__(self, items: list[T], next_page_token: str, load_next: "Callable[[], SyncPage[T]]") -> None:
        self.items, self.next_page_token, self._load_next = items, next_page_token, load_next

    def __iter__(self) -> Iterator[T]:
        return self.auto_paging_iter()

    def auto_paging_iter(self) -> Iterator[T]:
        """Yield the items of this page and of all following ones."""
        for page in self.iter_pages():
            yield from page.items

    def iter_pages(self) -> "Iterator[SyncPage[T]]":
        """Yield this page and all following ones."""
        page: SyncPage[T] | None = self
        while page is not None:
            yield page
            page = page.get_next_page()

    def get_next_page(self) -> "SyncPage[T] | None":
        """Return the next page, or None after the last one."""
        return self._load_next() if self.next_page_token else None


class AsyncPage(Generic[T]):
    """One page of a listing. `next_page_token` is empty on the last page."""

    def __init__(
        self, items: list[T], next_page_token: str, load_next: "Callable[[], Awaitable[AsyncPage[T]]]"
    ) -> None:
        self.items, self.next_page_token, self._load_next = items, next_page_token, load_next

    def __aiter__(self) -> AsyncIterator[T]:
        return self.auto_paging_iter()

    async def auto_paging_iter(self) -> AsyncIterator[T]:
        """Yield the items of this page and of all following ones."""
        async for page in self.iter_pages():
            for item in page.items:
                yield item

    async def iter_pages(self) -> "AsyncIterator[AsyncPage[T]]":
        """Yield this page and all following ones."""
        page: AsyncPage[T] | None = self
        while page is not None:
            yield page
            page = await page.get_next_page()

    async def get_next_page(self) -> "AsyncPage[T] | None":
        """Return the next page, or None after the last one."""
        return await self._load_next() if self.next_page_token else None


class AsyncPaginator(Generic[T]):
    """Listing that has not been read yet: `await` returns its first page, `async for` yields all its items."""

    def __init__(self, load: Callable[[], Awaitable[AsyncPage[T]]]) -> None:
        self._load = load

    def __await__(self) -> Generator[object, object, AsyncPage[T]]:
        return self._load().__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for item in await self:
            yield item
