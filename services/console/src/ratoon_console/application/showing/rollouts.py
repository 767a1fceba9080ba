"""Rollouts: what serves, what is under way, every rollout there was, one closely."""

import asyncio

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain import rollouts
from ratoon_console.domain.words import JSON, ended, last_part, state_words

_ROLLOUTS = 50
_GONE = ("STATE_STOPPED", "STATE_FAILED")


async def rollouts_page(place: Place, api: Api) -> View:
    """The project's deployment, its engines, the active rollout, the history."""
    project = await api.get(place.parent)
    deployment = await api.find(project["deployment"])
    if deployment is None:
        return View("rollouts.html", "Rollouts", {"deployment": None})
    listed, engines = await asyncio.gather(
        api.newest(f"{deployment['name']}/rollouts", _ROLLOUTS, place.after),
        api.newest(f"{deployment['name']}/engines"),
    )
    name = deployment.get("activeRollout", "")
    active = rollouts.active(listed.items) or (await api.find(name) if name else None)
    return View(
        "rollouts.html",
        "Rollouts",
        {
            "deployment": deployment,
            "active": active,
            "buttons": rollouts.buttons(active, deployment) if active else [],
            "steps": rollouts.steps(active) if active else [],
            "rollouts": listed.items,
            "older": listed.older,
            "engines": [each for each in engines.items[::-1] if each["state"] not in _GONE],
        },
        watched=(active["name"],) if active else (),
        spoken=_spoken(active, deployment),
    )


async def rollout_page(place: Place, api: Api) -> View:
    """One rollout: its steps, its bake, its buttons."""
    project = await api.get(place.parent)
    name = f"{project['deployment']}/rollouts/{place.path['rollout']}"
    rollout, deployment = await asyncio.gather(api.get(name), api.find(project["deployment"]))
    over = ended(rollout["state"])
    return View(
        "rollout.html",
        f"Rollout to {last_part(rollout['toVersion'])}",
        {
            "rollout": rollout,
            "buttons": rollouts.buttons(rollout, deployment),
            "under_way": not over,
            "steps": rollouts.steps(rollout),
            "compared": rollouts.compared(rollout),
            "shadow_sentences": rollouts.shadow_sentences(rollout),
        },
        watched=() if over else (name,),
        spoken=_spoken(rollout, deployment),
    )


def _spoken(rollout: JSON | None, deployment: JSON | None) -> str:
    if rollout is None:
        version = last_part((deployment or {}).get("version", "")) or "No version"
        return f"{version} is in production; no rollout is in progress."
    paused = ", paused" if rollout.get("paused") else ""
    return f"Rollout to {last_part(rollout['toVersion'])}: {state_words(rollout['state'])}{paused}."
