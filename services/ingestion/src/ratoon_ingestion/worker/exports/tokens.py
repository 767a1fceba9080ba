"""Writers of token files: those of Megatron-LM (`.bin` and `.idx`), and plain ones.

An index of Megatron-LM (`megatron/core/datasets/indexed_dataset.py`) holds, little endian: the magic bytes, a version
(uint64), the code of the type of the tokens (uint8), the numbers of sequences and of document bounds (uint64), the
length of each sequence (int32), its offset in bytes (int64), and the index of the first sequence of each document, with
the number of sequences at the end (int64). Here each record is a document of one sequence.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.exports.columns import is_conversation
from ratoon_ingestion.worker.exports.sink import Sink

SHARD_TOKENS = 1 << 27
"""Number of tokens after which a file is complete."""
_MAGIC, _VERSION = b"MMIDIDX\x00\x00", 1
_CODES = {np.dtype("<i4"): 4, np.dtype("<u2"): 8}
_MEGATRON_SMALL, _SMALL = 65_500, 1 << 16
"""Sizes of vocabularies up to which token IDs have two bytes: by the rule of Megatron-LM, and what fits."""


class NotPlainText(Exception):
    """Conversations have no tokens without a chat template."""

    code, reason = "FAILED_PRECONDITION", "EXPORT_NOT_PLAIN_TEXT"


class BadTokenizer(Exception):
    """The tokenizer cannot be read, or has no end token."""

    code, reason = "FAILED_PRECONDITION", "BAD_TOKENIZER"


@dataclass(frozen=True)
class Encoder:
    """A tokenizer, and the token that ends each record."""

    tokenizer: Tokenizer
    end_token: str
    end_id: int

    @property
    def vocabulary(self) -> int:
        """Return one more than the highest token ID."""
        return max(self.tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    def encoded(self, texts: list[str]) -> Iterator[list[int]]:
        """Return the token IDs of each text with the end token, and without other special tokens."""
        for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False):
            yield [*encoding.ids, self.end_id]


def encoder(store: ArtifactStore, digest: str, end_token: str) -> Encoder:
    """Return the tokenizer of a tree or of a file; BadTokenizer if it cannot be used."""
    files = _files(store, digest)
    try:
        tokenizer = Tokenizer.from_str(store.read(files["tokenizer.json"]).decode())
    except Exception as error:
        raise BadTokenizer(f"The artifact {digest} has no usable tokenizer.json: {error}") from None
    name = end_token or _declared(store, files)
    end_id = tokenizer.token_to_id(name) if name else None
    if end_id is None:
        known = f"does not know the token {name!r}" if name else "declares no eos_token"
        raise BadTokenizer(f"The tokenizer {digest} {known}. Set end_token to the token that ends a text.")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return Encoder(tokenizer, name, end_id)


def _files(store: ArtifactStore, digest: str) -> dict[str, str]:
    try:
        files = {file.path: file.sha256 for file in store.tree(digest)}
    except Exception as error:
        if getattr(error, "reason", "") != "ARTIFACT_NOT_A_TREE":
            raise
        return {"tokenizer.json": digest}
    if "tokenizer.json" not in files:
        raise BadTokenizer(f"The artifact {digest} has no tokenizer.json.")
    return files


def _declared(store: ArtifactStore, files: dict[str, str]) -> str:
    """Return the end token that `tokenizer_config.json` declares; empty for none."""
    digest = files.get("tokenizer_config.json")
    if digest is None:
        return ""
    try:
        token = json.loads(store.read(digest)).get("eos_token") or ""
    except (ValueError, AttributeError):
        return ""
    return str(token.get("content", "") if isinstance(token, dict) else token)


class TokenWriter:
    """Writes token files of the parts of an export."""

    def __init__(self, sink: Sink, folder: Path, encoder: Encoder, with_index: bool) -> None:
        self._sink, self._folder, self._encoder, self._with_index = sink, folder, encoder, with_index
        vocabulary = encoder.vocabulary
        small = vocabulary < _MEGATRON_SMALL if with_index else vocabulary <= _SMALL
        self.dtype = np.dtype("<u2") if small else np.dtype("<i4" if with_index else "<u4")
        self.tokens = 0
        self._written: list[dict[str, Any]] = []

    def write(self, prefix: str, batches: Iterable[pa.RecordBatch]) -> None:
        """Write the records of one part as `{prefix}-00000.bin`, …"""
        records = (ids for batch in batches for ids in self._encoder.encoded(_texts(batch)))
        first = next(records, None)
        shard = 0
        while first is not None or not shard:
            first = self._shard(f"{prefix}-{shard:05d}", first, records)
            shard += 1

    def describe(self, digest: str) -> None:
        """Write `tokens.json`, without which the files cannot be read."""
        about = {
            "dtype": self.dtype.name,
            "byte_order": "little",
            "vocabulary_size": self._encoder.vocabulary,
            "end_token": self._encoder.end_token,
            "end_token_id": self._encoder.end_id,
            "tokenizer_digest": digest,
            "files": self._written,
        }
        with self._sink.file("tokens.json") as path:
            path.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _shard(self, name: str, first: list[int] | None, records: Iterator[list[int]]) -> list[int] | None:
        """Write one file from this record on; return the first record of the next file, if there is one."""
        lengths: list[int] = []
        count = 0
        path = self._folder / "tokens"
        ids = first
        with path.open("wb") as sink:
            while ids is not None and (not count or count + len(ids) <= SHARD_TOKENS):
                sink.write(np.array(ids, self.dtype).tobytes())
                lengths.append(len(ids))
                count += len(ids)
                ids = next(records, None)
        self._sink.store(f"{name}.bin", path)
        if self._with_index:
            with self._sink.file(f"{name}.idx") as index:
                index.write_bytes(index_bytes(lengths, self.dtype))
        self.tokens += count
        self._written.append({"path": f"{name}.bin", "records": len(lengths), "tokens": count})
        return ids


def index_bytes(lengths: list[int], dtype: "np.dtype[Any]") -> bytes:
    """Return the index of Megatron-LM over documents of these lengths."""
    sizes = np.array(lengths, "<i4")
    ends = np.cumsum(sizes, dtype=np.int64)
    pointers = ((ends - sizes) * dtype.itemsize).astype("<i8")
    documents = np.arange(len(lengths) + 1, dtype="<i8")
    head = _MAGIC + struct.pack("<QBQQ", _VERSION, _CODES[dtype], len(lengths), len(documents))
    return b"".join((head, sizes.tobytes(), pointers.tobytes(), documents.tobytes()))


def _texts(batch: pa.RecordBatch) -> list[str]:
    rows = zip(batch.column("example").to_pylist(), batch.column("attributes").to_pylist(), strict=True)
    if any(is_conversation(example, dict(attributes or ())) for example, attributes in rows):
        raise NotPlainText(
            "The data holds conversations, which have no tokens without a chat template. Export them as JSONL "
            "or HUGGING_FACE; token files hold plain texts."
        )
    texts: list[str] = batch.column("text").to_pylist()
    return texts
