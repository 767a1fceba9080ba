"""Table of a compression: measurements of a model and of its smaller form."""

from collections.abc import Mapping, Sequence
from typing import Any

JSON = Mapping[str, Any]

METHODS = {
    "METHOD_INT8": "8-bit integers (W8A8)",
    "METHOD_INT4": "4-bit integers (W4A16)",
    "METHOD_BFLOAT16": "bfloat16",
    "METHOD_FLOAT16": "float16",
    "METHOD_PRUNED": "half of the weights zero",
}
"""Number formats of a form, by their values."""
_MEASURED = (
    ("sizeBytes", "Size on disk", "size"),
    ("weightMemoryBytes", "Memory of the weights", "size"),
    ("tokensPerSecond", "Tokens a second, one request", "decimal"),
    ("batchTokensPerSecond", "Tokens a second, eight requests", "decimal"),
    ("dtype", "Computed in", "text"),
    ("runtime", "Computed by", "text"),
)


def rows(compression: JSON) -> Sequence[tuple[str, Any, Any, str]]:
    """Return label, value of the source, value of the compressed model and kind of value of each measurement."""
    source, compressed = compression.get("source") or {}, compression.get("compressed") or {}
    if not source:
        return []
    measured = [
        (label, _shown(source.get(name)), _shown(compressed.get(name)), kind)
        for name, label, kind in _MEASURED
    ]
    metrics = compressed.get("metrics") or {}
    own = source.get("metrics") or {}
    return [
        *measured,
        *(
            (name.replace("_", " "), own.get(name, 0.0), value, "decimal")
            for name, value in sorted(metrics.items())
        ),
    ]


def _shown(value: Any) -> Any:
    return (
        value.removeprefix("DTYPE_").lower()
        if isinstance(value, str) and value.startswith("DTYPE_")
        else value
    )
