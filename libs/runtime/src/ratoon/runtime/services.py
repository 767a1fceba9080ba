"""Installed services, as their packages register them: libraries know services by name only.

A service `<name>` declares one entry point `<name>` in each of these groups of its pyproject:

| group | value |
|---|---|
| `ratoon.services` | `build(settings, platform) -> App` |
| `ratoon.settings` | class of its settings |
| `ratoon.resources` | its tables by kind of resource |
| `ratoon.migrations` | its package; `migrations` lies in it or next to its `src` |
| `ratoon.topics`, if it publishes events | file descriptor of its events |
| `ratoon.workers`, if it has heavy work | package of its job modules |
| `ratoon.secrets`, if it needs more than its key | its secret files, `SecretFile` |
| `ratoon.retentions`, if what ended is removed | `retentions(settings)` |
| `ratoon.gc_roots`, if it has directories of its own | items in them, and what uses them |
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any


@cache
def service_names() -> tuple[str, ...]:
    """Return the names of the installed services, sorted."""
    return tuple(sorted(_registered("ratoon.services")))


def load(group: str, service: str) -> Any:
    """Import and return what a service registered in a group; LookupError if there is nothing."""
    if (point := _registered(group).get(service)) is None:
        raise LookupError(
            f"No installed package registers {service} in {group}; after a change of its pyproject, run: make env"
        )
    return point.load()


def load_optional(group: str, service: str) -> Any | None:
    """Import and return what a service registered in a group; None if there is nothing."""
    return load(group, service) if service in _registered(group) else None


def module_of(group: str, service: str) -> str:
    """Return the name of the module that a service registered in a group, without importing it; empty if none."""
    point = _registered(group).get(service)
    return point.module if point else ""


@cache
def _registered(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}
