"""Links that verification adds to the parity certificate: the reference, its number formats, and the form before it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ratoon.neural.parity import Form, compare_forms, load, read, record, runtime, train_link
from ratoon.service.parity import measured_at
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import ModelFolder, fetch_model
from ratoon.tasks.parity import (
    Link,
    Scored,
    Step,
    Verdict,
    compare,
    compare_texts,
    link,
    recorded_prompts,
    text_scores,
    tolerance_of,
)
from ratoon_registry.worker.golden import PROMPT_TOKENS
from ratoon_registry.worker.inspection import UnfitArtifact, read_json
from ratoon_registry.worker.reload import Reloaded

_TRAINING = "training.json"
"""File in which training states curves, diagnosis, and what the model answered before it was saved."""
_TEXTS = 16
"""Texts of it that are read at most."""
_BITS = {8: "int8", 4: "int4"}


def form_of(folder: ModelFolder, model: Reloaded) -> Form:
    """Return the reloaded artifact as a form; verification has refused tensors that are missing."""
    return Form(folder, model.module, model.tokenizer)


def own_links(form: Form, recorded: Mapping[str, Any], digest: str) -> list[Link]:
    """Return the link of the reference, and one for each number format that was recorded beside it."""
    links = [_trained(form, train_link(form, digest))]
    reference = recorded_prompts(recorded)
    for name, rows in recorded.get("formats", {}).items():
        tolerance = tolerance_of(name, same_program=True)
        scores = [Scored(tuple(row["choices"]), tuple(row["logprobs"])) for row in rows]
        comparison = compare(reference, scores, tolerance)
        places = sum(len(each.tokens) for each in reference)
        links.append(
            link(
                Step.QUANTIZE,
                name,
                runtime(),
                digest,
                digest,
                comparison=comparison,
                tolerance=tolerance,
                recorded=places,
                inputs=links[0].inputs,
            )
        )
    return [replace(each, measure_time=measured_at(datetime.now(UTC))) for each in links]


def _trained(form: Form, reloaded: Link) -> Link:
    """Compare the reloaded model with what training wrote of it before it was saved, where it did."""
    path = form.folder.path / _TRAINING
    answers = read_json(path).get("answers") if path.exists() else None
    rows = form.model.get_input_embeddings().weight.shape[0]
    try:
        written = text_scores(answers["texts"][:_TEXTS]) if isinstance(answers, dict) else ()
        accepted = tolerance_of(str(answers["dtype"])) if isinstance(answers, dict) else None
    except (KeyError, TypeError, ValueError):
        return reloaded
    if (
        not written
        or accepted is None
        or any(max(each.ids) >= rows or len(each.ids) > PROMPT_TOKENS for each in written)
    ):
        return reloaded
    comparison = compare_texts(written, read(form.model, [each.ids for each in written]), accepted)
    return link(
        reloaded.step,
        reloaded.format,
        reloaded.runtime,
        reloaded.artifact_digest,
        reloaded.reference_digest,
        comparison=comparison,
        tolerance=accepted,
        recorded=comparison.places,
        inputs=reloaded.inputs,
    )


def derived_link(
    form: Form,
    recorded: Mapping[str, Any],
    store: ArtifactStore,
    reference_digest: str,
    digest: str,
    models: Path,
) -> Link:
    """Compare an artifact with the one of which it is another form; UnfitArtifact if it is not the same model."""
    before = load(fetch_model(store, reference_digest, models))
    greedy = record(before.model, [row["prompt_token_ids"] for row in recorded["prompts"]])
    number_format = format_of(form.folder.whole)
    step = Step.MERGE if before.is_adapter and not form.is_adapter else Step.QUANTIZE
    compared = compare_forms(
        before, form, greedy, number_format, step, artifact_digest=digest, reference_digest=reference_digest
    )
    if compared.verdict is Verdict.BEYOND:
        raise UnfitArtifact(
            compared.reason,
            f"It is not the same model as the version that it is derived from (compared as {number_format}): "
            f"{compared.message}",
        )
    return replace(compared, measure_time=measured_at(datetime.now(UTC)))


def small_link(library: str, digest: str) -> Link:
    """Return the link of a small model, which has neither template nor tokenizer of its own."""
    trained = link(Step.TRAIN, "float32", library, digest, digest)
    return replace(trained, measure_time=measured_at(datetime.now(UTC)))


def format_of(folder: Path) -> str:
    """Return the number format of a whole model's weights, as config.json states it."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    groups = (config.get("quantization_config") or {}).get("config_groups") or {}
    bits = [int((group.get("weights") or {}).get("num_bits", 0)) for group in groups.values()]
    if bits and min(bits) in _BITS:
        return _BITS[min(bits)]
    stated = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    return stated if stated in ("float16", "bfloat16") else "float32"
