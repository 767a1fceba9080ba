"""Which record goes into which part."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.tasks.kinds import KINDS
from ratoon_ingestion.domain.assignment import Part, Ratios, SplitMode, Withheld
from ratoon_ingestion.domain.errors import BadSplit
from ratoon_ingestion.domain.splits import check_grouping
from ratoon_ingestion.worker.assignment import NO_TIME, OUTCOMES, UNASSIGNED, Columns, assigned

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Candidate:
    """A record to assign."""

    record_id: str
    label: str | None
    cluster: str
    time: datetime | None = None
    group: str = ""
    original: str = ""


@dataclass(frozen=True)
class Assignment:
    parts: Mapping[str, Part]
    withheld: Mapping[str, Withheld]


def assignment(
    mode: SplitMode,
    records: Iterable[Candidate],
    ratios: Ratios,
    seed: int = 0,
    tested: Collection[str] = (),
    training_only: Collection[str] = (),
) -> Assignment:
    ordered = sorted(records, key=lambda each: each.record_id)
    clusters = sorted({each.cluster for each in ordered})
    groups = sorted({each.group for each in ordered if each.group})
    labels = sorted({"", *(each.label or "" for each in ordered)})
    rows = {each.record_id: row for row, each in enumerate(ordered)}
    columns = Columns(
        clusters=np.array([clusters.index(each.cluster) for each in ordered], np.int64),
        names=lambda chosen: [clusters[each] for each in chosen],
        labels=np.array([labels.index(each.label or "") for each in ordered], np.int64),
        label_names=labels,
        times=np.array([microseconds(each.time) for each in ordered], np.int64),
        groups=np.array([groups.index(each.group) if each.group else -1 for each in ordered], np.int64),
    )
    outcomes = assigned(
        columns,
        mode,
        ratios,
        seed,
        np.array([each.record_id in tested for each in ordered], np.bool_),
        np.array([each.record_id in training_only for each in ordered], np.bool_),
        np.array([rows.get(each.original, -2) if each.original else -1 for each in ordered], np.int64),
    )
    named = {each.record_id: OUTCOMES[code] for each, code in zip(ordered, outcomes, strict=True)}
    assert UNASSIGNED not in outcomes
    return Assignment(
        {name: each for name, each in named.items() if isinstance(each, Part)},
        {name: each for name, each in named.items() if isinstance(each, Withheld)},
    )


def microseconds(time: datetime | None) -> int:
    return NO_TIME if time is None else (time - START) // timedelta(microseconds=1)


def stratified(
    records: Sequence[Candidate], ratios: Ratios, seed: int, tested: Collection[str] = ()
) -> Assignment:
    return assignment(SplitMode.STRATIFIED, records, ratios, seed, tested)


def by_time(records: Sequence[Candidate], ratios: Ratios, tested: Collection[str] = ()) -> Assignment:
    return assignment(SplitMode.TIME, records, ratios, 0, tested)


def grouped(
    records: Sequence[Candidate], ratios: Ratios, seed: int, tested: Collection[str] = ()
) -> Assignment:
    return assignment(SplitMode.GROUPED, records, ratios, seed, tested)


def by_quantile(records: Sequence[Candidate], ratios: Ratios, seed: int) -> Assignment:
    return assignment(SplitMode.QUANTILES, records, ratios, seed)


def candidates(count: int, labels: str = "ab", cluster_size: int = 1) -> list[Candidate]:
    return [
        Candidate(f"r{n:05d}", labels[n % len(labels)], f"c{n // cluster_size}", START + timedelta(hours=n))
        for n in range(count)
    ]


RECORDS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.none() | st.integers(0, 50)), max_size=80
).map(
    lambda rows: [
        Candidate(
            f"r{n:03d}", label, f"c{cluster}", None if hours is None else START + timedelta(hours=hours)
        )
        for n, (label, cluster, hours) in enumerate(rows)
    ]
)
TESTED = st.sets(st.integers(0, 79).map(lambda n: f"r{n:03d}"))


def test_each_class_is_parted_80_10_10():
    records = candidates(1000)
    parts = stratified(records, Ratios(), seed=1).parts
    counts = Counter((record.label, parts[record.record_id]) for record in records)
    for label in "ab":
        assert [counts[label, part] for part in Part] == [400, 50, 50]


def several(sets: dict[str, int]) -> list[Candidate]:
    labels = [label for label, count in sets.items() for _ in range(count)]
    return [Candidate(f"r{n:05d}", label, f"c{n}") for n, label in enumerate(labels)]


@pytest.mark.parametrize("form", [lambda each: each, lambda each: json.dumps(each.split("\n"))])
def test_several_labels_are_a_class_of_their_own_if_enough_records_have_them(form):
    sets = {form(each): count for each, count in {"a": 60, "b": 40, "a\nb": 20, "a\nc": 2, "b\nc": 3}.items()}
    records = several(sets)
    parts = stratified(records, Ratios(), seed=3).parts
    counts = Counter((record.label, parts[record.record_id]) for record in records)
    assert [counts[form("a\nb"), part] for part in Part] == [16, 2, 2]
    rare = [[counts[form(each), part] for part in Part] for each in ("a\nc", "b\nc")]
    assert [sum(column) for column in zip(*rare, strict=True)] == [5, 0, 0], "5 records of the label c"
    assert {part: sum(counts[label, part] for label in sets) for part in Part} == dict(
        zip(Part, (101, 12, 12), strict=True)
    )


def test_rare_sets_of_labels_stand_with_the_other_records_of_their_rarest_label():
    pairs = {f"a\n{label}": 2 for label in "bcdefghij"}
    records = several({"a": 100, **dict.fromkeys("bcdefghij", 8), **pairs})
    parts = stratified(records, Ratios(), seed=3).parts
    for label in "bcdefghij":
        bearing = [parts[record.record_id] for record in records if label in (record.label or "").split("\n")]
        assert Counter(bearing) == {Part.TRAIN: 8, Part.VALIDATION: 1, Part.TEST: 1}


def test_the_order_of_the_records_does_not_matter_and_the_seed_does():
    records = candidates(300)
    assert stratified(records, Ratios(), 1) == stratified(records[::-1], Ratios(), 1)
    assert stratified(records, Ratios(), 1).parts != stratified(records, Ratios(), 2).parts


def test_another_class_does_not_move_the_records_of_this_one():
    alone = candidates(200, labels="a")
    others = [Candidate(f"x{n}", "b", f"x{n}") for n in range(77)]
    together = stratified([*alone, *others], Ratios(), 3).parts
    assert {name: part for name, part in together.items() if name.startswith("r")} == stratified(
        alone, Ratios(), 3
    ).parts


@given(RECORDS, TESTED, st.integers(0, 5))
def test_stratified_splits_keep_their_promises(records, tested, seed):
    parts = stratified(records, Ratios(), seed, tested).parts
    assert set(parts) == {record.record_id for record in records}
    _clusters_stay_on_one_side(records, parts)
    assert all(parts[name] is Part.TEST for name in tested & set(parts))


@given(RECORDS, TESTED)
def test_splits_by_time_keep_their_promises(records, tested):
    assignment = by_time(records, Ratios(0.45, 0.05, 0.5), tested)
    assert set(assignment.parts) | set(assignment.withheld) == {record.record_id for record in records}
    assert not set(assignment.parts) & set(assignment.withheld)
    _clusters_stay_on_one_side(records, assignment.parts)
    times = {part: [r.time for r in records if assignment.parts.get(r.record_id) is part] for part in Part}
    for earlier, later in (
        (Part.TRAIN, Part.VALIDATION),
        (Part.VALIDATION, Part.TEST),
        (Part.TRAIN, Part.TEST),
    ):
        assert not times[earlier] or not times[later] or max(times[earlier]) <= min(times[later])
    assert all(assignment.parts.get(name) in (None, Part.TEST) for name in tested)


def test_the_later_half_of_the_traffic_is_the_test_part():
    records = candidates(100)
    parts = by_time(records, Ratios(0.5, 0, 0.5)).parts
    assert [parts[record.record_id] for record in records] == [Part.TRAIN] * 50 + [Part.TEST] * 50


def test_what_has_no_time_is_withheld_and_counted():
    assert by_time([Candidate("r", "a", "c")], Ratios()).withheld == {"r": Withheld.NO_TIME}


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.2), (1.1, -0.1, 0), (0, 0, 0)])
def test_shares_must_sum_to_one(shares):
    with pytest.raises(BadSplit):
        Ratios(*shares)


def _clusters_stay_on_one_side(records, parts):
    sides: dict[str, set[Part]] = {}
    for record in records:
        if record.record_id in parts:
            sides.setdefault(record.cluster, set()).add(parts[record.record_id])
    assert all(len(side) == 1 for side in sides.values())


GROUPED = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from(["", "ann", "bob", "eve", "joe"])), max_size=60
).map(
    lambda rows: [
        Candidate(f"r{n:03d}", None, f"c{cluster}", group=group) for n, (cluster, group) in enumerate(rows)
    ]
)


@given(GROUPED, TESTED)
def test_neither_groups_nor_clusters_straddle_parts(records, tested):
    parts = grouped(records, Ratios(), 1, tested).parts
    assert parts.keys() == {record.record_id for record in records}
    for key in ("group", "cluster"):
        values = {getattr(record, key) for record in records} - {""}
        for value in values:
            ours = [record for record in records if getattr(record, key) == value]
            assert len({parts[record.record_id] for record in ours}) == 1
    assert {parts[record.record_id] for record in records if record.record_id in tested} <= {Part.TEST}


def test_records_without_a_group_are_divided_one_by_one_whatever_their_order():
    records = [Candidate(f"r{n:03d}", None, f"c{n}") for n in range(100)]
    parts = grouped(records, Ratios(), 3).parts
    assert [list(parts.values()).count(part) for part in Part] == [80, 10, 10]
    assert grouped(records[::-1], Ratios(), 3).parts == parts


def test_groups_that_share_a_near_duplicate_are_one_group():
    records = [
        Candidate("r1", None, "c1", group="ann"),
        Candidate("r2", None, "c1", group="bob"),
        Candidate("r3", None, "c2", group="bob"),
        Candidate("r4", None, "c3", group="ann"),
    ]
    assert len(set(grouped(records, Ratios(0.5, 0.25, 0.25), 1).parts.values())) == 1


def test_every_tenth_of_the_numbers_has_the_same_shares():
    records = [Candidate(f"r{n:04d}", f"{n / 7:.3f}", f"c{n}") for n in range(1000)]
    parts = by_quantile(records, Ratios(), 5).parts
    for tenth in range(10):
        ours = [parts[record.record_id] for record in records[100 * tenth : 100 * tenth + 100]]
        assert [ours.count(part) for part in Part] == [80, 10, 10]


@pytest.mark.parametrize("label", [None, "", "three", "nan", "1,5"])
def test_a_label_that_is_no_number_is_withheld(label):
    records = [Candidate("r1", label, "c1"), *(Candidate(f"n{n}", "1", f"n{n}") for n in range(10))]
    assignment = by_quantile(records, Ratios(), 1)
    assert assignment.withheld == {"r1": Withheld.NO_NUMBER}
    assert len(assignment.parts) == 10
    assert by_quantile(records[:1], Ratios(), 1).parts == {}


@given(st.lists(st.sampled_from(["-1", "0", "0.5", "7", "1e3"]), max_size=50))
def test_quantiles_do_not_depend_on_the_order(labels):
    records = [Candidate(f"r{n:03d}", label, f"c{n}") for n, label in enumerate(labels)]
    assert by_quantile(records, Ratios(), 2).parts == by_quantile(records[::-1], Ratios(), 2).parts


@pytest.mark.parametrize(
    ("mode", "attribute", "is_valid"),
    [
        (SplitMode.GROUPED, "user", True),
        (SplitMode.STRATIFIED, "", True),
        (SplitMode.GROUPED, "", False),
        (SplitMode.TIME, "user", False),
    ],
)
def test_exactly_the_grouped_mode_names_an_attribute(mode, attribute, is_valid):
    if is_valid:
        check_grouping(mode, attribute)
    else:
        with pytest.raises(BadSplit, match="GROUPED"):
            check_grouping(mode, attribute)


def test_every_default_split_of_a_kind_of_task_is_a_mode():
    assert {kind.DEFAULT_SPLIT.value for kind in KINDS.values()} <= set(SplitMode)


@given(RECORDS, st.integers(0, 9), st.sets(st.integers(0, 80)), st.sets(st.integers(0, 80)))
def test_records_that_may_only_be_trained_on_never_stand_in_another_part(records, seed, active, tested):
    only = {f"r{number:03d}" for number in active} | {each.record_id for each in records[::3]}
    held = {each.cluster for each in records if each.record_id in tested}
    before = {each.record_id for each in records if each.cluster in held}
    chosen = assignment(SplitMode.STRATIFIED, records, Ratios(), seed, before, only)
    parts = {each.record_id: chosen.parts.get(each.record_id) for each in records}
    assert {parts[each.record_id] for each in records if each.record_id in only} <= {Part.TRAIN, None}
    assert all(parts[each.record_id] is not Part.TRAIN for each in records if each.record_id in before)
    of_clusters = {each.cluster: set() for each in records}
    for each in records:
        of_clusters[each.cluster].add(parts[each.record_id])
    assert all(len(each) == 1 for each in of_clusters.values())


def test_groups_and_times_hold_records_that_may_only_be_trained_on():
    records = [replace(each, group=f"g{number // 4}") for number, each in enumerate(candidates(12))]
    whole = Ratios(0.25, 0, 0.75)
    chosen = assignment(SplitMode.GROUPED, records, whole, training_only={"r00001"})
    assert {chosen.parts[f"r{n:05d}"] for n in range(4)} == {Part.TRAIN}
    late = assignment(SplitMode.TIME, candidates(12), whole, training_only={"r00001", "r00007"})
    assert late.parts["r00001"] is Part.TRAIN
    assert late.withheld == {"r00007": Withheld.TRAINING_ONLY}


def test_repetitions_train_with_their_original_and_are_in_no_other_part():
    records = candidates(100)
    copies = [Candidate(f"x{each.record_id}", "a", each.cluster, original=each.record_id) for each in records]
    stray = Candidate("y", "a", "y", original="nothing")
    plain = stratified(records, Ratios(), 1).parts
    chosen = stratified([*records, *copies, stray], Ratios(), 1)
    assert {name: part for name, part in chosen.parts.items() if name[0] == "r"} == plain
    trained = {f"x{name}" for name, part in plain.items() if part is Part.TRAIN}
    assert {name for name in chosen.parts if name[0] == "x"} == trained
    assert set(chosen.withheld) == {each.record_id for each in (*copies, stray)} - trained
    assert set(chosen.withheld.values()) == {Withheld.REPEATED}


def test_a_split_by_class_has_the_parts_that_it_had_in_earlier_releases():
    records = [
        Candidate(f"{n:04x}", f"l{n % 7}" if n % 5 else f"l{n % 3}\nl{n % 11}", f"c{n // 3 * 7 % 211:03d}")
        for n in range(900)
    ]
    parts = stratified(records, Ratios(), 4, {f"{n:04x}" for n in range(40)}).parts
    joined = "".join(parts[each.record_id].value[:2] for each in records)
    assert hashlib.sha256(joined.encode()).hexdigest()[:16] == "a200d7f5dc317142"
