"""A pool of this process and spawned ones; results come back in the order of the inputs."""

import ctypes
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

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

    So it computes while the others start, and with two processes only one is spawned.
    """
    if processes <= 1:
        yield from map(function, inputs)
        return
    others = processes - 1
    with ProcessPoolExecutor(
        others, get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
    ) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in inputs:
                if sum(not each.done() for each in waiting) < _AHEAD * others:
                    waiting.append(pool.submit(partial(function, item)))
                else:
                    waiting.append(_computed(function, item))
                while waiting and (waiting[0].done() or len(waiting) >= _MAX_WAITING * processes):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise WorkerCrashed(
                "A curation process died (out of memory?). Free memory, or curate less at a time."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _computed(function: Callable[[T], R], item: T) -> Future[R]:
    result: Future[R] = Future()
    result.set_result(function(item))
    return result


def _begin(parent: int) -> None:
    """A pool process ends with its parent, and leaves the cores to its siblings."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    pa.set_cpu_count(1)
    os.environ.update(dict.fromkeys(_THREADS, "1"))
