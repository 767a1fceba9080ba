"""Drift, feedback, traffic and quality over time."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import signals
from ratoon_console.domain.words import JSON

_POINTS = 1000
"""Newest reports, feedback and traffic segments that the charts show."""
_LISTS = {"policies": 1, "driftReports": _POINTS, "feedback": _POINTS, "trafficSegments": _POINTS}
_DRIFT_THRESHOLD, _ERROR_THRESHOLD = 1.5, 0.1
"""A policy's defaults, where there is no policy."""


async def signals_page(place: Place, api: Api) -> View:
    """Return the newest measurements of the version in production: drift, feedback, traffic."""
    listing = asyncio.gather(*(api.newest(f"{place.parent}/{name}", size) for name, size in _LISTS.items()))
    project, (policies, *series) = await asyncio.gather(api.get(place.parent), listing)
    reports, feedback, segments = (each.items[::-1] for each in series)
    votes, flows = [signals.vote_of(each) for each in feedback], [signals.flow_of(each) for each in segments]
    policy = policies.items[0] if policies.items else {}
    by_version = signals.feedback_by_version(votes)
    drift_from = float(policy.get("driftThreshold") or _DRIFT_THRESHOLD)
    wrong_from = float(policy.get("errorRateThreshold") or _ERROR_THRESHOLD)
    return View(
        "signals.html",
        "Signals",
        {
            "drift": signals.drift_chart(reports, drift_from),
            "errors": signals.error_chart(reports, wrong_from),
            "votes": signals.votes_chart(votes),
            "traffic": signals.traffic_chart(flows),
            "total": signals.total(flows),
            "by_version": by_version,
            "comparison": await _comparison(project, by_version, api),
            "reports": reports[::-1][:20],
            "vote_count": len(votes),
            "is_cut": any(each.older for each in series),
        },
        spoken=_spoken(reports),
    )


async def _comparison(project: JSON, by_version: list[signals.VersionFeedback], api: Api) -> JSON | None:
    """The platform's comparison of the newest version with the one before it, by user feedback."""
    known = [each.version for each in by_version if each.version]
    if len(known) < 2:
        return None
    newest, before = (f"{project['model']}/versions/{version}" for version in known[:2])
    return await api.get(f"{project['name']}/feedback:compare", version=newest, otherVersion=before)


def _spoken(reports: list[JSON]) -> str:
    if not reports:
        return "No measurements yet."
    return "The traffic has drifted." if reports[-1].get("drifted") else "The traffic has not drifted."
