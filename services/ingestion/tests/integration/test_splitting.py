"""Splits on real version trees: labels, leakage, time, replay."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec, SplitSpec
from ratoon.operations.job_messages import to_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.assignment import Ratios
from ratoon_ingestion.domain.curation import CLUSTER_THRESHOLD, CurationConfig, EarlierRecords
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.label_sets import AmbiguousLabels
from ratoon_ingestion.worker.spec import read_spec
from ratoon_ingestion.worker.split import NothingToSplit, split
from ratoon_ingestion.worker.stored_records import NotADatasetVersion

WORDS = [
    "river",
    "stone",
    "market",
    "letter",
    "window",
    "bridge",
    "winter",
    "copper",
    "candle",
    "forest",
    "harbour",
    "evening",
    "silver",
]


def silent(fraction: float, message: str, **counts: Any) -> None:
    assert 0 <= fraction <= 1


def story(number: int) -> str:
    """A text of its own: no two share a 5-word shingle."""
    return (
        " ".join(f"{WORDS[(number + n) % 13]} {number * 1000 + n}" for n in range(20)) + " end of the story"
    )


DEFAULTS = {"mode": "STRATIFIED", "ratios": asdict(Ratios()), "threshold": CLUSTER_THRESHOLD}
"""Fields of a spec that a test does not name."""


class Bench:
    """Curates rows and splits versions in one artifact store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, ArtifactStore(str(folder / "artifacts"))

    def version(self, numbers, change: str = "", users: int = 1) -> str:
        return self.curated(numbers, change, users)[0]

    def curated(
        self,
        numbers,
        change: str = "",
        users: int = 1,
        earlier: Mapping[str, str] | None = None,
        known: EarlierRecords = EarlierRecords.EXCLUDE,
    ) -> tuple[str, str]:
        """Digests of a version and of its index; without records of earlier versions, whose indexes are named."""
        rows = [
            {
                "text": story(n) + change,
                "label": "spam" if n % 5 == 0 else "ham",
                "time": 1_000_000_000 + n,
                "user": f"u{n % users}",
            }
            for n in numbers
        ]
        data = "\n".join(map(json.dumps, rows)).encode()
        columns = {"text": "text", "label": "label", "time": "time", "attributes": ["user"]}
        blob = self.store.put_bytes(data)
        source = {"name": "projects/p/sources/s", "digest": blob, "format": "JSONL", "columns": columns}
        spec = {
            "version": "v",
            "curation": asdict(CurationConfig(earlier_versions=known)),
            "sources": [source],
            "record_key": "00" * 32,
            "processes": 1,
            "earlier_versions": sorted(earlier or ()),
            "earlier_indexes": sorted(filter(None, (earlier or {}).values())),
        }
        message = read_spec(CurationSpec, spec)
        result = curate(message, self.store, self.folder, silent)
        return result.artifact_digest, result.index

    def split(self, version: str, **spec: Any) -> dict[str, Any]:
        message = read_spec(SplitSpec, DEFAULTS | {"dataset_version": version, **spec})
        return to_json(split(message, self.store, silent))

    def rows(self, result: dict[str, Any], part: str) -> list[dict[str, Any]]:
        return pq.read_table(self.store.open(result["parts"][part]["digest"])).to_pylist()

    def label_set(self, labels: list[tuple[str, str]]) -> str:
        sink = io.BytesIO()
        pq.write_table(
            pa.table({"record_id": [r for r, _ in labels], "label": [label for _, label in labels]}), sink
        )
        return self.store.put_bytes(sink.getvalue())

    def ids(self, version: str) -> list[str]:
        result = self.split(version, ratios={"train": 1, "validation": 0, "test": 0})
        return [row["record_id"] for row in self.rows(result, "TRAIN")]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def texts(rows: list[dict[str, Any]]) -> set[str]:
    return {row["text"] for row in rows}


def test_a_split_is_stratified_and_the_same_twice(bench):
    version = bench.version(range(200))
    result = bench.split(version, seed=3)
    assert {part: result["parts"][part]["classes"] for part in result["parts"]} == {
        "TRAIN": {"ham": 128, "spam": 32},
        "VALIDATION": {"ham": 16, "spam": 4},
        "TEST": {"ham": 16, "spam": 4},
    }
    assert bench.split(version, seed=3) == result
    assert bench.split(version, seed=4)["parts"] != result["parts"]


def test_labels_come_from_the_label_set_and_what_has_none_is_withheld(bench):
    version = bench.version(range(50))
    ids = bench.ids(version)
    result = bench.split(version, label_set=bench.label_set([(name, "new") for name in ids[:40]]))
    assert result["withheld"] == {"NO_LABEL": 10}
    assert result["parts"]["TRAIN"]["classes"] == {"new": 32}


def test_a_label_set_that_contradicts_itself_is_refused(bench):
    version = bench.version(range(10))
    first = bench.ids(version)[0]
    with pytest.raises(AmbiguousLabels, match=first):
        bench.split(version, label_set=bench.label_set([(first, "a"), (first, "b")]))
    with pytest.raises(NothingToSplit):
        bench.split(version, label_set=bench.label_set([("f" * 64, "a")]))


def test_what_was_tested_before_is_tested_again_even_when_reworded(bench):
    first = bench.split(bench.version(range(100)))
    tested = texts(bench.rows(first, "TEST"))
    earlier = [first["parts"]["TEST"]["digest"]]
    later = bench.split(bench.version(range(50, 150), change=" indeed"), earlier_tests=earlier, seed=9)
    again = {text.removesuffix(" indeed") for text in texts(bench.rows(later, "TEST"))}
    reused = {text for text in tested if text in {story(n) for n in range(50, 150)}}
    assert reused
    assert reused <= again


def test_by_time_what_was_tested_before_is_withheld_from_training(bench):
    first = bench.split(bench.version(range(100)))
    earlier = [first["parts"]["TEST"]["digest"]]
    ratios = {"train": 0.45, "validation": 0.05, "test": 0.5}
    result = bench.split(bench.version(range(100)), mode="TIME", ratios=ratios, earlier_tests=earlier)
    assert texts(bench.rows(result, "TEST")) == {story(n) for n in range(50, 100)}
    tested = texts(bench.rows(first, "TEST"))
    for part in ("TRAIN", "VALIDATION"):
        assert not texts(bench.rows(result, part)) & tested
    assert result["withheld"]["EARLIER_TEST"] == len(tested & {story(n) for n in range(50)})


def test_replay_mixes_in_old_training_records_and_none_that_is_tested_here(bench):
    old = bench.split(bench.version(range(100)))
    replay = {"train": old["parts"]["TRAIN"]["digest"], "count": 30}
    ratios = {"train": 0.5, "validation": 0, "test": 0.5}
    new = bench.version(range(60, 160))
    result = bench.split(new, mode="TIME", ratios=ratios, replay=replay, seed=1)
    train, test = bench.rows(result, "TRAIN"), bench.rows(result, "TEST")
    old_rows = [row for row in train if dict(row["attributes"]).get("replayed") == "yes"]
    assert result["replayed"] == len(old_rows) == 30
    assert texts(old_rows) <= texts(bench.rows(old, "TRAIN"))
    assert not texts(train) & texts(test)
    assert len({row["record_id"] for row in train}) == len(train) == 80


def test_only_dataset_versions_are_split(bench, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    with pytest.raises(NotADatasetVersion):
        bench.split(bench.store.put_tree(tmp_path / "other"))


def test_records_of_one_value_of_an_attribute_stay_in_one_part(bench):
    version = bench.version(range(200), users=12)
    result = bench.split(version, mode="GROUPED", group_attribute="user", seed=3)
    users = {
        part: {dict(row["attributes"])["user"] for row in bench.rows(result, part)}
        for part in ("TRAIN", "VALIDATION", "TEST")
    }
    assert sum(map(len, users.values())) == 12
    assert all(users.values())


def test_numbers_are_divided_by_their_size_and_are_no_classes(bench):
    version = bench.version(range(200))
    numbers = bench.label_set([(name, str(n)) for n, name in enumerate(bench.ids(version)[:100])])
    result = bench.split(version, label_set=numbers, mode="QUANTILES")
    assert [part.get("classes", {}) for part in result["parts"].values()] == [{}, {}, {}]
    test = sorted(int(row["label"]) // 10 for row in bench.rows(result, "TEST"))
    assert test == list(range(10))
    words = bench.label_set([(name, "ham") for name in bench.ids(version)])
    with pytest.raises(NothingToSplit, match="a number as their label"):
        bench.split(version, label_set=words, mode="QUANTILES")


def test_augmented_copies_stand_in_the_training_part_alone_with_their_originals(bench):
    version = bench.version(range(60))
    plain = bench.split(version)
    result = bench.split(
        version,
        augmentation={"name": "augment", "params": {"character_noise": "0.2", "copies": "2"}},
        record_key="00" * 32,
    )
    train = bench.rows(result, "TRAIN")
    originals = {row["record_id"] for row in train if "copy_of" not in dict(row["attributes"])}
    copies = [row for row in train if "copy_of" in dict(row["attributes"])]
    assert int(result["augmented"]) == len(copies) == 2 * len(originals)
    assert {dict(row["attributes"])["copy_of"] for row in copies} == originals
    assert len({row["record_id"] for row in train}) == len(train)
    for part in ("VALIDATION", "TEST"):
        assert result["parts"][part]["digest"] == plain["parts"][part]["digest"]
    again = bench.split(
        bench.version(range(60)), replay={"train": result["parts"]["TRAIN"]["digest"], "count": 5}
    )
    assert not any("augmented" in dict(row["attributes"]) for row in bench.rows(again, "TRAIN"))
