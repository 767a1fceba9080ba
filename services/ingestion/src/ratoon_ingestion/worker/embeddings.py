"""Sentence embeddings by the operator's model, and the search for texts of the same meaning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon_ingestion.worker.steps.registry import StepNotInstalled

Vectors = npt.NDArray[np.float32]

MAX_TOKENS = 256
_BATCH, _BLOCK = 32, 1_024


def check_model(directory: str) -> None:
    """Raise StepNotInstalled unless there is a model in the directory."""
    folder = Path(directory)
    if not directory or not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise StepNotInstalled(
            "The step semantic_duplicates needs an embedding model: set RATOON_INGESTION_EMBEDDING_MODEL to a "
            "directory with config.json, a tokenizer and safetensors on the machines of the jobs, or leave the step "
            "out."
        )


def embedded(texts: Sequence[str], directory: Path) -> Vectors:
    """Return one vector of length 1 a text, the mean over its first tokens."""
    if not texts:
        return np.empty((0, 1), np.float32)
    tokenizer, model, torch = _loaded(directory)
    limit = min(MAX_TOKENS, int(getattr(model.config, "max_position_embeddings", MAX_TOKENS)))
    order = sorted(range(len(texts)), key=lambda place: (len(texts[place]), place))
    vectors: list[Vectors | None] = [None] * len(texts)
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        tokens = tokenizer(
            [texts[place] for place in chosen],
            padding=True,
            truncation=True,
            max_length=limit,
            return_tensors="pt",
        )
        with torch.inference_mode():
            states = model(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
            means = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1).clamp(min=1.0), dim=1)
        for place, vector in zip(chosen, means.numpy(), strict=True):
            vectors[place] = vector
    return np.stack([each for each in vectors if each is not None])


def _loaded(directory: Path) -> tuple[Any, Any, Any]:
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise StepNotInstalled(
            "The step semantic_duplicates needs torch and transformers in the environment of the ingestion workers: "
            f"{error}."
        ) from None
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, **local)
        model = AutoModel.from_pretrained(directory, use_safetensors=True, dtype=torch.float32, **local)
    except (OSError, ValueError, KeyError) as error:
        raise StepNotInstalled(f"The embedding model of {directory} cannot be loaded: {error}") from error
    return tokenizer, model.eval(), torch


def alike(vectors: Vectors, threshold: float) -> dict[int, tuple[int, float]]:
    """Return the rows that go, each with the row that stays for it and their cosine.

    Rows are taken in their order. One goes if it reaches the threshold with one that stays; rows that went are not
    compared with, so that no chain of small differences joins texts that differ.
    """
    gone: dict[int, tuple[int, float]] = {}
    stays: list[int] = []
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        if stays:
            cosines = block @ vectors[stays].T
            best = cosines.argmax(axis=1)
            for row in np.flatnonzero(cosines[np.arange(len(block)), best] >= threshold).tolist():
                gone[start + row] = (stays[best[row]], float(cosines[row, best[row]]))
        within = block @ block.T
        new: list[int] = []
        for row in range(len(block)):
            if start + row in gone:
                continue
            if new and within[row, new].max() >= threshold:
                first = new[int(within[row, new].argmax())]
                gone[start + row] = (start + first, float(within[row, first]))
            else:
                new.append(row)
        stays += [start + row for row in new]
    return gone
