"""The profile of a dataset version: what its records look like, what each step removed. It holds no text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.tasks.curation import DEFAULT_STEPS, Step, complete
from ratoon_ingestion.domain.assignment import order_key
from ratoon_ingestion.domain.attachments import digests_in, references
from ratoon_ingestion.domain.conversations import has_free_text
from ratoon_ingestion.domain.curation import CurationConfig, CurationStep
from ratoon_ingestion.worker.words import IDEOGRAPH_LENGTH, SYLLABLE_LENGTH

REPLACED = "characters_replaced"
"""The step of records in which characters could not be decoded."""
_SAMPLE = 20
_LISTED_VALUES = 50
"""Values of an attribute that are listed with their counts."""
_BUFFERED_VALUES = 1 << 16
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


class ProfileBuilder:
    """The profile of records that are added in blocks; memory holds two numbers of each."""

    def __init__(self) -> None:
        self.records = 0
        self.steps: Counter[str] = Counter()
        self._numbers: dict[str, list[npt.NDArray[np.int32]]] = {"chars": [], "tokens": []}
        self._counts: dict[str, Counter[str]] = {
            name: Counter() for name in ("language", "source_label", "source", "licence")
        }
        self._attributes: dict[str, _Values] = {}
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._without_time = 0
        self._sample: list[str] = []
        self.attachments: set[str] = set()
        """Digests of files that the records refer to."""
        self._with_attachments = self._with_text = self._with_label = 0

    def add(self, records: pa.Table) -> None:
        """Add records (without text: any of their other columns may be needed)."""
        self.records += records.num_rows
        self.steps.update(_steps(records))
        for name, numbers in self._numbers.items():
            numbers.append(records.column(name).to_numpy().astype(np.int32))
        for name, counts in self._counts.items():
            column = _classes(records) if name == "source_label" else records.column(name)
            for row in pc.value_counts(column).to_pylist():
                counts[row["values"] or ""] += row["counts"]
        for row in records.column("attributes").to_pylist():
            for name, value in row:
                self._attributes.setdefault(name, _Values()).add(value)
            self.attachments.update(digests_in(dict(row)))
            self._with_attachments += bool(references(dict(row)))
        labels, lengths = records.column("source_label").fill_null(""), records.column("chars")
        self._with_label += pc.sum(pc.not_equal(labels, "")).as_py() or 0
        self._with_text += pc.sum(pc.greater(lengths, 0)).as_py() or 0
        times = records.column("received_time")
        span = pc.min_max(times).as_py()
        self._first = min(filter(None, (self._first, span["min"])), default=None)
        self._last = max(filter(None, (self._last, span["max"])), default=None)
        self._without_time += times.null_count
        self._sample = _sample([*self._sample, *records.column("record_id").to_pylist()])

    def result(self, counts: Counts, config: CurationConfig, duplicates: Mapping[str, int]) -> dict[str, Any]:
        """Return the profile of all records that were added."""
        chars, tokens = (
            np.concatenate(numbers) if numbers else np.empty(0, np.int32)
            for numbers in self._numbers.values()
        )
        languages, labels, sources, licences = map(_by_frequency, self._counts.values())
        return {
            "items": counts.items,
            "records": counts.records,
            "rejected": counts.rejected_total,
            "removed": _removed(counts, config),
            "kept_though_short": self.steps["short_but_labelled"],
            "with_replaced_characters": self.steps[REPLACED],
            "with_guessed_charset": self.steps["charset_guessed"],
            "rules": _rules(config),
            "duplicates": dict(duplicates),
            "steps": dict(sorted(self.steps.items())),
            "chars": _quantiles(chars),
            "tokens": _quantiles(tokens),
            "tokens_total": int(tokens.sum(dtype=np.int64)),
            "languages": languages,
            "labels": labels,
            "sources": sources,
            "licences": licences,
            "attributes": {name: values.stated() for name, values in sorted(self._attributes.items())},
            "received": {
                "first": self._first.isoformat() if self._first else None,
                "last": self._last.isoformat() if self._last else None,
                "unknown": self._without_time,
            },
            "sample": self._sample,
            "with_attachments": self._with_attachments,
            "completeness": self._completeness(),
        }

    def _completeness(self) -> dict[str, float]:
        """Return the share of the records that have each field; an empty value is none."""
        present = {
            "text": self._with_text,
            "label": self._with_label,
            "time": self.records - self._without_time,
        }
        present |= {name: values.present for name, values in self._attributes.items() if name not in present}
        return {name: round(count / max(self.records, 1), 6) for name, count in sorted(present.items())}


class _Values:
    """How often each value of an attribute stands; of one with many values their number, by their hashes."""

    def __init__(self) -> None:
        self._counts: Counter[str] | None = Counter()
        self._hashes: list[npt.NDArray[np.int64]] = []
        self._new: list[int] = []
        self._records = 0
        self.present = 0
        """Number of records whose value is not empty."""

    def add(self, value: str) -> None:
        """Add the value of one record."""
        self._records += 1
        self.present += bool(value)
        if self._counts is not None:
            self._counts[value] += 1
            if len(self._counts) <= _LISTED_VALUES:
                return
            self._new = list(map(hash, self._counts))
            self._counts = None
            return
        self._new.append(hash(value))
        if len(self._new) >= _BUFFERED_VALUES:
            self._hashes = [self._distinct()]
            self._new = []

    def stated(self) -> dict[str, int]:
        """Return the counts, or the number of values and of records."""
        if self._counts is not None:
            return dict(sorted(self._counts.items()))
        return {"distinct": len(self._distinct()), "records": self._records}

    def _distinct(self) -> npt.NDArray[np.int64]:
        return np.unique(np.concatenate([*self._hashes, np.array(self._new, np.int64)]))


def profile_of(
    records: pa.Table, counts: Counts, config: CurationConfig, duplicates: Mapping[str, int]
) -> dict[str, Any]:
    """The profile of curated records (without text: any of their other columns may be needed)."""
    builder = ProfileBuilder()
    builder.add(records)
    return builder.result(counts, config, duplicates)


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


def _by_frequency(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _classes(records: pa.Table) -> pa.ChunkedArray:
    """The labels of the records, without those that are texts of their own, such as answers."""
    is_class = pa.array(
        [not has_free_text(dict(row or ())) for row in records["attributes"].to_pylist()], pa.bool_()
    )
    return records.column("source_label").filter(is_class)


def _quantiles(numbers: npt.NDArray[np.int32]) -> dict[str, float]:
    if not numbers.size:
        return {}
    values = np.quantile(numbers, _QUANTILES)
    return {"mean": round(float(numbers.mean()), 1)} | {
        f"p{int(quantile * 100)}": round(float(value), 1)
        for quantile, value in zip(_QUANTILES, values, strict=True)
    }


def _steps(records: pa.Table) -> Counter[str]:
    """How many records each step touched."""
    return Counter(
        name
        for steps in records.column("steps").to_pylist()
        for name in {step.partition(":")[0] for step in steps or ()}
    )


def _sample(record_ids: Sequence[str]) -> list[str]:
    """A few record ids, the same for the same records."""
    return sorted(record_ids, key=lambda record_id: order_key(0, record_id))[:_SAMPLE]
