"""Lease continuity: whether this process executed an operation last, by the fencing numbers of its claims."""

from collections.abc import Callable

from ratoon.operations.operations import Claim


class LeaseContinuity:
    """Consecutive claims of an operation have consecutive numbers, unless another process held one in between."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._new: set[str] = set()

    def tick(self, claim: Claim) -> None:
        """Record the claim of a new tick."""
        if self._last.get(claim.name) != claim.fence - 1:
            self._new.add(claim.name)
        self._last[claim.name] = claim.fence

    def act(self, claim: Claim, take_over: Callable[[], None]) -> None:
        """Call `take_over` before the first action since another process may have acted."""
        if claim.name in self._new:
            take_over()
            self._new.discard(claim.name)
