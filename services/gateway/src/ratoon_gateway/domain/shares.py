"""Fair shares of the engines of one deployment between the keys that ask them. It knows no clock and no loop.

An engine computes a limited number of sequences at once. One key may use all but a reserve, so that the next key
is computed at once; what does not fit waits here, by key, and the key with the fewest sequences in flight goes first.
A request counts with each answer that it requests.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_RESERVE = 8
"""One part in this number is reserved for other keys."""


@dataclass(eq=False, slots=True)
class Turn:
    """One request's place, waiting or in flight. `start` is called when it may go on."""

    key: str
    weight: int
    start: Callable[[], None]
    ahead: int = 0
    """Sequences that the same key had in flight when this one started."""
    entered: bool = False
    """True once it is counted as in flight."""


@dataclass(slots=True)
class Shares:
    """Requests in flight and waiting at the engines of one deployment."""

    in_flight: dict[str, int] = field(default_factory=dict)
    total: int = 0
    waiting: dict[str, deque[Turn]] = field(default_factory=dict)
    """By key; the first key's turn is next."""

    @property
    def is_idle(self) -> bool:
        """True if nothing is in flight and nothing waits."""
        return not self.total and not self.waiting

    def enter(self, turn: Turn, slots: int) -> bool:
        """Let a request go on, or put it into its key's queue; True if it may go on now."""
        if turn.key not in self.waiting and self._fits(turn, slots):
            self._begin(turn)
            return True
        self.waiting.setdefault(turn.key, deque()).append(turn)
        return False

    def leave(self, turn: Turn, slots: int) -> None:
        """End a request that was in flight; others may go on."""
        self.total -= turn.weight
        self.in_flight[turn.key] -= turn.weight
        if not self.in_flight[turn.key]:
            del self.in_flight[turn.key]
        self.release(slots)

    def give_up(self, turn: Turn) -> None:
        """End a request that was waiting."""
        queue = self.waiting[turn.key]
        queue.remove(turn)
        if not queue:
            del self.waiting[turn.key]

    def release(self, slots: int) -> None:
        """Let waiting requests go on, those first whose key has least in flight; among equals keys take turns."""
        while (turn := min(self._startable(slots), key=self._in_flight, default=None)) is not None:
            queue = self.waiting.pop(turn.key)
            queue.popleft()
            if queue:
                self.waiting[turn.key] = queue  # at the end of the line
            self._begin(turn)
            turn.start()

    def _startable(self, slots: int) -> Iterator[Turn]:
        return (queue[0] for queue in self.waiting.values() if self._fits(queue[0], slots))

    def _in_flight(self, turn: Turn) -> int:
        return self.in_flight.get(turn.key, 0)

    def _fits(self, turn: Turn, slots: int) -> bool:
        own = self._in_flight(turn)
        return self.total + turn.weight <= slots and (not own or own + turn.weight <= share_of(slots))

    def _begin(self, turn: Turn) -> None:
        turn.ahead, turn.entered = self._in_flight(turn), True
        self.in_flight[turn.key] = turn.ahead + turn.weight
        self.total += turn.weight


def share_of(slots: int) -> int:
    """Return how many of these sequences one key may have in flight."""
    return max(1, slots - max(1, slots // _RESERVE)) if slots > 1 else 1
