"""Splits that ask indexes of near duplicates: the same parts, no old text read again, none of an erased record left."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ratoon.jobs.v1.ingestion_jobs_pb2 import ErasureSpec
from ratoon.operations.job_messages import from_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import CurationConfig, EarlierRecords
from ratoon_ingestion.worker import leakage
from ratoon_ingestion.worker import shingles as hashing
from ratoon_ingestion.worker.erase import erase
from ratoon_ingestion.worker.index.sketches import Sketches, sketched
from ratoon_ingestion.worker.index.stored import index_store
from ratoon_ingestion.worker.stored_records import version_records
from services.ingestion.tests.integration.test_splitting import Bench, silent, story


def read(store, version):
    records = version_records(store, version)
    return records.take(np.arange(len(records)), ["record_id", "text", "attributes"])


ALL = {"train": 0.2, "validation": 0.2, "test": 0.6}


@dataclass
class Loop(Bench):
    """Versions and splits one after the other, each split with the indexes of those before."""

    folder: Path
    tests: list[str] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.folder)

    def next_split(self, version: str, **spec: Any) -> dict[str, Any]:
        earlier = {"earlier_tests": sorted(self.tests), "earlier_indexes": sorted(self.indexes)}
        result = self.split(version, **{**earlier, **spec})
        self.tests.append(result["parts"]["TEST"]["digest"])
        self.indexes.append(result["test_index"])
        return result


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop(tmp_path)


@pytest.fixture
def shingled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are shingled from now on, outside of curations."""
    texts: list[str] = []

    def recorded(ids: list[str], digests: list[str], wordings: list[str]) -> Sketches:
        texts.extend(wordings)
        return sketched(ids, digests, wordings)

    monkeypatch.setattr(leakage, "sketched", recorded)
    return texts


def plain(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if not name.endswith("_index")}


@pytest.mark.parametrize("mode", ["STRATIFIED", "TIME"])
def test_indexes_change_no_part_and_spare_all_old_texts(loop, shingled, mode):
    loop.next_split(loop.version(range(60)), ratios=ALL)
    loop.next_split(loop.version(range(40, 90), change=" indeed"), seed=2)
    version, index = loop.curated(range(130), change=" again")
    shingled.clear()
    result = loop.next_split(version, version_index=index, mode=mode, seed=9)
    assert shingled == []
    tests = loop.tests[:-1]
    without = loop.split(version, earlier_tests=tests, mode=mode, seed=9)
    assert len(shingled) > 130
    assert plain(without) == plain(result)
    assert without["version_index"] == index
    assert result["version_index"] == ""


def test_an_index_that_a_split_built_serves_the_next(loop, shingled):
    first = loop.split(loop.version(range(60)), ratios=ALL)
    version = loop.version(range(30, 90))
    tests = [first["parts"]["TEST"]["digest"]]
    second = loop.split(version, earlier_tests=tests)
    shingled.clear()
    third = loop.split(
        version,
        earlier_tests=tests,
        earlier_indexes=[second["test_index"]],
        version_index=second["version_index"],
    )
    assert shingled == []
    assert plain(third) == plain(second)


def test_two_splits_at_once_and_a_third_that_asks_both(loop, shingled):
    loop.next_split(loop.version(range(40)), ratios=ALL)
    version, index = loop.curated(range(100), change=" indeed")
    at_once = [
        loop.split(
            version,
            version_index=index,
            earlier_tests=list(loop.tests),
            earlier_indexes=list(loop.indexes),
            seed=seed,
        )
        for seed in (1, 2)
    ]
    for each in at_once:
        loop.tests.append(each["parts"]["TEST"]["digest"])
        loop.indexes.append(each["test_index"])
    shingled.clear()
    third = loop.next_split(version, version_index=index, seed=3)
    assert shingled == []
    assert plain(third) == plain(loop.split(version, earlier_tests=loop.tests[:-1], seed=3))


def test_a_crash_at_any_write_leaves_what_the_next_attempt_needs(loop, monkeypatch):
    loop.next_split(loop.version(range(40)), ratios=ALL)
    version = loop.version(range(30, 80), change=" indeed")
    spec = {"earlier_tests": loop.tests, "earlier_indexes": loop.indexes}
    whole = {path.name for path in Path(loop.store.folder, "sha256").glob("*/*")}
    expected, crashes = None, 0
    put = ArtifactStore.put_bytes, ArtifactStore.put_file
    for point in range(20):
        left = point

        def crashing(store: ArtifactStore, what: Any, write: Any) -> str:
            nonlocal left
            if not left:
                raise KeyboardInterrupt
            left -= 1
            return write(store, what)

        monkeypatch.setattr(ArtifactStore, "put_bytes", lambda store, data: crashing(store, data, put[0]))
        monkeypatch.setattr(ArtifactStore, "put_file", lambda store, path: crashing(store, path, put[1]))
        try:
            expected = loop.split(version, **spec)
            break
        except KeyboardInterrupt:
            crashes += 1
        for path in Path(loop.store.folder, "sha256").glob("*/*"):
            assert path.name in whole or loop.store.intact(path.name)
    assert crashes >= 6
    monkeypatch.undo()
    assert loop.split(version, **spec) == expected
    with index_store(loop.store) as indexes:
        assert indexes.covering([expected["test_index"]], loop.tests)


def test_an_erased_record_leaves_all_indexes_and_later_splits_still_ask_them(loop, shingled):
    version, index = loop.curated(range(50))
    first = loop.next_split(version, version_index=index, ratios=ALL)
    later, later_index = loop.curated(range(25, 90), change=" indeed")
    second = loop.next_split(later, version_index=later_index)
    remaining = {story(n) for n in range(25, 90)}
    row = next(row for row in loop.rows(first, "TEST") if row["text"] not in remaining)
    gone = row["record_id"]
    shingles = sketched([gone], [row["content_digest"]], [row["text"]])
    parts = [
        {"split": name, "part": part, "digest": result["parts"][part]["digest"]}
        for name, result in (("s1", first), ("s2", second))
        for part in ("TRAIN", "VALIDATION", "TEST")
    ]
    spec = {
        "record_ids": [gone],
        "record_key": "00" * 32,
        "versions": [{"name": "v1", "digest": version}, {"name": "v2", "digest": later}],
        "parts": parts,
        "indexes": sorted({index, later_index, *loop.indexes}),
    }
    result = erase(from_json(ErasureSpec, spec), loop.store, silent)
    assert set(result.indexes) >= {index, *loop.indexes}
    for blob in result.blobs:
        loop.store.erase(blob, "its writer indexed for it")
    traces = [
        bytes.fromhex(gone),
        shingles.ids.tobytes(),
        shingles.digests.tobytes(),
        shingles.simhashes.tobytes(),
    ]
    others = {text for n in range(90) for text in (story(n), f"{story(n)} indeed") if row["text"] not in text}
    shared = {shingle for text in others for shingle in hashing.shingled([text])[0].tolist()}
    traces += [each.tobytes() for each in shingles.shingles if int(each) not in shared]
    assert len(traces) > 20
    for path in Path(loop.store.folder, "sha256").glob("*/*"):
        data = path.read_bytes()
        assert not [trace for trace in traces if trace in data]
        if data[:4] == b"PAR1" and "record_id" in (table := pq.read_table(path)).column_names:
            assert gone not in table.column("record_id").to_pylist()

    replaced = {(part.split, part.part): part.digest for part in result.parts}
    tests = [
        replaced.get((name, "TEST"), digest) for name, digest in zip(("s1", "s2"), loop.tests, strict=True)
    ]
    indexes = [result.indexes.get(each, each) for each in loop.indexes]
    third, third_index = loop.curated(range(120), change=" again")
    shingled.clear()
    indexed = loop.split(third, version_index=third_index, earlier_tests=tests, earlier_indexes=indexes)
    assert shingled == []
    assert plain(indexed) == plain(loop.split(third, earlier_tests=tests))


def rejected(loop: Loop, version: str) -> dict[str, str]:
    """Reasons and details of the rejections of a version, by its record."""
    (file,) = (file for file in loop.store.tree(version) if file.path == "rejected.parquet")
    rows = pq.read_table(loop.store.open(file.sha256)).to_pylist()
    return {row["record_id"]: f"{row['reason']} {row['detail']}" for row in rows}


def ids(loop: Loop, version: str) -> dict[str, str]:
    table = read(loop.store, version)
    return dict(zip(table["text"].to_pylist(), table["record_id"].to_pylist(), strict=True))


def test_a_version_of_new_records_alone_names_the_old_ones(loop, shingled):
    first, first_index = loop.curated(range(40))
    second, second_index = loop.curated(range(30, 60), change=" indeed", earlier={first: first_index})
    old = ids(loop, first)
    assert set(ids(loop, second)) == {f"{story(n)} indeed" for n in range(40, 60)}
    expected = {f"NEAR_DUPLICATE stays: {old[story(n)]}" for n in range(30, 40)}
    assert set(rejected(loop, second).values()) == expected
    earlier = {first: first_index, second: second_index}
    third, third_index = loop.curated(range(35, 70), earlier=earlier)
    assert set(ids(loop, third)) == {story(n) for n in range(60, 70)}
    again = rejected(loop, third)
    known = old | {text.removesuffix(" indeed"): name for text, name in ids(loop, second).items()}
    assert {again[name] for name in again} == {
        *(f"EXACT_DUPLICATE stays: {known[story(n)]}" for n in range(35, 40)),
        *(f"NEAR_DUPLICATE stays: {known[story(n)]}" for n in range(40, 60)),
    }
    assert shingled == []
    with index_store(loop.store) as indexes:
        stored = indexes.covering([third_index], [first, second, third])
        assert sum(len(each.segment) for each in stored) == 70


def test_a_version_marks_what_earlier_ones_hold(loop):
    first, first_index = loop.curated(range(20))
    earlier = {first: first_index}
    marked, index = loop.curated(range(10, 40), earlier=earlier, known=EarlierRecords.MARK)
    changed, _ = loop.curated(range(10, 40), " indeed", earlier=earlier, known=EarlierRecords.MARK)
    old = ids(loop, first)
    for version, name, change in ((marked, "earlier_equal", ""), (changed, "earlier_near", " indeed")):
        table = read(loop.store, version)
        marks = {
            text: dict(row).get(name)
            for text, row in zip(table["text"].to_pylist(), table["attributes"].to_pylist(), strict=True)
        }
        assert marks == {story(n) + change: old.get(story(n)) for n in range(10, 40)}
        assert profile(loop, version)["duplicates"][name] == 10
    with index_store(loop.store) as indexes:
        stored = indexes.covering([index], [first, marked])
        assert {digest for each in stored for digest in each.covers} == {first, marked}
    assert rejected(loop, marked) == {}


def profile(loop: Loop, version: str) -> dict[str, Any]:
    (file,) = (file for file in loop.store.tree(version) if file.path == "profile.json")
    loaded: dict[str, Any] = json.loads(loop.store.read(file.sha256))
    return loaded


def test_a_curation_that_crashes_at_any_write_is_repeated_to_the_same_version(loop, monkeypatch):
    first, first_index = loop.curated(range(20))
    earlier = {first: first_index}
    before = {path.name for path in Path(loop.store.folder, "sha256").glob("*/*")}
    expected, crashes = None, 0
    put = ArtifactStore.put_bytes, ArtifactStore.put_file, ArtifactStore.put_manifest
    for point in range(1, 20):
        left = point

        def crashing(store: ArtifactStore, what: Any, write: Any) -> str:
            nonlocal left
            if not left:
                raise KeyboardInterrupt
            left -= 1
            return write(store, what)

        for name, write in zip(("put_bytes", "put_file", "put_manifest"), put, strict=True):
            monkeypatch.setattr(
                ArtifactStore, name, lambda store, what, write=write: crashing(store, what, write)
            )
        try:
            expected = loop.curated(range(10, 40), " indeed", earlier=earlier)
            break
        except KeyboardInterrupt:
            crashes += 1
        for path in Path(loop.store.folder, "sha256").glob("*/*"):
            assert path.name in before or loop.store.intact(path.name)
    assert crashes >= 5
    monkeypatch.undo()
    assert loop.curated(range(10, 40), " indeed", earlier=earlier) == expected
    version, index = expected
    assert set(ids(loop, version)) == {f"{story(n)} indeed" for n in range(20, 40)}
    with index_store(loop.store) as indexes:
        stored = indexes.covering([index], [first, version])
        assert {digest for each in stored for digest in each.covers} == {first, version}
        assert sum(len(each.segment) for each in stored) == 40


def test_two_versions_at_once_and_a_third_that_asks_both(loop):
    first, first_index = loop.curated(range(20))
    builders = []
    for name in ("a", "b"):
        builder = Loop(loop.folder / name)
        builder.store = loop.store
        builders.append(builder)
    with ThreadPoolExecutor(2) as pool:
        at_once = [
            pool.submit(builder.curated, numbers, change, earlier={first: first_index})
            for builder, numbers, change in zip(
                builders, (range(10, 30), range(15, 40)), (" indeed", " again"), strict=True
            )
        ]
        (second, second_index), (third, third_index) = (each.result() for each in at_once)
    assert set(ids(loop, second)) == {f"{story(n)} indeed" for n in range(20, 30)}
    assert set(ids(loop, third)) == {f"{story(n)} again" for n in range(20, 40)}
    earlier = {first: first_index, second: second_index, third: third_index}
    last, _ = loop.curated(range(50), earlier=earlier)
    assert set(ids(loop, last)) == {story(n) for n in range(40, 50)}


def test_an_erased_record_of_an_earlier_version_is_new_again(loop):
    first, first_index = loop.curated(range(20))
    spec = {
        "record_ids": [ids(loop, first)[story(7)]],
        "record_key": "00" * 32,
        "versions": [{"name": "v1", "digest": first}],
        "indexes": [first_index],
    }
    result = erase(from_json(ErasureSpec, spec), loop.store, silent)
    for blob in result.blobs:
        loop.store.erase(blob, "its writer asked for it")
    redacted, index = result.versions["v1"].digest, result.indexes[first_index]
    later, _ = loop.curated(range(20), " indeed", earlier={redacted: index})
    assert set(ids(loop, later)) == {f"{story(7)} indeed"}


def test_versions_without_an_index_are_read_once(loop, shingled):
    first, _ = loop.curated(range(20))
    second, index = loop.curated(range(10, 30), earlier={first: ""})
    assert len(shingled) == 20
    third, _ = loop.curated(range(10, 40), earlier={first: "", second: index})
    assert len(shingled) == 20
    assert set(ids(loop, third)) == {story(n) for n in range(30, 40)}


def test_an_index_is_no_part_of_the_version_and_the_same_twice(loop):
    alone, _ = loop.curated(range(30))
    stated = CurationConfig().stated()
    assert "earlier_versions" not in stated
    assert {file.path for file in loop.store.tree(alone)} == {
        "manifest.json",
        "profile.json",
        "records-00000.parquet",
        "rejected.parquet",
    }
    assert loop.curated(range(30)) == loop.curated(range(30))
