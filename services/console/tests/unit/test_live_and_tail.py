"""Pages that stay true, and long lists that are read on, over an API in memory."""

import asyncio
from collections import Counter

from ratoon_console.application.live import views
from ratoon_console.application.ports import View
from ratoon_console.application.tail import Tail
from ratoon_console.domain.errors import Away


class Api:
    """Lists in pages of two; watches that tell what a queue is given."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.asked: list[str] = []
        self.watched: Counter[str] = Counter()
        self.changes: asyncio.Queue[str] = asyncio.Queue()

    async def get(self, name, **query):
        start = int(query["pageToken"] or 0)
        self.asked.append(query["pageToken"])
        page = self.items[start : start + 2]
        more = str(start + 2) if len(self.items) > start + 2 else ""
        return {"things": [{"n": n} for n in page], "nextPageToken": more}

    async def watch(self, name):
        self.watched[name] += 1
        while True:
            yield await self.changes.get()


def test_a_long_list_is_read_on_from_its_last_page():
    async def scenario() -> None:
        api, tail = Api(), Tail(lambda thing: thing["n"])
        api.items = [1, 2, 3]
        assert await tail.read("things", api) == [1, 2, 3]
        api.items += [4, 5]
        api.asked.clear()
        assert await tail.read("things", api) == [1, 2, 3, 4, 5]
        assert api.asked == ["2", "4"]

    asyncio.run(scenario())


def test_a_view_comes_at_once_and_again_when_what_it_watches_changes(monkeypatch):
    monkeypatch.setattr("ratoon_console.application.live._AT_MOST_EVERY_S", 0.0)

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


def test_a_platform_that_is_away_is_told_and_tried_again():
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
