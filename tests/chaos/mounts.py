"""Small and read-only file systems for a test, in a mount namespace of its own: nothing of it is seen outside.

Root ignores file modes, so a folder that cannot be written to is a read-only mount. The calling thread moves into
the namespace, and with it whatever it starts from then on; the mounts go with the last of these processes.
"""

import ctypes
import os
import subprocess
from pathlib import Path

import pytest

_CLONE_NEWNS = 0x00020000


def private() -> None:
    """Move this thread into a mount namespace of its own; skips the test where this account may not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        pytest.skip(f"mounts of its own need root: {os.strerror(ctypes.get_errno())}")
    _mount("--make-rprivate", "/")


def tmpfs(folder: Path, mebibytes: int) -> None:
    """Mount a file system of this size in memory there."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "ratoon-test", str(folder))


def read_only(folder: Path) -> None:
    """Make this directory read-only."""
    if not os.path.ismount(folder):
        _mount("--bind", str(folder), str(folder))
    _mount("-o", "remount,bind,ro", str(folder))


def writable(folder: Path) -> None:
    """Take `read_only` back."""
    _mount("-o", "remount,bind,rw", str(folder))


def fill(folder: Path) -> Path:
    """Take all the space that is left there; the file that holds it."""
    filler = folder / "filler"
    piece = b"\0" * 65536
    with filler.open("wb", buffering=0) as sink:
        while piece:
            try:
                sink.write(piece)
            except OSError:
                piece = piece[: len(piece) // 2]
    return filler


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
