"""Datasets: versions, what curation removed and why, what the records look like, the records themselves, splits."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import curation, datasets
from ratoon_console.domain.errors import Refused
from ratoon_console.domain.words import JSON, ended

_RECORDS, _REJECTIONS = 20, 1_000
_DATASETS, _VERSIONS, _SOURCES = 10, 50, 100
_READ = ("format", "digest", "columns", "encoding", "labelsByFolder", "displayName", "sampleBy")


async def data_page(place: Place, api: Api) -> View:
    """A page of datasets, each with its newest versions and splits; the newest sources."""
    listed, sources = await asyncio.gather(
        api.newest(f"{place.parent}/datasets", _DATASETS, place.after),
        api.newest(f"{place.parent}/sources", _SOURCES),
    )
    shown = await asyncio.gather(*(_dataset(each, api) for each in listed.items))
    versions = [version for each in shown for version in each["versions"]]
    return View(
        "data.html",
        "Data",
        {"datasets": shown, "older": listed.older, "sources": sources.items},
        watched=tuple(each["name"] for each in versions if not ended(each["state"])),
    )


async def _dataset(dataset: JSON, api: Api) -> JSON:
    versions, splits = await asyncio.gather(
        api.newest(f"{dataset['name']}/versions", _VERSIONS),
        api.newest(f"{dataset['name']}/splits", _VERSIONS),
    )
    return {"dataset": dataset, "versions": versions.items, "splits": splits.items}


async def version_page(place: Place, api: Api) -> View:
    """One version: the funnel, the profile, records page by page."""
    name = f"{place.parent}/datasets/{place.path['dataset']}/versions/{place.path['version']}"
    version = await api.get(name)
    profile = datasets.profile_of(version)
    ready = version["state"] in ("STATE_READY", "STATE_REDACTED")
    page = (
        await api.get(f"{name}/records", pageSize=_RECORDS, pageToken=place.query.get("after", ""))
        if ready
        else {}
    )
    rejected = await api.get(f"{name}/rejections", pageSize=_REJECTIONS) if ready else {}
    rejections = rejected.get("rejections", [])
    return View(
        "version.html",
        f"Dataset {place.path['dataset']} {place.path['version']}",
        {
            "version": version,
            "profile": profile,
            "funnel": curation.funnel_rows(
                datasets.funnel(profile, [each["name"] for each in version.get("stepReports", [])]),
                version,
                rejections,
            )
            if profile
            else [],
            "touched": datasets.touched(profile),
            "facets": _facets(profile),
            "quantiles": {key: datasets.quantiles(profile.get(key, {})) for key in ("chars", "tokens")},
            "records": page.get("records", []),
            "rejections": rejections[:_RECORDS],
            "further": page.get("nextPageToken", ""),
            "first_page": not place.query.get("after"),
            "under_way": not ended(version["state"]),
        },
        watched=() if ended(version["state"]) else (name,),
        live=not ended(version["state"]),
        spoken=f"Version {place.path['version']}: {version.get('progress', {}).get('message', '')}"
        if ended(version["state"])
        else "Curation is in progress.",
    )


async def source_page(place: Place, api: Api) -> View:
    """One source: how it is read, and what its beginning becomes."""
    source, project = await asyncio.gather(
        api.get(f"{place.parent}/sources/{place.path['source']}"), api.get(place.parent)
    )
    preview, why_not = await previewed(source, project, api)
    return View(
        "source.html",
        f"Source {source.get('displayName') or place.path['source']}",
        {
            "source": source,
            "preview": preview,
            "why_not": why_not,
            "roles": datasets.COLUMN_ROLES,
            "kinds": datasets.kinds_of(preview),
            "labels": datasets.bars(
                {label: int(count) for label, count in preview.get("labelCounts", {}).items()}, max_bars=12
            ),
        },
        live=False,
    )


async def previewed(source: JSON, project: JSON, api: Api) -> tuple[JSON, str]:
    """Return what the beginning of a source becomes by the steps of its project, and why there is no preview."""
    steps = curation.previewed(project)
    body: JSON = {field: source[field] for field in _READ if field in source}
    query = {"steps": steps} if steps else {}
    try:
        return await api.post(f"{project['name']}/sources:preview", body, **query), ""
    except Refused as refused:
        return {}, str(refused)


async def record_page(place: Place, api: Api) -> View:
    """One record: its text, where it came from, what was done to it, where it went."""
    version = f"{place.parent}/datasets/{place.path['dataset']}/versions/{place.path['version']}"
    record, lineage = await asyncio.gather(
        api.get(f"{version}/records/{place.path['record']}"),
        api.get(f"{place.parent}/records/{place.path['record']}:lineage"),
    )
    return View(
        "record.html",
        f"Record {place.path['record'][:8]}",
        {"record": record, "lineage": lineage, "version": version},
        live=False,
    )


def _facets(profile: JSON) -> list[tuple[str, list[datasets.Bar]]]:
    """Counts of the records by each of their attributes."""
    named = [
        ("Source labels", profile.get("labels", {})),
        ("Languages", profile.get("languages", {})),
    ]
    attributes = [(f"Attribute: {name}", counts) for name, counts in profile.get("attributes", {}).items()]
    licences = [("Licences", profile.get("licences", {}))]
    shown = [(title, datasets.bars(counts, max_bars=8)) for title, counts in [*named, *attributes, *licences]]
    return [(title, bars) for title, bars in shown if bars]
