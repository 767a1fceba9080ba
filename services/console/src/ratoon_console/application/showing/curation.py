"""The steps of curation of a project, to be listed, added, ordered, set and removed."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.application.showing.data import previewed
from ratoon_console.domain import curation
from ratoon_console.domain.words import last_part

_SOURCES = 20


async def curation_page(place: Place, api: Api) -> View:
    """The list of steps, and what they change in the beginning of a source, side by side."""
    project, sources = await asyncio.gather(
        api.get(place.parent), api.newest(f"{place.parent}/sources", _SOURCES)
    )
    chosen = next(
        (each for each in sources.items if last_part(each["name"]) == place.query.get("source")), None
    )
    preview, why_not = await previewed(chosen, project, api) if chosen else ({}, "")
    return View(
        "curation.html",
        "Curation",
        {
            "settings": project,
            "steps": curation.listed(project),
            "choices": curation.choices(),
            "presets": curation.PRESET_NAMES,
            "sources": sources.items,
            "chosen": chosen or {},
            "preview": preview,
            "why_not": why_not,
        },
        live=False,
    )
