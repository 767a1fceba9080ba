"""Shares engines between keys, so that no key can fill them. For one event loop; it knows no protocol."""

import asyncio
from functools import partial

from ratoon_gateway.domain.errors import BadRequest, TooManyRequests
from ratoon_gateway.domain.routes import Route
from ratoon_gateway.domain.shares import Shares, Turn, share_of


class Fairness:
    """The shares of all deployments, of the slots that routes state. `slots`: of one engine, whatever routes state."""

    def __init__(self, slots: int, timeout_s: float) -> None:
        self._slots, self._timeout_s = slots, timeout_s
        self._shares: dict[str, Shares] = {}
        self._known: dict[str, int] = {}

    @property
    def waiting(self) -> int:
        """Return the number of waiting requests."""
        return sum(len(queue) for shares in self._shares.values() for queue in shares.waiting.values())

    async def enter(self, route: Route, key: str, choices: int) -> Turn:
        """Wait for a turn; TooManyRequests when it does not come in time, BadRequest when it never can."""
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        turn = Turn(key, choices, partial(_begin, started))
        slots = self._slots_of(route)
        if not slots:
            return turn
        if choices > share_of(slots):
            raise BadRequest(
                f"{route.id} computes {share_of(slots):,} answers at once for one API key; this request "
                f"asks for {choices:,}: lower `n`, or send fewer prompts at once.",
                "n",
                "INVALID_VALUE",
            )
        shares = self._shares.setdefault(route.deployment, Shares())
        if not shares.enter(turn, slots):
            await self._wait(started, shares, turn, route)
        return turn

    def leave(self, route: Route, turn: Turn) -> None:
        """The request has ended."""
        shares = self._shares.get(route.deployment)
        if shares is None or not turn.entered:
            return
        shares.leave(turn, self._slots_of(route))
        if shares.is_idle:
            del self._shares[route.deployment]

    async def _wait(self, started: "asyncio.Future[None]", shares: Shares, turn: Turn, route: Route) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await started
        except BaseException as error:
            if turn.entered:  # it may have begun after the cancellation, before this task ran again
                self.leave(route, turn)
            else:
                shares.give_up(turn)
                shares.release(self._slots_of(route))  # what waited behind it
            if isinstance(error, TimeoutError):
                raise TooManyRequests(
                    f"The open requests of this key use its whole share of {route.id}: wait for one of "
                    "them to end."
                ) from None
            raise

    def _slots_of(self, route: Route) -> int:
        """Return the slots of the engines that accept new requests; the last known number while there are none."""
        engines = len({target.process for target in route.targets if target.weight > 0})
        slots = self._slots * engines or route.slots
        if slots:
            self._known[route.deployment] = slots
        return slots or (0 if engines else self._known.get(route.deployment, self._slots))


def _begin(started: "asyncio.Future[None]") -> None:
    if not started.done():
        started.set_result(None)
