"""Sweeps: all of a project, and one with its trials, live."""

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import differences, sweeps
from ratoon_console.domain.words import ended, short, state_words

_SWEEPS = 100


async def sweeps_page(place: Place, api: Api) -> View:
    """A page of sweeps, newest first."""
    listed = await api.newest(f"{place.parent}/sweeps", _SWEEPS, place.after)
    return View(
        "sweeps.html",
        "Sweeps",
        {"sweeps": listed.items, "older": listed.older},
        watched=tuple(each["name"] for each in listed.items if not ended(each["state"])),
    )


async def sweep_page(place: Place, api: Api) -> View:
    """One sweep: state, plots, trials, what it searches."""
    sweep = await api.get(f"{place.parent}/sweeps/{place.path['sweep']}")
    over = ended(sweep["state"])
    return View(
        "sweep.html",
        f"Sweep {short(sweep['name'])}",
        {
            "sweep": sweep,
            "best": next((t for t in sweep.get("trials", []) if t["number"] == sweep.get("bestTrial")), None),
            "history": sweeps.history(sweep),
            "coordinates": sweeps.coordinates(sweep),
            "recipe": differences.stated(sweep.get("recipe", {})),
            "under_way": not over,
        },
        watched=() if over else (sweep["name"],),
        live=not over,
        spoken=f"The sweep is {state_words(sweep['state'])}.",
    )
