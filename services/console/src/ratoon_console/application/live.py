"""A live page: rendered again when a resource that it watches changes, and every few seconds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from ratoon_console.application.ports import Api, View
from ratoon_console.domain.errors import Away, Refused

_MIN_INTERVAL_S = 0.4
_RETRY_S = 2.0


async def views(
    load: Callable[[], Awaitable[View]], api: Api, refresh_s: float
) -> AsyncIterator[View | None]:
    """The current view, then each newer one; None while the platform is unavailable."""
    watches = _Watches(api)
    try:
        while True:
            view = await _loaded(load)
            yield view
            if view is not None:
                watches.follow(view.watched)
            await asyncio.sleep(_MIN_INTERVAL_S)
            await watches.change(refresh_s)
    finally:
        watches.stop()


async def _loaded(load: Callable[[], Awaitable[View]]) -> View | None:
    try:
        return await load()
    except Away:
        return None


class _Watches:
    """Watches of several resources that signal one common change event."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._changed = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def follow(self, names: tuple[str, ...]) -> None:
        """Watch these, and no others."""
        for name in set(self._tasks) - set(names):
            self._tasks.pop(name).cancel()
        for name in names:
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(self._watch(name))

    async def change(self, timeout_s: float) -> None:
        """Wait for a change, but not longer than this."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        self._changed.clear()

    def stop(self) -> None:
        """Watch nothing."""
        for task in self._tasks.values():
            task.cancel()

    async def _watch(self, name: str) -> None:
        """Signal each change until the resource has ended; reconnect a broken stream."""
        with suppress(Refused):
            while True:
                try:
                    async for _ in self._api.watch(name):
                        self._changed.set()
                    return
                except Away:
                    await asyncio.sleep(_RETRY_S)
