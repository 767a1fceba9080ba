"""One verification job: fetch, check, reload, record, describe, sign. It does not know what the version is for.

Spec: `artifacts` (store URL), `artifact_digest` (a model tree, whole or an adapter whose recipe names its base),
`golden_source_digest` (parquet with a column `text`; empty: built-in sentences), `golden_count`, `card` (`name`,
`changelog`, `scores`), and optionally `threads`, `warm` and `signing_key` (path of an EC key, PEM; without it a key
that is discarded signs, and the registry signs again with its own). Result: `artifact_digest` (of the tree with its
card), `signature_digest` and `golden_digest` (blobs), `parameter_count`, `size_bytes` (an adapter's: of its own
weights), `size_class`, `base_artifact_digest` and `base_signature_digest`, which are empty for a whole model, and
`generation` and `prompt`, what the artifact states about answers and prompts, and `notice`, files that were left out.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import ModelFolder, fetch_model
from ratoon_registry.domain.sizes import size_class
from ratoon_registry.worker import generation, golden, signature
from ratoon_registry.worker.card import CARD, model_card
from ratoon_registry.worker.inspection import drop_redundant_tokenizer, inspect, left_out
from ratoon_registry.worker.prompts import read_texts
from ratoon_registry.worker.reload import Reloaded

JSON = dict[str, Any]


class Stopped(Exception):
    """The job was cancelled."""

    reason = "CANCELLED"


def run(spec: JSON, job: JobFolder) -> JSON:
    """Do the job; raises Stopped, UnfitArtifact, NoStablePrompt or an artifact store's error."""
    store = ArtifactStore(spec["artifacts"])
    _report(job, 0.05, "Fetching and checking the files")
    inspection = inspect(store, spec["artifact_digest"])
    models = job.path / "models"
    try:
        fetched = fetch_model(store, spec["artifact_digest"], models)
        for name in inspection.left_out:
            (fetched.path / name).unlink()
        drop_redundant_tokenizer(fetched)
        return {**_verified(spec, job, store, fetched), "notice": left_out(inspection)}
    finally:
        shutil.rmtree(models, ignore_errors=True)


def _verified(spec: JSON, job: JobFolder, store: ArtifactStore, fetched: ModelFolder) -> JSON:
    folder = fetched.path
    texts = read_texts(store, spec.get("golden_source_digest", ""))
    _report(job, 0.3, "Reloading the model")
    model = Reloaded(fetched, int(spec.get("threads", 0)))
    _report(job, 0.6, "Recording golden prompts")
    recorded = golden.record(model, texts, int(spec.get("golden_count", 16)))
    _report(job, 0.9, "Signing")
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    card = model_card(folder, spec.get("card", {}), model.parameters, size_bytes)
    (folder / CARD).write_text(card, encoding="utf-8")
    key = Path(spec.get("signing_key") or signature.passing_key(job.path / "passing.pem"))
    signed = signature.sign(folder, key, job.path / "model.sig")
    signed_base = signature.sign(fetched.base, key, job.path / "base.sig") if fetched.base else None
    return {
        "artifact_digest": store.put_tree(folder),
        "signature_digest": store.put_file(signed),
        "golden_digest": store.put_bytes(json.dumps(recorded, sort_keys=True).encode()),
        "parameter_count": model.parameters,
        "size_bytes": size_bytes,
        "size_class": size_class(model.parameters, size_bytes),
        "base_artifact_digest": fetched.base_digest,
        "base_signature_digest": store.put_file(signed_base) if signed_base else "",
        "generation": asdict(generation.generation(fetched)),
        "prompt": asdict(generation.prompt_limits(fetched, model.positions)),
    }


def _report(job: JobFolder, fraction: float, message: str) -> None:
    if job.stop_requested():
        raise Stopped("The verification was cancelled.")
    job.progress(fraction, message)
