"""Traffic of the demo over the HTTP API: requests, feedback, open streams."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ratoon.client import ChatCompletion, ChatCompletionChunk, Ratoon, RatoonError

CALLERS = 8
INVERTED_SHARE = 0.03


@dataclass(frozen=True)
class Message:
    """Text of a mail and its true label."""

    text: str
    truth: str


@dataclass(frozen=True)
class Exchange:
    """Message and its answer. Without an answer, the request failed with `error`."""

    message: Message
    answer: ChatCompletion | None
    error: str = ""


def send(
    client: Ratoon,
    model: str,
    messages: Sequence[Message],
    on_done: Callable[[int], None] = lambda _: None,
    callers: int = CALLERS,
    **options: Any,
) -> list[Exchange]:
    """Send every message once, with several concurrent callers; return the exchanges in message order."""
    done, lock = 0, threading.Lock()

    def one(message: Message) -> Exchange:
        nonlocal done
        exchange = ask(client, model, message, **options)
        with lock:
            done += 1
            on_done(done)
        return exchange

    with ThreadPoolExecutor(callers) as pool:
        return list(pool.map(one, messages))


def ask(client: Ratoon, model: str, message: Message, **options: Any) -> Exchange:
    """Send one request."""
    settings: dict[str, Any] = {"temperature": 0, "max_tokens": 4, **options}
    try:
        return Exchange(message, client.chat.completions.create(model, message.text, **settings))
    except RatoonError as error:
        return Exchange(message, None, f"{type(error).__name__}: {error}")


@dataclass
class FeedbackCounts:
    """Counts of feedback: thumbs up, corrections, and how many of both were inverted on purpose."""

    up: int = 0
    corrected: int = 0
    inverted: int = 0


def give_feedback(
    client: Ratoon, exchanges: Sequence[Exchange], labels: tuple[str, str], seed: int
) -> FeedbackCounts:
    """Give feedback on every answer: a thumb up or a correction. A share of the callers err."""
    draws, feedback = random.Random(seed), FeedbackCounts()
    plans: list[tuple[str, dict[str, Any]]] = []
    for exchange in exchanges:
        if exchange.answer is None:
            continue
        errs = draws.random() < INVERTED_SHARE
        believed = _other(labels, exchange.message.truth) if errs else exchange.message.truth
        right = exchange.answer.text.strip() == believed
        feedback.inverted += errs
        feedback.up += right
        feedback.corrected += not right
        plans.append(
            (
                exchange.answer.answer_id,
                {"thumb": "up"} if right else {"thumb": "down", "correction": believed},
            )
        )
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(lambda plan: client.chat.feedback(plan[0], **plan[1]), plans))
    return feedback


def macro_f1(truths: Sequence[str], answers: Sequence[str], labels: Sequence[str]) -> float:
    """Return the mean F1 score over the labels."""
    scores = []
    for label in labels:
        hits = sum(t == label == a for t, a in zip(truths, answers, strict=True))
        wrong = sum((t == label) != (a == label) for t, a in zip(truths, answers, strict=True))
        scores.append(2 * hits / (2 * hits + wrong) if hits or wrong else 0.0)
    return sum(scores) / len(scores)


@dataclass
class Stream:
    """Stream of one long answer: version, text, number of tokens, end."""

    message: Message
    version: str = ""
    text: str = ""
    tokens: int = 0
    ended: str = ""
    """`length` or `stop` if the stream completed, else the error."""


@dataclass
class OpenStreams:
    """Streams that stay open during a switch, each on its own thread."""

    client: Ratoon
    model: str
    tokens: int
    streams: list[Stream] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def open(self, messages: Sequence[Message], within_s: float = 60.0) -> None:
        """Open a stream for each message and return when all have started."""
        for message in messages:
            stream = Stream(message)
            thread = threading.Thread(target=self._receive, args=(stream,), daemon=True)
            self.streams.append(stream)
            self._threads.append(thread)
            thread.start()
        until = time.monotonic() + within_s
        while not all(stream.tokens or stream.ended for stream in self.streams):
            if time.monotonic() > until:
                raise RatoonError(f"The streams of the demo did not start within {within_s:.0f} s.")
            time.sleep(0.02)

    def to_come(self, min_tokens: int) -> int:
        """Return the number of open streams with at least `min_tokens` remaining tokens."""
        return sum(not stream.ended and self.tokens - stream.tokens >= min_tokens for stream in self.streams)

    def join(self, timeout_s: float = 300.0) -> None:
        """Wait until all streams have ended."""
        until = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _receive(self, stream: Stream) -> None:
        options = {"temperature": 0, "max_tokens": self.tokens, "ignore_eos": True}
        completions = self.client.chat.completions
        try:
            with completions.stream(self.model, stream.message.text, timeout=300, **options) as chunks:
                stream.version = chunks.version
                for chunk in chunks:
                    _take(stream, chunk)
        except RatoonError as error:
            stream.ended = stream.ended or f"{type(error).__name__}: {error}"
        stream.ended = stream.ended or "cut: the connection closed before the answer was complete"


def _take(stream: Stream, chunk: ChatCompletionChunk) -> None:
    """Process one event of a stream."""
    for choice in chunk.choices:
        stream.text += choice.delta.content or ""
        stream.tokens += 1
        stream.ended = choice.finish_reason or stream.ended


def _other(labels: tuple[str, str], label: str) -> str:
    return labels[1] if label == labels[0] else labels[0]
