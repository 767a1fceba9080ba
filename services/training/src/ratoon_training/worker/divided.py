"""Checkpoints in several files: tensors in parts, with the offsets that torch's distributed checkpoints name.

A part is a box in the whole tensor. Any other box is put together from those that it overlaps, so that a run resumes
with another number of workers, or another layout, than it was saved with.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import safe_open
from torch import Tensor

Offsets: TypeAlias = Mapping[str, Sequence[int]]
"""First index of each part in its tensor, by name."""
_SHARDING = "DCP_SHARDING_INFO"
_VERSION = {"DCP_VERSION": "1.0"}
"""Names in the header by which `torch.distributed.checkpoint.HuggingFaceStorageReader` knows parts."""
_WORKER, _OF = "@", "-"


@dataclass(frozen=True)
class Checkpoint:
    """Content of a checkpoint: tensors by name and the rest as JSON."""

    tensors: Mapping[str, Tensor]
    state: dict[str, Any]


def header(offsets: Offsets | None) -> dict[str, str]:
    """Return what the header of a file says of its parts; nothing of whole tensors."""
    if offsets is None:
        return {}
    return {
        _SHARDING: json.dumps({name: {"saved_offsets": list(each)} for name, each in offsets.items()}),
        **_VERSION,
    }


@dataclass(frozen=True)
class _Part:
    """Part of a tensor in a file."""

    file: Any
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]


class Tensors(Mapping[str, Tensor]):
    """Tensors of some files; those in parts are put together when they are read."""

    def __init__(self, files: Sequence[Any]) -> None:
        self._parts: dict[str, list[_Part]] = defaultdict(list)
        for file in files:
            sharding = json.loads((file.metadata() or {}).get(_SHARDING, "{}"))
            for name in file.keys():  # noqa: SIM118  it is no mapping
                sizes = tuple(file.get_slice(name).get_shape())
                offsets = tuple(sharding[name]["saved_offsets"]) if sharding else tuple(0 for _ in sizes)
                self._parts[name].append(_Part(file, offsets, sizes))

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._parts:
            raise KeyError(name)
        parts = self._parts[name]
        if len(parts) == 1 and not any(parts[0].offsets):
            whole: Tensor = parts[0].file.get_tensor(name)
            return whole
        ends = zip(*(map(sum, zip(part.offsets, part.sizes, strict=True)) for part in parts), strict=True)
        sizes = tuple(max(end) for end in ends)
        return self.box(name, tuple(0 for _ in sizes), sizes)

    def __contains__(self, name: object) -> bool:
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def box(self, name: str, offsets: Sequence[int], sizes: Sequence[int]) -> Tensor:
        """Return a part of a tensor by its first index and its sizes. ValueError if the files lack some of it."""
        if not sizes:
            return self[name]
        result, filled = torch.empty(0), 0
        for part in self._parts[name]:
            starts = [max(own, stored) for own, stored in zip(offsets, part.offsets, strict=True)]
            own_ends = map(sum, zip(offsets, sizes, strict=True))
            stored_ends = map(sum, zip(part.offsets, part.sizes, strict=True))
            ends = [min(pair) for pair in zip(own_ends, stored_ends, strict=True)]
            if any(start >= end for start, end in zip(starts, ends, strict=True)):
                continue
            stored = part.file.get_slice(name)[_slices(starts, ends, part.offsets)]
            if not filled:
                result = torch.empty(tuple(sizes), dtype=stored.dtype)
            result[_slices(starts, ends, offsets)] = stored
            filled += stored.numel()
        if filled != torch.Size(sizes).numel():
            raise ValueError(
                f"The checkpoint has {filled:,} of {torch.Size(sizes).numel():,} numbers of {name}."
            )
        return result


def part_of(tensors: Mapping[str, Tensor], name: str, offsets: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """Return a part of a tensor of a checkpoint."""
    if isinstance(tensors, Tensors):
        return tensors.box(name, offsets, sizes)
    return tensors[name][
        _slices(offsets, [sum(each) for each in zip(offsets, sizes, strict=True)], [0] * len(sizes))
    ]


def _slices(starts: Sequence[int], ends: Sequence[int], origin: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(start - at, end - at) for start, end, at in zip(starts, ends, origin, strict=True))


def opened(paths: Sequence[Path]) -> Checkpoint:
    """Return the checkpoint of these files; the state is that of the first. An open file may be unlinked."""
    files: list[Any] = [safe_open(path, framework="pt") for path in paths]
    return Checkpoint(Tensors(files), json.loads(files[0].metadata()["state"]))


def by_name(files: Sequence[str]) -> dict[str, list[str]]:
    """Return the files of each checkpoint by its name."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for file in files:
        grouped[file.partition(".")[0].partition(_WORKER)[0]].append(file)
    return dict(grouped)


def complete(files: Sequence[str]) -> Iterator[list[list[str]]]:
    """Yield the sets of files that are a whole checkpoint: for each worker the candidates for its part."""
    whole = [file for file in files if _WORKER not in file.partition(".")[0]]
    yield from ([[file]] for file in whole)
    by_workers: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in set(files) - set(whole):
        worker, workers = map(int, file.partition(".")[0].partition(_WORKER)[2].split(_OF))
        by_workers[workers][worker].append(file)
    for workers, parts in sorted(by_workers.items()):
        if len(parts) == workers:
            yield [sorted(parts[worker]) for worker in range(workers)]


def surplus(files: Sequence[str], retained: int, place: str) -> list[str]:
    """Return the files of older steps than the last whole ones; each worker removes its own, the first one all others.

    `place` is the part of this worker's names that says which it is; empty for whole checkpoints.
    """
    steps = by_name(files)
    whole = [name for name in sorted(steps) if any(True for _ in complete(steps[name]))]
    if len(whole) < retained:
        return []
    leads = not place or place.startswith(f"{_WORKER}0{_OF}")
    older = [file for name in sorted(steps) if name < whole[-retained] for file in steps[name]]
    return [file for file in older if leads or f"{place}." in file]
