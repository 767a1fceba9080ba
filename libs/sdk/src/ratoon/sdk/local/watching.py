"""Restart platform processes that exit, with growing pauses if they exit again."""

import threading
from collections.abc import Callable

from ratoon.chassis.errors import RatoonError
from ratoon.sdk.local.processes import Processes

LOOK_S = 1.0
_LONGEST_S = 60.0


def watch(
    processes: Processes, up: Callable[[], object], say: Callable[[str], None], stop: threading.Event
) -> None:
    """Call `up` whenever a process has exited, until `stop` is set or the installation is stopped."""
    pause = LOOK_S
    while not stop.wait(pause):
        if not processes.wanted():
            say("Ratoon was stopped; the watch ends.")
            return
        lost = processes.lost()
        if not lost:
            pause = LOOK_S
            continue
        say(f"Restarting after an unexpected exit: {', '.join(lost)}")
        pause = min(2 * pause, _LONGEST_S)
        try:
            up()
        except RatoonError as error:
            say(f"{error} Retrying in {pause:.0f} s.")
