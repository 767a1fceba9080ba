"""Columns of a profile: numbers and values of records that come in blocks; memory does not grow with their number."""

from collections import Counter
from collections.abc import Sequence
from heapq import nlargest, nsmallest
from math import sqrt

import numpy as np
import numpy.typing as npt
import polars as pl

from ratoon.ingestion.v1.profile_pb2 import ProfileReport
from ratoon_ingestion.worker.reports.sketch import WHISKER, Floats, HashSample, Moments, QuantileSketch

SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
VALUE_CHARS = 200
"""Characters of a value at most."""
MAX_BOXES, _MAX_SKETCHED = 8, 64
"""Labels with a box plot, and labels whose quantiles are counted."""
_OUTLIERS = 10
_MAX_COUNTED, _PRUNED = 10_000, 5_000
"""Different values that are counted, and those that stay when there are more: the most frequent ones."""
_TOP = 50
_DISTINCT_SAMPLE = 1 << 14
_MAX_LABELS, _MAX_CROSSED = 30, 20
"""Rows and columns of a cross table."""
_FEW_REPEATED = 0.02
"""Share of values that come more than once below which a column has no top values: they are texts or names."""

Labels = Sequence[str | None]


class NumberColumn:
    """Values of a numeric column."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.missing = self.infinite = 0
        self._moments, self.sketch = Moments(), QuantileSketch()
        self._by_label: dict[str, QuantileSketch] = {}
        self._extremes: list[tuple[float, str]] = []

    def add(
        self, values: Floats, record_ids: Sequence[str], labels: Labels, is_missing: npt.NDArray[np.bool_]
    ) -> None:
        """Add the values of a block of records; missing ones are NaN."""
        finite = np.isfinite(values)
        self.missing += int(is_missing.sum())
        self.infinite += int((~finite & ~is_missing).sum())
        places = np.flatnonzero(finite)
        chosen = values[places]
        self._moments.add(chosen)
        self.sketch.add(chosen)
        self._add_extremes(chosen, places, record_ids)
        self._add_labels(values, finite, labels)

    def _add_extremes(self, chosen: Floats, places: npt.NDArray[np.int64], record_ids: Sequence[str]) -> None:
        if len(chosen) > 2 * _OUTLIERS:
            ends = np.argpartition(chosen, (_OUTLIERS, len(chosen) - _OUTLIERS))
            ends = np.concatenate([ends[:_OUTLIERS], ends[-_OUTLIERS:]])
        else:
            ends = np.arange(len(chosen))
        rows = [*self._extremes, *((float(chosen[end]), record_ids[places[end]]) for end in ends)]
        self._extremes = sorted({*nsmallest(_OUTLIERS, rows), *nlargest(_OUTLIERS, rows)})

    def _add_labels(self, values: Floats, finite: npt.NDArray[np.bool_], labels: Labels) -> None:
        names, codes = _coded(labels)
        for code, label in enumerate(names):
            if label not in self._by_label and len(self._by_label) >= _MAX_SKETCHED:
                continue
            self._by_label.setdefault(label, QuantileSketch()).add(values[finite & (codes == code)])

    def stated(self) -> ProfileReport.NumericColumn:
        """Return the column as a report states it."""
        quantiles = self.sketch.quantiles(SHARES)
        column = ProfileReport.NumericColumn(
            name=self.name,
            value_count=self.sketch.count,
            missing_count=self.missing,
            infinite_count=self.infinite,
            mean=_finite(self._moments.mean),
            standard_deviation=_finite(self._moments.deviation),
        )
        if not self.sketch.count:
            return column
        column.minimum, column.maximum = self.sketch.minimum, self.sketch.maximum
        column.quantiles.extend(
            ProfileReport.Quantile(share=share, value=value)
            for share, value in zip(SHARES, quantiles, strict=True)
        )
        column.histogram.CopyFrom(self.sketch.histogram())
        lower, upper = _fences(quantiles[2], quantiles[4])
        column.outlier_count = self.sketch.beyond(lower, upper)
        distant = sorted(
            ((max(lower - value, value - upper), record_id) for value, record_id in self._extremes),
            reverse=True,
        )
        column.outlier_record_ids.extend(each for distance, each in distant[:_OUTLIERS] if distance > 0)
        column.box_plots.extend(self._boxes())
        return column

    def _boxes(self) -> list[ProfileReport.BoxPlot]:
        known = [(label, sketch) for label, sketch in self._by_label.items() if sketch.count]
        known.sort(key=lambda pair: (-pair[1].count, pair[0]))
        return [_box(label, sketch) for label, sketch in known[:MAX_BOXES]]


def _finite(value: float) -> float:
    return float(np.nan_to_num(value))


def _fences(first: float, third: float) -> tuple[float, float]:
    return first - WHISKER * (third - first), third + WHISKER * (third - first)


def _box(label: str, sketch: QuantileSketch) -> ProfileReport.BoxPlot:
    first, median, third = sketch.quantiles((0.25, 0.5, 0.75))
    lower, upper = _fences(first, third)
    values, _ = sketch.ordered()
    within = values[(values >= lower) & (values <= upper)]
    return ProfileReport.BoxPlot(
        label=label,
        value_count=sketch.count,
        lower_whisker=min(first, float(within.min(initial=first))),
        first_quartile=first,
        median=median,
        third_quartile=third,
        upper_whisker=max(third, float(within.max(initial=third))),
    )


class ValueColumn:
    """Values of a column of texts, with the labels of their records."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values = 0
        self._counts: Counter[str] = Counter()
        self._is_pruned = False
        self._distinct = HashSample(_DISTINCT_SAMPLE)
        self._crossed: Counter[tuple[str, str]] | None = Counter()

    def add(self, values: pl.Series, labels: pl.Series) -> None:
        """Add values, and the label of each one's record; null where there is none."""
        rows = pl.DataFrame({"value": values.str.slice(0, VALUE_CHARS), "label": labels}).filter(
            pl.col("value").is_not_null()
        )
        self.values += len(rows)
        counted = rows.group_by("value").len()
        self._distinct.add(counted["value"].hash().to_numpy())
        for value, count in counted.iter_rows():
            self._counts[value] += count
        if len(self._counts) > _MAX_COUNTED:
            self._counts = Counter(dict(self._counts.most_common(_PRUNED)))
            self._is_pruned = True
        if self._crossed is not None:
            if self._is_pruned or len(self._counts) > _MAX_COUNTED // 10:
                self._crossed = None
                return
            pairs = rows.filter(pl.col("label").is_not_null()).group_by("label", "value").len()
            for label, value, count in pairs.iter_rows():
                self._crossed[label, value] += count

    @property
    def distinct(self) -> int:
        """Return the number of different values, estimated where there are many."""
        if not self._is_pruned:
            return len(self._counts)
        hashes, _ = self._distinct.counts()
        return round(len(hashes) / self._distinct.share)

    def stated(self, records: int) -> ProfileReport.ValueColumn:
        """Return the column as a report of this many records states it."""
        repeated = sum(count for count in self._counts.values() if count > 1)
        are_names = self.values > 1 and repeated < _FEW_REPEATED * self.values
        top = [] if are_names else [pair for pair in self._counts.most_common(_TOP) if pair[1] > 1]
        return ProfileReport.ValueColumn(
            name=self.name,
            value_count=self.values,
            missing_count=records - self.values,
            distinct_count=self.distinct,
            top_values=[ProfileReport.ValueCount(value=value, count=count) for value, count in top],
        )

    def crossed(self) -> ProfileReport.CrossTable | None:
        """Return the labels by the values; None if there are too many values, or but one of either."""
        if not self._crossed or not 2 <= len(self._counts) <= _MAX_CROSSED:
            return None
        by_label: Counter[str] = Counter()
        for (label, _), count in self._crossed.items():
            by_label[label] += count
        labels = [label for label, _ in by_label.most_common(_MAX_LABELS)]
        values = [value for value, _ in self._counts.most_common()]
        if len(labels) < 2:
            return None
        counts = np.array([[self._crossed[label, value] for value in values] for label in labels], np.int64)
        return ProfileReport.CrossTable(
            column=self.name,
            labels=labels,
            values=values,
            counts=counts.ravel().tolist(),
            association=association(counts),
        )


def association(counts: npt.NDArray[np.int64]) -> float:
    """Return Cramér's V with a bias correction, from 0 to 1.

    Bergsma, "A bias-correction for Cramér's V and Tschuprow's T" (2013).
    """
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    total, (rows, columns) = counts.sum(), counts.shape
    if total < 2 or min(rows, columns) < 2:
        return 0.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
    phi = float(((counts - expected) ** 2 / expected).sum() / total)
    corrected = max(0.0, phi - (rows - 1) * (columns - 1) / (total - 1))
    smaller = min(rows - (rows - 1) ** 2 / (total - 1), columns - (columns - 1) ** 2 / (total - 1)) - 1
    return min(1.0, sqrt(corrected / smaller)) if smaller > 0 else 0.0


def numbers_of(texts: pl.Series) -> Floats:
    """Return texts as numbers; NaN for what is none."""
    values: Floats = texts.str.strip_chars().cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    return values


def _coded(labels: Labels) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the different labels of a block, and the place of each record's label (-1: none)."""
    places: dict[str, int] = {}
    codes = [places.setdefault(label, len(places)) if label is not None else -1 for label in labels]
    return list(places), np.array(codes, np.int64)
