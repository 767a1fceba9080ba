"""Curation on a Ray cluster: one task a batch, in the order of the batches, a bounded number at a time.

Tasks instead of a Ray dataset: batches come from readers of archives, mail folders and other streams, which no block
of a dataset can start in the middle of. A task whose node or process is lost runs again, alone, from its batch, which
stays in the object store of this job's node. Results that lie on a lost node are computed again in the same way.
"""

import atexit
import os
import pickle
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from ratoon.operations.ray import cluster
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.executor import Waits
from ratoon_ingestion.worker.pool import WorkerCrashed
from ratoon_ingestion.worker.ray_tasks import computed
from ratoon_ingestion.worker.stages import CuratedBatch, StageSettings, curate_batch

T = TypeVar("T")
R = TypeVar("R")

STORE_BYTES = 256 << 20
"""Bytes of the object store of this job's node, which holds the batches in flight."""
_AHEAD = 3
"""Batches in flight for each CPU of the cluster."""
_BATCH_BYTES = 2 << 20
"""Bytes of the object store that are reckoned for one batch in flight."""
_RETRIES = 5
"""Maximum number of times that a batch is curated again because its worker was lost."""
_OOM_RETRIES = "RAY_task_oom_retries"
"""Setting of Ray for workers that were killed because their node ran out of memory; by default it retries for ever."""
_CAPACITY_S = 2.0
"""Seconds between two looks at the number of CPUs of the cluster."""
_WAIT_S = 1.0
"""Seconds between two reports while no batch is ready."""
_FOLDER = "ratoon-curation-"


class WorkersDiffer(Exception):
    """The Ray workers run another release than this job."""

    code, reason = "FAILED_PRECONDITION", "CURATION_WORKERS_DIFFER"


@dataclass(frozen=True)
class RayCluster:
    """The CPUs of a Ray cluster; workers read from the artifact store what a batch does not bring along.

    It is the cluster of `RATOON_RAY_ADDRESS`, or one on this machine with `processes` CPUs.
    """

    store: ArtifactStore
    processes: int

    def curated(
        self, batches: Iterable[pa.RecordBatch], settings: StageSettings, waits: Waits
    ) -> Iterator[CuratedBatch]:
        """Yield the batches curated. WorkerCrashed when a batch loses its worker again and again."""
        if not cluster.started():
            os.environ[_OOM_RETRIES] = str(_RETRIES)
            cluster.start(size=cluster.NodeSize(self.processes, STORE_BYTES))
        curate = partial(
            curate_remotely,
            settings=_with_folders(settings, dict.fromkeys(_folders(settings), "")),
            folders={name: self.store.put_tree(Path(place)) for name, place in _folders(settings).items()},
            artifacts=self.store.url,
            release=_release(),
        )
        return ordered(curate, batches, waits)


def curate_remotely(
    batch: pa.RecordBatch, settings: StageSettings, folders: dict[str, str], artifacts: str, release: str
) -> CuratedBatch:
    """Curate a batch on a worker. `folders`: digests of the trees of the directories that the settings name."""
    if release != _release():
        raise WorkersDiffer(
            f"The job runs Ratoon {release}, a Ray worker runs {_release()}. Wait until all pods have been replaced, "
            "then build the version again."
        )
    places = _fetched(artifacts, frozenset(folders.values()))
    own = {name: places[digest] for name, digest in folders.items()}
    return curate_batch(batch, _with_folders(settings, own))


def ordered(function: Callable[[T], R], inputs: Iterable[T], waits: Waits) -> Iterator[R]:
    """Yield the function's results over the inputs, computed by Ray tasks, in the order of the inputs."""
    import ray

    task = ray.remote(num_cpus=1, max_retries=_RETRIES, scheduling_strategy="SPREAD")(computed)
    shared, capacity = ray.put(pickle.dumps(function)), _Capacity()
    in_flight: deque[Any] = deque()
    try:
        for item in inputs:
            in_flight.append(task.remote(shared, item))
            if len(in_flight) >= capacity.batches():
                yield _result(in_flight.popleft(), capacity, waits)
        while in_flight:
            yield _result(in_flight.popleft(), capacity, waits)
    finally:
        for reference in in_flight:
            ray.cancel(reference)


class _Capacity:
    """The CPUs of the cluster, which come and go."""

    def __init__(self) -> None:
        self._until, self._cpus = 0.0, 0

    def cpus(self) -> int:
        """Return the number of CPUs, as of at most two seconds ago."""
        import ray

        if time.monotonic() > self._until:
            self._cpus = int(ray.cluster_resources().get("CPU", 0))
            self._until = time.monotonic() + _CAPACITY_S
        return self._cpus

    def batches(self) -> int:
        """Return how many batches may be in flight."""
        return min(_AHEAD * max(self.cpus(), 1), STORE_BYTES // _BATCH_BYTES)

    def __str__(self) -> str:
        """Return the number of CPUs as text."""
        return f"{self.cpus()} CPU{'' if self.cpus() == 1 else 's'}"


def _result(reference: Any, capacity: _Capacity, waits: Waits) -> Any:
    """Wait for the result of a task and return it. What the function raised is raised here."""
    import ray
    from ray.exceptions import RayError, RayTaskError

    while not ray.wait([reference], timeout=_WAIT_S)[0]:
        waits(f"Waiting for a worker; the Ray cluster has {capacity}")
    try:
        return pickle.loads(ray.get(reference))
    except RayTaskError as error:
        raise error.cause from None
    except RayError as error:
        raise WorkerCrashed(
            f"A Ray worker died {_RETRIES + 1} times with one batch ({type(error).__name__}; out of memory?). Give the "
            "workers more memory, or let each offer fewer CPUs."
        ) from error


def _folders(settings: StageSettings) -> dict[str, str]:
    """Return the directories that the settings name, which are all their texts."""
    named = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {name: place for name, place in named.items() if isinstance(place, str) and place}


def _with_folders(settings: StageSettings, places: Mapping[str, Any]) -> StageSettings:
    return replace(settings, **places)


@cache
def _release() -> str:
    return installed_version("ratoon-ingestion")


_places: dict[str, str] = {}
"""Directories of this worker with the files of trees, by digest."""


def _fetched(artifacts: str, digests: frozenset[str]) -> dict[str, str]:
    """Return directories of this worker with the files of these trees. Those of other trees are removed."""
    for digest in _places.keys() - digests:
        shutil.rmtree(_places.pop(digest), ignore_errors=True)
    for digest in digests - _places.keys():
        _remove_former()
        place = tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-")
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        ArtifactStore(artifacts).fetch_tree(digest, Path(place))
        _places[digest] = place
    return _places


def _remove_former() -> None:
    """Remove directories of workers of this machine that were killed."""
    for place in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        if not Path(f"/proc/{place.name.removeprefix(_FOLDER).partition('-')[0]}").exists():
            shutil.rmtree(place, ignore_errors=True)
