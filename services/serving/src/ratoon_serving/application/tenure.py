"""Whether this process is the one that worked on an operation last, told from the numbers of its claims alone."""

from collections.abc import Callable

from ratoon.chassis.operations import Claim


class Tenures:
    """Claims of one operation in a row are numbered without a gap, unless somebody else had one in between."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._new: set[str] = set()

    def turn(self, claim: Claim) -> None:
        """A turn begins."""
        if self._last.get(claim.name) != claim.fence - 1:
            self._new.add(claim.name)
        self._last[claim.name] = claim.fence

    def act(self, claim: Claim, take_over: Callable[[], None]) -> None:
        """Something is about to be done: the first time since somebody else may have acted, take over before."""
        if claim.name in self._new:
            take_over()
            self._new.discard(claim.name)
