"""Watching a resource: its current state, then each newer one. It reads the database, so any replica serves it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from ratoon.runtime.server import Threads
from ratoon.storage.store import Resource, Store

T = TypeVar("T", bound=Resource)
_POLL_INTERVAL_S = 0.5


class Changes:
    """Wakes the watchers on one service's loop when its database commits; a poll finds commits of other processes."""

    def __init__(self, store: Store) -> None:
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        store.database.on_commit(self._wake)

    async def next(self) -> None:
        """Return when something may have changed."""
        event = asyncio.Event()
        entry = (asyncio.get_running_loop(), event)
        self._waiting.add(entry)
        try:
            async with asyncio.timeout(_POLL_INTERVAL_S):
                await event.wait()
        except TimeoutError:
            return
        finally:
            self._waiting.discard(entry)

    def _wake(self) -> None:
        for loop, event in list(self._waiting):
            loop.call_soon_threadsafe(event.set)


async def watch(
    store: Store,
    changes: Changes,
    threads: Threads,
    kind: type[T],
    name: str,
    revision: int,
    ended: Callable[[T], bool],
) -> AsyncIterator[T]:
    """Each state newer than `revision`, the current one first; ends after a state that is `ended`.

    Intermediate states are skipped: what comes is always the newest, so no revision is too old to resume from.
    """
    while True:
        resource = await threads(_read, store, kind, name)
        if resource.revision > revision:
            revision = resource.revision
            yield resource
        if ended(resource):
            return
        await changes.next()


def _read(store: Store, kind: type[T], name: str) -> T:
    with store.read() as tx:
        return tx.get(kind, name)
