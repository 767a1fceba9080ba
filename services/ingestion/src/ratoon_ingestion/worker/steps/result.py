"""Type of a step of curation."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa


@dataclass(frozen=True)
class StepResult:
    """Result of a step for a batch, one value a row; None: nothing is changed, or nothing removed."""

    texts: pa.Array | None = None
    """New texts; null keeps the text of the row."""
    removed: pa.Array | None = None
    """Reasons in UPPER_SNAKE_CASE for which rows are removed; null keeps the row."""
    attributes: pa.Array | None = None
    """Attributes to store with each row, as a map of texts; null adds none."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Further numbers for the report of the step, by name."""


def attribute(name: str, values: Iterable[str | None]) -> pa.Array:
    """Return a column that stores one attribute; None stores nothing with the row."""
    rows = [[] if value is None else [(name, value)] for value in values]
    return pa.array(rows, pa.map_(pa.string(), pa.string()))


StepFunction = Callable[[pa.RecordBatch, Mapping[str, str]], StepResult]
"""A step, which is called with a batch and its parameters as text, and depends on nothing else.

The batch has the columns `text`, `source_path`, `source_label`, `licence`, `language` (null before the step `language`)
and `attributes`. The text of a conversation is that of all its messages and answers. A step that changes texts is
called again for them, one message or answer a row, with the other columns null.
"""
