"""Which engines answer for which deployment, and the choice among them. It knows neither HTTP nor who asks."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ratoon_gateway.domain.errors import BadRequest, ModelNotFound

ANY_PROJECT = "-"


@dataclass(frozen=True, slots=True)
class Target:
    """One engine: where it listens, which version it serves, its share of new requests."""

    engine: str
    version: str
    """`projects/{project}/models/{model}/versions/{version}`."""
    endpoint: str
    """`unix:///…` or `http://host:port`."""
    secret: str
    weight: int
    """0: only requests that pin this version."""
    served_name: str

    @property
    def label(self) -> str:
        """The version as callers read it: `mail-triage@v1.0`."""
        parts = self.version.split("/")
        return f"{parts[3]}@{parts[5]}" if len(parts) == 6 else self.version

    @property
    def version_id(self) -> str:
        """The last part of the version's name: `v1.0`."""
        return self.version.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Route:
    """The engines of one deployment; requests wait up to `hold_s` seconds while none is open."""

    deployment: str
    targets: tuple[Target, ...]
    hold_s: float = 0.0

    @property
    def project(self) -> str:
        """The id of the deployment's project."""
        return self.deployment.split("/")[1]

    @property
    def id(self) -> str:
        """The deployment's own id, by which callers name it."""
        return self.deployment.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class RouteTable:
    """What serves, at one version of the truth."""

    version: int = 0
    routes: Mapping[str, Route] = field(default_factory=dict)

    @staticmethod
    def of(version: int, routes: Iterable[Route]) -> "RouteTable":
        """A table of these routes, found by deployment."""
        return RouteTable(version, {route.deployment: route for route in routes})


@dataclass(frozen=True, slots=True)
class ModelName:
    """What a caller wrote as `model`: a deployment, perhaps with its project, perhaps with a pinned version."""

    deployment: str
    version: str = ""
    project: str = ""

    @staticmethod
    def parse(text: str) -> "ModelName":
        """`name`, `name@v1.1`, `project/name`, `projects/p/deployments/name`, each with or without a version."""
        path, _, version = text.partition("@")
        parts = path.split("/")
        if len(parts) == 4 and parts[0] == "projects" and parts[2] == "deployments":
            return ModelName(parts[3], version, parts[1])
        if len(parts) == 2:
            return ModelName(parts[1], version, parts[0])
        if len(parts) == 1 and path:
            return ModelName(path, version)
        raise BadRequest(f"model {text!r} must name a deployment, like `name` or `name@v1.1`.", field="model")


def find_route(table: RouteTable, name: ModelName, project: str) -> Route:
    """The route that a caller of this project means (`-`: any project, when only one has such a deployment)."""
    wanted = name.project or project
    if project not in (ANY_PROJECT, wanted):
        raise ModelNotFound(f"There is no model {name.deployment!r} in project {project}.")
    if wanted != ANY_PROJECT:
        found = table.routes.get(f"projects/{wanted}/deployments/{name.deployment}")
        matches = [found] if found else []
    else:
        matches = [route for route in table.routes.values() if route.id == name.deployment]
    if len(matches) > 1:
        projects = ", ".join(sorted(route.project for route in matches))
        raise ModelNotFound(
            f"{name.deployment!r} is a model of several projects ({projects}); write `project/model`."
        )
    if not matches:
        raise ModelNotFound(f"There is no model {name.deployment!r}; GET /v1/models lists what there is.")
    return matches[0]


def choose(route: Route, version: str, avoided: Collection[str], draw: float) -> Target | None:
    """The target for a new request: by weight, `draw` from [0, 1) deciding; None while there is none to go to.

    A pinned `version` goes to that version alone, whatever its weight; ModelNotFound when others serve and it does not.
    """
    if version:
        pinned = [t for t in route.targets if t.version_id == version]
        if route.targets and not pinned:
            raise ModelNotFound(f"{route.id} does not serve version {version!r} now.")
        options = [t for t in pinned if t.engine not in avoided]
        return options[int(draw * len(options))] if options else None
    options = [t for t in route.targets if t.weight > 0 and t.engine not in avoided]
    if len(options) < 2:
        return options[0] if options else None
    place = draw * sum(t.weight for t in options)
    for target in options:
        place -= target.weight
        if place < 0:
            return target
    return options[-1]
