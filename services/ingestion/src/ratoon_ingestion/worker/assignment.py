"""Which record goes into which part of a split, over columns of numbers: a function of records, shares and seed.

Stratified: within each class, clusters stand in the order of a hash of (seed, cluster) and are cut at the
shares, so neither the order of the input nor other classes matter. Several labels of a record are a class of their
own if enough records have them; else the record is in the class of its rarest label. Time: the oldest first, never
shuffled. Grouped: whole groups instead of classes. Quantiles: tenths of the numbers instead of classes. In all modes a
near-duplicate cluster stays on one side, and what stood in an earlier test part never trains nor validates.

An assignment is an array of indices into OUTCOMES, one a record, UNASSIGNED where nothing is decided. Memory holds a
few numbers a record.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ratoon.tasks.regress import Regress, number
from ratoon_ingestion.domain.assignment import (
    Folds,
    Part,
    Ratios,
    SplitMode,
    Withheld,
    merged_classes,
    order_key,
)
from ratoon_ingestion.worker.duplicates import Clusters
from ratoon_ingestion.worker.names import Numbers

QUANTILES = 10
"""Number of ranges of the numbers that get the same shares."""
NO_TIME = np.iinfo(np.int64).min
"""Time of a record that has none."""
OUTCOMES: tuple[Part | Withheld, ...] = (*Part, *Withheld)
UNASSIGNED = -1
_NO_FOLDS = Folds()

Flags = npt.NDArray[np.bool_]
Outcomes = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Columns:
    """What an assignment needs to know of records, which stand in the order of their ids."""

    clusters: Numbers
    """Index of the near-duplicate cluster of each record, in the order of the names of clusters."""
    names: Callable[[Numbers], Iterable[str]]
    """Return the names of clusters."""
    labels: Numbers
    """Index of the label of each record in `label_names`; 0: none, or a text of its own."""
    label_names: Sequence[str]
    """All labels in ascending order, of which the first is empty."""
    times: Numbers
    """Time of each record in microseconds, or NO_TIME."""
    groups: Numbers
    """Index of the group that stays together; -1: the record alone."""

    def __len__(self) -> int:
        return len(self.clusters)

    def ascending(self, rows: Numbers) -> "Columns":
        """Return these rows, which ascend; if they are all, without a copy of what may stand in files."""
        return self if len(rows) == len(self) else self.take(rows)

    def take(self, rows: Numbers | Flags) -> "Columns":
        """Return these rows."""
        return replace(
            self,
            clusters=self.clusters[rows],
            labels=self.labels[rows],
            times=self.times[rows],
            groups=self.groups[rows],
        )


def outcome(of: Part | Withheld) -> int:
    """Return the index of a part, or of a reason to withhold a record."""
    return OUTCOMES.index(of)


_TRAIN, _VALIDATION, _TEST = map(outcome, Part)


def stratified(columns: Columns, ratios: Ratios, seed: int, tested: Flags) -> Outcomes:
    """Assign each class in the same shares; records that were tested before are test again and count in its share."""
    present, clusters = _dense(columns.clusters)
    sizes = np.bincount(clusters, minlength=len(present))
    strata = _strata(columns, _classes(columns.labels, clusters, sizes), sizes, ratios)
    keys = _keys(seed, columns.names(present), len(present))
    return _cut(strata, keys, sizes, _any(tested, clusters, len(present)), ratios)[clusters]


def by_time(columns: Columns, ratios: Ratios, seed: int, tested: Flags) -> Outcomes:
    """Assign the oldest to training, the newest to the test; ties in record id order. The seed plays no part."""
    outcomes = np.full(len(columns), outcome(Withheld.NO_TIME), np.int8)
    timed = np.flatnonzero(columns.times != NO_TIME)
    order = timed[np.argsort(columns.times[timed], kind="stable")]
    parts = _parts_in_order(len(order), ratios)
    present, clusters = _dense(columns.clusters[order])
    latest = np.zeros(len(present), np.int8)
    latest[clusters] = parts  # of several records of a cluster, the last stays
    outcomes[order] = parts
    again = order[(parts != _TEST) & tested[order]]
    outcomes[again] = outcome(Withheld.EARLIER_TEST)
    outcomes[order[latest[clusters] != parts]] = outcome(Withheld.CLUSTER_STRADDLES)
    return outcomes


def grouped(columns: Columns, ratios: Ratios, seed: int, tested: Flags) -> Outcomes:
    """Assign whole groups in the given shares; groups that share a near-duplicate cluster stay together."""
    present, units = _dense(_units(columns))
    sizes = np.bincount(units, minlength=len(present))
    keys = _keys(seed, (f"cluster {name}" for name in columns.names(present)), len(present))
    strata = np.zeros(len(present), np.int64)
    return _cut(strata, keys, sizes, _any(tested, units, len(present)), ratios)[units]


def by_quantile(columns: Columns, ratios: Ratios, seed: int, tested: Flags) -> Outcomes:
    """Assign each tenth of the numbers, by rank, in the same shares; equal numbers are in one tenth."""
    values = _values(columns)
    outcomes = np.full(len(columns), outcome(Withheld.NO_NUMBER), np.int8)
    rows = np.flatnonzero(~np.isnan(values))
    if rows.size:
        outcomes[rows] = stratified(_ranged(columns.take(rows)), ratios, seed, tested[rows])
    return outcomes


def _ranged(columns: Columns) -> Columns:
    """Return columns whose labels are numbers with tenths of them, by rank, as labels."""
    values = _values(columns)
    ranked = np.sort(values)
    edges = ranked[len(ranked) * np.arange(1, QUANTILES) // QUANTILES]
    names = ["", *map(str, range(QUANTILES))]
    return replace(columns, labels=np.searchsorted(edges, values, "right") + 1, label_names=names)


def _values(columns: Columns) -> npt.NDArray[np.float64]:
    """Return the labels as numbers; NaN for one that is none."""
    parsed = (number(Regress(), name) for name in columns.label_names)
    values: npt.NDArray[np.float64] = np.array([np.nan if value is None else value for value in parsed])[
        columns.labels
    ]
    return values


def at_random(columns: Columns, ratios: Ratios, seed: int, tested: Flags) -> Outcomes:
    """Assign in the given shares, whatever the labels are."""
    return stratified(_without_labels(columns), ratios, seed, tested)


def _without_labels(columns: Columns) -> Columns:
    return replace(columns, labels=np.zeros(len(columns), np.int64), label_names=[""])


ASSIGNMENTS: dict[SplitMode, Callable[[Columns, Ratios, int, Flags], Outcomes]] = {
    SplitMode.STRATIFIED: stratified,
    SplitMode.TIME: by_time,
    SplitMode.GROUPED: grouped,
    SplitMode.QUANTILES: by_quantile,
    SplitMode.RANDOM: at_random,
}
"""The assignment of each mode: columns, shares, seed, and which records stood in an earlier test part."""


def assigned(
    columns: Columns,
    mode: SplitMode,
    ratios: Ratios,
    seed: int,
    tested: Flags,
    training_only: Flags,
    originals: Numbers,
    folds: Folds = _NO_FOLDS,
) -> Outcomes:
    """Return the outcome of each record.

    `training_only`: records that may only be trained on. `originals`: the row of the record that each one repeats, -1
    if it repeats none, -2 if that record is absent. Repetitions train with their original, and are in no other part.
    """
    outcomes = np.full(len(columns), UNASSIGNED, np.int8)
    once = np.flatnonzero(originals == -1)
    bound = _bound(columns.ascending(once), training_only[once])
    free = once[~bound]
    outcomes[free] = ASSIGNMENTS[mode](columns.ascending(free), ratios, seed, tested[free])
    if folds.count:
        outcomes[free] = _folded(columns.ascending(free), outcomes[free], mode, seed, folds)
    if bound.any():
        rows = once[bound]
        until = _test_begin(columns.times[free], outcomes[free]) if mode is SplitMode.TIME else None
        outcomes[rows] = _with_training_only(columns.take(rows), tested[rows], until)
    copies = np.flatnonzero(originals != -1)
    of_originals = np.where(originals[copies] >= 0, outcomes[originals[copies]], UNASSIGNED)
    outcomes[copies] = np.where(of_originals == _TRAIN, _TRAIN, outcome(Withheld.REPEATED))
    return outcomes


def _folded(columns: Columns, outcomes: Outcomes, mode: SplitMode, seed: int, folds: Folds) -> Outcomes:
    """Return the outcomes with one fold of what is not tested as the validation part, and the others to train on.

    The units of each stratum are dealt out in their pseudo-random order: equal shares by number of records.
    """
    outcomes = outcomes.copy()
    rows = np.flatnonzero((outcomes == _TRAIN) | (outcomes == _VALIDATION))
    if not rows.size:
        return outcomes
    chosen = columns.ascending(rows)
    if mode is SplitMode.QUANTILES:
        chosen = _ranged(chosen)
    if mode in (SplitMode.RANDOM, SplitMode.GROUPED):
        chosen = _without_labels(chosen)
    present, units = _dense(_units(chosen) if mode is SplitMode.GROUPED else chosen.clusters)
    sizes = np.bincount(units, minlength=len(present))
    strata = _classes(chosen.labels, units, sizes)
    keys = _keys(seed, (f"fold {name}" for name in chosen.names(present)), len(present))
    order = np.lexsort((keys, strata))
    numbers = np.zeros(len(present), np.int64)
    numbers[order] = _dealt(strata[order], sizes[order], folds.count)
    outcomes[rows] = np.where(numbers[units] == folds.fold, _VALIDATION, _TRAIN)
    return outcomes


def _dealt(strata: Numbers, sizes: Numbers, count: int) -> Numbers:
    """Return the fold of each unit: each stratum in equal shares, and its rest where the stratum before ended."""
    numbers = np.zeros(len(sizes), np.int64)
    bounds, first = np.flatnonzero(np.diff(strata, prepend=-1, append=-1)), 0
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        of_stratum = sizes[start:stop]
        before = np.cumsum(of_stratum) - of_stratum
        # a stratum of fewer records than folds is dealt out one by one
        numbers[start:stop] = (first + before * count // max(count, int(of_stratum.sum()))) % count
        first = int(numbers[stop - 1]) + 1
    return numbers


def sharing(rows: Flags, clusters: Numbers) -> Flags:
    """Return these rows and those that share a cluster with one."""
    if not rows.any():
        return rows
    held = np.zeros(int(clusters.max(initial=-1)) + 1, np.bool_)
    held[clusters[rows]] = True
    return held[clusters]


def _bound(columns: Columns, training_only: Flags) -> Flags:
    """Return which records may only be trained on: these, and those of their clusters and groups."""
    if not training_only.any():
        return training_only
    return sharing(training_only, _units(columns))


def _with_training_only(columns: Columns, tested: Flags, until: int | None) -> Outcomes:
    """Return the outcomes of records that may only be trained on.

    Left out are clusters that stand in an earlier test part, and records after the time `until`, where the test part
    begins (None: time does not matter).
    """
    outcomes = np.full(len(columns), _TRAIN, np.int8)
    if until is not None:
        late = (columns.times == NO_TIME) | (columns.times >= until)
        outcomes[late] = outcome(Withheld.TRAINING_ONLY)
    outcomes[sharing(tested, columns.clusters)] = outcome(Withheld.EARLIER_TEST)
    return outcomes


def _test_begin(times: Numbers, outcomes: Outcomes) -> int | None:
    """Return the time at which validation or test begins; None if there is neither."""
    held_out = times[((outcomes == _VALIDATION) | (outcomes == _TEST)) & (times != NO_TIME)]
    return int(held_out.min()) if held_out.size else None


def _dense(codes: Numbers) -> tuple[Numbers, Numbers]:
    """Return the distinct indices in ascending order, and the place of each row's among them."""
    is_present = np.zeros(int(codes.max(initial=-1)) + 1, np.bool_)
    is_present[codes] = True
    if is_present.all():
        return np.arange(len(is_present)), codes
    places = np.cumsum(is_present) - 1
    return np.flatnonzero(is_present), places[codes]


def _any(rows: Flags, clusters: Numbers, count: int) -> Flags:
    """Return which clusters have one of these rows."""
    held = np.zeros(count, np.bool_)
    held[clusters[rows]] = True
    return held


def _units(columns: Columns) -> Numbers:
    """Return the first cluster of the clusters and groups that each record's is joined with."""
    units = Clusters(array("q", range(int(columns.clusters.max(initial=-1)) + 1)))
    rows = np.flatnonzero(columns.groups >= 0)
    order = rows[np.lexsort((columns.clusters[rows], columns.groups[rows]))]
    groups, clusters = columns.groups[order], columns.clusters[order]
    joins = np.flatnonzero((groups[1:] == groups[:-1]) & (clusters[1:] != clusters[:-1]))
    for left, right in zip(clusters[joins].tolist(), clusters[joins + 1].tolist(), strict=True):
        units.join(left, right)
    return units.roots()[columns.clusters]


def _classes(labels: Numbers, clusters: Numbers, sizes: Numbers) -> Numbers:
    """Return the class of each cluster: its most frequent label, the first by name among equals."""
    classes = np.zeros(len(sizes), np.int64)
    classes[clusters] = labels
    several = np.flatnonzero(sizes[clusters] > 1)
    order = several[np.lexsort((labels[several], clusters[several]))]
    pairs = np.stack([clusters[order], labels[order]], axis=1)
    first = np.flatnonzero(
        np.append(np.ones(min(1, len(order)), np.bool_), (np.diff(pairs, axis=0) != 0).any(axis=1))
    )
    counts = np.diff(np.append(first, len(order)))
    best = np.lexsort((pairs[first, 1], -counts, pairs[first, 0]))[::-1]
    classes[pairs[first[best], 0]] = pairs[first[best], 1]  # the first of each cluster comes last
    return classes


def _strata(columns: Columns, classes: Numbers, sizes: Numbers, ratios: Ratios) -> Numbers:
    """Return the class whose shares each cluster counts in."""
    totals = np.bincount(classes, weights=sizes, minlength=len(columns.label_names)).astype(np.int64)
    present = np.flatnonzero(totals)
    counts = {columns.label_names[each]: int(totals[each]) for each in present.tolist()}
    merged = merged_classes(counts, ratios)
    numbers = {name: place for place, name in enumerate(dict.fromkeys(merged.values()))}
    strata = np.zeros(len(columns.label_names), np.int64)
    strata[present] = [numbers[merged[columns.label_names[each]]] for each in present.tolist()]
    return strata[classes]


def _keys(seed: int, names: Iterable[str], count: int) -> npt.NDArray[np.uint64]:
    """Return the pseudo-random order of some names."""
    keys = (int.from_bytes(order_key(seed, name)[:8], "big") for name in names)
    return np.fromiter(keys, np.uint64, count)


def _cut(
    strata: Numbers, keys: npt.NDArray[np.uint64], sizes: Numbers, tested: Flags, ratios: Ratios
) -> Outcomes:
    """Return the part of each unit; `strata`, `keys`, sizes and whether one was tested before, by unit."""
    parts = np.full(len(sizes), _TRAIN, np.int8)
    order = np.lexsort((keys, strata))
    bounds = np.flatnonzero(np.diff(strata[order], prepend=-1, append=-1))
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        units = order[start:stop]
        total = int(sizes[units].sum())
        again, free = units[tested[units]], units[~tested[units]]
        before = np.cumsum(sizes[free]) - sizes[free]
        missing = round(total * ratios.test) - int(sizes[again].sum())
        in_test = int(np.searchsorted(before, missing))
        rest = free[in_test:]
        begin = before[in_test] if rest.size else 0
        in_validation = int(np.searchsorted(before[in_test:] - begin, round(total * ratios.validation)))
        parts[again], parts[free[:in_test]] = _TEST, _TEST
        parts[rest[:in_validation]] = _VALIDATION
    return parts


def _parts_in_order(total: int, ratios: Ratios) -> Outcomes:
    """Return the parts of this many records in the order of time."""
    parts = np.full(total, _TEST, np.int8)
    end = round(total * (ratios.train + ratios.validation)) if ratios.test else total
    parts[:end] = _VALIDATION if ratios.validation else _TRAIN
    parts[: round(total * ratios.train)] = _TRAIN
    return parts
