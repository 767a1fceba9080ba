"""Arrays of a prepared part as they are in its file: pages are read when they are used, and belong to no process."""

import struct
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt

Value = TypeVar("Value", int, str)
_LOCAL_HEADER = 30
"""Bytes of the header before the name of a member of an archive."""
_AT_ONCE = 4096


def arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a file that `numpy.savez` wrote, by name, for reading.

    A limit of the memory of this process does not count them.
    """
    with zipfile.ZipFile(path) as archive, path.open("rb") as source:
        return {
            member.filename.removesuffix(".npy"): _mapped(path, source, member)
            for member in archive.infolist()
        }


def _mapped(path: Path, source: Any, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} in {path.name} is compressed.")
    source.seek(member.header_offset + 26)
    name, extra = struct.unpack("<HH", source.read(4))
    source.seek(member.header_offset + _LOCAL_HEADER + name + extra)
    headers: Any = np.lib.format
    first = headers.read_magic(source) == (1, 0)
    shape, fortran, dtype = (headers.read_array_header_1_0 if first else headers.read_array_header_2_0)(
        source
    )
    if not np.prod(shape):
        return np.empty(shape, dtype)
    order: Literal["C", "F"] = "F" if fortran else "C"
    memory = np.memmap(path, dtype=dtype, mode="r", offset=source.tell(), shape=shape, order=order)
    return memory.view(np.ndarray)


class Column(Sequence[Value], Generic[Value]):
    """Values of an array as a sequence of Python's own, made when they are read."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self._values = values

    @overload
    def __getitem__(self, place: int) -> Value: ...
    @overload
    def __getitem__(self, place: slice) -> "Column[Value]": ...
    def __getitem__(self, place: int | slice) -> "Value | Column[Value]":
        if isinstance(place, slice):
            return Column(self._values[place])
        value: Value = self._values[place].item()
        return value

    def __iter__(self) -> Iterator[Value]:
        for at in range(0, len(self._values), _AT_ONCE):
            yield from self._values[at : at + _AT_ONCE].tolist()

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self._values, dtype=dtype, copy=copy)
