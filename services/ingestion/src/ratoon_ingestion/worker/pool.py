"""A pool of this process and spawned ones; results come back in the order of the inputs.

The spawned processes stay for the next curation of this process, so that a warm one pays their imports once. They end
with it.
"""

import ctypes
import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context
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


def mapped(function: Callable[[T], R], inputs: Iterable[T], processes: int) -> Iterator[R]:
    """The function's results over the inputs, in order; this process computes those for which the others have no time.

    So it computes while the others start, and with two processes only one is spawned. They start before the first
    input is read.
    """
    if processes <= 1:
        yield from map(function, inputs)
        return
    others, pickled = processes - 1, pickle.dumps(function, pickle.HIGHEST_PROTOCOL)
    waiting: deque[_Part[T, R]] = deque()
    with _pool(others) as pool:
        for _ in range(others):
            pool.submit(_prepare, pickled)
        for item in inputs:
            part = _Part[T, R](item)
            waiting.append(part)
            if sum(not each.future.done() for each in waiting) <= _AHEAD * others:
                part.future = pool.submit(_computed, pickled, item)
            else:
                part.compute(function)
            while waiting and (waiting[0].future.done() or len(waiting) >= _MAX_WAITING * processes):
                yield waiting.popleft().future.result()
        while waiting:
            if (left := next((each for each in reversed(waiting) if each.future.cancel()), None)) is not None:
                left.compute(function)
            while waiting and (waiting[0].future.done() or left is None):
                yield waiting.popleft().future.result()


@dataclass
class _Part(Generic[T, R]):
    """An input, and its result."""

    item: T
    future: "Future[R]" = field(default_factory=Future)

    def compute(self, function: Callable[[T], R]) -> None:
        """Compute the result in this process."""
        self.future = Future()
        self.future.set_result(function(self.item))


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


def _computed(function: bytes, item: Any) -> Any:
    """Return the result of a pickled function, in a process of the pool."""
    return _loaded(function)(item)


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
