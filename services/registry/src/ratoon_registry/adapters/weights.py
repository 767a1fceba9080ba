"""Weights in the artifact store: headers of their files, and embeddings that are read in pieces. It loads no model."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.model_tree import StoredFiles
from ratoon.storage.models import ADAPTER_CONFIG
from ratoon_registry.domain.errors import NoEmbeddings, TokenUnknown
from ratoon_registry.domain.weights import Layer, Neighbour, Summary, by_name, token_id

_WEIGHTS = ".safetensors"
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "tok_embeddings.weight")
"""Ends of the names of the tensors that embed tokens."""
_ROWS = 4_096
"""Rows of an embedding that are read at once."""
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
Floats = npt.NDArray[np.float32]


class StoredWeights:
    """Weights of the model trees of an artifact store."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def describe(self, digest: str) -> Summary:
        """Return the tensors of a tree; of an adapter also those of its base model."""
        files = StoredFiles(self._artifacts, digest)
        base = self._base(files)
        own = [Layer(name, row["dtype"], tuple(row["shape"])) for name, row in _tensors(files)]
        of_base = [
            Layer(name, row["dtype"], tuple(row["shape"]), trained=False)
            for name, row in (_tensors(base) if base else ())
        ]
        config = _object(base or files, "config.json")
        sizes = [*files.sizes().items(), *(base.sizes().items() if base else ())]
        return Summary(
            architecture=next(iter(config.get("architectures") or ()), str(config.get("model_type", ""))),
            layers=tuple(sorted([*own, *of_base], key=by_name)),
            size_bytes=sum(size for name, size in sizes if name.endswith(_WEIGHTS)),
        )

    def neighbours(self, digest: str, token: str, count: int) -> tuple[Neighbour, list[Neighbour]]:
        """Return a token with the cosine 1, and the tokens with the nearest embeddings, the nearest first.

        TokenUnknown if the vocabulary has no such token, NoEmbeddings if the model has no embedding of tokens.
        """
        files = StoredFiles(self._artifacts, digest)
        vocabulary = _vocabulary(files)
        number = token_id(token, vocabulary)
        if number is None:
            raise TokenUnknown(
                f"The vocabulary has no token {token!r}: it may be written as several tokens. Name one of them."
            )
        cosines = self._cosines(files, number)
        cosines[number] = -np.inf
        names = {each: name for name, each in vocabulary.items()}
        known = [each for each in np.argsort(-cosines, kind="stable") if int(each) in names][:count]
        nearest = [Neighbour(names[int(each)], int(each), float(cosines[each])) for each in known]
        return Neighbour(names[number], number, 1.0), [each for each in nearest if np.isfinite(each.cosine)]

    def _cosines(self, files: StoredFiles, number: int) -> Floats:
        """Return the cosine of each row of the embeddings with the one of this number."""
        for source in (files, self._base(files)):
            for path, name, row, start in _places(source) if source else ():
                if not name.endswith(_EMBEDDINGS) or len(row["shape"]) != 2 or row["dtype"] not in _BYTES:
                    continue
                if number >= row["shape"][0]:
                    break
                with source.open(path) as opened:  # type: ignore[union-attr]
                    return _cosines_of(opened, row, start, number)
        raise NoEmbeddings("The version has no tensor that embeds its tokens: it is no language model.")

    def _base(self, files: StoredFiles) -> StoredFiles | None:
        """Return the files of the base model of an adapter; None of a whole model."""
        if ADAPTER_CONFIG not in files.sizes():
            return None
        named = str(_object(files, "recipe.json").get("base_artifact_digest") or "")
        return StoredFiles(self._artifacts, named) if named else None


def _cosines_of(opened: BinaryIO, row: Mapping[str, Any], start: int, number: int) -> Floats:
    rows, width = row["shape"]
    each = width * _BYTES[row["dtype"]]
    begin = start + int(row["data_offsets"][0])
    opened.seek(begin + number * each)
    target = _floats(opened.read(each), row["dtype"])
    target = target / (np.linalg.norm(target) or 1.0)
    opened.seek(begin)
    cosines = np.empty(rows, np.float32)
    for at in range(0, rows, _ROWS):
        count = min(_ROWS, rows - at)
        block = _floats(opened.read(count * each), row["dtype"]).reshape(count, width)
        norms = np.linalg.norm(block, axis=1)
        cosines[at : at + count] = (block @ target) / np.where(norms > 0, norms, 1.0)
    return cosines


def _floats(data: bytes, dtype: str) -> Floats:
    if dtype == "BF16":
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
    kinds = {"F64": np.float64, "F32": np.float32, "F16": np.float16}
    return np.frombuffer(data, kinds[dtype]).astype(np.float32)


def _tensors(files: StoredFiles) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for _, name, row, _ in _places(files):
        yield name, row


def _places(files: StoredFiles) -> Iterator[tuple[str, str, Mapping[str, Any], int]]:
    """Yield file, name, header row and the start of the data of each tensor."""
    for path in sorted(files.sizes()):
        if path.endswith(_WEIGHTS):
            with files.open(path) as opened:
                length = int.from_bytes(opened.read(8), "little")
                header: dict[str, Any] = json.loads(opened.read(length))
            for name, row in header.items():
                if name != "__metadata__":
                    yield path, name, row, 8 + length


def _vocabulary(files: StoredFiles) -> dict[str, int]:
    """Return the tokens of a tokenizer by name, added ones included."""
    tokenizer = _object(files, "tokenizer.json")
    listed = tokenizer.get("model", {}).get("vocab", {})
    if isinstance(listed, list):
        listed = {entry[0]: number for number, entry in enumerate(listed)}
    added = {each["content"]: int(each["id"]) for each in tokenizer.get("added_tokens", ())}
    return {**listed, **added}


def _object(files: StoredFiles, path: str) -> dict[str, Any]:
    """Return a JSON object among the files; empty if it is missing."""
    if path not in files.sizes():
        return {}
    with files.open(path) as opened:
        value: dict[str, Any] = json.loads(opened.read())
    return value
