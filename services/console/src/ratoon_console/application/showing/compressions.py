"""Compressions of a project: smaller models beside their sources, and a form for a new one."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import compressions
from ratoon_console.domain.words import ended

_COMPRESSIONS, _VERSIONS = 20, 50


async def compressions_page(place: Place, api: Api) -> View:
    """The newest compressions with their measurements, and the versions that can be compressed."""
    project = await api.get(place.parent)
    listed, versions, runs = await asyncio.gather(
        api.newest(f"{place.parent}/compressions", _COMPRESSIONS, place.after),
        api.newest(f"{project['model']}/versions", _VERSIONS, ""),
        api.newest(f"{place.parent}/trainingRuns", _VERSIONS, ""),
    )
    under_way = tuple(each["name"] for each in listed.items if not ended(each.get("state", "")))
    return View(
        "compressions.html",
        "Compressions",
        {
            "compressions": listed.items,
            "older": listed.older,
            "rows": compressions.rows,
            "methods": compressions.METHODS,
            "forms": compressions.forms(
                versions.items, runs.items, (project.get("primaryMetric") or {}).get("name", "")
            ),
            "versions": compressions.compressible(versions.items),
            "ended": ended,
        },
        watched=under_way,
        spoken=f"{len(under_way)} compressions are in progress."
        if under_way
        else "No compression is in progress.",
    )
