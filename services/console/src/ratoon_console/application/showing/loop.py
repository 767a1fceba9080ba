"""Projects, the loop at a glance, and one pipeline run."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ratoon_console.application.ports import Api, Items, Place, View
from ratoon_console.domain import loop, projects
from ratoon_console.domain.people import ANY_PROJECT, Role
from ratoon_console.domain.words import JSON, ended, short

_RUNS = 20
_CARDS = 24
"""Projects on a page of the start page."""
_AT_ONCE = 8
"""Cards that one page reads at a time."""
_CURRENT = 5
"""Pipeline runs to search for the current one: a younger one may have ended before it."""
_SOURCES, _ENGINES = 100, 100


def utc_now() -> str:
    """The time now as the API writes it."""
    return datetime.now(UTC).isoformat()


class Loop:
    """The pages of the loop."""

    def __init__(self, now: Callable[[], str] = utc_now) -> None:
        self._now = now

    async def projects(self, place: Place, api: Api) -> View:
        """One page of the projects that this key may see, the newest first."""
        person = place.person
        if person is None or person.project == ANY_PROJECT:
            listed = await api.newest("projects", _CARDS, place.after)
        else:
            project = await api.find(f"projects/{person.project}") if person.may(Role.VIEWER) else None
            listed = Items([project or {"name": f"projects/{person.project}"}])
        free = asyncio.Semaphore(_AT_ONCE)
        cards = await asyncio.gather(*(_card(project, api, free) for project in listed.items))
        return View("projects.html", "Projects", {"cards": cards, "older": listed.older})

    async def page(self, place: Place, api: Api) -> View:
        """The loop at a glance."""
        project = await api.get(place.parent)
        runs, policies, field, reports, sources = await asyncio.gather(
            _newest(f"{place.parent}/pipelineRuns", _RUNS, api),
            _newest(f"{place.parent}/policies", _RUNS, api),
            _field_of(project["deployment"], api),
            _newest(f"{place.parent}/driftReports", 1, api),
            _newest(f"{place.parent}/sources", _SOURCES, api),
        )
        run, report = loop.current_run(runs), loop.newest(reports)
        return View(
            "loop.html",
            "Loop",
            {
                "run": run,
                "steps": loop.steps_of(run, place.project, self._now()),
                "status_cards": [
                    loop.serving(field.deployment, field.engines, field.rollout, place.project),
                    loop.traffic(report, place.project),
                    loop.feedback(report, place.project),
                    loop.drift(report, place.project),
                    loop.policy(loop.newest(policies), place.project),
                ],
                "runs": runs,
                "policies": policies[::-1],
                "settings": project,
                "task_rows": projects.task_rows(project),
                "settings_text": projects.settings_text(project),
                "sources": sources,
                "under_way": run is not None and not ended(run["state"]),
                "awaits_person": loop.awaits_person(run),
            },
            watched=_watched(run, field.rollout),
            spoken=loop.spoken_of(run),
        )

    async def pipeline_run(self, place: Place, api: Api) -> View:
        """One pipeline run: its trigger, its stages, its products."""
        run = await api.get(f"{place.parent}/pipelineRuns/{place.path['run']}")
        products = [
            (kind, name, loop.link_of(name, place.project))
            for kind, name in run.get("products", {}).items()
            if name and name.startswith("projects/")
        ]
        return View(
            "pipeline-run.html",
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


async def _card(project: JSON, api: Api, free: asyncio.Semaphore) -> JSON:
    kind = projects.kind_of(project)
    if not project.get("deployment"):
        return {"project": project, "kind": kind, "run": None, "deployment": None}
    async with free:
        runs, deployment = await asyncio.gather(
            _newest(f"{project['name']}/pipelineRuns", _CURRENT, api), api.find(project["deployment"])
        )
    return {"project": project, "kind": kind, "run": loop.current_run(runs), "deployment": deployment}


async def _field_of(name: str, api: Api) -> _Field:
    deployment = await api.find(name) if name else None
    if deployment is None:
        return _Field(None, [], None)
    active = deployment.get("activeRollout", "")
    engines, rollout = await asyncio.gather(
        _newest(f"{name}/engines", _ENGINES, api), api.find(active) if active else _none()
    )
    return _Field(deployment, engines, rollout if rollout and not ended(rollout["state"]) else None)


async def _newest(collection: str, size: int, api: Api) -> list[JSON]:
    return (await api.newest(collection, size)).items


async def _none() -> None:
    return None


def _watched(run: JSON | None, rollout: JSON | None) -> tuple[str, ...]:
    running = [run["name"]] if run and not ended(run["state"]) else []
    return (*running, rollout["name"]) if rollout else tuple(running)
