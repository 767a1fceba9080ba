"""One job, `python -m ratoon_flywheel.worker.sketch <job folder>`: embed texts and return their sketch.

Noise bands are the 99th percentile under permutation: the texts of the reference are divided at random into a sample
and the rest. Both MMD² and its null distribution scale with 1/n + 1/N (n texts in the sample, N in the reference), to
which the bands are rescaled.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ratoon.jobs.v1.flywheel_jobs_pb2 import SketchKernel, SketchResult, SketchSpec
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.operations.warm import main
from ratoon.process.errors import FailedPrecondition, NotFound
from ratoon.storage.artifacts import ArtifactStore
from ratoon_flywheel.adapters.traffic import ArtifactSegments
from ratoon_flywheel.domain.errors import BadSegment
from ratoon_flywheel.domain.signals.drift import QUANTILE, SAMPLE_SIZES
from ratoon_flywheel.domain.signals.features import unmasked
from ratoon_flywheel.domain.signals.monitor import MIN_TEXTS
from ratoon_flywheel.domain.signals.traffic import Exchange, content_digest
from ratoon_flywheel.worker.embedder import Embedder, Vectors

FREQUENCIES = 256
"""Random frequencies of the kernel; each gives a cosine and a sine."""
MAX_TEXTS = 2000
"""Of more, a sample is embedded."""
PERMUTATIONS = 500
_MEDIAN_OF = 500
"""Texts whose distances give the bandwidth."""
_SEED = 20_240_229


class FewTexts(Exception):
    """There are too few texts for a sketch."""

    code, reason = "FAILED_PRECONDITION", "FEW_TEXTS"


def run(raw_spec: dict[str, Any], job: JobFolder) -> dict[str, Any]:
    """Compute the sketch of a `SketchSpec`; return a `SketchResult`, both as JSON."""
    spec = from_json(SketchSpec, raw_spec)
    artifacts = ArtifactStore(from_json(JobEnvironment, raw_spec).artifacts)
    texts = _texts(spec, artifacts)
    if len(texts) < MIN_TEXTS:
        raise FewTexts(f"Embedding drift needs {MIN_TEXTS} different texts; there are {len(texts)}.")
    embedder = Embedder(Path(spec.model))
    vectors = embedder.embed(texts, _reporter(job, len(texts)))
    bandwidth = spec.kernel.bandwidth if spec.HasField("kernel") else median_distance(vectors)
    features = fourier_features(vectors, bandwidth)
    result = SketchResult(
        kernel=SketchKernel(bandwidth=bandwidth, model_digest=embedder.digest),
        mean=features.mean(0).tolist(),
        texts=len(texts),
        noise_bands=permutation_bands(features) if spec.is_reference else (),
    )
    return to_json(result)


def median_distance(vectors: Vectors) -> float:
    """Return the median distance of different texts; 1 if all of them are alike."""
    some = vectors[:_MEDIAN_OF]
    squares = np.maximum(2.0 - 2.0 * some @ some.T, 0.0)[np.triu_indices(len(some), 1)]
    return float(np.sqrt(np.median(squares))) or 1.0


def fourier_features(vectors: Vectors, bandwidth: float) -> Vectors:
    """Return random Fourier features, whose inner product estimates the Gaussian kernel of two vectors."""
    draws = np.random.Generator(np.random.PCG64(_SEED))
    angles: Vectors = vectors @ (draws.standard_normal((vectors.shape[1], FREQUENCIES)) / bandwidth)
    features: Vectors = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(FREQUENCIES)
    return features


def permutation_bands(features: Vectors) -> list[float]:
    """Return the 99th percentile of MMD² between samples of each of SAMPLE_SIZES and the reference, by chance."""
    draws = np.random.Generator(np.random.PCG64(_SEED))
    count, total = len(features), features.sum(0)
    sizes = [min(size, count // 2) for size in SAMPLE_SIZES]
    far = np.empty((PERMUTATIONS, len(sizes)))
    for row in far:
        order = draws.permutation(count)[: sizes[-1]]
        summed, start = np.zeros_like(total), 0
        for place, size in enumerate(sizes):
            summed = summed + features[order[start:size]].sum(0)
            start = size
            row[place] = np.square(summed / size - (total - summed) / (count - size)).sum()
    quantiles = np.quantile(far, QUANTILE, axis=0, method="higher")
    return [
        float(value * (1 / target + 1 / count) / (1 / size + 1 / (count - size)))
        for value, target, size in zip(quantiles, SAMPLE_SIZES, sizes, strict=True)
    ]


def _texts(spec: SketchSpec, artifacts: ArtifactStore) -> list[str]:
    """Return the different texts, as drift reads them: without what curation masks."""
    raw = _training_texts(spec, artifacts) if spec.train_digest else _traffic_texts(spec, artifacts)
    texts = [text for text in (unmasked(each[: spec.max_chars]).strip() for each in raw) if text]
    distinct = list({content_digest(text): text for text in texts}.values())
    return Random(_SEED).sample(distinct, MAX_TEXTS) if len(distinct) > MAX_TEXTS else distinct


def _training_texts(spec: SketchSpec, artifacts: ArtifactStore) -> list[str]:
    with artifacts.open(spec.train_digest) as source:
        column = pq.ParquetFile(source).read(columns=["text"]).column("text")
    return [text for text in column.to_pylist() if text]


def _traffic_texts(spec: SketchSpec, artifacts: ArtifactStore) -> list[str]:
    """Return the questions of the answers; segments that were deleted meanwhile have none."""
    segments, texts = ArtifactSegments(artifacts), list[str]()
    for segment in spec.segments:
        answer_ids = frozenset(segment.answer_ids)
        try:
            rows = list(segments.read(segment.digest))
        except (BadSegment, FailedPrecondition, NotFound):
            continue
        texts += [row.text for row in rows if isinstance(row, Exchange) and row.answer_id in answer_ids]
    return texts


def _reporter(job: JobFolder, total: int) -> Callable[[int], None]:
    def report(done: int) -> None:
        job.progress(done / total, "Embedding texts.", done=done, total=total, unit="texts")

    return report


if __name__ == "__main__":
    sys.exit(main("ratoon_flywheel.worker.sketch:run", sys.argv[1:]))
