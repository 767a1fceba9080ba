"""Which record goes into which part of a split: a pure function of records, shares and seed.

Stratified: within each class, clusters stand in the order of a hash of (seed, cluster) and are cut at the
shares, so neither the order of the input nor other classes matter. Several labels of a record are a class of their
own if enough records have them; else the record is in the class of its rarest label. Time: the oldest first, never
shuffled. Grouped: whole groups instead of classes. Quantiles: tenths of the numbers instead of classes. In all modes a
near-duplicate cluster stays on one side, and what stood in an earlier test part never trains nor validates.
"""

import hashlib
import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ratoon.tasks.regress import Regress, number
from ratoon_ingestion.domain.errors import BadSplit

QUANTILES = 10
"""Number of ranges of the numbers that get the same shares."""


class Part(StrEnum):
    """A part of a split."""

    TRAIN = "TRAIN"
    VALIDATION = "VALIDATION"
    TEST = "TEST"


class SplitMode(StrEnum):
    """How parts are chosen."""

    STRATIFIED = "STRATIFIED"
    TIME = "TIME"
    GROUPED = "GROUPED"
    QUANTILES = "QUANTILES"


class Withheld(StrEnum):
    """Why a record is in no part."""

    NO_LABEL = "NO_LABEL"
    NO_TIME = "NO_TIME"
    NO_NUMBER = "NO_NUMBER"
    EARLIER_TEST = "EARLIER_TEST"
    """Its cluster or content stands in an earlier test part, and time puts it before this test part."""
    CLUSTER_STRADDLES = "CLUSTER_STRADDLES"
    """A near duplicate of it stands in a later part."""
    REPEATED = "REPEATED"
    """It repeats a record that is not trained on."""
    TRAINING_ONLY = "TRAINING_ONLY"
    """It may only be trained on, and time puts it after the start of the test part."""


@dataclass(frozen=True)
class Ratios:
    """Shares of the three parts; they sum to 1, and there must be something to train on."""

    train: float = 0.8
    validation: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        shares = (self.train, self.validation, self.test)
        if any(share < 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
            raise BadSplit(f"The shares {shares} must be 0 or more and sum to 1, like 0.8, 0.1, 0.1.")


@dataclass(frozen=True)
class Candidate:
    """What an assignment needs to know of a record."""

    record_id: str
    label: str | None
    cluster: str
    time: datetime | None = None
    group: str = ""
    """Group that stays together; empty: the record alone."""


@dataclass(frozen=True)
class Assignment:
    """Each record's part, and why the others have none."""

    parts: Mapping[str, Part]
    withheld: Mapping[str, Withheld]


def order_key(seed: int, identity: str) -> bytes:
    """A pseudo-random order that depends on the seed and the identity alone."""
    return hashlib.sha256(f"{seed}:{identity}".encode()).digest()


def stratified(
    records: Iterable[Candidate], ratios: Ratios, seed: int, tested_before: Collection[str] = ()
) -> Assignment:
    """Each class in the same shares; `tested_before` (record ids) is test again and counts in its share."""
    strata: dict[str, dict[str, list[Candidate]]] = defaultdict(lambda: defaultdict(list))
    clusters: dict[str, list[Candidate]] = defaultdict(list)
    for record in records:
        clusters[record.cluster].append(record)
    classes = {cluster: _class_of(members) for cluster, members in clusters.items()}
    merged = _merged(Counter(classes[cluster] for cluster in clusters for _ in clusters[cluster]), ratios)
    for cluster, members in clusters.items():
        strata[merged[classes[cluster]]][cluster] = members
    parts: dict[str, Part] = {}
    for stratum in strata.values():
        parts |= _cut(stratum, ratios, seed, set(tested_before))
    return Assignment(parts, {})


def by_time(records: Iterable[Candidate], ratios: Ratios, tested_before: Collection[str] = ()) -> Assignment:
    """Oldest for training, newest for the test; ties in record id order."""
    tested, withheld = set(tested_before), {}
    timed: list[Candidate] = []
    for record in records:
        if record.time is None:
            withheld[record.record_id] = Withheld.NO_TIME
        else:
            timed.append(record)
    timed.sort(key=lambda record: (record.time, record.record_id))
    parts: dict[str, Part] = {}
    later_clusters: dict[str, Part] = {}
    for position in range(len(timed) - 1, -1, -1):
        record, part = timed[position], _part_at(position, len(timed), ratios)
        if later_clusters.setdefault(record.cluster, part) is not part:
            withheld[record.record_id] = Withheld.CLUSTER_STRADDLES
        elif part is not Part.TEST and record.record_id in tested:
            withheld[record.record_id] = Withheld.EARLIER_TEST
        else:
            parts[record.record_id] = part
    return Assignment(parts, withheld)


def grouped(
    records: Iterable[Candidate], ratios: Ratios, seed: int, tested_before: Collection[str] = ()
) -> Assignment:
    """Whole groups in the given shares; groups that share a near-duplicate cluster stay together."""
    units = Units()
    members = list(records)
    for record in members:
        units.join(f"cluster {record.cluster}", f"group {record.group}" if record.group else "")
    by_unit: dict[str, list[Candidate]] = defaultdict(list)
    for record in members:
        by_unit[units.name(f"cluster {record.cluster}")].append(record)
    return Assignment(_cut(by_unit, ratios, seed, set(tested_before)), {})


def by_quantile(
    records: Iterable[Candidate], ratios: Ratios, seed: int, tested_before: Collection[str] = ()
) -> Assignment:
    """Each tenth of the numbers, by rank, in the same shares; equal numbers are in one tenth."""
    members = list(records)
    values = {record.record_id: number(Regress(), record.label or "") for record in members}
    ranked = sorted(value for value in values.values() if value is not None)
    edges = [ranked[len(ranked) * part // QUANTILES] for part in range(1, QUANTILES)] if ranked else []
    strata, withheld = [], {}
    for record in members:
        value = values[record.record_id]
        if value is None:
            withheld[record.record_id] = Withheld.NO_NUMBER
        else:
            strata.append(replace(record, label=str(bisect_right(edges, value))))
    return Assignment(stratified(strata, ratios, seed, tested_before).parts, withheld)


def replayed(pool: Iterable[str], count: int, seed: int) -> list[str]:
    """`count` record ids of an older training part (all, when it holds fewer), in an order of their own."""
    return sorted(set(pool), key=lambda record_id: order_key(seed, f"replay:{record_id}"))[:count]


def with_copies(assignment: Assignment, originals: Mapping[str, str]) -> Assignment:
    """The assignment with repetitions of records: they train with their original, and are in no other part.

    `originals` maps each record id to the record that it repeats; empty: none.
    """
    parts, withheld = dict(assignment.parts), dict(assignment.withheld)
    for record_id, original in originals.items():
        if not original:
            continue
        if assignment.parts.get(original) is Part.TRAIN:
            parts[record_id] = Part.TRAIN
        else:
            withheld[record_id] = Withheld.REPEATED
    return Assignment(parts, withheld)


class Units:
    """Names joined into units; a unit has the first of its names."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def name(self, name: str) -> str:
        """Return the name of the unit that holds a name."""
        while (parent := self._parents.setdefault(name, name)) != name:
            self._parents[name] = self._parents[parent]
            name = parent
        return name

    def join(self, one: str, other: str) -> None:
        """Join the units of two names; an empty name joins nothing."""
        first, second = sorted((self.name(one), self.name(other or one)))
        self._parents[second] = first


def divided(
    records: Sequence[Candidate], training_only: Collection[str]
) -> tuple[list[Candidate], list[Candidate]]:
    """Return the records that any part can take, and those that may only be trained on.

    `training_only` holds record ids. Records of their clusters and groups follow them, so that no cluster and no group
    straddles the parts.
    """
    if not training_only:
        return list(records), []
    units = Units()
    for record in records:
        units.join(f"cluster {record.cluster}", f"group {record.group}" if record.group else "")
    held = {units.name(f"cluster {each.cluster}") for each in records if each.record_id in training_only}
    free: list[Candidate] = []
    bound: list[Candidate] = []
    for record in records:
        (bound if units.name(f"cluster {record.cluster}") in held else free).append(record)
    return free, bound


def with_training_only(
    assignment: Assignment,
    bound: Sequence[Candidate],
    tested_before: Collection[str] = (),
    until: datetime | None = None,
) -> Assignment:
    """Return the assignment with records that may only be trained on.

    Left out are clusters that stand in an earlier test part, and records after the time `until`, where the test part
    begins (None: time does not matter).
    """
    tested = {each.cluster for each in bound if each.record_id in tested_before}
    parts, withheld = dict(assignment.parts), dict(assignment.withheld)
    for record in bound:
        if record.cluster in tested:
            withheld[record.record_id] = Withheld.EARLIER_TEST
        elif until is not None and (record.time is None or record.time >= until):
            withheld[record.record_id] = Withheld.TRAINING_ONLY
        else:
            parts[record.record_id] = Part.TRAIN
    return Assignment(parts, withheld)


def _class_of(members: Sequence[Candidate]) -> str:
    """The class of a cluster: its most frequent label, the first by name among equals."""
    labels = sorted(member.label or "" for member in members)
    return max(dict.fromkeys(labels), key=labels.count)


def _merged(counts: Mapping[str, int], ratios: Ratios) -> dict[str, str]:
    """Return the stratum of each class: itself, or its rarest label if it has several and too few records."""
    labels = {name: _labels_of(name) for name in counts}
    by_label: Counter[str] = Counter()
    for name, count in counts.items():
        by_label.update(dict.fromkeys(labels[name], count))
    return {
        name: name
        if len(labels[name]) < 2 or _fills(count, ratios)
        else min(labels[name], key=lambda label: (by_label[label], label))
        for name, count in counts.items()
    }


def _labels_of(name: str) -> tuple[str, ...]:
    """Return the labels of a class: one a line, or those of a JSON list."""
    lines = tuple(name.split("\n"))
    if not name.startswith("["):
        return lines
    try:
        listed = json.loads(name)
    except (ValueError, RecursionError):
        return lines
    return tuple(map(str, listed)) or lines


def _fills(count: int, ratios: Ratios) -> bool:
    """Return whether each part gets one of this many records or more."""
    return all(round(count * share) for share in (ratios.train, ratios.validation, ratios.test) if share)


def _cut(
    clusters: Mapping[str, Sequence[Candidate]], ratios: Ratios, seed: int, tested: set[str]
) -> dict[str, Part]:
    total = sum(len(members) for members in clusters.values())
    test_quota, validation_quota = round(total * ratios.test), round(total * ratios.validation)
    parts: dict[str, Part] = {}
    free: list[Sequence[Candidate]] = []
    taken = dict.fromkeys(Part, 0)

    def put(members: Sequence[Candidate], part: Part) -> None:
        taken[part] += len(members)
        parts.update((member.record_id, part) for member in members)

    for cluster in sorted(clusters, key=lambda cluster: order_key(seed, cluster)):
        members = clusters[cluster]
        if any(member.record_id in tested for member in members):
            put(members, Part.TEST)
        else:
            free.append(members)
    for members in free:
        if taken[Part.TEST] < test_quota:
            put(members, Part.TEST)
        elif taken[Part.VALIDATION] < validation_quota:
            put(members, Part.VALIDATION)
        else:
            put(members, Part.TRAIN)
    return parts


def _part_at(position: int, total: int, ratios: Ratios) -> Part:
    if position < round(total * ratios.train):
        return Part.TRAIN
    if position < round(total * (ratios.train + ratios.validation)) or not ratios.test:
        return Part.VALIDATION if ratios.validation else Part.TRAIN
    return Part.TEST
