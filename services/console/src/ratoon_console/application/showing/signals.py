"""Drift, feedback, traffic and quality over time."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.application.tail import Tail
from ratoon_console.domain import signals
from ratoon_console.domain.words import JSON

_DRIFT_THRESHOLD, _ERROR_THRESHOLD = 1.5, 0.1
"""A policy's defaults, where there is no policy."""


class Signals:
    """The page of signals; it reads long lists on rather than anew."""

    def __init__(self, reports: Tail[JSON]) -> None:
        self._reports = reports
        self._votes: Tail[signals.Vote] = Tail(signals.vote_of)
        self._flows: Tail[signals.Flow] = Tail(signals.flow_of)

    async def page(self, place: Place, api: Api) -> View:
        """Everything that says how the version in production fares."""
        project, reports, votes, flows, policies = await asyncio.gather(
            api.get(place.parent),
            self._reports.read(f"{place.parent}/driftReports", api),
            self._votes.read(f"{place.parent}/feedback", api),
            self._flows.read(f"{place.parent}/trafficSegments", api),
            api.list(f"{place.parent}/policies"),
        )
        policy = policies[-1] if policies else {}
        standings = signals.standings(votes)
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
                "standings": standings,
                "comparison": await _comparison(project, standings, api),
                "reports": reports[::-1][:20],
                "vote_count": len(votes),
            },
            spoken=_spoken(reports),
        )


async def _comparison(project: JSON, standings: list[signals.Standing], api: Api) -> JSON | None:
    """The newest version beside the one before it by what users said, as the platform counts it."""
    if len(standings) < 2:
        return None
    newest, before = (f"{project['model']}/versions/{each.version}" for each in standings[:2])
    return await api.get(f"{project['name']}/feedback:compare", version=newest, otherVersion=before)


def _spoken(reports: list[JSON]) -> str:
    if not reports:
        return "No measurements yet."
    return "The traffic has drifted." if reports[-1].get("drifted") else "The traffic has not drifted."
