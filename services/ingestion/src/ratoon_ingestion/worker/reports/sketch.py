"""Summaries of many values in little memory: moments, quantiles, comoments and distinct values."""

from collections import Counter
from collections.abc import Sequence
from math import ceil, log, sqrt

import numpy as np
import numpy.typing as npt

from ratoon.ingestion.v1.profile_pb2 import ProfileReport

Floats = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]

RELATIVE_ERROR = 0.01
"""Relative error of quantiles at most."""
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = log(_GAMMA)
_SMALLEST = 1e-9
"""Absolute values below are zero."""
BINS = 30
"""Bins of a histogram."""
_LOGARITHMIC_FACTOR = 100.0
WHISKER = 1.5
"""Interquartile ranges between a quartile and the farthest value that is no outlier (Tukey)."""


class QuantileSketch:
    """Quantiles of finite values with a relative error of at most 1 %.

    Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees" (2019):
    values are counted in buckets whose bounds grow by a factor.
    """

    def __init__(self) -> None:
        self.count = 0
        self.minimum, self.maximum = float("inf"), float("-inf")
        self._buckets: Counter[tuple[int, int]] = Counter()

    def add(self, values: Floats) -> None:
        """Add finite values."""
        if not len(values):
            return
        self.count += len(values)
        self.minimum = min(self.minimum, float(values.min()))
        self.maximum = max(self.maximum, float(values.max()))
        for sign in (-1, 0, 1):
            chosen = np.abs(values[_signs(values) == sign])
            if not len(chosen):
                continue
            places = (
                np.ceil(np.log(chosen) / _LOG_GAMMA).astype(np.int64) if sign else np.zeros(len(chosen), int)
            )
            for place, count in zip(*np.unique(places, return_counts=True), strict=True):
                self._buckets[sign, int(place)] += int(count)

    def ordered(self) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Return one value of each bucket in ascending order, and the counts."""
        keys = sorted(self._buckets, key=lambda key: (key[0], key[0] * key[1]))
        values = np.array([_value(*key) for key in keys], np.float64)
        counts = np.array([self._buckets[key] for key in keys], np.int64)
        return np.clip(values, self.minimum, self.maximum), counts

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Return the quantiles at these shares; an empty list if there is no value."""
        if not self.count:
            return []
        values, counts = self.ordered()
        ranks = np.cumsum(counts)
        return [
            self._extreme(share)
            if share in (0, 1)
            else float(values[np.searchsorted(ranks, max(1, ceil(share * self.count)))])
            for share in shares
        ]

    def _extreme(self, share: float) -> float:
        return self.maximum if share else self.minimum

    def beyond(self, lower: float, upper: float) -> int:
        """Return about how many values lie outside of two bounds."""
        values, counts = self.ordered()
        return int(counts[(values < lower) | (values > upper)].sum())

    def histogram(self) -> ProfileReport.Histogram:
        """Return a histogram; its bins grow by a factor if the values are positive and span more than 100."""
        if not self.count:
            return ProfileReport.Histogram()
        low, high = self.minimum, self.maximum
        values, counts = self.ordered()
        if low == high:
            return ProfileReport.Histogram(edges=[low, high], counts=[self.count])
        is_logarithmic = low > 0 and high / low > _LOGARITHMIC_FACTOR
        bins = min(BINS, len(values))
        edges = np.geomspace(low, high, bins + 1) if is_logarithmic else np.linspace(low, high, bins + 1)
        edges[0], edges[-1] = low, high
        binned, _ = np.histogram(values, edges, weights=counts.astype(np.float64))
        return ProfileReport.Histogram(
            edges=edges.tolist(), counts=binned.astype(np.int64).tolist(), is_logarithmic=is_logarithmic
        )


def _signs(values: Floats) -> npt.NDArray[np.int64]:
    signs: npt.NDArray[np.int64] = np.where(np.abs(values) < _SMALLEST, 0, np.sign(values)).astype(np.int64)
    return signs


def _value(sign: int, place: int) -> float:
    """Return the value of a bucket that is within the relative error of all of its values."""
    return sign * 2 * _GAMMA**place / (_GAMMA + 1) if sign else 0.0


class Moments:
    """Mean and standard deviation of values that come in blocks (Chan, Golub and LeVeque, 1979)."""

    def __init__(self) -> None:
        self.count, self.mean, self._squares = 0, 0.0, 0.0

    def add(self, values: Floats) -> None:
        """Add finite values."""
        if not len(values):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(values.mean())
            squares = float(((values - mean) ** 2).sum())
        total, delta = self.count + len(values), mean - self.mean
        self._squares += squares + delta * delta * self.count * len(values) / total
        self.mean += delta * len(values) / total
        self.count = total

    @property
    def deviation(self) -> float:
        """Return the standard deviation of the sample; 0 for fewer than two values."""
        return sqrt(self._squares / (self.count - 1)) if self.count > 1 else 0.0


class Comoments:
    """Pearson correlations of columns whose rows come in blocks; rows with a missing value are left out."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self.count = 0
        self._means = np.zeros(len(names))
        self._products = np.zeros((len(names), len(names)))

    def add(self, rows: Floats) -> None:
        """Add rows, one column a name."""
        rows = rows[np.isfinite(rows).all(axis=1)]
        if not len(rows):
            return
        means = rows.mean(axis=0)
        centred = rows - means
        delta, total = means - self._means, self.count + len(rows)
        self._products += centred.T @ centred + np.outer(delta, delta) * self.count * len(rows) / total
        self._means += delta * len(rows) / total
        self.count = total

    def matrix(self) -> ProfileReport.CorrelationMatrix:
        """Return the coefficients; 0 where a column is constant."""
        deviations = np.sqrt(np.diag(self._products))
        scale = np.outer(deviations, deviations)
        with np.errstate(divide="ignore", invalid="ignore"):
            coefficients = np.where(scale > 0, self._products / scale, 0.0)
        clipped = np.nan_to_num(np.clip(coefficients, -1, 1))
        return ProfileReport.CorrelationMatrix(
            names=self.names, coefficients=clipped.ravel().tolist(), record_count=self.count
        )


class HashSample:
    """The hashes below a threshold that falls as more arrive: a fair sample of the distinct values of a column.

    All occurrences of a value are retained or none, so counts of the retained values are exact.
    """

    def __init__(self, max_retained: int) -> None:
        self._max, self._retained, self._size = max_retained, list[Hashes](), 0
        self.share = 1.0
        """Share of the distinct values that is retained."""

    def add(self, hashes: Hashes) -> None:
        """Add the hashes of values."""
        retained = hashes if self.share == 1 else hashes[hashes < self._threshold]
        self._retained.append(retained)
        self._size += len(retained)
        while self._size > self._max:
            self.share /= 2
            merged = np.concatenate(self._retained)
            self._retained = [merged[merged < self._threshold]]
            self._size = len(self._retained[0])

    @property
    def _threshold(self) -> np.uint64:
        return np.uint64(int(self.share * 2**64))

    def counts(self) -> tuple[Hashes, npt.NDArray[np.int64]]:
        """Return the distinct hashes that are retained, and how often each came."""
        merged = np.concatenate(self._retained) if self._retained else np.zeros(0, np.uint64)
        values, counts = np.unique(merged, return_counts=True)
        return values, counts.astype(np.int64)
