"""Exports of version trees, read by other programs, or by a reader written after the description of the format."""

import csv
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from ratoon.jobs.v1.dataset_jobs_pb2 import ExportSpec, PartBlob
from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec, SplitSpec
from ratoon.storage.artifacts import ArtifactStore, TreeFile
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.exports import export as exports
from ratoon_ingestion.worker.exports import tokens
from ratoon_ingestion.worker.exports.export import export
from ratoon_ingestion.worker.exports.tokens import BadTokenizer, NotPlainText
from ratoon_ingestion.worker.spec import read_spec
from ratoon_ingestion.worker.split import split

ODD = [
    '=HYPERLINK("http://example.org") is a cell that a spreadsheet would run, if nobody told it not to do so',
    'A text with "quotes", commas, and\na line end, and a second\r\none of the other kind, as mails have them',
    "+49 123 is how a number of a phone may begin, and so does this sentence, which is long enough to stay",
    "这是一个很长的中文句子，里面有标点符号，也有换行。它足够长，可以留在数据集中，不会因为太短而被删除。",
]


def silent(fraction: float, message: str, **counts: Any) -> None:
    assert 0 <= fraction <= 1


def text(number: int) -> str:
    return " ".join(f"word{(number * 37 + n * n) % 1009}" for n in range(30)) + f" number {number}"


def row(number: int) -> dict[str, Any]:
    words = ODD[number] if number < len(ODD) else text(number)
    label = None if number % 5 == 0 else "spam" if number % 3 == 0 else "ham"
    return {
        "text": words,
        "label": label,
        "id": f"m-{number}",
        "time": 1_700_000_000 + number,
        "user": f"u{number % 7}",
    }


class Bench:
    """Curates, splits and exports in one artifact store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, ArtifactStore(str(folder / "artifacts"))

    def version(self, rows: list[dict[str, Any]]) -> str:
        blob = self.store.put_bytes("\n".join(map(json.dumps, rows)).encode())
        columns = {"attributes": ["user"]} if "user" in rows[0] else {}
        source = {
            "name": "projects/p/sources/s",
            "digest": blob,
            "format": "JSONL",
            "columns": columns,
            "licence": "CC0-1.0",
        }
        spec = {
            "version": "v",
            "curation": {"masks": []},
            "sources": [source],
            "record_key": "00" * 32,
            "processes": 1,
        }
        return curate(read_spec(CurationSpec, spec), self.store, self.folder, silent).artifact_digest

    def export(self, format: str, **fields: Any) -> Any:
        spec = ExportSpec(
            title="projects/p/datasets/d/versions/v1",
            date="2026-01-02",
            licenses=["CC0-1.0"],
            format=format,
            **fields,
        )
        return export(spec, self.store, self.folder, silent)

    def fetched(self, result: Any, name: str) -> Path:
        return self.store.fetch_tree(result.artifact_digest, self.folder / name)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def version(bench: Bench) -> str:
    return bench.version([row(number) for number in range(120)])


@pytest.fixture(scope="module")
def records(bench: Bench, version: str) -> list[dict[str, Any]]:
    shards = [file.sha256 for file in bench.store.tree(version) if file.path.startswith("records-")]
    return [each for shard in shards for each in pq.read_table(bench.store.open(shard)).to_pylist()]


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of 50 records."""
    monkeypatch.setattr(exports, "SHARD_RECORDS", 50)
    monkeypatch.setattr(exports, "_BATCH_ROWS", 33)


def test_parquet_holds_every_column_in_files_of_one_schema(bench, version, records, small_files):
    result = bench.export("PARQUET", version=version)
    folder = bench.fetched(result, "parquet")
    paths = sorted(folder.glob("*.parquet"))
    assert [path.name for path in paths] == [f"train-{n:05d}-of-00003.parquet" for n in range(3)]
    tables = [pq.read_table(path) for path in paths]
    assert [table.num_rows for table in tables] == [50, 50, 20]
    assert len({str(table.schema) for table in tables}) == 1
    assert [each for table in tables for each in table.to_pylist()] == records
    assert result.records == 120


def test_json_lines_can_be_imported_again_with_the_same_contents(bench, version, records, small_files):
    folder = bench.fetched(bench.export("JSONL", version=version), "jsonl")
    lines = "".join(path.read_text("utf-8") for path in sorted(folder.glob("*.jsonl"))).splitlines()
    again = bench.version(list(map(json.loads, lines)))
    shards = [file.sha256 for file in bench.store.tree(again) if file.path.startswith("records-")]
    rows = [each for shard in shards for each in pq.read_table(bench.store.open(shard)).to_pylist()]
    key = lambda each: (each["content_digest"], each["source_label"] or "", each["received_time"])  # noqa: E731
    assert sorted(map(key, rows)) == sorted(map(key, records))


def test_csv_is_the_same_data_unless_formulas_are_escaped(bench, version, records):
    folder = bench.fetched(bench.export("CSV", version=version), "csv")
    data = (folder / "train-00000-of-00001.csv").read_bytes().decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(data, newline="")))
    assert [each["text"] for each in rows] == [each["text"] for each in records]
    assert [each["label"] for each in rows] == [each["source_label"] or "" for each in records]
    assert [json.loads(each["attributes"]) for each in rows] == [dict(each["attributes"]) for each in records]
    safe = bench.fetched(bench.export("CSV", version=version, escape_formulas=True), "safe")
    escaped = (safe / "train-00000-of-00001.csv").read_bytes().decode("utf-8")
    cells = csv.DictReader(io.StringIO(escaped, newline=""))
    changed = {each["text"] for each in cells} - {each["text"] for each in records}
    assert changed == {f"'{each}" for each in (ODD[0], ODD[2])}


def test_hugging_face_datasets_loads_the_directory(bench, version, records, small_files, tmp_path):
    datasets = pytest.importorskip("datasets")
    folder = bench.fetched(bench.export("HUGGING_FACE", version=version), "hugging-face")
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))
    assert list(loaded) == ["train"]
    train = loaded["train"]
    assert train["text"][:] == [each["text"] for each in records]
    assert train["label"][:] == [each["source_label"] for each in records]
    assert train["received_time"][:] == [each["received_time"] for each in records]
    assert [json.loads(each) for each in train["attributes"]] == [
        dict(each["attributes"]) for each in records
    ]


def test_parts_of_a_split_are_splits_of_the_directory(bench, version, tmp_path):
    datasets = pytest.importorskip("datasets")
    ratios = {"train": 0.7, "validation": 0.2, "test": 0.1}
    spec = {"dataset_version": version, "mode": "STRATIFIED", "ratios": ratios, "threshold": 0.8}
    parts = split(read_spec(SplitSpec, spec), bench.store, silent).parts
    blobs = [PartBlob(part=name, digest=parts[name].digest) for name in ("TRAIN", "VALIDATION")]
    result = bench.export("HUGGING_FACE", parts=blobs)
    loaded = datasets.load_dataset(str(bench.fetched(result, "parts")), cache_dir=str(tmp_path))
    assert {name: len(rows) for name, rows in loaded.items()} == {
        "train": parts["TRAIN"].records,
        "validation": parts["VALIDATION"].records,
    }
    assert result.records == parts["TRAIN"].records + parts["VALIDATION"].records


def tokenizer(bench: Bench, words: list[str], eos: str | None = "<eos>") -> str:
    """The digest of a word-level tokenizer."""
    vocabulary = {word: place for place, word in enumerate(dict.fromkeys(["<unk>", "<eos>", *words]))}
    created = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    created.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    created.enable_truncation(5)
    created.enable_padding(length=100)
    files = {"tokenizer.json": created.to_str(), "tokenizer_config.json": json.dumps({"eos_token": eos})}
    stored = [
        (path, bench.store.put_bytes(data.encode()), len(data.encode())) for path, data in files.items()
    ]
    return bench.store.put_manifest([TreeFile(*each) for each in stored])


@pytest.fixture(scope="module")
def words(records: list[dict[str, Any]]) -> list[str]:
    return sorted({word for each in records for word in each["text"].split()})


def read_megatron(prefix: Path) -> list[list[int]]:
    """Documents of an indexed dataset, read after the description in Megatron-LM's indexed_dataset.py."""
    data = prefix.with_suffix(".idx").read_bytes()
    assert data[:9] == b"MMIDIDX\x00\x00"
    (version,) = struct.unpack_from("<Q", data, 9)
    (code,) = struct.unpack_from("<B", data, 17)
    sequences, documents = struct.unpack_from("<QQ", data, 18)
    assert version == 1
    dtype = {1: np.uint8, 2: np.int8, 3: np.int16, 4: np.int32, 5: np.int64, 8: np.uint16}[code]
    lengths = np.frombuffer(data, np.int32, sequences, 34)
    pointers = np.frombuffer(data, np.int64, sequences, 34 + lengths.nbytes)
    bounds = np.frombuffer(data, np.int64, documents, 34 + lengths.nbytes + pointers.nbytes)
    assert len(data) == 34 + lengths.nbytes + pointers.nbytes + bounds.nbytes
    assert (bounds[0], bounds[-1], len(bounds)) == (0, sequences, sequences + 1)
    content = prefix.with_suffix(".bin").read_bytes()
    assert len(content) == lengths.sum() * dtype().itemsize
    return [
        np.frombuffer(content, dtype, length, pointer).tolist()
        for length, pointer in zip(lengths, pointers, strict=True)
    ]


@pytest.mark.parametrize("size", [0, 70_000])
def test_token_files_hold_each_record_whole_with_one_end_token(
    bench, version, records, words, size, monkeypatch
):
    monkeypatch.setattr(tokens, "SHARD_TOKENS", 1000)
    words = [*words, *(f"unused{n}" for n in range(size))]
    digest = tokenizer(bench, words)
    numbers = {word: place for place, word in enumerate(["<unk>", "<eos>", *words])}
    expected = [[*(numbers[word] for word in each["text"].split()), 1] for each in records]
    result = bench.export("MEGATRON", version=version, tokenizer=digest)
    folder = bench.fetched(result, f"megatron-{size}")
    prefixes = sorted(path.with_suffix("") for path in folder.glob("*.idx"))
    assert len(prefixes) > 2
    assert [each for prefix in prefixes for each in read_megatron(prefix)] == expected
    assert result.tokens == sum(map(len, expected))
    plain = bench.fetched(bench.export("TOKENS", version=version, tokenizer=digest), f"plain-{size}")
    about = json.loads((plain / "tokens.json").read_text())
    assert about["dtype"] == ("uint32" if size else "uint16")
    flat = [
        number
        for file in about["files"]
        for number in np.fromfile(plain / file["path"], about["dtype"]).tolist()
    ]
    assert flat == [number for each in expected for number in each]
    assert about["end_token_id"] == 1


def test_a_tokenizer_without_an_end_token_is_refused(bench, version, words):
    digest = tokenizer(bench, words, eos=None)
    with pytest.raises(BadTokenizer, match="declares no eos_token"):
        bench.export("TOKENS", version=version, tokenizer=digest)
    with pytest.raises(BadTokenizer, match="does not know the token '<end>'"):
        bench.export("TOKENS", version=version, tokenizer=digest, end_token="<end>")
    assert bench.export("TOKENS", version=version, tokenizer=digest, end_token="<eos>").tokens
    with pytest.raises(BadTokenizer, match=r"no usable tokenizer\.json"):
        bench.export("TOKENS", version=version, tokenizer=bench.store.put_bytes(b"{}"))


CHATS = [
    {
        "messages": [
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": f"How many seconds do {n} minutes have, and why is that so?"},
            {"role": "assistant", "content": f"They have {n * 60} seconds."},
        ]
    }
    for n in range(20)
]


def test_conversations_stay_conversations(bench, words):
    version = bench.version(CHATS)
    with pytest.raises(NotPlainText, match="JSONL"):
        bench.export("MEGATRON", version=version, tokenizer=tokenizer(bench, words))
    folder = bench.fetched(bench.export("JSONL", version=version), "chats")
    lines = (folder / "train-00000-of-00001.jsonl").read_text("utf-8").splitlines()
    described = json.loads((folder / "croissant.json").read_text("utf-8"))["recordSet"][0]["field"]
    assert {each["name"] for each in described} <= set(json.loads(lines[0]))
    exported = [json.loads(line)["messages"] for line in lines]
    assert sorted(exported, key=str) == sorted((each["messages"] for each in CHATS), key=str)


def test_an_instruction_is_a_conversation_although_its_record_is_a_text_with_a_label(bench, words):
    """Its text is the prompt alone: token files would leave out the answer."""
    rows = [{"instruction": f"How much is {n} plus {n}? {text(n)}", "output": str(2 * n)} for n in range(9)]
    version = bench.version(rows)
    with pytest.raises(NotPlainText):
        bench.export("TOKENS", version=version, tokenizer=tokenizer(bench, words))
    folder = bench.fetched(bench.export("JSONL", version=version), "instructions")
    lines = (folder / "train-00000-of-00001.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["messages"][1]["content"] for line in lines} == {row["output"] for row in rows}


def test_an_export_describes_itself_in_croissant(bench, version):
    for format in ("PARQUET", "CSV", "JSONL", "HUGGING_FACE"):
        result = bench.export(format, version=version)
        files = {each.path: each for each in result.files}
        described = json.loads(bench.store.read(files["croissant.json"].digest))
        assert described["@type"] == "sc:Dataset"
        assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
        assert described["license"] == ["CC0-1.0"]
        for each in described["distribution"]:
            assert each["@type"] == "cr:FileObject"
            assert each["sha256"] == files[each["contentUrl"]].digest
            assert each["encodingFormat"]
        names = {each["@id"] for each in described["distribution"]}
        for records in described["recordSet"]:
            for field in records["field"]:
                assert field["source"]["fileObject"]["@id"] in names
                assert field["dataType"].startswith("sc:")


def test_d31_columns_have_one_type_in_all_files_whatever_the_first_rows_hold(bench, small_files):
    rows = [row(number) | {"user": None if number < 60 else f"user {number}"} for number in range(120)]
    rows = [each | {"label": None, "time": None} if number < 55 else each for number, each in enumerate(rows)]
    version = bench.version(rows)
    for format, pattern in (("PARQUET", "*.parquet"), ("HUGGING_FACE", "**/*.parquet")):
        folder = bench.fetched(bench.export(format, version=version), f"typed-{format.lower()}")
        tables = [pq.read_table(path) for path in sorted(folder.glob(pattern))]
        assert len(tables) == 3 and len({str(table.schema) for table in tables}) == 1
        assert not any(str(field.type) == "null" for field in tables[0].schema)
        assert sum(table.num_rows for table in tables) == 120
