"""Exports of a dataset: their files, and a form for a new one."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import exports
from ratoon_console.domain.words import ended

_EXPORTS, _ORIGINS = 50, 50


async def exports_page(place: Place, api: Api) -> View:
    """A page of exports with links to their files."""
    dataset = f"{place.parent}/datasets/{place.path['dataset']}"
    listed, versions, splits = await asyncio.gather(
        api.newest(f"{dataset}/exports", _EXPORTS, place.after),
        api.newest(f"{dataset}/versions", _ORIGINS),
        api.newest(f"{dataset}/splits", _ORIGINS),
    )
    under_way = tuple(each["name"] for each in listed.items if not ended(each.get("state", "")))
    return View(
        "exports.html",
        f"Exports of {place.path['dataset']}",
        {
            "dataset": dataset,
            "exports": listed.items,
            "older": listed.older,
            "origins": exports.origins([*versions.items, *splits.items]),
            "chosen": place.query.get("of", ""),
            "formats": exports.FORMATS,
            "ended": ended,
        },
        watched=under_way,
        spoken=f"{len(under_way)} exports are in progress." if under_way else "No export is in progress.",
    )
