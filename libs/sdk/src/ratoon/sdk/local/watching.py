"""Sees to it that the platform's processes run: what died is started again, ever more rarely if it dies again."""

import threading
from collections.abc import Callable

from ratoon.chassis.errors import RatoonError
from ratoon.sdk.local.processes import Processes

LOOK_S = 1.0
_LONGEST_S = 60.0


def watch(
    processes: Processes, up: Callable[[], object], say: Callable[[str], None], stop: threading.Event
) -> None:
    """Call `up` whenever a process has died, until `stop` is set or somebody took the installation down."""
    pause = LOOK_S
    while not stop.wait(pause):
        if not processes.wanted():
            say("Ratoon was taken down; nothing is left to watch.")
            return
        lost = processes.lost()
        if not lost:
            pause = LOOK_S
            continue
        say(f"{', '.join(lost)} has died; starting it again")
        pause = min(2 * pause, _LONGEST_S)
        try:
            up()
        except RatoonError as error:
            say(f"{error} Trying again in {pause:.0f} s.")
