"""Wakes consumers in any process of the machine without polling: each one sleeps on a named pipe per topic.

A pipe without a reader was left by a killed process; the next writer removes it. A wake
may be missed (a crash between commit and wake), so consumers also poll.
"""

import os
import select
import uuid
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path


def wake(folder: Path, topics: Collection[str]) -> None:
    """Wake all who wait for one of these topics."""
    for topic in topics:
        with suppress(FileNotFoundError):
            for pipe in os.scandir(folder / topic):
                _ring(pipe.path)


def _ring(pipe: str) -> None:
    try:
        file = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        with suppress(OSError):
            os.unlink(pipe)
        return
    with suppress(BlockingIOError):  # a full pipe: its reader will wake anyway
        os.write(file, b"!")
    os.close(file)


class Bell:
    """Named pipe on which one consumer sleeps."""

    def __init__(self, folder: Path, topics: Collection[str]) -> None:
        self._pipes: dict[int, Path] = {}
        self._poll = select.poll()
        name = uuid.uuid4().hex
        for topic in topics:
            (folder / topic).mkdir(parents=True, exist_ok=True, mode=0o700)
            hidden, pipe = folder / f".{name}", folder / topic / name
            os.mkfifo(hidden, 0o600)
            # Both ends are ours, so the pipe never reads as closed; it is shown only once it has a reader.
            file = os.open(hidden, os.O_RDWR | os.O_NONBLOCK)
            self._pipes[file] = pipe
            self._poll.register(file, select.POLLIN)
            hidden.rename(pipe)

    def wait(self, timeout_s: float) -> None:
        """Sleep until one of the topics has something new, or until the timeout."""
        for file, _ in self._poll.poll(max(0.0, timeout_s) * 1000):
            os.read(file, 4096)

    def ring(self) -> None:
        """End a wait that is in progress, or the next one; safe on any thread."""
        for file in self._pipes:
            with suppress(OSError):  # a full pipe, or one that was closed meanwhile
                os.write(file, b"!")
            return

    def close(self) -> None:
        """Take the pipes away."""
        for file, pipe in self._pipes.items():
            os.close(file)
            pipe.unlink(missing_ok=True)
        self._pipes = {}
