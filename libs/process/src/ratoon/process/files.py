"""Atomic writes: a file appears under its name whole and synced, or not at all.

The content goes to a draft `.<name>.<random>` in the same directory, which is then renamed. A killed process leaves
the draft at most. Durable writes also sync the draft before the rename and the directory after it, so that they survive
a power cut.
"""

import errno
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

OWNER_ONLY = 0o600
_ANYONE = 0o666
"""Permissions that the umask of the process then restricts."""


@contextmanager
def replacing(path: Path, *, mode: int = _ANYONE, durable: bool = True) -> Iterator[BinaryIO]:
    """Yield a writer whose content replaces the file when the block ends; an error in the block leaves the file as it
    was."""
    with _publishing(path, mode, durable, os.replace) as sink:
        yield sink


def replace_file(path: Path, data: bytes, *, mode: int = _ANYONE, durable: bool = True) -> None:
    """Write a file, or replace it."""
    with replacing(path, mode=mode, durable=durable) as sink:
        sink.write(data)


def create_file(path: Path, data: bytes, *, mode: int = _ANYONE) -> None:
    """Write a new file durably; raise FileExistsError if there is one of this name."""
    with _publishing(path, mode, True, os.link) as sink:
        sink.write(data)


def write_json(
    path: Path,
    value: Mapping[str, Any],
    *,
    mode: int = _ANYONE,
    durable: bool = True,
    indent: int | None = None,
) -> None:
    """Write a JSON file, or replace it."""
    replace_file(path, json.dumps(value, indent=indent).encode(), mode=mode, durable=durable)


@contextmanager
def _publishing(
    path: Path, mode: int, durable: bool, publish: Callable[[Path, Path], None]
) -> Iterator[BinaryIO]:
    draft = path.with_name(f".{path.name[:40]}.{uuid.uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as sink:
            yield sink
            if durable:
                sink.flush()
                os.fsync(sink.fileno())
        publish(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    if durable:
        _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a directory
            raise
    finally:
        os.close(descriptor)
