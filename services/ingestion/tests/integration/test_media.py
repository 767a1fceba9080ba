"""Images, audio and video as records: files of others, their headers, duplicates, exports, erasure."""

import io
import json
import struct
import tarfile
import wave
import zlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import scipy
import sklearn

from ratoon.ingestion.v1.source_pb2 import Source
from ratoon.jobs.v1.dataset_jobs_pb2 import ExportSpec
from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationResult, CurationSpec, ErasureSpec, PreviewSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.media import media_of
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.erase import erase
from ratoon_ingestion.worker.exports.export import export
from ratoon_ingestion.worker.preview import preview
from ratoon_ingestion.worker.spec import read_spec

CHINA = Path(sklearn.__file__).parent / "datasets/images/china.jpg"
FLOWER = CHINA.with_name("flower.jpg")
SOUND = Path(scipy.__file__).parent / "io/tests/data/test-8000Hz-le-2ch-1byteu.wav"
KEY = "00" * 32


def silent(fraction: float, message: str, **counts: Any) -> None:
    assert 0 <= fraction <= 1


def png(width: int, height: int, shade: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + bytes([shade]) * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


FILES = {
    "train/metadata.jsonl": b'{"file_name": "shade.png", "text": "A grey square.", "camera": "k1"}\n'
    b'{"file_name": "gone.png", "text": "Nothing."}\n',
    "train/shade.png": png(3, 5, 128),
    "place/china.jpg": CHINA.read_bytes(),
    "plant/flower.jpg": FLOWER.read_bytes(),
    "plant/again.jpg": FLOWER.read_bytes(),
    "sound/tone.wav": SOUND.read_bytes(),
    "notes.txt": b"Some notes.",
    ".DS_Store": b"\0",
}


class Bench:
    """Curates, exports and erases in one artifact store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, ArtifactStore(str(folder / "artifacts"))
        self.source = {
            "name": "projects/p/sources/s",
            "digest": self.store.put_bytes(archive(FILES)),
            "format": "MEDIA_ARCHIVE",
            "columns": {"attributes": ["camera"]},
            "archive_depth": 3,
        }

    def curate(self, **source: Any) -> CurationResult:
        spec = {
            "version": "v",
            "curation": {},
            "sources": [{**self.source, **source}],
            "record_key": KEY,
            "processes": 1,
        }
        return curate(read_spec(CurationSpec, spec), self.store, self.folder, silent)

    def table(self, tree: str, prefix: str = "records-") -> list[dict[str, Any]]:
        shards = [file.sha256 for file in self.store.tree(tree) if file.path.startswith(prefix)]
        return [row for shard in shards for row in pq.read_table(self.store.open(shard)).to_pylist()]

    def attachments(self, tree: str) -> set[str]:
        return {file.sha256 for file in self.store.tree(tree) if file.path.startswith("attachments/")}

    def export(self, version: str, format: str) -> Path:
        spec = ExportSpec(title="projects/p/v1", date="2026-01-02", format=format, version=version)
        return self.store.fetch_tree(
            export(spec, self.store, self.folder, silent).artifact_digest, self.folder / format
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="module")
def version(bench: Bench) -> CurationResult:
    return bench.curate()


def test_each_file_is_a_record_with_label_text_and_reference(bench, version):
    rows = {row["source_path"]: row for row in bench.table(version.artifact_digest)}
    assert {(row["source_label"], row["text"]) for row in rows.values()} == {
        ("train", "A grey square.\n\n<image>"),
        ("place", "<image>"),
        ("plant", "<image>"),
        ("sound", "<audio>"),
    }
    attributes = dict(rows["train/shade.png"]["attributes"])
    assert attributes["camera"] == "k1" and attributes["media_type"] == "image/png"
    digest = attributes["images"].removeprefix("sha256:")
    assert bench.store.read(digest) == FILES["train/shade.png"]
    assert bench.attachments(version.artifact_digest) == {
        dict(row["attributes"]).get("images", dict(row["attributes"]).get("audios", ""))[7:]
        for row in rows.values()
    }
    rejected = {row["source_path"]: row["reason"] for row in bench.table(version.artifact_digest, "rejected")}
    assert (
        rejected
        == {
            "notes.txt": "NOT_MEDIA",
            ".DS_Store": "METADATA_FILE",
            "train/gone.png": "DAMAGED_MEMBER",
            "plant/again.jpg": "EXACT_DUPLICATE",
        }
        or rejected["plant/flower.jpg"] == "EXACT_DUPLICATE"
    )
    assert version.items == version.records + version.rejected == 8


def test_a_preview_shows_type_and_dimensions(bench):
    source = {**bench.source, "columns": {}}
    spec = {"source": source, "record_count": 10, "record_key": KEY, "file_name": "f.tar"}
    shown = preview(read_spec(PreviewSpec, spec), bench.store.url)
    assert shown.format == Source.FORMAT_MEDIA_ARCHIVE
    by_path = {each.source_path: each.attachments[0] for each in shown.records}
    china = by_path["place/china.jpg"]
    assert (china.mime_type, china.width, china.height) == ("image/jpeg", 640, 427)
    sound = by_path["sound/tone.wav"]
    with wave.open(str(SOUND)) as other:
        assert sound.duration_seconds == pytest.approx(other.getnframes() / other.getframerate(), abs=1e-3)
    assert sound.size_bytes == SOUND.stat().st_size


def test_exports_carry_the_files(bench, version):
    folder = bench.export(version.artifact_digest, "JSONL")
    (path,) = folder.glob("*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    data = {(folder / row["attachments"][0]).read_bytes() for row in rows}
    assert data == {FILES[name] for name in FILES if name.endswith((".png", ".jpg", ".wav"))}
    folder = bench.export(version.artifact_digest, "HUGGING_FACE")
    table = pq.read_table(next((folder / "data").glob("*.parquet"))).to_pylist()
    assert {row["image"]["bytes"] for row in table if row["image"]} == {
        FILES[name] for name in FILES if name.endswith((".png", ".jpg"))
    }
    assert "dtype: image" in (folder / "README.md").read_text()
    assert [path.suffix for path in (folder / "attachments").iterdir()] == [".wav"]


def test_hugging_face_datasets_decodes_the_images_of_an_export(bench, version, tmp_path):
    datasets = pytest.importorskip("datasets")
    folder = bench.export(version.artifact_digest, "HUGGING_FACE")
    files = {"train": str(folder / "data" / "*.parquet")}
    loaded = [
        datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "directory")),
        datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "files")),
    ]
    for train in (each["train"] for each in loaded):
        assert isinstance(train.features["image"], datasets.Image)
        sizes = {row["image"].size for row in train if row["image"]}
        assert sizes == {(3, 5), (640, 427)}
        assert [row["text"] for row in train if row["image"] is None] == ["<audio>"]


def test_an_erasure_takes_the_file_with_its_record(bench, version):
    rows = {row["source_path"]: row for row in bench.table(version.artifact_digest)}
    record = rows["place/china.jpg"]
    spec = {
        "record_ids": [record["record_id"]],
        "record_key": KEY,
        "sources": [bench.source],
        "versions": [{"name": "v", "digest": version.artifact_digest, "sources": ["projects/p/sources/s"]}],
    }
    result = erase(read_spec(ErasureSpec, spec), bench.store, silent)
    digest = dict(record["attributes"])["images"].removeprefix("sha256:")
    assert list(result.attachments) == [digest]
    assert digest not in bench.attachments(result.versions["v"].digest)
    left = bench.curate(digest=result.sources["projects/p/sources/s"])
    assert {row["source_path"] for row in bench.table(left.artifact_digest)} == rows.keys() - {
        "place/china.jpg"
    }
    assert digest not in bench.attachments(left.artifact_digest)


@pytest.mark.parametrize("shared", [False, True])
def test_a_file_that_records_share_stays_with_the_others_or_goes_with_all_of_them(bench, shared):
    rows = [{"file_name": f"{name}.png", "text": f"Photo of {name}."} for name in ("ann", "bob", "eve")]
    files = {"metadata.jsonl": "\n".join(map(json.dumps, rows)).encode()}
    files |= {"ann.png": png(2, 2, 1), "bob.png": png(2, 2, 1), "eve.png": png(2, 2, 9)}
    source = {**bench.source, "digest": bench.store.put_bytes(archive(files)), "columns": {"text": "text"}}
    before = bench.curate(**source)
    records = {row["source_path"]: row for row in bench.table(before.artifact_digest)}
    digest = dict(records["ann.png"]["attributes"])["images"].removeprefix("sha256:")
    assert len(records) == 3 and digest in dict(records["bob.png"]["attributes"])["images"]
    spec = {
        "record_ids": [records["ann.png"]["record_id"]],
        "record_key": KEY,
        "sources": [source],
        "versions": [{"name": "v", "digest": before.artifact_digest, "sources": [source["name"]]}],
        "shared_attachments": shared,
    }
    result = erase(read_spec(ErasureSpec, spec), bench.store, silent)
    remaining = {row["source_path"] for row in bench.table(result.versions["v"].digest)}
    assert remaining == ({"eve.png"} if shared else {"bob.png", "eve.png"})
    assert (list(result.attachments), list(result.retained_attachments)) == (
        ([digest], []) if shared else ([], [digest])
    )
    rebuilt = bench.curate(**{**source, "digest": result.sources[source["name"]]})
    assert {row["source_path"] for row in bench.table(rebuilt.artifact_digest)} == remaining


@pytest.mark.parametrize("suffix", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_dimensions_are_those_of_another_library(suffix):
    image = pytest.importorskip("PIL.Image").open(FLOWER).resize((301, 77))
    buffer = io.BytesIO()
    image.save(buffer, suffix)
    media = media_of(buffer.getvalue(), len(buffer.getvalue()))
    assert (media.group, media.width, media.height) == ("image", 301, 77)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".png", ".jpg", ".wav"))])
def test_a_damaged_file_has_a_type_and_no_error(name):
    for size in range(0, 400, 7):
        media_of(FILES[name][:size], size)
    assert media_of(b"plain text", 10) is None
