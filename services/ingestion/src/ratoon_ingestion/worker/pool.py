"""A pool of this process and spawned ones; results come back in the order of the inputs.

Inputs and results pass through files. Over a pipe, this process would have to read them in pieces of 64 KiB in a thread
that waits for its turn before each of them while the main thread computes, and the others would wait with it. A
process begins an input by renaming its file, so this one can take over whatever the others have not begun.

The spawned processes stay for the next curation of this process, so that a warm one pays their imports once. They end
with it.
"""

import ctypes
import os
import pickle
import signal
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 3
"""Batches in flight for each spawned process: enough to keep them busy, few enough to keep memory flat."""
_MAX_WAITING = 4 * _AHEAD
"""Batches for each process, in flight or done, that wait for an earlier one."""
_THREADS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_PR_SET_PDEATHSIG = 1


class WorkerCrashed(Exception):
    """A process of the pool died in the middle of a batch."""

    code, reason = "FAILED_PRECONDITION", "CURATION_CRASHED"


def mapped(
    function: Callable[[T], R], inputs: Iterable[T], processes: int, folder: Path | None = None
) -> Iterator[R]:
    """The function's results over the inputs, in order; this process computes those for which the others have no time.

    So it computes while the others start, and with two processes only one is spawned. They start before the first
    input is read. `folder`: for the files of inputs and results; without one, the system's for temporary files.
    """
    if processes <= 1:
        yield from map(function, inputs)
        return
    others, pickled = processes - 1, pickle.dumps(function, pickle.HIGHEST_PROTOCOL)
    waiting: deque[_Part[R]] = deque()
    with tempfile.TemporaryDirectory(prefix="parts-", dir=folder) as parts, _pool(others) as pool:
        for _ in range(others):
            pool.submit(_prepare, pickled)
        for number, item in enumerate(inputs):
            part = _Part[R](f"{parts}/{number}")
            waiting.append(part)
            if sum(not each.future.done() for each in waiting) <= _AHEAD * others:
                _write(part.path, item)
                part.future = pool.submit(_computed, pickled, part.path)
            else:
                part.set(function(item))
            while waiting and (waiting[0].future.done() or len(waiting) >= _MAX_WAITING * processes):
                yield waiting.popleft().result()
        while waiting:
            if (left := next((each for each in reversed(waiting) if _begun(each.path)), None)) is not None:
                left.set(function(_taken(left.path + _MINE)))
            while waiting and (waiting[0].future.done() or left is None):
                yield waiting.popleft().result()


@dataclass
class _Part(Generic[R]):
    """An input, by the path of its files, and its result."""

    path: str
    future: "Future[bool]" = field(default_factory=Future)
    """Whether the process that it was given to computed it, once it is known."""
    computed: list[R] = field(default_factory=list)
    """The result, if this process computed it."""

    def set(self, result: R) -> None:
        """Set the result that this process computed."""
        self.computed.append(result)
        self.future = Future()
        self.future.set_result(False)

    def result(self) -> R:
        """Wait for the result and return it; raises what the function raised."""
        if not self.future.result():
            return self.computed[0]
        result: R = _taken(self.path + _RESULT)
        return result


_MINE, _RESULT = ".mine", ".result"
"""Ends of the names of the files of an input that a process has begun, and of a result."""


def _write(path: str, value: Any) -> None:
    with open(path, "wb") as file:
        pickle.dump(value, file, pickle.HIGHEST_PROTOCOL)


def _taken(path: str) -> Any:
    """Return the content of a file, and remove it."""
    with open(path, "rb") as file:
        value = pickle.load(file)
    os.unlink(path)
    return value


def _begun(path: str) -> bool:
    """Begin an input, unless it was begun or never written."""
    try:
        os.rename(path, path + _MINE)
    except FileNotFoundError:
        return False
    return True


_pools: dict[int, ProcessPoolExecutor] = {}
"""The pool that is idle, by the number of its processes."""


@contextmanager
def _pool(others: int) -> Iterator[ProcessPoolExecutor]:
    """Take the idle pool, or a new one; afterwards it is the idle one, unless it lost a process."""
    pool = _pools.pop(others, None)
    _end_idle()
    if pool is None or not _is_alive(pool):
        pool = ProcessPoolExecutor(others, get_context("spawn"), initializer=_begin, initargs=(os.getpid(),))
    try:
        yield pool
    except BrokenProcessPool as error:
        pool.shutdown(wait=True, cancel_futures=True)
        raise WorkerCrashed(
            "A curation process died (out of memory?). Free memory, or curate less at a time."
        ) from error
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    _end_idle()
    _pools[others] = pool


def _end_idle() -> None:
    for others in list(_pools):
        _pools.pop(others).shutdown(wait=True)


def _is_alive(pool: ProcessPoolExecutor) -> bool:
    """Return whether the pool still has its processes."""
    try:
        pool.submit(os.getpid).result()
    except BrokenProcessPool:
        return False
    return True


def _prepare(function: bytes) -> None:
    """Import what a pickled function needs."""
    _loaded(function)


def _computed(function: bytes, path: str) -> bool:
    """Write the result of a pickled function, in a process of the pool; False if another one has begun the input."""
    if not _begun(path):
        return False
    _write(path + _RESULT, _loaded(function)(_taken(path + _MINE)))
    return True


@lru_cache(maxsize=1)
def _loaded(function: bytes) -> Callable[[Any], Any]:
    """Return the function; each process reads it once, whatever the number of inputs."""
    loaded: Callable[[Any], Any] = pickle.loads(function)
    return loaded


def _begin(parent: int) -> None:
    """A pool process ends with its parent, and leaves the cores to its siblings."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    pa.set_cpu_count(1)
    os.environ.update(dict.fromkeys(_THREADS, "1"))
