"""Small models of either kind, classical and neural: loaded by what their directory holds.

torch is imported for a neural model alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ratoon.classical.model import ClassicalModel, SmallModel
from ratoon.storage.models import NEURAL_CONFIG


def load(folder: Path) -> SmallModel:
    """Return the model of a directory; BadArtifact if it is none, or holds what may not be loaded."""
    if not (folder / NEURAL_CONFIG).is_file():
        return ClassicalModel.load(folder)
    from ratoon.neural.model import NeuralModel

    return NeuralModel.load(folder)


def of_files(files: Mapping[str, bytes]) -> SmallModel:
    """Return the model of an artifact's files by name; BadArtifact as `load`."""
    if NEURAL_CONFIG not in files:
        return ClassicalModel.of_files(files)
    from ratoon.neural.model import NeuralModel

    return NeuralModel.of_files(files)
