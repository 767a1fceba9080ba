"""Sentence embeddings by the operator's model, and the search for texts of the same meaning."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ratoon_ingestion.worker.steps.registry import StepNotInstalled

Vectors = npt.NDArray[np.float32]

_BLOCK = 1_024


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
    """Return one vector of length 1 a text, the mean over its first tokens; StepNotInstalled without a model."""
    if not texts:
        return np.empty((0, 1), np.float32)
    try:
        from ratoon.operations.embeddings import Embedder, UnreadableModel
    except ImportError as error:
        raise StepNotInstalled(
            "The step semantic_duplicates needs torch and transformers in the environment of the ingestion workers: "
            f"{error}."
        ) from None
    try:
        return Embedder(directory).embed(texts)
    except UnreadableModel as error:
        raise StepNotInstalled(str(error)) from error


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
