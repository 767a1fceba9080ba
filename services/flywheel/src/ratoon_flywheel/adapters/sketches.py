"""Sketches of embeddings: `python -m ratoon_flywheel.worker.sketch` computes them, the result of its job holds them."""

import logging
import uuid
from collections.abc import Mapping, Sequence

from ratoon.jobs.v1.flywheel_jobs_pb2 import SketchKernel, SketchResult, SketchSpec
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import from_json, spec_json
from ratoon.operations.jobs import Jobs, JobState
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon_flywheel.application.ports import Lineage
from ratoon_flywheel.domain.signals.embeddings import EDITION, Kernel, Sketch
from ratoon_flywheel.domain.signals.monitor import BaselineState

_LOG = logging.getLogger(__name__)
WORKER = "ratoon_flywheel.worker.sketch"
_JOBS = uuid.UUID("0c8f6a5e-3a5d-4b52-9a3e-5f4f1f0b7a11")
_MAX_KNOWN = 1000


class JobSketches:
    """One job a name, the same for each request; ready sketches are cached in memory."""

    def __init__(self, jobs: Jobs, artifacts_url: str, lineage: Lineage, model: str) -> None:
        """`model` is the directory of the embedding model on the machines of the jobs."""
        self._jobs, self._artifacts_url, self._lineage, self._model = jobs, artifacts_url, lineage, model
        self._ready: dict[str, Sketch] = {}
        self._failed: set[str] = set()

    def state(self, name: str) -> BaselineState:
        """Return where a sketch stands; the reason of one that failed is logged once."""
        if name in self._ready:
            return BaselineState.READY
        status = self._jobs.observe(self._job(name))
        match status.state:
            case JobState.SUCCEEDED:
                self._remember(name, sketch_of(from_json(SketchResult, status.result)))
                return BaselineState.READY
            case JobState.RUNNING:
                return BaselineState.WORKING
            case JobState.ABSENT if name not in self._failed:
                return BaselineState.ABSENT
            case JobState.ABSENT:
                return BaselineState.FAILED
        if name not in self._failed:
            self._failed.add(name)
            _LOG.warning("the drift of embeddings cannot be measured: %s", status.message or status.state)
        return BaselineState.FAILED

    def start_training(self, name: str, version: str, max_chars: int) -> None:
        """Start the sketch of the training part of a version; it fails if the part is unknown."""
        try:
            digest = self._lineage.training_part(version)
        except (FailedPrecondition, InvalidArgument, NotFound) as error:
            _LOG.warning("the drift of embeddings cannot be measured: %s", error)
            self._failed.add(name)
            return
        self._start(name, SketchSpec(train_digest=digest, max_chars=max_chars, is_reference=True))

    def start_traffic(
        self,
        name: str,
        texts: Mapping[str, Sequence[str]],
        max_chars: int,
        kernel: Kernel,
        is_reference: bool,
    ) -> None:
        """Start the sketch of the questions of answers, whose ids stand under the digests of their segments."""
        spec = SketchSpec(
            segments=[SketchSpec.Segment(digest=digest, answer_ids=ids) for digest, ids in texts.items()],
            max_chars=max_chars,
            kernel=SketchKernel(bandwidth=kernel.bandwidth, model_digest=kernel.model_digest),
            is_reference=is_reference,
        )
        self._start(name, spec)

    def load(self, name: str) -> Sketch:
        """Return a sketch that is ready."""
        return self._ready[name]

    def forget(self, name: str) -> None:
        """Remove a sketch, or allow one that failed to be computed again."""
        self._ready.pop(name, None)
        self._failed.discard(name)
        self._jobs.forget(self._job(name))

    def _start(self, name: str, spec: SketchSpec) -> None:
        spec.model = self._model
        self._jobs.start(
            self._job(name), WORKER, spec_json(JobEnvironment(artifacts=self._artifacts_url), spec)
        )

    def _remember(self, name: str, sketch: Sketch) -> None:
        while len(self._ready) >= _MAX_KNOWN:
            del self._ready[next(iter(self._ready))]
        self._ready[name] = sketch

    def _job(self, name: str) -> str:
        return str(uuid.uuid5(_JOBS, f"{name} {EDITION} {self._model}"))


def sketch_of(result: SketchResult) -> Sketch:
    """Return the sketch of the result of a job."""
    kernel = Kernel(result.kernel.bandwidth, result.kernel.model_digest)
    return Sketch(kernel, tuple(result.mean), result.texts, tuple(result.noise_bands))
