"""Files of prepared parts, written sample by sample: memory does not grow with the part. It does not know torch.

The bytes are those that `numpy.savez` writes of the same arrays.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_KINDS = {
    "tokens": "<i4",
    "targets": "|b1",
    "offsets": "<i8",
    "weights": "<f4",
    "answers": "<i4",
    "labels": "<i4",
}
"""Number format of each column; record ids are texts."""
_IDS = "record_ids"
_FLUSH = 1 << 16
"""Tokens that wait in memory."""
_AT_ONCE = 4096
_COPIED = 1 << 20
"""Bytes that are copied at once."""


class PartWriter:
    """A part that grows. `columns` are its arrays in the order of the file; leave the context to remove what waits."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path, self._columns = path, columns
        self._open = ExitStack()
        self._files = {
            name: self._open.enter_context(TemporaryFile(dir=path.parent))  # noqa: SIM115  closed with the part
            for name in columns
        }
        self._waiting: dict[str, list[Any]] = {name: [] for name in columns}
        self._counts = dict.fromkeys(columns, 0)
        self._longest_id = 1
        self.samples = 0
        self.tokens = 0

    def __enter__(self) -> "PartWriter":
        """Return the part."""
        if "offsets" in self._columns:
            self._waiting["offsets"].append(0)
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what is not in the file of the part."""
        self._open.close()

    def add(self, record_id: str, tokens: Sequence[int], **values: Any) -> None:
        """Add a sample: its tokens, a sequence of `targets` as long, and single values of other columns."""
        self.samples += 1
        self.tokens += len(tokens)
        self._waiting["tokens"].extend(tokens)
        for name, value in values.items():
            if name == "targets":
                self._waiting[name].extend(value)
            else:
                self._waiting[name].append(value)
        self._waiting["offsets"].append(self.tokens)
        self._waiting[_IDS].append(record_id)
        if len(self._waiting["tokens"]) >= _FLUSH or len(self._waiting[_IDS]) >= _FLUSH:
            self._flush()

    def save(self, more: Mapping[str, Array] | None = None) -> None:
        """Write the file of the part; `more` are further arrays, which do not grow with it."""
        self._flush()
        headers: Any = np.lib.format
        with zipfile.ZipFile(self._path, "w") as archive:
            for name in self._columns:
                kind = f"<U{self._longest_id}" if name == _IDS else _KINDS[name]
                with archive.open(f"{name}.npy", "w", force_zip64=True) as sink:
                    header = {"descr": kind, "fortran_order": False, "shape": (self._counts[name],)}
                    headers.write_array_header_1_0(sink, header)
                    for data in self._stored(name, kind):
                        sink.write(data)
            for name, array in (more or {}).items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as sink:
                    headers.write_array(sink, np.asarray(array), allow_pickle=False)

    def _flush(self) -> None:
        for name, values in self._waiting.items():
            self._counts[name] += len(values)
            if name == _IDS:
                self._longest_id = max([self._longest_id, *map(len, values)])
                data = "".join(f"{json.dumps(value)}\n" for value in values).encode()
            else:
                data = np.asarray(values, dtype=_KINDS[name]).tobytes()
            self._files[name].write(data)
            values.clear()

    def _stored(self, name: str, kind: str) -> Iterator[bytes]:
        """Yield the bytes of a column."""
        file: IO[bytes] = self._files[name]
        file.seek(0)
        if name != _IDS:
            while data := file.read(_COPIED):
                yield data
            return
        while lines := list(islice(file, _AT_ONCE)):
            yield np.array([json.loads(line) for line in lines], dtype=kind).tobytes()
