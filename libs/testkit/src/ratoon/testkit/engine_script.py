"""Script of a mock engine, and its records: pace, faults, golden answers, counts."""

import asyncio
import heapq
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True)
class Pace:
    """Speed of the mock: tokens an answer has by default, seconds to the first, seconds between two."""

    tokens: int = 16
    first_s: float = 0.0
    interval_s: float = 0.0
    slots: int = 0
    """Answers that are written at once; more wait, those of low `priority` first. 0: any number."""


@dataclass(frozen=True)
class Faults:
    """Faults of an engine, until `engine.faults` is replaced."""

    status: int = 0
    """Answer completions with this HTTP status instead."""
    message: str = "The mock engine is set to fail."
    """… and say this."""
    fail_every: int = 1
    """… but only every n-th completion."""
    hang: bool = False
    """Take requests and never answer."""
    refuse: bool = False
    """Close the connection before any byte is answered."""
    garbage: bool = False
    """Answer 200 with a body that is no JSON."""
    die_after_tokens: int | None = None
    """Number of tokens after which every answer's connection is cut."""
    unhealthy: bool = False
    """`/health` answers 503."""


@dataclass
class Counts:
    """Counts of the mock since it started."""

    requests: int = 0
    finished: int = 0
    failed: int = 0
    disconnected: int = 0
    """Answers whose reader went away before their end."""
    open: int = 0
    """Answers being written now."""


@dataclass
class Adapter:
    """A version that answers to its own name in addition to the mock's model."""

    version: str
    artifact_digest: str = ""
    accepting: bool = True
    in_flight: int = 0
    load_id: str = ""


@dataclass(frozen=True)
class Golden:
    """Recorded greedy answers by prompt token ids: what `/v1/completions` says for these prompts."""

    tokens: Mapping[tuple[int, ...], Sequence[int]] = field(default_factory=dict)
    logprobs: Mapping[tuple[int, ...], Sequence[float]] = field(default_factory=dict)

    @staticmethod
    def of(blob: JSON) -> "Golden":
        """From the golden prompts that registration records."""
        rows = blob["prompts"]
        key = [tuple(row["prompt_token_ids"]) for row in rows]
        return Golden(
            {k: row["tokens"] for k, row in zip(key, rows, strict=True)},
            {k: row["logprobs"] for k, row in zip(key, rows, strict=True)},
        )


class Slots:
    """Slots for concurrent answers. Waiting requests are ordered by priority, then by time."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    async def take(self, priority: int) -> None:
        """Wait for a place."""
        if self._free:
            self._free -= 1
            return
        slot = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), slot))
        await slot

    def give_back(self) -> None:
        """Free a place for the next one that still waits."""
        while self._waiting:
            slot = heapq.heappop(self._waiting)[2]
            if not slot.done():
                slot.set_result(None)
                return
        self._free += 1
