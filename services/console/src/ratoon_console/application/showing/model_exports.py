"""Exports of a model version: their files and their comparison with it, and a form for a new one."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import model_exports
from ratoon_console.domain.words import ended, last_part

_EXPORTS = 100


async def model_exports_page(place: Place, api: Api) -> View:
    """The exports of a version among the newest ones of the project, with links to their files."""
    project = await api.get(place.parent)
    version, listed = await asyncio.gather(
        api.get(f"{project['model']}/versions/{place.path['version']}"),
        api.newest(f"{place.parent}/modelExports", _EXPORTS, place.after),
    )
    digest = version.get("artifactDigest", "")
    exports = [each for each in listed.items if each.get("sourceDigest") == digest]
    under_way = tuple(each["name"] for each in exports if not ended(each.get("state", "")))
    return View(
        "model-exports.html",
        f"Exports of {last_part(project['model'])} {place.path['version']}",
        {
            "version": version,
            "exports": exports,
            "older": listed.older,
            "formats": model_exports.FORMATS,
            "named_format": model_exports.named_format,
            "ended": ended,
        },
        watched=under_way,
        spoken=f"{len(under_way)} exports are in progress." if under_way else "No export is in progress.",
    )
