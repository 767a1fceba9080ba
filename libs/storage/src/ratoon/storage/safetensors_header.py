"""Header of a safetensors file: names, dtypes and shapes of its tensors, without loading one.

Format: eight bytes of length (little endian), that many bytes of JSON, then the tensors' bytes without a gap.
See https://github.com/huggingface/safetensors#format.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

LFS_POINTER = b"version https://git-lfs.github.com/spec"
"""First bytes of the text that git-lfs leaves in place of a file."""
_MAX_HEADER = 100_000_000
"""The format's own limit."""


class DamagedFile(ValueError):
    """The file is no whole safetensors file; the message is the end of a sentence that begins with its name."""


@dataclass(frozen=True)
class Tensor:
    """Shape and dtype of one tensor, the dtype as the format names it (`F32`, `BF16`, …)."""

    dtype: str
    shape: tuple[int, ...]


def read_header(source: BinaryIO, size: int) -> dict[str, Tensor]:
    """Return the tensors of a file of `size` bytes, by name; DamagedFile when the file is not whole."""
    start = source.read(8)
    if len(start) < 8:
        raise DamagedFile(f"has {size} bytes and no safetensors header: copy or save it again")
    length = int.from_bytes(start, "little")
    if length > min(_MAX_HEADER, size - 8):
        raise DamagedFile("is no safetensors file, or was cut off within its header: copy or save it again")
    try:
        rows = json.loads(source.read(length))
        tensors = {name: _tensor(row) for name, row in rows.items() if name != "__metadata__"}
        end = max((int(row["data_offsets"][1]) for name, row in rows.items() if name in tensors), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise DamagedFile("has a header that is no safetensors header: copy or save it again") from None
    if end != size - 8 - length:
        raise DamagedFile(
            f"has {size:,} bytes where its header states {8 + length + end:,}: it was cut off or changed; "
            "copy or save it again"
        )
    return tensors


def _tensor(row: Mapping[str, Any]) -> Tensor:
    shape = tuple(int(length) for length in row["shape"])
    if any(length < 0 for length in shape):
        raise ValueError("negative length")
    return Tensor(str(row["dtype"]), shape)
