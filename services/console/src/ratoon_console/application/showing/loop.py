"""Projects, the loop at a glance, and one turn of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.application.tail import Tail
from ratoon_console.domain import loop
from ratoon_console.domain.people import ANY_PROJECT, Role
from ratoon_console.domain.words import JSON, ended, short

_RUNS = 20


def utc_now() -> str:
    """The time now as the API writes it."""
    return datetime.now(UTC).isoformat()


class Loop:
    """The pages of the loop; drift reports are read on rather than anew."""

    def __init__(self, reports: Tail[JSON], now: Callable[[], str] = utc_now) -> None:
        self._reports, self._now = reports, now

    async def projects(self, place: Place, api: Api) -> View:
        """All projects that this key may see."""
        person = place.person
        if person is None or person.project == ANY_PROJECT:
            listed = await api.list("projects")
        else:
            found = await api.find(f"projects/{person.project}") if person.may(Role.VIEWER) else None
            listed = [found or {"name": f"projects/{person.project}"}]
        cards = await asyncio.gather(*(_card(project, api) for project in listed))
        return View("projects.html", "Projects", {"cards": cards})

    async def page(self, place: Place, api: Api) -> View:
        """The loop at a glance."""
        project = await api.get(place.parent)
        runs, policies, field, reports, sources = await asyncio.gather(
            api.list(f"{place.parent}/pipelineRuns"),
            api.list(f"{place.parent}/policies"),
            _field_of(project["deployment"], api),
            self._reports.read(f"{place.parent}/driftReports", api),
            api.list(f"{place.parent}/sources"),
        )
        run, report = loop.current_run(runs), loop.newest(reports)
        return View(
            "loop.html",
            "Loop",
            {
                "run": run,
                "steps": loop.steps_of(run, place.project, self._now()),
                "sights": [
                    loop.serving(field.deployment, field.engines, field.rollout, place.project),
                    loop.traffic(report, place.project),
                    loop.feedback(report, place.project),
                    loop.drift(report, place.project),
                    loop.policy(loop.newest(policies), place.project),
                ],
                "runs": runs[::-1][:_RUNS],
                "policies": policies,
                "settings": project,
                "sources": sources,
                "under_way": run is not None and not ended(run["state"]),
                "awaits_person": loop.awaits_person(run),
            },
            watched=_watched(run, field.rollout),
            spoken=loop.spoken_of(run),
        )

    async def turn(self, place: Place, api: Api) -> View:
        """One turn of the loop: what started it, each stage, what it made."""
        run = await api.get(f"{place.parent}/pipelineRuns/{place.path['turn']}")
        products = [
            (kind, name, loop.link_of(name, place.project))
            for kind, name in run.get("products", {}).items()
            if name and name.startswith("projects/")
        ]
        return View(
            "turn.html",
            f"Pipeline run {short(run['name'])}",
            {
                "run": run,
                "steps": loop.steps_of(run, place.project, self._now()),
                "products": products,
                "sources": [(name, loop.link_of(name, place.project)) for name in run.get("sources", [])],
                "under_way": not ended(run["state"]),
                "awaits_person": loop.awaits_person(run),
            },
            watched=_watched(run, None),
            spoken=loop.spoken_of(run),
            live=not ended(run["state"]),
        )


@dataclass(frozen=True)
class _Field:
    """What serves: the deployment, its engines, the rollout that is under way."""

    deployment: JSON | None
    engines: list[JSON]
    rollout: JSON | None


async def _card(project: JSON, api: Api) -> JSON:
    if not project.get("deployment"):
        return {"project": project, "run": None, "deployment": None}
    runs, deployment = await asyncio.gather(
        api.list(f"{project['name']}/pipelineRuns"), api.find(project["deployment"])
    )
    return {"project": project, "run": loop.current_run(runs), "deployment": deployment}


async def _field_of(name: str, api: Api) -> _Field:
    deployment = await api.find(name) if name else None
    if deployment is None:
        return _Field(None, [], None)
    active = deployment.get("activeRollout", "")
    engines, rollout = await asyncio.gather(
        api.list(f"{name}/engines"), api.find(active) if active else _none()
    )
    return _Field(deployment, engines, rollout if rollout and not ended(rollout["state"]) else None)


async def _none() -> None:
    return None


def _watched(run: JSON | None, rollout: JSON | None) -> tuple[str, ...]:
    running = [run["name"]] if run and not ended(run["state"]) else []
    return (*running, rollout["name"]) if rollout else tuple(running)
