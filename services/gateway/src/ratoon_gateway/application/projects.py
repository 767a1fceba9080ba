"""Refuses requests about a project that does not exist, for every service and both protocols.

A mistyped project would otherwise have empty lists, and what is created in it would be visible nowhere.
"""

from collections.abc import Iterator

from google.protobuf.message import Message

from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.security.identity import ANY_PROJECT, Principal
from ratoon_gateway.application.ports import Projects

KNOWN_S = 2.0
"""Seconds that a project which exists is not looked up again. One that does not is looked up each time."""
_MAX_KNOWN = 10_000


class ProjectCheck:
    """Looks projects up, at most once in `KNOWN_S`."""

    def __init__(self, projects: Projects, threads: Threads, clock: Clock) -> None:
        self._projects, self._threads, self._clock = projects, threads, clock
        self._known: dict[str, float] = {}

    async def __call__(self, request: Message, principal: Principal) -> None:
        """Raise NoSuchProject where the project of a request does not exist.

        Callers with a key of another project do not learn it: the service refuses them.
        """
        name = project_of(request)
        if not name or not principal.may_touch(name) or self._known.get(name, 0.0) > self._clock.monotonic():
            return
        await self._threads(self._projects.check, name)
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[name] = self._clock.monotonic() + KNOWN_S


def project_of(request: Message) -> str:
    """Return the project that a request lies in; empty where it names none, any, or is about the project itself."""
    for name in _names(request):
        parts = name.split("/")
        if len(parts) > 1 and parts[0] == "projects" and parts[1] not in ("", ANY_PROJECT):
            itself = len(parts) == 2 and request.DESCRIPTOR.full_name.startswith("ratoon.flywheel.")
            is_parent = "parent" in request.DESCRIPTOR.fields_by_name
            return "" if itself and not is_parent else f"projects/{parts[1]}"
    return ""


def _names(request: Message) -> Iterator[str]:
    """Yield the names in a request: its `parent` and `name`, and the name of the resource that it carries."""
    for field, content in request.ListFields():
        if field.name in ("parent", "name") and isinstance(content, str):
            yield content
        elif isinstance(content, Message) and "name" in content.DESCRIPTOR.fields_by_name:
            yield str(content.name)  # type: ignore[attr-defined]
