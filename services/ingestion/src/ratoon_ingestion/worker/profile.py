"""The profile of a dataset version: what its records look like, what each step removed. It holds no text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
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
from ratoon_ingestion.worker.arrays import Arrays, Numbers, is_new, sort_into
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
    """The profile of records that are added in blocks; memory does not grow with their number."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: for a file with the hashes of values; without one they are held in memory."""
        self.records = 0
        self.steps: Counter[str] = Counter()
        self._lengths: dict[str, Counter[int]] = {"chars": Counter(), "tokens": Counter()}
        self._distinct = _Distinct(folder)
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
        for name, lengths in self._lengths.items():
            for row in pc.value_counts(records.column(name)).to_pylist():
                lengths[row["values"]] += row["counts"]
        for name, counts in self._counts.items():
            column = _classes(records) if name == "source_label" else records.column(name)
            for row in pc.value_counts(column).to_pylist():
                counts[row["values"] or ""] += row["counts"]
        for row in records.column("attributes").to_pylist():
            for name, value in row:
                if name not in self._attributes:
                    self._attributes[name] = _Values(self._distinct, len(self._attributes))
                self._attributes[name].add(value)
            self.attachments.update(digests_in(dict(row)))
            self._with_attachments += bool(references(dict(row)))
        labels, chars = records.column("source_label").fill_null(""), records.column("chars")
        self._with_label += pc.sum(pc.not_equal(labels, "")).as_py() or 0
        self._with_text += pc.sum(pc.greater(chars, 0)).as_py() or 0
        times = records.column("received_time")
        span = pc.min_max(times).as_py()
        self._first = min(filter(None, (self._first, span["min"])), default=None)
        self._last = max(filter(None, (self._last, span["max"])), default=None)
        self._without_time += times.null_count
        self._sample = _sample([*self._sample, *records.column("record_id").to_pylist()])

    def result(self, counts: Counts, config: CurationConfig, duplicates: Mapping[str, int]) -> dict[str, Any]:
        """Return the profile of all records that were added."""
        chars, tokens = self._lengths.values()
        distinct = self._distinct.counts(len(self._attributes))
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
            "tokens_total": sum(value * count for value, count in tokens.items()),
            "languages": languages,
            "labels": labels,
            "sources": sources,
            "licences": licences,
            "attributes": {
                name: values.stated(distinct) for name, values in sorted(self._attributes.items())
            },
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

    def __init__(self, distinct: "_Distinct", number: int) -> None:
        self._counts: Counter[str] | None = Counter()
        self._distinct, self._number = distinct, number
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
            for each in self._counts:
                self._distinct.add(self._number, each)
            self._counts = None
            return
        self._distinct.add(self._number, value)

    def stated(self, distinct: Numbers) -> dict[str, int]:
        """Return the counts, or the number of values and of records; `distinct` has the former by attribute."""
        if self._counts is not None:
            return dict(sorted(self._counts.items()))
        return {"distinct": int(distinct[self._number]), "records": self._records}


class _Distinct:
    """Counts the different values of attributes by their hashes, which stand in a file."""

    def __init__(self, folder: Path | None) -> None:
        self._arrays, self._path = Arrays(folder), folder and folder / "values.hashes"
        self._waiting: list[tuple[int, int]] = []
        self._in_memory: list[bytes] = []
        if self._path is not None:
            self._path.write_bytes(b"")

    def add(self, number: int, value: str) -> None:
        """Add a value of an attribute, which has a number."""
        self._waiting.append((number, hash((number, value))))
        if len(self._waiting) >= _BUFFERED_VALUES:
            self._flush()

    def counts(self, attributes: int) -> Numbers:
        """Return how many different values each attribute has."""
        self._flush()
        stored = self._stored()
        keys, order = stored.view(np.uint64)[:, 1], self._arrays(len(stored), np.int64)
        counts = np.zeros(attributes, np.int64)
        for part in sort_into(order, keys):
            in_order = order[part]
            new = in_order[is_new(keys[in_order])]
            counts += np.bincount(stored[new, 0], minlength=attributes)
        return counts

    def _stored(self) -> npt.NDArray[np.int64]:
        """Return the number of the attribute and the hash of each value."""
        if self._path is None or not self._path.stat().st_size:
            return np.frombuffer(b"".join(self._in_memory), np.int64).reshape(-1, 2)
        return np.asarray(np.memmap(self._path, np.int64, "r")).reshape(-1, 2)

    def _flush(self) -> None:
        data = np.array(self._waiting, np.int64).tobytes()
        self._waiting = []
        if self._path is None:
            self._in_memory.append(data)
            return
        with self._path.open("ab") as file:
            file.write(data)


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


def _quantiles(lengths: Mapping[int, int]) -> dict[str, float]:
    """Return the mean and quantiles of lengths, given how often each occurs; interpolated as numpy does by default."""
    if not lengths:
        return {}
    values = np.array(sorted(lengths), np.int64)
    ends = np.cumsum([lengths[value] for value in values.tolist()])
    places = np.array(_QUANTILES) * (ends[-1] - 1)
    low = np.floor(places)
    before, after = (
        values[np.searchsorted(ends, np.minimum(place, ends[-1] - 1), "right")] for place in (low, low + 1)
    )
    share = places - low
    between = np.where(share < 0.5, before + (after - before) * share, after - (after - before) * (1 - share))
    mean = sum(value * count for value, count in lengths.items()) / int(ends[-1])
    return {"mean": round(mean, 1)} | {
        f"p{int(quantile * 100)}": round(float(value), 1)
        for quantile, value in zip(_QUANTILES, between, strict=True)
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
