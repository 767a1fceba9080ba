"""Long lists that only grow, such as feedback: read on from the last page instead of anew each time.

What is kept is what a chart needs of each resource. The last page is always asked for again, with the key of who
looks, so that the API decides each time who may see it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ratoon_console.application.ports import JSON, Api

T = TypeVar("T")
_PAGE = 1000
_MOST_LISTS = 64
_MOST_KEPT = 100_000


@dataclass
class _Known(Generic[T]):
    """What the full pages held, and the token of the page after them."""

    items: list[T] = field(default_factory=list)
    token: str = ""
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Tail(Generic[T]):
    """Lists of one kind, by the name of the collection; of each the newest hundred thousand."""

    def __init__(self, reduce: Callable[[JSON], T]) -> None:
        self._reduce = reduce
        self._lists: OrderedDict[str, _Known[T]] = OrderedDict()

    async def read(self, collection: str, api: Api) -> list[T]:
        """Every resource of the collection, reduced, oldest first."""
        known = self._known(collection)
        async with known.reading:
            while True:
                page = await api.get(collection, pageSize=_PAGE, pageToken=known.token)
                found = [
                    self._reduce(each) for value in page.values() if isinstance(value, list) for each in value
                ]
                following = page.get("nextPageToken", "")
                if not following:
                    return [*known.items, *found]
                known.items = [*known.items, *found][-_MOST_KEPT:]
                known.token = following

    def _known(self, collection: str) -> _Known[T]:
        known = self._lists.pop(collection, None) or _Known[T]()
        self._lists[collection] = known
        while len(self._lists) > _MOST_LISTS:
            self._lists.popitem(last=False)
        return known
