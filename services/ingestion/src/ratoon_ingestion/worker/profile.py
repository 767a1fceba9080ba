"""The profile of a dataset version: what its records look like, what each step removed. It holds no text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.tasks.curation import DEFAULT_STEPS, Step, complete
from ratoon_ingestion.domain.assignment import order_key
from ratoon_ingestion.domain.conversations import has_free_text
from ratoon_ingestion.domain.curation import CurationConfig, CurationStep
from ratoon_ingestion.worker.words import IDEOGRAPH_LENGTH, SYLLABLE_LENGTH

REPLACED = "characters_replaced"
"""The step of records in which characters could not be decoded."""
_SAMPLE = 20
_QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)


@dataclass(frozen=True)
class Counts:
    """Items read, records stored, items rejected by (step, reason)."""

    items: int
    records: int
    rejected: Mapping[tuple[str, str], int]
    added: int = 0
    """Records that a step added to those read: segments of a text beyond the first."""

    @property
    def rejected_total(self) -> int:
        """All rejected items."""
        return sum(self.rejected.values())

    @property
    def balanced(self) -> bool:
        """Whether every item that was read, or was added, is either a record or a rejection."""
        return self.items + self.added == self.records + self.rejected_total


def profile_of(
    records: pa.Table, counts: Counts, config: CurationConfig, duplicates: Mapping[str, int]
) -> dict[str, Any]:
    """The profile of curated records (without text: any of their other columns may be needed)."""
    return {
        "items": counts.items,
        "records": counts.records,
        "rejected": counts.rejected_total,
        "removed": _removed(counts, config),
        "kept_though_short": with_step(records, "short_but_labelled"),
        "with_replaced_characters": with_step(records, REPLACED),
        "with_guessed_charset": with_step(records, "charset_guessed"),
        "rules": _rules(config),
        "duplicates": dict(duplicates),
        "steps": _steps(records),
        "chars": _quantiles(records.column("chars")),
        "tokens": _quantiles(records.column("tokens")),
        "tokens_total": pc.sum(records.column("tokens")).as_py() or 0,
        "languages": _counts(records.column("language")),
        "labels": _counts(_classes(records)),
        "sources": _counts(records.column("source")),
        "licences": _counts(records.column("licence")),
        "attributes": _attributes(records.column("attributes")),
        "received": _span(records.column("received_time")),
        "sample": _sample(records.column("record_id").to_pylist()),
    }


def _order(steps: Sequence[Step]) -> list[str]:
    """Return the names of all steps that reject items, in the order in which they run."""
    fixed = [step.value for step in CurationStep if step not in DEFAULT_STEPS]
    first = fixed.index(CurationStep.ERASURE) + 1
    return [*fixed[:first], *(step.name for step in complete(steps)), *fixed[first:]]


def _removed(counts: Counts, config: CurationConfig) -> list[dict[str, Any]]:
    order = _order(config.steps)
    rows = sorted(counts.rejected.items(), key=lambda row: (order.index(row[0][0]), row[0][1]))
    return [{"step": step, "reason": reason, "count": count} for (step, reason), count in rows]


def _rules(config: CurationConfig) -> dict[str, str]:
    threshold = config.near_duplicate_threshold
    return {
        "length": f"Records under {config.min_chars} characters are dropped, except labelled ones and prompts. A "
        f"Chinese character counts as {IDEOGRAPH_LENGTH}, one of kana, hangul or a script without spaces as "
        f"{SYLLABLE_LENGTH}.",
        "replaced_characters": (
            f"a version fails if more than {config.max_replaced_share:.0%} of its texts contain them"
        ),
        "code": "kept" if config.keep_code else "files of code, settings and program packages are rejected",
        "languages": ", ".join(config.languages) or "all",
        "exact_duplicates": "one of several identical texts is kept" if config.exact_duplicates else "kept",
        "near_duplicates": f"one record of a cluster at similarity {threshold:g} is kept"
        if threshold
        else "kept",
        "masks": ", ".join(mask.value for mask in config.masks) or "none",
    }


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    pairs = [(row["values"] or "", row["counts"]) for row in pc.value_counts(column).to_pylist()]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _classes(records: pa.Table) -> pa.ChunkedArray:
    """The labels of the records, without those that are texts of their own, such as answers."""
    is_class = pa.array(
        [not has_free_text(dict(row or ())) for row in records["attributes"].to_pylist()], pa.bool_()
    )
    return records.column("source_label").filter(is_class)


def _quantiles(column: pa.ChunkedArray) -> dict[str, float]:
    if not len(column):
        return {}
    numbers = column.to_numpy()
    values = np.quantile(numbers, _QUANTILES)
    return {"mean": round(float(numbers.mean()), 1)} | {
        f"p{int(quantile * 100)}": round(float(value), 1)
        for quantile, value in zip(_QUANTILES, values, strict=True)
    }


def with_step(records: pa.Table, step: str) -> int:
    """How many records a step touched."""
    return _steps(records).get(step, 0)


def _steps(records: pa.Table) -> dict[str, int]:
    """How many records each step touched."""
    counts = Counter(
        name
        for steps in records.column("steps").to_pylist()
        for name in {step.partition(":")[0] for step in steps or ()}
    )
    return dict(sorted(counts.items()))


def _attributes(column: pa.ChunkedArray) -> dict[str, dict[str, int]]:
    """How often each value of each attribute stands; those with many values give their number, and that of records."""
    counts: dict[str, Counter[str]] = {}
    for row in column.to_pylist():
        for name, value in row:
            counts.setdefault(name, Counter())[value] += 1
    return {
        name: dict(sorted(values.items()))
        if len(values) <= 50
        else {"distinct": len(values), "records": values.total()}
        for name, values in sorted(counts.items())
    }


def _span(column: pa.ChunkedArray) -> dict[str, Any]:
    span = pc.min_max(column).as_py()
    first, last = span["min"], span["max"]
    return {
        "first": first.isoformat() if first else None,
        "last": last.isoformat() if last else None,
        "unknown": column.null_count,
    }


def _sample(record_ids: Sequence[str]) -> list[str]:
    """A few record ids, the same for the same records."""
    return sorted(record_ids, key=lambda record_id: order_key(0, record_id))[:_SAMPLE]
