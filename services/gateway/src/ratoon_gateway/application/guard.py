"""Applies a project's content filters to prompts and answers. It knows neither word lists nor the caller's protocol.

A stream's events pass unchanged. An event is delayed only while its text may be the beginning of a blocked word; then
it is sent unchanged, or the stream ends before it. What was sent never ends in such a word, even if later text would
have made it another word: it may be all that the caller receives.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import takewhile

from ratoon_gateway.application.ports import ContentFilter, FilterSession
from ratoon_gateway.domain.answers import JSON, Channel, object_of, texts_of, withheld, withheld_end
from ratoon_gateway.domain.completions import CompletionRequest
from ratoon_gateway.domain.errors import ContentBlocked
from ratoon_gateway.domain.lookalikes import unmasked

_EVENT_END, _DATA = b"\n\n", b"data: "


@dataclass(slots=True)
class _Progress:
    """One running text: its length so far, and the length that may be sent (folded characters)."""

    session: FilterSession
    end: int = 0
    free: int = 0


@dataclass(slots=True)
class _Waiting:
    """A received event: its bytes, where its piece of each text ends, and whether that would end in a word."""

    raw: bytes
    ends: list[tuple[_Progress, int]] = field(default_factory=list)
    words: dict[Channel, bool] = field(default_factory=dict)

    @property
    def free(self) -> bool:
        """True if all of it may be sent."""
        return all(end <= progress.free for progress, end in self.ends)


class StreamGuard:
    """Filters one stream of server-sent events; once `blocked`, what it returned last was the end."""

    def __init__(self, content_filter: ContentFilter) -> None:
        self._content_filter = content_filter
        self._begun = b""
        self._waiting: deque[_Waiting] = deque()
        self._texts: dict[Channel, _Progress] = {}
        self._last: JSON = {}
        self.blocked = False

    def take(self, chunk: bytes) -> bytes:
        """Add to the stream; return what may be sent now."""
        *events, self._begun = (self._begun + chunk).split(_EVENT_END)
        for event in events:
            self._read(event + _EVENT_END)
        return self._released()

    def end(self) -> bytes:
        """End the stream; return the rest of it, or the end in its place."""
        for progress in self._texts.values():
            progress.session.end()
            progress.free = progress.end
        released = self._released()
        return released if self.blocked else released + self._begun

    def _read(self, raw: bytes) -> None:
        event = _Waiting(raw)
        parsed = object_of(raw[len(_DATA) :]) if raw.startswith(_DATA) else None
        for channel, piece in texts_of(parsed) if parsed else ():
            event.ends.append(self._follow(channel, piece))
            event.words[channel] = self._texts[channel].session.would_block
        self._last = parsed or self._last
        self._waiting.append(event)

    def _follow(self, channel: Channel, piece: str) -> tuple[_Progress, int]:
        progress = self._texts.get(channel)
        if progress is None:
            progress = self._texts[channel] = _Progress(self._content_filter.read())
        grown, waiting = progress.session.take(piece)
        progress.end += grown
        progress.free = progress.end - waiting
        return progress, progress.end

    def _released(self) -> bytes:
        """Return what may be sent; after a blocked word waiting events are dropped and the stream ends."""
        if any(progress.session.blocked for progress in self._texts.values()):
            self.blocked = True
            indices = sorted({int(channel[0]) for channel in self._texts})
            return withheld_end(self._last, indices)
        words: dict[Channel, bool] = {}
        fit = 0
        for count, event in enumerate(takewhile(lambda event: event.free, self._waiting), 1):
            words.update(event.words)
            fit = fit if any(words.values()) else count
        return b"".join(self._waiting.popleft().raw for _ in range(fit))


def check_prompt(request: CompletionRequest, content_filter: ContentFilter) -> None:
    """Raise ContentBlocked where the prompt is not allowed or is not text."""
    if not request.is_readable:
        raise ContentBlocked("This project filters the content of prompts: send the prompt as text.")
    texts = list(request.texts())
    joined = "\n".join(texts), "".join(texts)  # engines join parts in one way or the other
    if any(_blocks(content_filter, one) for text in joined for one in {text, unmasked(text)}):
        raise ContentBlocked("The prompt contains a word that this project does not allow.")


def checked_answer(raw: bytes, content_filter: ContentFilter) -> tuple[bytes, bool]:
    """Return a whole answer as it may be sent, and whether its text was withheld."""
    answer = object_of(raw)
    if answer is None or not any(_blocks(content_filter, text) for _, text in texts_of(answer)):
        return raw, False
    return withheld(answer), True


def _blocks(content_filter: ContentFilter, text: str) -> bool:
    session = content_filter.read()
    session.take(text)
    session.end()
    return session.blocked
