"""One format: how its files are written, and how they are scored by the program that reads them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from safetensors import safe_open

from ratoon.tasks.parity import Finding, Scored
from ratoon_training.domain.errors import ExporterMissing
from ratoon_training.worker.exporting.source import Source


@dataclass
class Written:
    """Result of an exporter: what it wrote, and how it was compared."""

    number_format: str
    """Number format that selects the tolerance."""
    runtime: str
    """Program that scored the files, with its version; empty: they were not scored."""
    scores: Sequence[Scored] = ()
    finding: Finding | None = None
    """Difference that a comparison of the files determines."""
    tensor_counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    same_program: bool = False
    """Whether the program of the reference computed the scores too."""


class Exporter(Protocol):
    """Writes one format."""

    def export(self, source: Source, folder: Path) -> Written:
        """Write the files into an empty directory, and score them; TrainingError if it cannot."""
        ...


def safetensors_counts(folder: Path) -> dict[str, int]:
    """Return the number of tensors of each type in the safetensors files of a directory."""
    counts: Counter[str] = Counter()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="np") as tensors:
            counts.update(tensors.get_slice(name).get_dtype() for name in tensors.keys())  # noqa: SIM118
    return dict(sorted(counts.items()))


def missing(package: str, what: str, remedy: str) -> ExporterMissing:
    """Return the refusal of a format whose package is not installed."""
    return ExporterMissing(
        f"{what} needs {package}, which is not installed where exports are written: {remedy}"
    )
