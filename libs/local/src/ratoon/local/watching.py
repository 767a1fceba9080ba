"""Restart platform processes that exit, with growing pauses if they exit again."""

import threading
from collections.abc import Callable

from ratoon.local.processes import Processes
from ratoon.process.backoff import Backoff
from ratoon.process.errors import RatoonError

POLL_S = 1.0
_BACKOFF = Backoff(2 * POLL_S, 60.0)


def watch(
    processes: Processes, up: Callable[[], object], say: Callable[[str], None], stop: threading.Event
) -> None:
    """Call `up` whenever a process has exited, until `stop` is set or the installation is stopped."""
    pause, restarts = POLL_S, 0
    while not stop.wait(pause):
        if not processes.desired():
            say("Ratoon was stopped; the watch ends.")
            return
        lost = processes.lost()
        if not lost:
            pause, restarts = POLL_S, 0
            continue
        say(f"Restarting after an unexpected exit: {', '.join(lost)}")
        restarts += 1
        pause = _BACKOFF.delay_s(restarts)
        try:
            up()
        except RatoonError as error:
            say(f"{error} Retrying in {pause:.0f} s.")
