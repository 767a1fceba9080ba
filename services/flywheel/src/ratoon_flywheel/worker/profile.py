"""One job: read the training part of a split, or features of traffic, draw the noise bands, store both as JSON."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import pyarrow.parquet as pq

from ratoon.jobs.v1.flywheel_jobs_pb2 import ProfileResult, ProfileSpec
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.service import tasks
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks import kinds
from ratoon.tasks.kinds import TaskSpec
from ratoon_flywheel.domain.signals.drift import PROMPT_FEATURES, Baseline, baseline, compares_answers
from ratoon_flywheel.domain.signals.features import (
    ExchangeFeatures,
    TextFeatures,
    features,
    features_from_json,
)

MAX_DOCUMENTS = 5000
"""Of more, a sample is profiled."""


def run(raw_spec: dict[str, Any], job: JobFolder) -> dict[str, Any]:
    """Compute the profile of a `ProfileSpec`; return a `ProfileResult`, both as JSON."""
    spec = from_json(ProfileSpec, raw_spec)
    artifacts = ArtifactStore(from_json(JobEnvironment, raw_spec).artifacts)
    task = tasks.task_of(spec.task_spec) if spec.HasField("task_spec") else None
    digest = spec.features_digest or spec.train_digest
    seed = int(digest[:12], 16)
    documents = (
        features_from_json(artifacts.read(digest))
        if spec.features_digest
        else _training_documents(artifacts, digest, spec.max_chars, task, seed)
    )
    job.progress(0.1, "Computing the noise band of drift.", done=0, total=len(documents), unit="texts")
    compared = kinds.kind_of(task).DRIFT_INPUTS if task else PROMPT_FEATURES
    profile = baseline(documents, seed, compared)
    stored = artifacts.put_bytes(json.dumps(_fields(profile), sort_keys=True).encode())
    return to_json(ProfileResult(baseline_digest=stored, documents=len(documents)))


def _training_documents(
    artifacts: ArtifactStore, digest: str, max_chars: int, task: TaskSpec | None, seed: int
) -> list[TextFeatures]:
    with artifacts.open(digest) as source:
        part = pq.ParquetFile(source)
        columns = [name for name in ("text", "label") if name in part.schema_arrow.names]
        table = part.read(columns=columns if task else ["text"])
    texts = table.column("text").to_pylist()
    labels = table.column("label").to_pylist() if "label" in table.column_names else [None] * len(texts)
    rows: Sequence[tuple[str, str | None]] = list(zip(texts, labels, strict=True))
    if len(rows) > MAX_DOCUMENTS:
        rows = Random(seed).sample(rows, MAX_DOCUMENTS)
    return [_document(text, label, max_chars, task) for text, label in rows]


def _document(text: str, label: str | None, max_chars: int, task: TaskSpec | None) -> TextFeatures:
    prompt = features(text, max_chars)
    if task is None or not label:
        return prompt
    answer, reply = ("", features(label, max_chars)) if compares_answers(task) else (label, None)
    canonical = kinds.parse(task, answer) or ""
    return ExchangeFeatures(prompt.words, prompt.length, prompt.language, canonical, reply)


def _fields(profile: Baseline) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "size": profile.training.size,
        "counts": {feature.value: bins for feature, bins in profile.training.counts.items()},
        "edges": profile.edges,
        "slices": {name: _fields(part) for name, part in profile.slices.items()},
    }
    bands = {"null_bands": profile.noise_bands, "js_bands": profile.js_bands, "psi_bands": profile.psi_bands}
    for name, by_feature in bands.items():
        fields[name] = {feature.value: values for feature, values in by_feature.items()}
    return fields
