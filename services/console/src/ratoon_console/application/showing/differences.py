"""The difference of two dataset versions."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain.words import JSON

_DIFFERENCES, _VERSIONS = 20, 50
_KINDS = {
    "ADDED": "added",
    "REMOVED": "removed",
    "CHANGED": "changed",
    "MOVED": "moved",
}


async def difference_page(place: Place, api: Api) -> View:
    """A version beside another one of its dataset: counts, and records page by page. By default, the one before it."""
    dataset = f"{place.parent}/datasets/{place.path['dataset']}"
    name = f"{dataset}/versions/{place.path['version']}"
    version, versions = await asyncio.gather(
        api.get(name),
        api.newest(f"{dataset}/versions", _VERSIONS),
    )
    others = [each for each in versions.items if each["name"] != name and _is_readable(each)]
    base = _base(place.query.get("base", ""), version, others)
    kind = place.query.get("kind", "")
    splits = await _splits(dataset, base, name, api)
    counts, page = await _compared(name, base, kind, place.query.get("after", ""), splits, api)
    return View(
        "difference.html",
        f"Differences of {place.path['dataset']} {place.path['version']}",
        {
            "version": version,
            "base": base,
            "others": others,
            "kinds": _KINDS,
            "kind": kind if kind in _KINDS else "",
            "counts": counts,
            "records": page.get("recordDifferences", []),
            "further": page.get("nextPageToken", ""),
            "splits": splits,
        },
        live=False,
    )


async def _splits(dataset: str, base: str, name: str, api: Api) -> JSON:
    """Return the newest split of each version, by which records move between parts; none unless both have one."""
    if not base:
        return {}
    page = await api.newest(f"{dataset}/splits", _VERSIONS)
    newest: JSON = {}
    for each in page.items:
        if each.get("state") == "STATE_READY":
            newest.setdefault(each.get("datasetVersion", ""), each["name"])
    return {"baseSplit": newest[base], "split": newest[name]} if {base, name} <= newest.keys() else {}


async def _compared(name: str, base: str, kind: str, after: str, splits: JSON, api: Api) -> tuple[JSON, JSON]:
    if not base:
        return {}, {}
    chosen = {"kinds": f"KIND_{kind}"} if kind in _KINDS else {}
    counts, page = await asyncio.gather(
        api.get(f"{name}:diff", base=base, **splits),
        api.get(
            f"{name}/recordDifferences", base=base, pageSize=_DIFFERENCES, pageToken=after, **chosen, **splits
        ),
    )
    return counts, page


def _is_readable(version: JSON) -> bool:
    return version.get("state") in ("STATE_READY", "STATE_REDACTED")


def _base(chosen: str, version: JSON, others: list[JSON]) -> str:
    """Return the chosen version, or the newest one that is older; empty if there is none to compare with."""
    if not _is_readable(version):
        return ""
    if chosen:
        return next((each["name"] for each in others if each["name"].rpartition("/")[2] == chosen), "")
    older = [each for each in others if each.get("createTime", "") < version.get("createTime", "")]
    return str(max(older, key=lambda each: str(each["createTime"]))["name"]) if older else ""
