"""Analyses of a table: association rules (Apriori) and clusters (k-means)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl

from ratoon.classical.columns import Column, Type

MAX_ITEMS = 200
"""Values that rules are made of: the most frequent ones."""
_BINS = ("low", "middle", "high")
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """Rows with the values `conditions` often have the value `outcome`."""

    conditions: tuple[str, ...]
    outcome: str
    support: float
    """Share of the rows that have all of these values."""
    confidence: float
    """Share of the rows with the values `conditions` that have the other one."""
    lift: float
    """Confidence over the share of all rows that have the value `outcome`; 1: they are independent."""


@dataclass(frozen=True)
class Cluster:
    """A group of similar rows."""

    rows: int
    means: Mapping[str, float]
    """Mean of each numeric column."""
    answers: Mapping[str, int]
    """Rows by answer, the most frequent first, ten at most."""


def items_of(data: pl.DataFrame, columns: Sequence[Column], answers: Sequence[str]) -> dict[str, Bools]:
    """Return which rows have which values: categories, thirds of numbers, and answers."""
    items: dict[str, Bools] = {}
    for column in columns:
        values = data[column.name]
        if column.type is Type.CATEGORY:
            for name in values.drop_nulls().unique().sort().to_list()[: 2 * MAX_ITEMS]:
                items[f"{column.name} = {name}"] = (values == name).fill_null(False).to_numpy()
        elif values.drop_nulls().n_unique() > 1:
            numbers = values.to_numpy()
            low, high = np.nanquantile(numbers, (1 / 3, 2 / 3))
            thirds = (numbers <= low, (numbers > low) & (numbers <= high), numbers > high)
            items |= {f"{column.name} is {name}": third for name, third in zip(_BINS, thirds, strict=True)}
    own = np.array(answers, dtype=object)
    items |= {f"answer = {answer}": own == answer for answer in sorted(set(answers))[:MAX_ITEMS]}
    return {name: np.asarray(rows, dtype=np.bool_) for name, rows in items.items()}


def association_rules(
    items: Mapping[str, Bools],
    min_support: float = 0.05,
    min_confidence: float = 0.6,
    max_items: int = 3,
    limit: int = 100,
) -> list[Rule]:
    """Return rules by falling lift (Agrawal and Srikant 1994): every part of a frequent set of values is frequent."""
    shares = {name: float(rows.mean()) for name, rows in items.items()}
    single = sorted(
        (name for name in items if shares[name] >= min_support), key=lambda name: (-shares[name], name)
    )
    level: dict[tuple[str, ...], Bools] = {(name,): items[name] for name in sorted(single[:MAX_ITEMS])}
    known = {names: float(rows.mean()) for names, rows in level.items()}
    rules: list[Rule] = []
    for _ in range(max_items - 1):
        level = _joined(level, known, min_support)
        known |= {names: float(rows.mean()) for names, rows in level.items()}
        for names in level:
            for place, outcome in enumerate(names):
                conditions = names[:place] + names[place + 1 :]
                confidence = known[names] / known[conditions]
                if confidence >= min_confidence and confidence > shares[outcome]:
                    rules.append(
                        Rule(conditions, outcome, known[names], confidence, confidence / shares[outcome])
                    )
    return sorted(rules, key=lambda rule: (-rule.lift, -rule.support, rule.conditions, rule.outcome))[:limit]


def clusters(
    values: npt.NDArray[np.float64],
    numbers: Mapping[str, npt.NDArray[np.float64]],
    answers: Sequence[str],
    seed: int = 0,
    max_clusters: int = 8,
) -> list[Cluster]:
    """Return the groups of similar rows, the largest first; their number has the best silhouette of two and more.

    `values` are prepared rows, `numbers` the columns that the means are of. No groups of fewer than four rows.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    different = len(np.unique(values, axis=0))
    best: tuple[float, npt.NDArray[np.int64]] | None = None
    for count in range(2, min(max_clusters, different - 1, len(values) - 1) + 1):
        places = KMeans(count, n_init=4, random_state=seed).fit_predict(values)
        score = float(silhouette_score(values, places, sample_size=min(2000, len(values)), random_state=seed))
        if best is None or score > best[0]:
            best = score, np.asarray(places, dtype=np.int64)
    if best is None or len(values) < 4:
        return []
    groups = [np.flatnonzero(best[1] == number) for number in range(int(best[1].max()) + 1)]
    return [
        _cluster(rows, numbers, answers)
        for rows in sorted(groups, key=lambda rows: (-len(rows), rows[:1].tolist()))
    ]


def _joined(
    level: Mapping[tuple[str, ...], Bools], known: Mapping[tuple[str, ...], float], min_support: float
) -> dict[tuple[str, ...], Bools]:
    """Return the frequent sets with one value more: sets that share all but their last value are joined."""
    joined = {}
    for first, second in combinations(sorted(level), 2):
        if first[:-1] != second[:-1]:
            continue
        names = (*first, second[-1])
        if any(names[:place] + names[place + 1 :] not in known for place in range(len(names))):
            continue
        rows = level[first] & level[second]
        if rows.mean() >= min_support:
            joined[names] = rows
    return joined


def _cluster(
    rows: npt.NDArray[np.int64], numbers: Mapping[str, npt.NDArray[np.float64]], answers: Sequence[str]
) -> Cluster:
    named: dict[str, int] = {}
    for row in rows.tolist():
        named[answers[row]] = named.get(answers[row], 0) + 1
    often = dict(sorted(named.items(), key=lambda item: (-item[1], item[0]))[:10])
    means = {
        name: float(np.nanmean(column[rows]))
        for name, column in numbers.items()
        if not np.isnan(column[rows]).all()
    }
    return Cluster(len(rows), means, often)
