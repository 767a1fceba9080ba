"""Ports of pages and buttons, and the values that cross them."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ratoon_console.domain.people import Person

JSON = dict[str, Any]


class Api(Protocol):
    """The public HTTP API, spoken as one person. Errors: NotSignedIn, Refused, Away."""

    async def get(self, name: str, **query: object) -> JSON:
        """A resource by its name, or any GET below /v1."""
        ...

    async def find(self, name: str, **query: object) -> JSON | None:
        """A resource by its name, None where there is none."""
        ...

    async def newest(self, collection: str, size: int = 100, after: str = "", **query: object) -> "Items":
        """The newest resources of a collection, or those after a page: one page, and one request."""
        ...

    async def post(self, name: str, body: Mapping[str, object], **query: object) -> JSON:
        """A create or a method (`…:cancel`)."""
        ...

    async def patch(self, name: str, body: Mapping[str, object], **query: object) -> JSON:
        """Change a resource; `body` carries the etag it was read with."""
        ...

    async def delete(self, name: str, **query: object) -> None:
        """Delete a resource; with `etag` only as it was read."""
        ...

    async def put_blob(self, data: bytes) -> str:
        """Store a blob; return its digest."""
        ...

    async def blob(self, digest: str) -> bytes:
        """A blob of the artifact store."""
        ...

    def content(self, digest: str) -> AsyncIterator[bytes]:
        """A blob of the artifact store, piece by piece; errors come before the first piece."""
        ...

    def watch(self, name: str) -> AsyncIterator[JSON]:
        """A resource's state, then each newer one, until it has ended or the stream breaks."""
        ...

    def ask(
        self, model: str, text: str, max_tokens: int, temperature: float = 0.0
    ) -> AsyncIterator["AnswerEvent"]:
        """Ask a deployment; yield the events of its answer as they come."""
        ...


class Templates(Protocol):
    """Pages out of values."""

    def whole(self, template: str, values: Mapping[str, object]) -> str:
        """A page from the first byte to the last."""
        ...

    def live(self, template: str, values: Mapping[str, object]) -> str:
        """The part of a page that changes while it is open."""
        ...


class Keys(Protocol):
    """Exchanges an API key for a token. Errors: NotSignedIn, Away."""

    async def exchange(self, api_key: str) -> "Grant":
        """A short-lived token for an API key."""
        ...


@dataclass(frozen=True)
class Grant:
    """Result of an exchange: the key's holder, the token, and its lifetime in seconds."""

    person: Person
    token: str
    seconds: float


@dataclass(frozen=True)
class Items:
    """One page of a collection, the newest first; the token of the page of older ones, empty on the last."""

    items: list[JSON]
    older: str = ""


@dataclass(frozen=True)
class AnswerEvent:
    """An event of an answer; its kind is `version`, `text`, `end` (text: the answer's id) or `error`."""

    kind: str
    text: str


@dataclass(frozen=True)
class Place:
    """Where a page stands: the project's id, what the path names, the query (repeated keys joined by comma)."""

    project: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    person: Person | None = None

    @property
    def parent(self) -> str:
        """The project's resource name."""
        return f"projects/{self.project}"

    @property
    def after(self) -> str:
        """Token of the page of older items that is shown; empty: the newest."""
        return self.query.get("after", "")


@dataclass(frozen=True)
class View:
    """The content of a page: template, title, values, watched resources, text for screen readers (`spoken`), whether
    it may still change (`live`)."""

    template: str
    title: str
    values: Mapping[str, object]
    watched: tuple[str, ...] = ()
    spoken: str = ""
    live: bool = True
