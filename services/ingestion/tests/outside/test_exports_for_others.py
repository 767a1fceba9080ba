"""Exports of the data of others: read by Hugging Face `datasets`, imported again, checked by Croissant's library."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ratoon.jobs.v1.dataset_jobs_pb2 import ExportSpec
from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.exports.export import export
from ratoon_ingestion.worker.spec import read_spec

ROOT = Path(__file__).resolve().parents[4]
DATA = ROOT / ".data" / "zoo" / "llamafactory" / "data"
UV = ROOT / ".tools" / "uv" / "bin" / "uv"
MLCROISSANT = ("mlcroissant==1.1.1", "pyarrow")
NAMES = ["alpaca_zh_demo.json", "glaive_toolcall_en_demo.json", "dpo_zh_demo.json", "kto_en_demo.json"]
VALIDATE = """
import json, sys
import mlcroissant

dataset = mlcroissant.Dataset(jsonld=sys.argv[1])
assert not dataset.metadata.ctx.issues.errors
print(json.dumps({
    each.uuid: sum(1 for _ in dataset.records(record_set=each.uuid)) for each in dataset.metadata.record_sets
}))
"""


def silent(fraction: float, message: str, **counts: Any) -> None:
    """Report nothing."""


class Bench:
    """Curates and exports in one artifact store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, ArtifactStore(str(folder / "artifacts"))

    def version(self, data: bytes) -> str:
        source = {
            "name": "projects/p/sources/s",
            "digest": self.store.put_bytes(data),
            "format": "JSONL",
            "licence": "Apache-2.0",
        }
        spec = {
            "version": "v",
            "curation": {"masks": [], "near_duplicate_threshold": 0.0},
            "sources": [{**source, "columns": {}}],
            "record_key": "00" * 32,
            "processes": 1,
        }
        return curate(read_spec(CurationSpec, spec), self.store, self.folder, silent).artifact_digest

    def rows(self, version: str) -> list[dict[str, Any]]:
        shards = [file.sha256 for file in self.store.tree(version) if file.path.startswith("records-")]
        return [row for shard in shards for row in pq.read_table(self.store.open(shard)).to_pylist()]

    def exported(self, version: str, format: str) -> Path:
        spec = ExportSpec(
            title="projects/p/datasets/d/versions/v1",
            date="2026-01-02",
            licenses=["Apache-2.0"],
            format=format,
            version=version,
        )
        digest = export(spec, self.store, self.folder, silent).artifact_digest
        return self.store.fetch_tree(digest, self.folder / f"{version[:8]}-{format}")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    if not DATA.is_dir():
        pytest.skip("fetch llamafactory first: make test-outside")
    return Bench(tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def versions(bench: Bench) -> dict[str, str]:
    return {name: bench.version((DATA / name).read_bytes()) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_json_lines_are_the_same_records_when_they_are_imported_again(bench, versions, name):
    folder = bench.exported(versions[name], "JSONL")
    (path,) = folder.glob("*.jsonl")
    again = bench.rows(bench.version(path.read_bytes()))
    before = Counter(row["content_digest"] for row in bench.rows(versions[name]))
    assert Counter(row["content_digest"] for row in again) == before


@pytest.mark.parametrize("name", NAMES)
def test_hugging_face_datasets_reads_each_text_and_answer(bench, versions, name, tmp_path):
    datasets = pytest.importorskip("datasets")
    folder = bench.exported(versions[name], "HUGGING_FACE")
    train = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))["train"]
    rows = bench.rows(versions[name])
    for column, own in (
        ("text", "text"),
        ("label", "source_label"),
        ("example", "example"),
        ("cluster", "cluster"),
    ):
        assert train[column][:] == [row[own] for row in rows]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment with Croissant's library."""
    if not UV.exists():
        pytest.skip("uv is missing; `make env` gets it")
    python = tmp_path_factory.mktemp("croissant") / "venv/bin/python"
    commands: list[list[object]] = [
        [UV, "venv", "--quiet", "--no-project", "--python", sys.executable, python.parents[1]],
        [UV, "pip", "install", "--quiet", "--python", python, *MLCROISSANT],
    ]
    for command in commands:
        subprocess.run([str(each) for each in command], check=True, cwd=ROOT)
    return python


@pytest.mark.parametrize("format", ["PARQUET", "JSONL", "CSV", "HUGGING_FACE"])
def test_the_library_of_croissant_accepts_the_description_and_reads_each_record(
    bench, versions, python, format
):
    name = "alpaca_zh_demo.json"
    folder = bench.exported(versions[name], format)
    done = subprocess.run(
        [str(python), "-c", VALIDATE, str(folder / "croissant.json")],
        capture_output=True,
        text=True,
        cwd=bench.folder,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert sum(json.loads(done.stdout.splitlines()[-1]).values()) == len(bench.rows(versions[name]))
