"""Places from which data arrive: connections, streams and crawls."""

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import collection
from ratoon_console.domain.datasets import bars
from ratoon_console.domain.words import ended, state_words

_ITEMS = 50


async def connections_page(place: Place, api: Api) -> View:
    """A page of connections, each with its last reading, and a form for a new one."""
    listed = await api.newest(f"{place.parent}/connections", _ITEMS, place.after)
    return View(
        "connections.html",
        "Connections",
        {
            "connections": listed.items,
            "older": listed.older,
            "schedule": collection.schedule_words,
            "kinds": collection.KINDS,
            "formats": collection.FORMATS,
            "columns": collection.COLUMNS,
        },
    )


async def connection_page(place: Place, api: Api) -> View:
    """One connection: its schedule, its position, its last reading with what was left out, its error."""
    connection = await api.get(f"{place.parent}/connections/{place.path['connection']}")
    reading = connection.get("lastReading") or {}
    failure = connection.get("failure") or {}
    return View(
        "connection.html",
        f"Connection {connection.get('displayName') or place.path['connection']}",
        {
            "connection": connection,
            "reading": reading,
            "failure": failure,
            "skipped": bars({k: int(n) for k, n in reading.get("skippedCounts", {}).items()}),
            "schedule": collection.schedule_words,
            "kinds": collection.KINDS,
            "formats": collection.FORMATS,
        },
        spoken=failure.get("message", "") or f"The connection is {state_words(connection.get('state', ''))}.",
    )


async def streams_page(place: Place, api: Api) -> View:
    """A page of streams, and a form for a new one."""
    listed = await api.newest(f"{place.parent}/streams", _ITEMS, place.after)
    return View(
        "streams.html",
        "Streams",
        {"streams": listed.items, "older": listed.older, "columns": collection.COLUMNS},
    )


async def stream_page(place: Place, api: Api) -> View:
    """One stream: its counts, its latest source, how programs append to it."""
    stream = await api.get(f"{place.parent}/streams/{place.path['stream']}")
    return View(
        "stream.html",
        f"Stream {stream.get('displayName') or place.path['stream']}",
        {"stream": stream},
    )


async def crawls_page(place: Place, api: Api) -> View:
    """A page of crawls, and a form for a new one."""
    listed = await api.newest(f"{place.parent}/crawls", _ITEMS, place.after)
    return View(
        "crawls.html",
        "Crawls",
        {"crawls": listed.items, "older": listed.older},
        watched=tuple(each["name"] for each in listed.items if not ended(each.get("state", ""))),
    )


async def crawl_page(place: Place, api: Api) -> View:
    """One crawl: its progress, its counts, why pages are not in the source."""
    name = f"{place.parent}/crawls/{place.path['crawl']}"
    crawl = await api.get(name)
    under_way = not ended(crawl.get("state", ""))
    return View(
        "crawl.html",
        f"Crawl {place.path['crawl']}",
        {
            "crawl": crawl,
            "under_way": under_way,
            "refused": bars({k: int(n) for k, n in crawl.get("refusedCounts", {}).items()}, max_bars=20),
            "stopped_by": collection.STOPPED_BY.get(crawl.get("stoppedBy", ""), ""),
        },
        watched=(name,) if under_way else (),
        spoken=f"The crawl is {state_words(crawl.get('state', ''))}.",
        live=under_way,
    )
