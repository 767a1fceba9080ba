"""Pages that stay true, over an API in memory."""

import asyncio
from collections import Counter

from ratoon_console.application.live import views
from ratoon_console.application.ports import View
from ratoon_console.domain.errors import Away


class Api:
    """Watches that yield the items of a queue."""

    def __init__(self) -> None:
        self.watched: Counter[str] = Counter()
        self.changes: asyncio.Queue[str] = asyncio.Queue()

    async def watch(self, name):
        self.watched[name] += 1
        while True:
            yield await self.changes.get()


def test_a_view_comes_at_once_and_again_when_what_it_watches_changes(monkeypatch):
    monkeypatch.setattr("ratoon_console.application.live._MIN_INTERVAL_S", 0.0)

    async def scenario() -> None:
        api, loads = Api(), []

        async def load() -> View:
            loads.append(len(loads))
            return View("t", "t", {}, watched=("thing",))

        shown = views(load, api, refresh_s=60)
        await anext(shown)
        again = asyncio.create_task(anext(shown))
        for _ in range(20):
            await asyncio.sleep(0)
        assert (api.watched["thing"], len(loads), again.done()) == (1, 1, False)
        await api.changes.put("changed")
        await asyncio.wait_for(again, 5)
        assert (len(loads), api.watched["thing"]) == (2, 1)
        await shown.aclose()

    asyncio.run(scenario())


def test_a_view_comes_again_after_a_while_even_when_nothing_tells():
    async def scenario() -> None:
        async def load() -> View:
            return View("t", "t", {})

        shown = views(load, Api(), refresh_s=0.05)
        for _ in range(3):
            assert await asyncio.wait_for(anext(shown), 5) is not None
        await shown.aclose()

    asyncio.run(scenario())


def test_a_platform_that_is_away_is_reported_and_tried_again():
    async def scenario() -> None:
        failures = iter([True, False])

        async def load() -> View:
            if next(failures):
                raise Away("nobody answers")
            return View("t", "t", {})

        shown = views(load, Api(), refresh_s=0.05)
        assert await anext(shown) is None
        assert await asyncio.wait_for(anext(shown), 5) is not None
        await shown.aclose()

    asyncio.run(scenario())
