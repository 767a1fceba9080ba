"""Marks that annotators set in a record: spans of its text, or boxes on its image.

An answer is a JSON list of marks, so that a model whose task is `generate` with JSON answers learns from them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from ratoon.tasks.generate import Form, Generate
from ratoon.tasks.kinds import TaskSpec


class MarkKind(StrEnum):
    """Kind of marks."""

    SPANS = "spans"
    BOXES = "boxes"


class Overlap(StrEnum):
    """Spans that may share characters."""

    NONE = "NONE"
    NESTED = "NESTED"
    """A span may lie within another one."""
    ANY = "ANY"


@dataclass(frozen=True)
class Spans:
    """Spans of a text, each with one of the labels. Offsets count Unicode code points from 0; the end is exclusive."""

    labels: tuple[str, ...]
    overlap: Overlap = Overlap.NONE
    kind: Literal[MarkKind.SPANS] = MarkKind.SPANS


@dataclass(frozen=True)
class Boxes:
    """Boxes on an image, each with one of the labels, in shares of its width and height."""

    labels: tuple[str, ...]
    image_attribute: str = "image"
    """Attribute of a record that holds the digest of the blob of its image."""
    kind: Literal[MarkKind.BOXES] = MarkKind.BOXES


Marks = Spans | Boxes
AnswerSpec = TaskSpec | Marks
"""What annotators enter: what the model answers with, or marks."""
MODEL_TASK = Generate(Form.JSON)
"""Task of a model that answers with marks."""


def model_task(spec: AnswerSpec) -> TaskSpec:
    """Return the task of the model that learns from the answers."""
    return MODEL_TASK if isinstance(spec, Marks) else spec
