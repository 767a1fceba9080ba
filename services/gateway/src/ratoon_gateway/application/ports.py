"""Ports of the application. It knows no technology."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from ratoon.events.foreign import ForeignEvent
from ratoon_gateway.domain.capture import Answered
from ratoon_gateway.domain.feedback import Feedback
from ratoon_gateway.domain.keys import ApiKey, Used
from ratoon_gateway.domain.limits import Limits
from ratoon_gateway.domain.routes import RouteTable, Target


class EngineLost(Exception):
    """The engine could not be reached, or its connection broke before the answer was whole."""


class EngineUnreachable(EngineLost):
    """No connection to the engine could be made: it has not seen the request."""


class EngineSilent(Exception):
    """The engine took the request and sent nothing for too long."""


class EngineBroke(Exception):
    """The engine ended a stream with an error; its argument is the error for the caller."""


class AnswerTooLong(Exception):
    """The answer took longer than the limit."""


class Reply(Protocol):
    """An engine's answer while it arrives. Its holder must `close` it."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    def header(self, name: bytes) -> bytes:
        """Return a header by its lowercase name; empty where it is absent."""
        ...

    async def next(self) -> bytes:
        """Return the next bytes; empty at the end. EngineLost when it breaks off, EngineSilent when nothing arrives."""
        ...

    def close(self) -> None:
        """Release the answer: an incomplete one is broken off, which frees the engine's slot."""
        ...


class Engines(Protocol):
    """Client of engines."""

    async def send(self, target: Target, path: str, answer_id: str, body: bytes) -> Reply:
        """Send a request and wait for the head of its answer; EngineLost, EngineSilent."""
        ...


class Routes(Protocol):
    """The route table, as this gateway knows it now."""

    @property
    def table(self) -> RouteTable:
        """The newest table."""
        ...

    async def changed(self, seconds: float) -> None:
        """Return when there is a newer table, or after `seconds`."""
        ...

    def activate(self, deployment: str) -> None:
        """Report that requests wait for a deployment without an engine; return at once."""
        ...


class Capture(Protocol):
    """Captures answers."""

    def begin(self, deployment: str, version: str) -> str:
        """Return a new answer id, which names the version and the segment of the answer."""
        ...

    def keep(self, answered: Answered) -> None:
        """Capture an answer that has ended."""
        ...

    def forget(self, answer_id: str) -> None:
        """Drop an answer id that has no answer."""
        ...


class FilterSession(Protocol):
    """Filter of one text while it arrives."""

    @property
    def blocked(self) -> bool:
        """True if the text is blocked."""
        ...

    @property
    def would_block(self) -> bool:
        """True if the text would be blocked, were this its end."""
        ...

    def take(self, piece: str) -> tuple[int, int]:
        """Add to the text; return by how many characters it grew, and how many of the last ones are undecided."""
        ...

    def end(self) -> None:
        """End the text: all of it is decided now."""
        ...


class ContentFilter(Protocol):
    """Filters texts on the event loop: a word list. A classifier can have the same interface."""

    def read(self) -> FilterSession:
        """Begin a text."""
        ...


@dataclass(frozen=True, slots=True)
class ContentFilters:
    """Content filters of one project; None: no filter."""

    prompts: ContentFilter | None = None
    answers: ContentFilter | None = None


class Safety(Protocol):
    """The safety filters of all projects, ready for use."""

    def of(self, project: str) -> ContentFilters:
        """Return the current filters of a project."""
        ...


class Projects(Protocol):
    """The projects of the installation."""

    def check(self, name: str) -> None:
        """Raise NoSuchProject where there is none of this name."""
        ...


class Keys(Protocol):
    """Index of API keys."""

    def find(self, selector: str) -> ApiKey | None:
        """Return the key with this selector."""
        ...

    def named(self, name: str) -> ApiKey | None:
        """Return the key of this name."""
        ...

    def limits(self, name: str) -> Limits:
        """Return the limits of the key of this name; no limit set where there is none."""
        ...

    def refresh(self) -> None:
        """Read what has been committed."""
        ...


class Usage(Protocol):
    """Usage of each key."""

    def add(self, key: str, used: Used) -> None:
        """Add usage; safe on any thread."""
        ...

    def forget(self, key: str) -> None:
        """Remove the usage of a key."""
        ...

    def of(self, names: list[str]) -> dict[str, Used]:
        """Return the usage of these keys."""
        ...

    def by_day(self, name: str, since: date) -> dict[date, Used]:
        """Return the usage of a key on each day since `since`, oldest first."""
        ...

    def tokens_today(self, name: str) -> int:
        """Return the tokens that a key used today, as far as they are counted; without I/O."""
        ...


class EventSink(Protocol):
    """Stores events of other systems."""

    def report(self, project: str, event: ForeignEvent) -> str:
        """Store an event of a project; return its resource name, once it is committed."""
        ...


class FeedbackSink(Protocol):
    """Store of feedback."""

    def give(self, feedback: Feedback) -> str:
        """Store feedback and return its name; Unavailable where it could not be committed."""
        ...


class Peers(Protocol):
    """Raw gRPC methods of the other services on the running loop, by service and `/package.Service/Method`."""

    def unary(self, service: str, rpc: str) -> Any:
        """Return a method with one answer."""
        ...

    def stream(self, service: str, rpc: str) -> Any:
        """Return a method with a stream of answers."""
        ...

    def duplex(self, service: str, rpc: str) -> Any:
        """Return a method of any kind."""
        ...


class BlobStore(Protocol):
    """Blobs and unfinished uploads: one for each project and digest."""

    def size(self, project: str, digest: str) -> int | None:
        """Return the size of a project's whole blob; None where it has none."""
        ...

    def is_sealed(self, project: str, digest: str) -> bool:
        """Return whether a blob holds records of test parts, so that callers cannot download it."""
        ...

    def is_restricted(self, project: str, digest: str) -> bool:
        """Return whether a blob is raw data, which engineers alone download."""
        ...

    def read(self, digest: str, offset: int, size: int) -> bytes:
        """Return a piece of a blob."""
        ...

    def offset(self, project: str, digest: str) -> int:
        """Return the stored bytes of an unfinished upload."""
        ...

    def append(self, project: str, digest: str, offset: int, data: bytes) -> int:
        """Append bytes at `offset`, which must be the end so far; return the new end."""
        ...

    def finish(self, project: str, digest: str) -> None:
        """Verify and store the uploaded bytes."""
        ...

    def restart(self, project: str, digest: str) -> None:
        """Delete an unfinished upload."""
        ...


class Chunks(Protocol):
    """The rest of an answer."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...
