"""Mixtures: a form, the plan of what it describes, and a button that builds it."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import mixtures
from ratoon_console.domain.errors import Refused
from ratoon_console.domain.words import JSON, last_part

_DATASETS, _VERSIONS, _SOURCES = 50, 20, 100


async def mixture_page(place: Place, api: Api) -> View:
    """The form of a mixture with its plan. The address holds the form, so that a plan can be sent to others."""
    datasets = (await api.newest(f"{place.parent}/datasets", _DATASETS)).items
    pages = await asyncio.gather(*(api.newest(f"{each['name']}/versions", _VERSIONS) for each in datasets))
    versions = [each for page in pages for each in page.items if each.get("state") == "STATE_READY"]
    sources = (await api.newest(f"{place.parent}/sources", _SOURCES)).items
    dataset = place.query.get("dataset") or (last_part(datasets[0]["name"]) if datasets else "")
    rows = mixtures.rows_of(place.query)
    plan, refusal = await _planned(place, dataset, api) if rows and dataset else ({}, "")
    return View(
        "mixtures.html",
        "Mixtures",
        {
            "datasets": datasets,
            "dataset": dataset,
            "versions": versions,
            "sources": sources,
            "query": place.query,
            "fields": {**mixtures.fields_of(place.query), "dataset": dataset},
            "rows": rows + [mixtures.Row()] * mixtures.EXTRA_ROWS,
            "plan": plan,
            "refusal": refusal,
            "strategies": mixtures.STRATEGIES,
            "units": mixtures.UNITS,
        },
        live=False,
    )


async def _planned(place: Place, dataset: str, api: Api) -> tuple[JSON, str]:
    """Return the plan, and why there is none."""
    mixture = mixtures.mixture_of(place.query)
    try:
        return await api.post(f"{place.parent}/datasets/{dataset}/versions:plan", mixture), ""
    except Refused as refused:
        return {}, str(refused)
