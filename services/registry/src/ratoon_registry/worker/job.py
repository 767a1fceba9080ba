"""One verification job: fetch, check, reload, record, describe, sign. It does not know what the version is for.

Reads a `VerificationSpec` and writes a `VerificationResult`. The texts for golden prompts are a Parquet file with a
column `text`; the signing key is an EC key (PEM).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ratoon.common.v1.generation_pb2 import GenerationDefaults
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.registry_jobs_pb2 import VerificationResult, VerificationSpec
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.service.compute import compute_of, dtypes_of
from ratoon.service.parity import link_message
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import ModelFolder, fetch_model
from ratoon.tasks.compute import Dtype
from ratoon_registry.domain.sizes import size_class
from ratoon_registry.worker import generation, golden, parity, signature
from ratoon_registry.worker.card import CARD, model_card
from ratoon_registry.worker.inspection import drop_redundant_tokenizer, inspect, left_out
from ratoon_registry.worker.prompts import read_texts
from ratoon_registry.worker.reload import Reloaded, device_of

JSON = dict[str, Any]

_GOLDEN_COUNT = 16
"""Golden prompts of a spec that does not state their number."""


class Stopped(Exception):
    """The job was cancelled."""

    reason = "CANCELLED"


def run(raw_spec: JSON, job: JobFolder) -> JSON:
    """Do the job; raises Stopped, AcceleratorMissing, UnfitArtifact, NoStablePrompt or an artifact store's error."""
    spec = from_json(VerificationSpec, raw_spec)
    device_of(compute_of(spec.compute).accelerator)
    store = ArtifactStore(from_json(JobEnvironment, raw_spec).artifacts)
    _report(job, 0.05, "Fetching and checking the files")
    inspection = inspect(store, spec.artifact_digest)
    models = job.path / "models"
    try:
        fetched = fetch_model(store, spec.artifact_digest, models)
        for name in inspection.left_out:
            (fetched.path / name).unlink()
        drop_redundant_tokenizer(fetched)
        result = _verified(spec, job, store, fetched)
        result.notice = left_out(inspection)
        return to_json(result)
    finally:
        shutil.rmtree(models, ignore_errors=True)


def _verified(
    spec: VerificationSpec, job: JobFolder, store: ArtifactStore, fetched: ModelFolder
) -> VerificationResult:
    folder = fetched.path
    texts = read_texts(store, spec.golden_source_digest)
    _report(job, 0.3, "Reloading the model")
    if fetched.is_small:
        return _verified_small(spec, job, store, fetched, texts)
    model = Reloaded(fetched, spec.threads, device_of(compute_of(spec.compute).accelerator))
    _report(job, 0.6, "Recording golden prompts")
    recorded = golden.record(model, texts, spec.golden_count or _GOLDEN_COUNT)
    recorded = golden.in_formats(model, recorded, _formats(spec))
    form = parity.form_of(fetched, model)
    derived = []
    if spec.reference_digest:
        _report(job, 0.75, "Comparing with the version that it is derived from")
        own, reference = spec.artifact_digest, spec.reference_digest
        derived.append(parity.derived_link(form, recorded, store, reference, own, folder.parent))
    _report(job, 0.9, "Signing")
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    card = model_card(folder, spec.card, model.parameters, size_bytes, usage=spec.training_usage)
    (folder / CARD).write_text(card, encoding="utf-8")
    key = Path(spec.signing_key or signature.passing_key(job.path / "passing.pem"))
    signed = signature.sign(folder, key, job.path / "model.sig")
    signed_base = signature.sign(fetched.base, key, job.path / "base.sig") if fetched.base else None
    digest = store.put_tree(folder)
    links = [
        *parity.own_links(form, recorded, digest),
        *(replace(each, artifact_digest=digest) for each in derived),
    ]
    return VerificationResult(
        artifact_digest=digest,
        signature_digest=store.put_file(signed),
        golden_digest=store.put_bytes(json.dumps(recorded, sort_keys=True).encode()),
        parameter_count=model.parameters,
        size_bytes=size_bytes,
        size_class=size_class(model.parameters, size_bytes),
        base_artifact_digest=fetched.base_digest,
        base_signature_digest=store.put_file(signed_base) if signed_base else "",
        generation=GenerationDefaults(**asdict(generation.generation(fetched))),
        prompt=VerificationResult.PromptLimits(**asdict(generation.prompt_limits(fetched, model.positions))),
        parity_links=map(link_message, links),
    )


def _verified_small(
    spec: VerificationSpec, job: JobFolder, store: ArtifactStore, fetched: ModelFolder, texts: list[str]
) -> VerificationResult:
    from ratoon_registry.worker import classical

    folder = fetched.path
    model = classical.load(folder)
    _report(job, 0.6, "Recording golden prompts")
    recorded = classical.record(model, texts, spec.golden_count or _GOLDEN_COUNT)
    _report(job, 0.9, "Signing")
    size_bytes = sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != CARD
    )
    card = model_card(folder, spec.card, model.parameters, size_bytes, model.library, spec.training_usage)
    (folder / CARD).write_text(card, encoding="utf-8")
    key = Path(spec.signing_key or signature.passing_key(job.path / "passing.pem"))
    signed = signature.sign(folder, key, job.path / "model.sig")
    digest = store.put_tree(folder)
    return VerificationResult(
        artifact_digest=digest,
        signature_digest=store.put_file(signed),
        golden_digest=store.put_bytes(json.dumps(recorded, sort_keys=True).encode()),
        parameter_count=model.parameters,
        size_bytes=size_bytes,
        size_class=size_class(model.parameters, size_bytes),
        generation=GenerationDefaults(),
        parity_links=[link_message(parity.small_link(model.library, digest))],
    )


def _formats(spec: VerificationSpec) -> list[Dtype]:
    """Return the number formats to record beside the reference."""
    named = (compute_of(spec.compute).dtype, *dtypes_of(spec.dtypes))
    return [dtype for dtype in dict.fromkeys(named) if dtype is not Dtype.FLOAT32]


def _report(job: JobFolder, fraction: float, message: str) -> None:
    if job.stop_requested():
        raise Stopped("The verification was cancelled.")
    job.progress(fraction, message)
