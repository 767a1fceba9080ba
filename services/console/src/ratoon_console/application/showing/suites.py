"""Suites: all of them with a form for a new one; one with its tests, their forms and its newest results."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import suites
from ratoon_console.domain.metrics import OF_LABELS, measure_of

_SUITES, _RUNS = 100, 100


async def suites_page(place: Place, api: Api) -> View:
    """A page of suites."""
    listed, project = await asyncio.gather(
        api.newest(f"{place.parent}/suites", _SUITES, place.after), api.get(place.parent)
    )
    return View(
        "suites.html",
        "Suites",
        {
            "suites": listed.items,
            "older": listed.older,
            "used": project.get("suites", []),
            "kinds": suites.KINDS,
            "perturbations": suites.PERTURBATIONS,
        },
        live=False,
    )


async def suite_page(place: Place, api: Api) -> View:
    """One suite."""
    name = f"{place.parent}/suites/{place.path['suite']}"
    suite, runs, project = await asyncio.gather(
        api.get(name), api.newest(f"{place.parent}/evaluationRuns", _RUNS), api.get(place.parent)
    )
    return View(
        "suite.html",
        f"Suite {place.path['suite']}",
        {
            "suite": suite,
            "used": name in project.get("suites", []),
            "results": suites.results_of(runs.items, name),
            "measure": measure_of(runs.items[0]) if runs.items else OF_LABELS,
            "summary": suites.summary,
            "content_of": suites.content_of,
            "kinds": suites.KINDS,
            "perturbations": suites.PERTURBATIONS,
        },
        live=False,
    )
