"""Parts and mixtures of one input are the same in each release: record by record, and byte by byte."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.ingestion.v1.mixture_pb2 import Mixture
from ratoon.jobs.v1.dataset_jobs_pb2 import MixtureSpec
from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec, SplitSpec
from ratoon.operations.job_messages import to_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.mix import mix
from ratoon_ingestion.worker.parts import PART
from ratoon_ingestion.worker.spec import read_spec
from ratoon_ingestion.worker.split import split

KEY = "00" * 32
RATIOS = {"train": 0.6, "validation": 0.2, "test": 0.2}
COUNT = 2_600
"""Enough for parts of several row groups, the last of them incomplete."""
CONTENTS = {
    "stratified": "39ed2be2cb9b0aa1",
    "tested before": "b101fca80a76d637",
    "labelled": "ace578a80e04d192",
    "by time": "bcb60e7a8d16252a",
    "grouped": "7b7c115aa2501dc1",
    "by number": "75b424cc1caff333",
    "replayed": "544910be4557c82e",
    "augmented": "0bc2bec062cd9d5e",
    "mixed": "1df61a9aa5b303bf",
}
"""Hashes of the parts of each split, taken when the job held all records in memory."""
MIXTURE = "78405026523ca12e"
"""Hash of the records of the mixture."""


def silent(fraction: float, message: str, **counts: Any) -> None:
    assert 0 <= fraction <= 1


def story(number: int) -> str:
    """A text; every twentieth nearly repeats the one before."""
    own = number - 1 if number % 20 == 19 else number
    words = [word((own * 7919 + place * place * (own + 3)) % 9973) for place in range(14)]
    return " ".join(words) + (" and so on" if own != number else "")


def word(number: int) -> str:
    """A word of letters for each number."""
    return "".join(
        ("ba", "de", "fi", "go", "lu", "ma", "ne", "ri", "so", "tu")[int(each)] for each in str(number)
    )


def row(number: int) -> dict[str, Any]:
    user = {"user": f"u{number % 97}"} if number % 5 else {}
    common = {"id": f"r{number}", "time": 1_600_000_000 + (number * 37) % 5_000, **user}
    if number % 50 == 7:
        question = {"role": "user", "content": story(number)}
        return {**common, "messages": [question, {"role": "assistant", "content": f"answer {number % 7}"}]}
    label = None if number % 41 == 3 else "spam" if number % 4 == 0 else f"ham\nmail{number % 30}"
    return {**common, "text": story(number), "label": label}


class Bench:
    """Curates, mixes and splits in one artifact store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, ArtifactStore(str(folder / "artifacts"))
        self.mixture = ""

    def version(self, start: int, stop: int) -> Any:
        lines = "\n".join(json.dumps(row(number)) for number in range(start, stop))
        columns = {"time": "time", "id": "id", "attributes": ["user"]}
        source = {"name": "projects/p/sources/s", "digest": self.store.put_bytes(lines.encode())}
        source |= {"format": "JSONL", "columns": columns}
        curation = {"near_duplicate_threshold": 0.0, "languages": []}
        spec = {"version": "v", "curation": curation, "sources": [source], "record_key": KEY, "processes": 1}
        return curate(read_spec(CurationSpec, spec), self.store, self.folder, silent)

    def ids(self, version: Any) -> list[str]:
        shards = [
            file for file in self.store.tree(version.artifact_digest) if file.path.startswith("records-")
        ]
        return [
            each
            for file in shards
            for each in pq.read_table(self.store.open(file.sha256), columns=["record_id"])[0].to_pylist()
        ]

    def split(self, version: Any, **spec: Any) -> dict[str, Any]:
        given = {
            "dataset_version": version.artifact_digest,
            "version_index": version.index,
            "mode": "STRATIFIED",
            "ratios": RATIOS,
            "threshold": 0.8,
            **spec,
        }
        return to_json(split(read_spec(SplitSpec, given), self.store, silent))

    def label_set(self, rows: dict[str, list[Any]]) -> str:
        sink = io.BytesIO()
        pq.write_table(pa.table(rows), sink)
        return self.store.put_bytes(sink.getvalue())

    def content(self, result: dict[str, Any]) -> str:
        """A hash of all rows of all parts, in their order, and of the counts."""
        hashed = hashlib.sha256()
        for name, part in sorted(result["parts"].items()):
            hashed.update(f"{name} {sorted(part.get('classes', {}).items())}".encode())
            for each in pq.read_table(self.store.open(part["digest"])).to_pylist():
                hashed.update(json.dumps(each, sort_keys=True).encode())
        hashed.update(str(sorted(result.get("withheld", {}).items())).encode())
        return hashed.hexdigest()[:16]


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, dict[str, dict[str, Any]]]:
    """One split of each kind, on versions that share records."""
    bench = Bench(tmp_path_factory.mktemp("contents"))
    old, new = bench.version(0, 1_500), bench.version(900, COUNT)
    first = bench.split(old, seed=1)
    earlier = {"earlier_tests": [first["parts"]["TEST"]["digest"]], "earlier_indexes": [first["test_index"]]}
    ids = bench.ids(new)[::-1][:1_300]
    labels = [None if place % 60 == 0 else f"c{place % 3}" for place in range(len(ids))]
    drawn = ["ACTIVE" if place % 17 == 0 else "RANDOM" for place in range(len(ids))]
    label_set = bench.label_set({"record_id": ids, "label": labels, "selection": drawn})
    numbers = bench.label_set({"record_id": ids, "label": [str(place % 211) for place in range(len(ids))]})
    replay = {"train": first["parts"]["TRAIN"]["digest"], "count": 300}
    augmentation = {"name": "augment", "params": {"character_noise": "0.2", "copies": "2"}}
    mixture = Mixture(
        components=[
            Mixture.Component(dataset_version="old", weight=3, max_repeats=3),
            Mixture.Component(dataset_version="new", weight=1),
        ],
        strategy=Mixture.STRATEGY_RATIO,
        unit=Mixture.UNIT_RECORDS,
        budget=2_900,
    )
    digests = [old.artifact_digest, new.artifact_digest]
    spec = MixtureSpec(version="m", mixture=mixture, digests=digests, record_key=KEY, threshold=0.8)
    mixed = mix(spec, bench.store, bench.folder, silent)
    bench.mixture = mixed.artifact_digest
    return bench, {
        "stratified": first,
        "tested before": bench.split(new, seed=2, **earlier),
        "labelled": bench.split(new, seed=3, label_set=label_set, **earlier),
        "by time": bench.split(new, mode="TIME", label_set=label_set, **earlier),
        "grouped": bench.split(new, mode="GROUPED", group_attribute="user", seed=4, **earlier),
        "by number": bench.split(new, mode="QUANTILES", label_set=numbers, seed=5),
        "replayed": bench.split(new, seed=6, replay=replay, **earlier),
        "augmented": bench.split(
            new, seed=7, replay=replay, augmentation=augmentation, record_key=KEY, version_index=""
        ),
        "mixed": bench.split(mixed, seed=8, **earlier),
    }


def test_each_split_has_the_records_that_it_had_in_earlier_releases(splits):
    bench, results = splits
    assert {name: bench.content(result) for name, result in results.items()} == CONTENTS


def test_a_mixture_has_the_records_that_it_had_in_earlier_releases(splits):
    bench, _ = splits
    hashed = hashlib.sha256()
    shards = [file for file in bench.store.tree(bench.mixture) if file.path.startswith("records-")]
    for file in sorted(shards, key=lambda each: each.path):
        for each in pq.read_table(bench.store.open(file.sha256)).to_pylist():
            hashed.update(json.dumps(each, sort_keys=True, default=str).encode())
    assert hashed.hexdigest()[:16] == MIXTURE


def test_a_part_has_the_bytes_of_a_table_that_is_written_at_once(splits):
    bench, results = splits
    for result in results.values():
        for part in result["parts"].values():
            table, sink = pq.read_table(bench.store.open(part["digest"])), io.BytesIO()
            assert table["record_id"].to_pylist() == sorted(table["record_id"].to_pylist())
            pq.write_table(table.combine_chunks().cast(PART), sink, compression="zstd", row_group_size=500)
            assert hashlib.sha256(sink.getvalue()).hexdigest() == part["digest"]
