"""Sentence embeddings in jobs, by a small local model: mean pooling over tokens, length 1, on the CPU.

The module imports torch and transformers, so that workers import it alone.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModel, AutoTokenizer

Vectors = npt.NDArray[np.float32]

MAX_TOKENS = 256
"""Tokens that are read of a text, or fewer if the model reads fewer."""
_BATCH = 32
_FILES = ("*.safetensors", "*.json", "*.txt", "*.model")


class UnreadableModel(Exception):
    """The embedding model of a directory cannot be loaded."""


class Embedder:
    """A model of a directory; nothing is downloaded, and no code of the directory is run."""

    def __init__(self, directory: Path) -> None:
        local = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(directory, **local)
            self._model = AutoModel.from_pretrained(
                directory, use_safetensors=True, dtype=torch.float32, **local
            ).eval()
        except (OSError, ValueError, KeyError) as error:
            raise UnreadableModel(f"The embedding model of {directory} cannot be loaded: {error}") from error
        self._directory = directory
        self._max_tokens = min(
            MAX_TOKENS, int(getattr(self._model.config, "max_position_embeddings", MAX_TOKENS))
        )

    def digest(self) -> str:
        """Return the SHA-256 of the files of the model."""
        digest = hashlib.sha256()
        for path in sorted({path for pattern in _FILES for path in self._directory.glob(pattern)}):
            digest.update(path.name.encode() + b"\0")
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def embed(self, texts: Sequence[str], report: Callable[[int], None] = lambda _done: None) -> Vectors:
        """Return one vector a text, (texts, width), in their order; texts of like length are embedded together.

        `report` gets the number of embedded texts after each batch.
        """
        if not texts:
            return np.empty((0, int(self._model.config.hidden_size)), np.float32)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        vectors: dict[int, Vectors] = {}
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            vectors |= dict(zip(chosen, self._batch([texts[place] for place in chosen]), strict=True))
            report(len(vectors))
        return np.stack([vectors[place] for place in range(len(texts))])

    def _batch(self, texts: Sequence[str]) -> Vectors:
        tokens = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._max_tokens, return_tensors="pt"
        )
        with torch.inference_mode():
            states = self._model(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
            pooled = (states * mask).sum(1) / mask.sum(1).clamp(min=1.0)
            vectors: Vectors = torch.nn.functional.normalize(pooled, dim=1).numpy()
        return vectors


def holds_model(directory: Path) -> bool:
    """Return whether a directory holds config.json and safetensors."""
    return (directory / "config.json").is_file() and any(directory.glob("*.safetensors"))
