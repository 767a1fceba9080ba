"""Models: versions, the picture of their lineage, aliases with every move, one version closely."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import lineage, loop, parity
from ratoon_console.domain.errors import Refused
from ratoon_console.domain.words import ended, last_part

_VERSIONS, _CHANGES = 30, 50


async def models_page(place: Place, api: Api) -> View:
    """The project's model: versions, lineage, aliases and their history."""
    project = await api.get(place.parent)
    model = await api.find(project["model"]) if project.get("model") else None
    if model is None:
        return View("models.html", "Models", {"model": None})
    versions, aliases, changes = await asyncio.gather(
        api.newest(f"{model['name']}/versions", _VERSIONS, place.after),
        api.newest(f"{model['name']}/aliases"),
        api.newest(f"{model['name']}/aliasChanges", _CHANGES),
    )
    production = next((a["version"] for a in aliases.items if last_part(a["name"]) == "production"), "")
    return View(
        "models.html",
        "Models",
        {
            "model": model,
            "versions": versions.items,
            "older": versions.older,
            "picture": lineage.picture(versions.items[::-1], place.project, production),
            "aliases": aliases.items[::-1],
            "changes": changes.items,
            "production": production,
        },
        watched=tuple(each["name"] for each in versions.items if not ended(each["state"])),
        spoken=f"{last_part(production)} is in production."
        if production
        else "No version is in production yet.",
    )


async def version_page(place: Place, api: Api) -> View:
    """One version: scores, changelog, lineage, aliases; the buttons to roll it out or to set an alias."""
    project = await api.get(place.parent)
    version = await api.get(f"{project['model']}/versions/{place.path['version']}")
    is_ready = version["state"] == "STATE_READY"
    aliases, deployment, certificate = await asyncio.gather(
        api.newest(f"{project['model']}/aliases"),
        api.find(project["deployment"]),
        api.find(f"{version['name']}:parity") if is_ready else _nothing(),
    )
    origins = [
        (kind, name, loop.link_of(name, place.project))
        for kind, name in version.get("lineage", {}).items()
        if name
    ]
    return View(
        "model-version.html",
        f"{last_part(project['model'])} {place.path['version']}",
        {
            "version": version,
            "origins": origins,
            "aliases": [last_part(a["name"]) for a in aliases.items if a["version"] == version["name"]],
            "forms": parity.rows((certificate or {}).get("links", ())),
            "deployment": deployment,
            "under_way": not ended(version["state"]),
        },
        watched=() if ended(version["state"]) else (version["name"],),
    )


async def _nothing() -> None:
    """Return nothing, in place of a request that is not needed."""


async def weights_page(place: Place, api: Api) -> View:
    """The layers of a version, and the neighbours of the token that the query names."""
    project = await api.get(place.parent)
    name = f"{project['model']}/versions/{place.path['version']}"
    summary = await api.get(f"{name}:describe")
    token, count = place.query.get("token", ""), place.query.get("count", "10")
    nearest, refusal = {}, ""
    if token:
        try:
            nearest = await api.get(f"{name}:neighbours", token=token, count=count)
        except Refused as refused:
            refusal = str(refused)
    return View(
        "weights.html",
        f"Weights of {last_part(project['model'])} {place.path['version']}",
        {
            "summary": summary,
            "version": place.path["version"],
            "token": token,
            "count": count,
            "nearest": nearest,
            "refusal": refusal,
        },
    )
