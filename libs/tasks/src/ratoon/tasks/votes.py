"""Votes of callers on the answers of one version. Each caller counts once, however many votes it gives."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import fsum

MIN_OTHERS = 2
"""Minimum number of other callers with votes: without them, a caller's votes alone would decide."""
_DIGITS = 9
"""Decimal places to which sums of shares are rounded, so that their order does not matter."""


@dataclass(frozen=True)
class Tally:
    """Votes in which each caller counts once: `unhappy` is the sum of the callers' shares of negative votes."""

    votes: int
    callers: int
    unhappy: float

    @property
    def share(self) -> float:
        """Share of unhappy callers, from 0 to 1; 0 without callers."""
        return round(self.unhappy / self.callers, _DIGITS) if self.callers else 0.0


@dataclass(frozen=True)
class Votes:
    """Votes on the answers of one version."""

    positive: int = 0
    negative: int = 0
    callers: tuple[tuple[str, int, int], ...] = ()
    """Caller, positive and negative votes of each known caller. Every other vote has a caller of its own."""

    @property
    def total(self) -> int:
        """Number of votes."""
        return self.positive + self.negative

    @property
    def rows(self) -> tuple[tuple[str, int, int], ...]:
        """Votes of each known caller, then the votes of unknown callers under an empty name."""
        positive = self.positive - sum(each for _, each, _ in self.callers)
        negative = self.negative - sum(each for _, _, each in self.callers)
        return (*self.callers, ("", max(0, positive), max(0, negative)))

    @property
    def tally(self) -> Tally:
        """Votes with each caller counted once."""
        *known, (_, positive, negative) = self.rows
        shares = fsum(_share(bad, good + bad) for _, good, bad in known)
        return Tally(self.total, len(known) + positive + negative, round(shares + negative, _DIGITS))

    def support(self, complaint: Callable[[Tally], bool]) -> bool:
        """Return whether a complaint holds for all votes, and also without those of any single caller."""
        tally = self.tally
        repeated = [(good + bad, _share(bad, good + bad)) for _, good, bad in self.callers if good + bad > 1]
        return complaint(tally) and all(
            others.callers >= MIN_OTHERS and complaint(others)
            for others in (_without(tally, votes, share) for votes, share in repeated)
        )


def count_votes(rows: Iterable[tuple[str, int, int]]) -> Votes:
    """Return the sum of rows of caller, positive and negative votes. An empty name stands for unknown callers."""
    sums: dict[str, tuple[int, int]] = {}
    for caller, positive, negative in rows:
        before = sums.get(caller, (0, 0))
        sums[caller] = (before[0] + positive, before[1] + negative)
    positives, negatives = (sum(each[place] for each in sums.values()) for place in (0, 1))
    known = ((caller, *each) for caller, each in sums.items() if caller and sum(each))
    return Votes(positives, negatives, tuple(known))


def _without(tally: Tally, votes: int, share: float) -> Tally:
    return Tally(tally.votes - votes, tally.callers - 1, round(tally.unhappy - share, _DIGITS))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
