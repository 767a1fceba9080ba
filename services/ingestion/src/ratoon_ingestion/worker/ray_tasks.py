"""What a Ray worker runs. It imports nothing heavy before the environment is set that heavy libraries read."""

import os
import pickle
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pyarrow as pa

_ONE_THREAD = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def computed(function: bytes, item: Any) -> bytes:
    """Return the pickled result of a pickled function.

    The result is one text of bytes, because a part of an object would keep all of it in shared memory.
    """
    return pickle.dumps(_loaded(function)(item), protocol=pickle.HIGHEST_PROTOCOL)


@lru_cache(maxsize=1)
def _loaded(function: bytes) -> Callable[[Any], Any]:
    """Return the function, which has one thread: each CPU of the node has a worker of its own."""
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    pa.set_cpu_count(1)
    loaded: Callable[[Any], Any] = pickle.loads(function)
    return loaded
