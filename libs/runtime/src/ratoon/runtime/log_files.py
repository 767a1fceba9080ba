"""Log files of bounded size: a process rotates its own, and bounds those of its children. It knows no line's content.

- Own file: the process renames it and puts a new one under standard output and standard error (`dup2`), so that no line
  is lost, whichever thread or library wrote it.
- A child's file: the child writes by a descriptor of its own, so the file is copied and then emptied. A line that the
  child writes between the two, some microseconds, can be lost.
"""

import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ratoon.process.backoff import Backoff
from ratoon.process.loop import BackgroundLoop

OWN_FILE = "RATOON_LOG_FILE"
"""The environment variable that names the file under a process's standard output and error."""
FILE_BYTES = 20 << 20
BACKUP_COUNT = 4
"""Number of older files that are retained."""
_CHILD_FILES = ("log.txt", "warm.log")
_CHILD_BACKUP_COUNT = 1
_DEPTH = 4
_POLL_S = 20.0
_LOG = logging.getLogger(__name__)


class OwnFile:
    """The file under standard output and standard error of this process."""

    def __init__(self, path: Path, file_bytes: int = FILE_BYTES, backup_count: int = BACKUP_COUNT) -> None:
        self._path, self._bytes, self._backup_count = path, file_bytes, backup_count

    def rotate_if_full(self) -> None:
        """Begin a new file once this one is full."""
        with suppress(OSError):
            if os.fstat(2).st_size >= self._bytes and _is_open_at(2, self._path):
                self._rotate()

    def _rotate(self) -> None:
        _shift(self._path, self._backup_count)
        self._path.rename(_numbered(self._path, 1))
        fresh = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(fresh, 1)
        os.dup2(fresh, 2)
        os.close(fresh)


class RotatingHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to standard error and rotates the file beneath."""

    def __init__(self, file: OwnFile) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._file.rotate_if_full()
        super().emit(record)


class ChildFiles:
    """Bounds the log files of engines, jobs and warm workers in these directories, on a thread of its own."""

    def __init__(self, folders: Iterable[Path], file_bytes: int = FILE_BYTES) -> None:
        self._folders, self._bytes = list(folders), file_bytes
        self._loop = BackgroundLoop(
            "log-files",
            self._step,
            first_delay_s=_POLL_S,
            backoff=Backoff(_POLL_S, _POLL_S),
            on_failure=_log_failure,
        )

    def start(self) -> None:
        """Begin."""
        self._loop.start()

    def stop(self) -> None:
        """End."""
        self._loop.stop(5.0)

    def rotate(self) -> None:
        """Copy and empty each file that is full."""
        for folder in self._folders:
            for path in _child_files(folder):
                with suppress(FileNotFoundError):
                    if path.stat().st_size >= self._bytes:
                        _empty(path)

    def _step(self) -> float:
        self.rotate()
        return _POLL_S


def _log_failure(_error: Exception) -> None:
    _LOG.exception("log files could not be bounded; trying again")


def lines(path: Path, follow: bool, pause_s: float = 0.2) -> Iterator[str]:
    """The lines of a log, older files first, and with `follow` those still to come, over each rotation."""
    for older in sorted(_older(path), key=_number, reverse=True):
        with suppress(FileNotFoundError), older.open(errors="replace") as log:
            yield from (line.rstrip("\n") for line in log)
    log = path.open(errors="replace")
    try:
        while True:
            line = log.readline()
            if line:
                yield line.rstrip("\n")
            elif not follow:
                return
            elif _is_over(log.fileno(), log.tell(), path):
                yield from (rest.rstrip("\n") for rest in log)
                log.close()
                log = path.open(errors="replace")
            else:
                time.sleep(pause_s)
    finally:
        log.close()


def _is_over(descriptor: int, position: int, path: Path) -> bool:
    """Return whether a file was replaced by a new one, or emptied."""
    with suppress(FileNotFoundError):
        held, current = os.fstat(descriptor), path.stat()
        return (held.st_dev, held.st_ino) != (current.st_dev, current.st_ino) or current.st_size < position
    return False


def _is_open_at(descriptor: int, path: Path) -> bool:
    held, current = os.fstat(descriptor), path.stat()
    return (held.st_dev, held.st_ino) == (current.st_dev, current.st_ino)


def _empty(path: Path) -> None:
    _shift(path, _CHILD_BACKUP_COUNT)
    copy = _numbered(path, 1)
    with (
        path.open("rb") as source,
        open(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as sink,
    ):
        shutil.copyfileobj(source, sink)
        while more := source.read():
            sink.write(more)
        os.truncate(path, 0)


def _shift(path: Path, backup_count: int) -> None:
    """Make place for a new first one of the older files."""
    for number in range(backup_count - 1, 0, -1):
        with suppress(FileNotFoundError):
            _numbered(path, number).rename(_numbered(path, number + 1))


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _older(path: Path) -> list[Path]:
    return [each for each in path.parent.glob(f"{path.name}.*") if each.suffix[1:].isdigit()]


def _number(path: Path) -> int:
    return int(path.suffix[1:])


def _child_files(folder: Path, depth: int = _DEPTH) -> Iterator[Path]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name in _CHILD_FILES and entry.is_file(follow_symlinks=False):
            yield Path(entry.path)
        elif depth and entry.is_dir(follow_symlinks=False):
            yield from _child_files(Path(entry.path), depth - 1)
