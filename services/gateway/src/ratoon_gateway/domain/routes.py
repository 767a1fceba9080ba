"""Which engines answer for which deployment, and the choice among them. It knows neither HTTP nor who asks."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ratoon_gateway.domain.errors import BadRequest, ModelNotFound

T = TypeVar("T")
ANY_PROJECT = "-"
_REFUSALS = (404, 503)
"""An engine that is closed to new requests, or that no longer knows the model or the secret: the table was old."""
SIGNATURE = b"x-ratoon-version"
"""Header with the version that an engine serves; it detects a swap that the route table does not contain yet."""


@dataclass(frozen=True, slots=True)
class Target:
    """One process of an engine: where it listens, which version it serves, its share of new requests."""

    engine: str
    version: str
    """`projects/{project}/models/{model}/versions/{version}`."""
    endpoint: str
    """`unix:///…` or `http://host:port`."""
    secret: str
    weight: int
    """0: only requests that pin this version."""
    served_name: str
    defaults: tuple[tuple[str, float | int], ...] = ()
    """The version's values for fields that a request does not set: `temperature`, `max_tokens`, …"""
    max_prompt_characters: int = 0
    """Characters of each message that the version's template keeps; 0: all."""
    slots: int = 0
    """Answers that its engine computes at once; 0: not stated."""

    @property
    def process(self) -> tuple[str, str]:
        """Tells it from the engine's other processes, and from other engines in the same process."""
        return self.engine, self.endpoint

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
    shadow_share: float = 0.0
    """Share of the answered requests that another version answers too; 0: as this gateway is set."""

    @property
    def project(self) -> str:
        """The id of the deployment's project."""
        return self.deployment.split("/")[1]

    @property
    def slots(self) -> int:
        """Answers that the engines of new requests compute at once; 0: not stated."""
        return sum({t.process: t.slots for t in self.targets if t.weight > 0}.values())

    @property
    def id(self) -> str:
        """The deployment's own id, by which callers name it."""
        return self.deployment.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Routes of all deployments, at one version of the table."""

    version: int = 0
    routes: Mapping[str, Route] = field(default_factory=dict)

    @staticmethod
    def of(version: int, routes: Iterable[Route]) -> "RouteTable":
        """A table of these routes, found by deployment."""
        return RouteTable(version, {route.deployment: route for route in routes})


@dataclass(frozen=True, slots=True)
class ModelName:
    """Value of `model` in a request: a deployment, optionally with its project and a pinned version."""

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
    target_project = name.project or project
    if project not in (ANY_PROJECT, target_project):
        raise ModelNotFound(f"There is no model {name.deployment!r} in project {project}.")
    if target_project != ANY_PROJECT:
        route = table.routes.get(f"projects/{target_project}/deployments/{name.deployment}")
        matches = [route] if route else []
    else:
        matches = [route for route in table.routes.values() if route.id == name.deployment]
    if len(matches) > 1:
        projects = ", ".join(sorted(route.project for route in matches))
        raise ModelNotFound(
            f"{name.deployment!r} exists in several projects ({projects}); write `project/model`."
        )
    if not matches:
        raise ModelNotFound(
            f"There is no model {name.deployment!r}; GET /v1/models lists the available models."
        )
    return matches[0]


def choose(
    route: Route, version: str, avoided: Collection[tuple[str, str]], draw: float, user: str = ""
) -> Target | None:
    """The target for a new request: by weight, `draw` from [0, 1) deciding; None while there is none to go to.

    A pinned `version` goes to that version alone, whatever its weight; ModelNotFound when others serve and it does not.
    Where several versions serve, a `user` stays with one of them as long as it has an engine to go to.
    """
    if version:
        pinned = [t for t in route.targets if t.version_id == version]
        if route.targets and not pinned:
            raise ModelNotFound(f"{route.id} does not serve version {version!r} now.")
        options = [t for t in pinned if t.process not in avoided]
        return options[int(draw * len(options))] if options else None
    options = [t for t in route.targets if t.weight > 0 and t.process not in avoided]
    if user and len(options) > 1:
        arm = arm_of(route, user)
        options = [t for t in options if t.version == arm] or options
    return _drawn([(t, t.weight) for t in options], draw) if options else None


def comparison(
    route: Route, version: str, avoided: Collection[tuple[str, str]], failed: Target
) -> Target | None:
    """Return a target that shows whether a failure is the engine's or the request's own.

    One of another version is best; one that takes no new requests will do, for the old version stays warm while the new
    one is watched. A pinned `version` stays.
    """
    options = [t for t in route.targets if t.process not in avoided and version in ("", t.version_id)]
    return min(options, key=lambda t: (t.version == failed.version, t.weight == 0), default=None)


def shadow_target(route: Route, answered: Target) -> Target | None:
    """Return a target of another version than the one that answered; None if no other serves.

    One that takes no new requests will do: the old version stays warm while the new one is watched.
    """
    others = [target for target in route.targets if target.version != answered.version]
    return max(others, key=lambda target: target.weight, default=None)


def refuses(target: Target, status: int, signature: bytes) -> bool:
    """Return whether an engine refused a request, or serves another version than the route table states."""
    return status in _REFUSALS or (bool(signature) and signature != target.version.encode())


def arm_of(route: Route, user: str) -> str:
    """The version that this user belongs to: by weight, and the same one for as long as the same versions serve.

    Users are spread by a hash salted with the deployment and its versions, so that two experiments do not divide them
    in the same way, and a change of weights moves no more users than it must.
    """
    weights: dict[str, int] = {}
    for target in route.targets:
        if target.weight > 0:
            weights[target.version] = weights.get(target.version, 0) + target.weight
    if len(weights) < 2:
        return next(iter(weights), "")
    arms = sorted(weights.items())
    salted = "\n".join([route.deployment, *(version for version, _ in arms), user])
    digest = hashlib.blake2b(salted.encode(errors="surrogatepass"), digest_size=8).digest()
    return _drawn(arms, int.from_bytes(digest) / 2**64)


def _drawn(weighted: Sequence[tuple[T, int]], draw: float) -> T:
    """The one that `draw` from [0, 1) falls on, each having a share by its weight."""
    place = draw * sum(weight for _, weight in weighted)
    for one, weight in weighted:
        place -= weight
        if place < 0:
            return one
    return weighted[-1][0]
