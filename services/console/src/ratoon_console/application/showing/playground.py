"""The playground: the deployments and versions that can be queried now."""

from ratoon_console.application.ports import Api, Place, View
from ratoon_console.domain.labels import entry_of
from ratoon_console.domain.people import Role


async def playground_page(place: Place, api: Api) -> View:
    """A text to send, the models that answer."""
    listed = (await api.get("models")).get("data", [])
    own = [_plain(model["id"]) for model in listed if model.get("owned_by") == place.parent]
    version = place.query.get("version", "")
    chosen = next(
        (model for model in own if version and model.endswith(f"@{version}")), own[0] if own else ""
    )
    entry = None
    if place.person is not None and place.person.may(Role.VIEWER):
        project = await api.get(place.parent)
        entry = entry_of(project, project.get("labels", []))
    return View(
        "playground.html",
        "Playground",
        {"models": own, "chosen": chosen, "entry": entry, "version": version},
        live=False,
    )


def _plain(model: str) -> str:
    """A model's name without the project that keys of the whole installation put before it."""
    return model.rpartition("/")[2]
