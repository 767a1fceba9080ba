"""The steps of curation of a project, to be listed, added, ordered, set and removed."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import curation

_SOURCES = 20


async def curation_page(place: Place, api: Api) -> View:
    """The list of steps, and sources on which it can be previewed."""
    project, sources = await asyncio.gather(
        api.get(place.parent), api.newest(f"{place.parent}/sources", _SOURCES)
    )
    return View(
        "curation.html",
        "Curation",
        {
            "settings": project,
            "steps": curation.listed(project),
            "choices": curation.choices(),
            "presets": curation.PRESET_NAMES,
            "sources": sources.items,
        },
        live=False,
    )
