"""Type of a step of curation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class StepResult:
    """Result of a step for a batch, one value a row; None: nothing is changed, or nothing removed."""

    texts: pa.Array | None = None
    """New texts; null keeps the text of the row."""
    removed: pa.Array | None = None
    """Reasons in UPPER_SNAKE_CASE for which rows are removed; null keeps the row."""


StepFunction = Callable[[pa.RecordBatch, Mapping[str, str]], StepResult]
"""A step, which is called with a batch and its parameters as text, and depends on nothing else.

The batch has the columns `text`, `source_path`, `source_label`, `licence`, `language` (null before the step `language`)
and `attributes`. The text of a conversation is that of all its messages and answers. A step that changes texts is
called again for them, one message or answer a row, with the other columns null.
"""
