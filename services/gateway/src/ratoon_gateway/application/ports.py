"""What the application needs of the world. It knows no technology."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

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
    """The engine ended a stream that had begun with an error; its argument is what the caller is told."""


class AnswerTooLong(Exception):
    """The answer took longer than any may."""


class Reply(Protocol):
    """An engine's answer while it comes in. Whoever holds one must `close` it."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    def header(self, name: bytes) -> bytes:
        """A header's value by its lowercase name; empty when it is not there."""
        ...

    async def next(self) -> bytes:
        """What has come since; empty at the end. EngineLost when it breaks off, EngineSilent when nothing comes."""
        ...

    def close(self) -> None:
        """Done with it: an answer that is not whole is broken off, which frees the engine's slot."""
        ...


class Engines(Protocol):
    """The way to engines."""

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
        """Return when there is a newer table, or after so many seconds."""
        ...

    def activate(self, deployment: str) -> None:
        """Somebody asks for a deployment that has no engine; returns at once."""
        ...


class Capture(Protocol):
    """Keeps what was answered."""

    def begin(self, deployment: str, version: str) -> str:
        """A new answer id, which names the version and the segment the answer will stand in."""
        ...

    def keep(self, answered: Answered) -> None:
        """The answer has ended: keep it."""
        ...

    def forget(self, answer_id: str) -> None:
        """Nothing was answered under this id."""
        ...


class FilterSession(Protocol):
    """One text, judged while it comes."""

    @property
    def blocked(self) -> bool:
        """Whether it may not pass."""
        ...

    @property
    def would_block(self) -> bool:
        """Whether it might not pass, were this the end of it."""
        ...

    def take(self, piece: str) -> tuple[int, int]:
        """More of it: by how many characters it has grown, and how many of the last ones cannot be judged yet."""
        ...

    def end(self) -> None:
        """Nothing more comes: all of it is judged now."""
        ...


class ContentFilter(Protocol):
    """Judges texts on the event loop: a word list. A classifier has the same face; one that is slow lets text wait."""

    def read(self) -> FilterSession:
        """Begin with a text."""
        ...


@dataclass(frozen=True, slots=True)
class ContentFilters:
    """What judges the texts of one project; None: nothing does."""

    prompts: ContentFilter | None = None
    answers: ContentFilter | None = None


class Safety(Protocol):
    """The safety filters of all projects, ready for use."""

    def of(self, project: str) -> ContentFilters:
        """What judges this project's texts now."""
        ...


class Projects(Protocol):
    """The projects of the installation."""

    def check(self, name: str) -> None:
        """NoSuchProject when there is none of this name."""
        ...


class Keys(Protocol):
    """API keys, found fast."""

    def find(self, selector: str) -> ApiKey | None:
        """The key with this selector."""
        ...

    def named(self, name: str) -> ApiKey | None:
        """The key of this name."""
        ...

    def limits(self, name: str) -> Limits:
        """What the key of this name may use; nothing set when there is none."""
        ...

    def refresh(self) -> None:
        """Know what has been committed."""
        ...


class Usage(Protocol):
    """How much each key was used."""

    def add(self, key: str, used: Used) -> None:
        """Count it; safe on any thread."""
        ...

    def forget(self, key: str) -> None:
        """Remove what is known of a key's use."""
        ...

    def of(self, names: list[str]) -> dict[str, Used]:
        """What these keys used."""
        ...

    def by_day(self, name: str, since: date) -> dict[date, Used]:
        """What this key used on each day from then on, oldest first."""
        ...

    def tokens_today(self, name: str) -> int:
        """The tokens that this key used today, as far as the books know; at once."""
        ...


class FeedbackSink(Protocol):
    """Where feedback is kept."""

    def give(self, feedback: Feedback) -> str:
        """The name of what is stored; Unavailable when it could not be committed."""
        ...


class Peers(Protocol):
    """The other services as raw gRPC methods of the running loop, by service and `/package.Service/Method`."""

    def unary(self, service: str, rpc: str) -> Any:
        """The method, one answer."""
        ...

    def stream(self, service: str, rpc: str) -> Any:
        """The method, a stream of answers."""
        ...

    def duplex(self, service: str, rpc: str) -> Any:
        """The method, whatever kind it is."""
        ...


class BlobStore(Protocol):
    """Blobs, and those on their way in: one unfinished upload a project and digest."""

    def size(self, project: str, digest: str) -> int | None:
        """The size of a project's whole blob; None when it has none."""
        ...

    def read(self, digest: str, offset: int, size: int) -> bytes:
        """A piece of a blob."""
        ...

    def offset(self, project: str, digest: str) -> int:
        """How many bytes of an unfinished upload are here."""
        ...

    def append(self, project: str, digest: str, offset: int, data: bytes) -> int:
        """Add bytes at this place, which must be the end so far; returns the new end."""
        ...

    def finish(self, project: str, digest: str) -> None:
        """The bytes are whole: prove and keep them."""
        ...

    def restart(self, project: str, digest: str) -> None:
        """Throw an unfinished upload away."""
        ...


class Chunks(Protocol):
    """The rest of an answer."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...
