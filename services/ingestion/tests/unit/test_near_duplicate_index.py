"""The index of near duplicates on docstrings of the standard library: the verdicts of a search over all records."""

import hashlib
import importlib
import inspect
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.duplicates import near_duplicates
from ratoon_ingestion.worker.index.lookup import matches
from ratoon_ingestion.worker.index.segment import NotASegment, Segment, opened
from ratoon_ingestion.worker.index.sketches import EMPTY, Sketches, joined, sketched
from ratoon_ingestion.worker.index.stored import holds, index_store, layout_for
from ratoon_ingestion.worker.index.write import build, merge
from ratoon_ingestion.worker.names import names_of
from ratoon_ingestion.worker.shingle_sets import ShingleSets

THRESHOLD = 0.8
MODULES = (
    *("argparse", "asyncio", "collections", "decimal", "email", "fractions", "http", "inspect", "io", "json"),
    *(
        "logging",
        "os",
        "pathlib",
        "re",
        "socket",
        "statistics",
        "string",
        "subprocess",
        "tempfile",
        "threading",
    ),
    *("unittest", "urllib.parse", "xml.dom.minidom", "numpy", "pyarrow"),
)


@cache
def docstrings() -> tuple[str, ...]:
    """Docstrings of public names; many stand word for word, or nearly, in several classes."""
    texts = []
    for name in MODULES:
        for member in vars(importlib.import_module(name)).values():
            members = [member, *vars(member).values()] if inspect.isclass(member) else [member]
            texts += [doc for each in members if isinstance(doc := getattr(each, "__doc__", None), str)]
    return tuple(texts)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sketches(texts: Sequence[str], prefix: str = "") -> Sketches:
    """Sketches of texts, whose ids depend on the place, so that equal texts are several records."""
    ids = [digest(f"{prefix}{place}") for place in range(len(texts))]
    return sketched(ids, list(map(digest, texts)), texts)


def segment_of(
    tmp_path: Path, *blocks: Sketches, threshold: float = THRESHOLD, covers: str = "0" * 64
) -> Segment:
    folder = Path(tmp_path, f"s{len(list(tmp_path.iterdir()))}")
    folder.mkdir()
    return build(blocks, layout_for(threshold, covers), folder / "segment.idx")


def searched_together(new: Sketches, old: Sketches, threshold: float) -> set[int]:
    """Rows of the new records whose cluster holds an old one, by the search over all records."""
    both = joined([new, old])
    lists = pa.ListArray.from_arrays(both.offsets.astype(np.int32), both.shingles)
    roots = near_duplicates(ShingleSets.of(lists), both.simhashes, threshold).roots
    known = set(roots[len(new) :])
    return {row for row in range(len(new)) if roots[row] in known}


def closed(new: Sketches, matched: set[int], threshold: float) -> set[int]:
    """These rows and those that are in a cluster with one among the new records."""
    lists = pa.ListArray.from_arrays(new.offsets.astype(np.int32), new.shingles)
    roots = near_duplicates(ShingleSets.of(lists), new.simhashes, threshold).roots
    known = {roots[row] for row in matched}
    return {row for row in range(len(new)) if roots[row] in known}


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95, 1.0])
def test_verdicts_are_those_of_a_search_over_all_records(tmp_path, threshold):
    texts = docstrings()[: 5_000 if threshold == THRESHOLD else 2_500]
    assert len(texts) > 1_000
    new, old = sketches(texts[::2], "new"), sketches(texts[1::2], "old")
    matched = matches(new, [segment_of(tmp_path, old, threshold=threshold)], threshold)
    expected = searched_together(new, old, threshold)
    assert closed(new, set(matched), threshold) == expected
    assert 50 < len(expected) < len(new)


def test_the_search_numbers_rows_by_their_order(tmp_path):
    old = sketches(docstrings()[:300])
    order = np.random.default_rng(2).permutation(len(old))[:200]
    taken, chosen = (ShingleSets.of(lists_of(each)) for each in (old.take(order), old))
    simhashes = old.simhashes[order]
    expected = near_duplicates(taken, simhashes, THRESHOLD)
    ordered = near_duplicates(chosen, simhashes, THRESHOLD, order, tmp_path)
    assert ordered.roots.tolist() == expected.roots.tolist()
    assert ordered.candidates == expected.candidates
    assert expected.candidates["confirmed"] > 3
    assert list(tmp_path.iterdir()) == []


def lists_of(each: Sketches) -> pa.ListArray:
    return pa.ListArray.from_arrays(each.offsets.astype(np.int32), each.shingles)


def test_the_match_is_the_one_with_the_smallest_id_however_segments_are_merged(tmp_path):
    texts = docstrings()[:600]
    new, old = sketches(texts[::2], "new"), sketches(texts[1::2], "old")
    rows = np.arange(len(old))
    parts = [segment_of(tmp_path, old.take(rows[rows % 3 == part])) for part in range(3)]
    whole = merge(parts, tmp_path / "whole.idx", parts[0].layout)
    matched = matches(new, [whole], THRESHOLD)
    assert matches(new, parts[::-1], THRESHOLD) == matched
    assert matched
    for row, match in matched.items():
        similar = matches(new.take(np.array([row])), [whole], THRESHOLD)[0]
        assert similar == match


def test_a_merged_segment_is_the_one_that_all_records_give_byte_for_byte(tmp_path):
    old = sketches(docstrings()[:500])
    whole = segment_of(tmp_path, old)
    rows = np.random.default_rng(1).permutation(len(old))
    parts = [segment_of(tmp_path, old.take(part)) for part in np.array_split(rows, 3)]
    again = segment_of(tmp_path, old.take(rows[:100]))
    merged = merge([*parts, again], tmp_path / "merged.idx", whole.layout)
    assert len(merged) == len(whole)
    assert merged.path.read_bytes() == whole.path.read_bytes()


def test_small_blocks_give_the_same_bytes(tmp_path, monkeypatch):
    old = sketches(docstrings()[:500])
    whole = segment_of(tmp_path, old).path.read_bytes()
    for module in ("write.BLOCK", "write._ENTRIES"):
        monkeypatch.setattr(f"ratoon_ingestion.worker.index.{module}", 37)
    assert segment_of(tmp_path, old).path.read_bytes() == whole


def test_nothing_of_an_erased_record_remains(tmp_path):
    store = ArtifactStore(str(tmp_path / "store"))
    texts = list(dict.fromkeys(docstrings()))[:400]
    old = sketches(texts)
    gone = int(np.argmax(np.diff(old.offsets)[:380]))
    stays = np.array([row for row in range(len(old)) if row != gone])
    name = digest(str(gone))
    own = [shingle.tobytes() for shingle in old.shingles_at(gone) if (old.shingles == shingle).sum() == 1]
    assert len(own) > 3
    traces = [
        *own,
        bytes.fromhex(name),
        old.ids[gone].tobytes(),
        old.digests[gone].tobytes(),
        old.simhashes[gone : gone + 1].tobytes(),
    ]
    with index_store(store) as indexes:
        before = indexes.put([segment_of(tmp_path, old, covers="a" * 64)])
        shared = indexes.put([*indexes.segments(before), segment_of(tmp_path, sketches(texts[-9:], "x"))])
        expected = segment_of(tmp_path, old.take(stays), covers="b" * 64).path.read_bytes()
        replaced = {
            each: indexes.without(each, names_of([name]), {"a" * 64: "b" * 64}) for each in (before, shared)
        }
        for index, (after, blobs) in replaced.items():
            assert index in blobs
            left = indexes.segments(after)
            assert expected in {store.read(each.digest) for each in left}
            assert matches(old.take(np.array([gone])), [each.segment for each in left], 1.0) == {}
        for blob in {blob for _, blobs in replaced.values() for blob in blobs}:
            store.erase(blob, "its writer asked for it")
        assert indexes.without(after, names_of([name]), {}) == (after, [])
    for path in Path(store.folder, "sha256").glob("*/*"):
        data = path.read_bytes()
        assert not [trace for trace in traces if trace in data]


def test_an_index_grows_by_merges_and_covers_what_it_took_over(tmp_path):
    store = ArtifactStore(str(tmp_path / "store"))
    texts = docstrings()
    index, versions = "", [f"{number:064x}" for number in range(12)]
    with index_store(store) as indexes:
        for number, version in enumerate(versions):
            own = segment_of(
                tmp_path, sketches(texts[number * 20 : number * 20 + 20], version), covers=version
            )
            index = indexes.grown(indexes.covering([index], versions), own)
        stored = indexes.covering([index], versions)
        assert set().union(*(each.covers for each in stored)) == set(versions)
        assert len(stored) <= 4
        new = sketches(texts[:240])
        assert set(matches(new, [each.segment for each in stored], THRESHOLD)) == set(range(240))
        sizes = [len(each.segment) for each in indexes.segments(index)]
        assert sum(sizes) == 240


def test_two_indexes_that_grew_at_once_cover_together_what_both_added(tmp_path):
    store = ArtifactStore(str(tmp_path / "store"))
    texts = docstrings()
    first, left, right = (f"{number:064x}" for number in range(3))
    with index_store(store) as indexes:
        root = indexes.put([segment_of(tmp_path, sketches(texts[:50], "f"), covers=first)])
        grown = [
            indexes.grown(
                indexes.covering([root], [first]),
                segment_of(tmp_path, sketches(texts[start : start + 50], digest(name)), covers=name),
            )
            for start, name in ((50, left), (100, right))
        ]
        stored = indexes.covering(grown, [first, left, right])
        assert len(stored) == 3
        assert indexes.covering([grown[0]], [right]) == []
        next_index = indexes.grown(stored, segment_of(tmp_path, EMPTY, covers="f" * 64))
        assert sum(len(each.segment) for each in indexes.segments(next_index)) == 150


def test_a_segment_of_the_first_format_answers_for_nothing_and_forgets(tmp_path):
    store = ArtifactStore(str(tmp_path / "store"))
    version, old = "a" * 64, sketches(docstrings()[:50])
    name = digest("7")
    (tmp_path / "old").mkdir()
    layout = replace(layout_for(THRESHOLD, version), format=1)
    with index_store(store) as indexes:
        index = indexes.put([build([old], layout, tmp_path / "old" / "segment.idx")])
        assert indexes.covering([index], [version]) == []
        after, blobs = indexes.without(index, names_of([name]), {})
        (left,) = indexes.segments(after)
        assert (len(left.segment), left.segment.layout.format) == (49, 1)
        assert len(blobs) == 2
        assert not holds(left.segment, names_of([name]))


@pytest.mark.parametrize("damage", ["empty", "other", "cut", "newer", "changed"])
def test_a_damaged_segment_is_none(tmp_path, damage):
    store = ArtifactStore(str(tmp_path / "store"))
    segment = segment_of(tmp_path, sketches(docstrings()[:50]))
    with index_store(store) as indexes:
        index = indexes.put([segment])
    (stored,) = store.tree(index)
    data = store.read(stored.sha256)
    bad = {
        "empty": b"",
        "other": b"PAR1" + data[4:],
        "cut": data[:-1],
        "newer": data.replace(b'"format": 2', b'"format": 3'),
        "changed": data[:-1] + bytes([data[-1] ^ 1]),
    }[damage]
    path = Path(store.folder, "sha256", stored.sha256[:2], stored.sha256)
    path.write_bytes(bad)
    with index_store(ArtifactStore(store.url)) as indexes:
        assert indexes.segments(index) == []
        after, blobs = indexes.without(index, names_of(["a" * 64]), {})
        assert (after, blobs) == ("", [stored.sha256, index])
        for blob in blobs:
            store.erase(blob, "it could not be read")
        again = indexes.put([segment])
        assert len(indexes.segments(again)[0].segment) == 50
    if damage in ("other", "cut", "newer"):
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises(NotASegment):
            opened(tmp_path / "bad")


def test_lower_thresholds_than_the_segment_is_for_find_as_much(tmp_path):
    texts = docstrings()[:800]
    new, old = sketches(texts[::2], "new"), sketches(texts[1::2], "old")
    with index_store(ArtifactStore(str(tmp_path / "store"))) as indexes:
        usable = indexes.usable(segment_of(tmp_path, old, threshold=0.95), 0.4)
        assert matches(new, [usable], 0.4) == matches(new, [segment_of(tmp_path, old, threshold=0.4)], 0.4)


def test_records_without_words_and_indexes_without_records(tmp_path):
    nothing = sketches(["", "..."])
    empty = segment_of(tmp_path, EMPTY)
    assert len(empty) == 0
    assert matches(nothing, [empty], THRESHOLD) == {}
    both = merge([empty, segment_of(tmp_path, nothing)], tmp_path / "both.idx", empty.layout)
    assert len(both) == 2
    assert searched_together(nothing, nothing, THRESHOLD) == {0, 1}
    assert set(matches(nothing, [both], THRESHOLD)) == {0, 1}
    assert matches(EMPTY, [both], THRESHOLD) == {}


def test_examples_with_other_answers_are_no_duplicates_where_answers_count(tmp_path):
    text = docstrings()[5]
    old, new = sketches([text], "old"), sketches([text + " More."], "new")
    segment = segment_of(tmp_path, old)
    other = Sketches(new.ids, new.digests, new.shingles, new.offsets, new.simhashes, np.ones(1, np.uint64))
    assert set(matches(other, [segment], 0.3)) == {0}
    assert matches(other, [segment], 0.3, same_answers=True) == {}
    assert all(one <= other for one, other in pairwise(segment.table("digest")[0]))
