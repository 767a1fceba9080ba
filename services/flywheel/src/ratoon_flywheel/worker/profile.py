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
    answer_status,
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
        else _training_documents(artifacts, spec, task, seed)
    )
    job.progress(0.1, "Computing the noise band of drift.", done=0, total=len(documents), unit="texts")
    compared = kinds.kind_of(task).DRIFT_INPUTS if task else PROMPT_FEATURES
    profile = baseline(documents, seed, compared, spec.slices)
    stored = artifacts.put_bytes(json.dumps(_fields(profile), sort_keys=True).encode())
    return to_json(ProfileResult(baseline_digest=stored, documents=len(documents)))


def _training_documents(
    artifacts: ArtifactStore, spec: ProfileSpec, task: TaskSpec | None, seed: int
) -> list[TextFeatures]:
    columns = ["text", *(["label"] if task else []), *(["attributes"] if spec.slices else [])]
    with artifacts.open(spec.train_digest) as source:
        part = pq.ParquetFile(source)
        table = part.read(columns=[name for name in columns if name in part.schema_arrow.names])
    rows: Sequence[dict[str, Any]] = table.to_pylist()
    if len(rows) > MAX_DOCUMENTS:
        rows = Random(seed).sample(rows, MAX_DOCUMENTS)
    return [_document(row, spec, task) for row in rows]


def _document(row: dict[str, Any], spec: ProfileSpec, task: TaskSpec | None) -> TextFeatures:
    prompt, label = features(row["text"], spec.max_chars), row.get("label")
    attributes = dict(row.get("attributes") or ())
    slices = {name: attributes[name] for name in spec.slices if attributes.get(name)}
    if task is None or not label:
        plain = prompt.words, prompt.length, prompt.language
        return ExchangeFeatures(*plain, slices=slices) if slices else prompt
    answer, reply = ("", features(label, spec.max_chars)) if compares_answers(task) else (label, None)
    canonical = kinds.parse(task, answer) or ""
    status = answer_status(label, kinds.parse(task, label) is not None, kinds.kind_of(task).FREE_TEXT)
    return ExchangeFeatures(prompt.words, prompt.length, prompt.language, canonical, reply, status, slices)


def _fields(profile: Baseline) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "size": profile.training.size,
        "counts": {feature.value: bins for feature, bins in profile.training.counts.items()},
        "edges": profile.edges,
        "slices": {name: _fields(part) for name, part in profile.slices.items()},
    }
    bands = {
        "null_bands": profile.noise_bands,
        "js_bands": profile.js_bands,
        "psi_bands": profile.psi_bands,
        "tails": profile.tails,
        "js_tails": profile.js_tails,
        "psi_tails": profile.psi_tails,
    }
    for name, by_feature in bands.items():
        fields[name] = {feature.value: values for feature, values in by_feature.items()}
    return fields
