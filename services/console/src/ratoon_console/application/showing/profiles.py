"""Profiles of a dataset: the report of one, or of two versions side by side, and a form for a new one."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import exports, profiles
from ratoon_console.domain.words import JSON, ended, last_part

_PROFILES, _VERSIONS = 50, 50
_READY = "STATE_READY"


async def profiles_page(place: Place, api: Api) -> View:
    """A page of profiles, each with a link to its report."""
    dataset = f"{place.parent}/datasets/{place.path['dataset']}"
    listed, versions = await asyncio.gather(
        api.newest(f"{dataset}/profiles", _PROFILES, place.after),
        api.newest(f"{dataset}/versions", _VERSIONS),
    )
    under_way = tuple(each["name"] for each in listed.items if not ended(each.get("state", "")))
    return View(
        "profiles.html",
        f"Profiles of {place.path['dataset']}",
        {
            "dataset": dataset,
            "profiles": listed.items,
            "older": listed.older,
            "origins": exports.origins(versions.items),
            "chosen": place.query.get("of", ""),
            "ended": ended,
        },
        watched=under_way,
        spoken=f"{len(under_way)} profiles are in progress." if under_way else "No profile is in progress.",
    )


async def profile_page(place: Place, api: Api) -> View:
    """The report of a profile, next to that of another one if the query names it."""
    parent = f"{place.parent}/datasets/{place.path['dataset']}"
    name = f"{parent}/profiles/{place.path['profile']}"
    profile, listed = await asyncio.gather(api.get(name), api.newest(f"{parent}/profiles", _PROFILES))
    ready = profile.get("state") == _READY
    others = [each for each in listed.items if each.get("state") == _READY and each["name"] != name]
    other = next((each for each in others if last_part(each["name"]) == place.query.get("with", "")), None)
    shown = [profile, *([other] if other else [])] if ready else []
    reports = list(await asyncio.gather(*(api.get(f"{each['name']}:report") for each in shown)))
    return View(
        "profile.html",
        f"Profile of {last_part(profile.get('datasetVersion', ''))}",
        {"profile": profile, "others": others, "other": other, "dataset": parent, **_drawn(reports)},
        watched=() if ended(profile.get("state", "")) else (name,),
        live=not ready,
    )


def _drawn(reports: list[JSON]) -> JSON:
    numeric = list(
        dict.fromkeys(each["name"] for report in reports for each in report.get("numericColumns", []))
    )
    valued = list(
        dict.fromkeys(each["name"] for report in reports for each in report.get("valueColumns", []))
    )
    columns = [
        {
            "name": name,
            "facts": [profiles.column_of(report, name) for report in reports],
            "histogram": profiles.histogram(name, reports),
            "boxes": profiles.boxes(name, reports),
        }
        for name in numeric
    ]
    values = [
        {
            "name": name,
            "rows": profiles.values_of(name, reports),
            "columns": [
                next((each for each in report.get("valueColumns", []) if each["name"] == name), {})
                for report in reports
            ],
        }
        for name in valued
    ]
    return {
        "reports": reports,
        "columns": columns,
        "values": values,
        "scatters": profiles.scatters(reports[0]) if reports else [],
        "matrices": [profiles.matrix(report) for report in reports],
        "margins": profiles.margins(reports),
        "table": profiles.table,
        "number": profiles.number,
    }
