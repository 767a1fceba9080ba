"""Judges: all of them with a form for a new one; one with its agreement with people and its newest verdicts."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import judges
from ratoon_console.domain.metrics import measure_of
from ratoon_console.domain.words import ended, state_words

_JUDGES, _RUNS = 100, 100


async def judges_page(place: Place, api: Api) -> View:
    """A page of judges."""
    listed, project = await asyncio.gather(
        api.newest(f"{place.parent}/judges", _JUDGES, place.after), api.get(place.parent)
    )
    return View(
        "judges.html",
        "Judges",
        {
            "judges": listed.items,
            "older": listed.older,
            "used": project.get("judges", []),
            "kinds": judges.KINDS,
            "answerer": judges.answerer,
            "kappa": judges.kappa,
        },
        live=False,
    )


async def judge_page(place: Place, api: Api) -> View:
    """One judge."""
    name = f"{place.parent}/judges/{place.path['judge']}"
    judge, runs, project = await asyncio.gather(
        api.get(name), api.newest(f"{place.parent}/evaluationRuns", _RUNS), api.get(place.parent)
    )
    over = ended(judge["state"])
    measures = {run["name"]: measure_of(run) for run in runs.items}
    return View(
        "judge.html",
        f"Judge {place.path['judge']}",
        {
            "judge": judge,
            "used": name in project.get("judges", []),
            "kinds": judges.KINDS,
            "answerer": judges.answerer,
            "agreement": judges.agreement_rows(judge),
            "verdicts": judges.verdicts_in(runs.items, name, measures),
            "under_way": not over,
        },
        watched=() if over else (name,),
        live=not over,
        spoken=f"The judge is {state_words(judge['state'])}.",
    )
