"""One job: read the training part of a split, draw the noise bands, store both as JSON."""

import json
from random import Random
from typing import Any

import pyarrow.parquet as pq

from ratoon.jobs.v1.flywheel_jobs_pb2 import ProfileResult, ProfileSpec
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon_flywheel.domain.signals.drift import Baseline, baseline
from ratoon_flywheel.domain.signals.features import features

MAX_DOCUMENTS = 5000
"""Of more, a sample is profiled."""


def run(raw_spec: dict[str, Any], job: JobFolder) -> dict[str, Any]:
    """Compute the profile of a `ProfileSpec`; return a `ProfileResult`, both as JSON."""
    spec = from_json(ProfileSpec, raw_spec)
    artifacts = ArtifactStore(from_json(JobEnvironment, raw_spec).artifacts)
    with artifacts.open(spec.train_digest) as source:
        texts = pq.read_table(source, columns=["text"]).column("text").to_pylist()
    seed = int(spec.train_digest[:12], 16)
    if len(texts) > MAX_DOCUMENTS:
        texts = Random(seed).sample(texts, MAX_DOCUMENTS)
    job.progress(0.1, "Computing the noise band of drift.", done=0, total=len(texts), unit="texts")
    profile = baseline([features(text, spec.max_chars) for text in texts], seed)
    return to_json(
        ProfileResult(baseline_digest=artifacts.put_bytes(_encoded(profile)), documents=len(texts))
    )


def _encoded(profile: Baseline) -> bytes:
    document = {
        "size": profile.training.size,
        "counts": {feature.value: bins for feature, bins in profile.training.counts.items()},
        "null_bands": {feature.value: values for feature, values in profile.noise_bands.items()},
    }
    return json.dumps(document, sort_keys=True).encode()
