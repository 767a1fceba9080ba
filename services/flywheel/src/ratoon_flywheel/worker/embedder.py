"""The operator's embedding model, for drift: vectors in the precision of the statistics that are computed of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ratoon.operations import embeddings
from ratoon.operations.embeddings import UnreadableModel, holds_model

Vectors = npt.NDArray[np.float64]


class BadModel(Exception):
    """The directory holds no embedding model."""

    code, reason = "FAILED_PRECONDITION", "BAD_EMBEDDING_MODEL"


class Embedder:
    """A model of a directory."""

    def __init__(self, directory: Path) -> None:
        if not holds_model(directory):
            raise BadModel(
                f"{directory} holds no embedding model with config.json and safetensors: put one there, or set "
                "RATOON_FLYWHEEL_EMBEDDING_MODEL to a directory that has one on the machines of the jobs."
            )
        try:
            self._model = embeddings.Embedder(directory)
        except UnreadableModel as error:
            raise BadModel(str(error)) from error
        self.digest = self._model.digest()

    def embed(self, texts: Sequence[str], report: Callable[[int], None] = lambda _done: None) -> Vectors:
        """Return one vector a text, in their order."""
        return self._model.embed(texts, report).astype(np.float64)
