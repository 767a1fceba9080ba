"""Scratch store: files by name for work under way, replaced whole, removed with the work.

They lie below `<artifact store>/work/<name>/`, in a directory or an object store, and are no artifacts. An object
store has no locks: writers that share a name must coordinate by the content of its files.
"""

from contextlib import suppress
from pathlib import Path

import fsspec


class ScratchStore:
    """The files of one piece of work."""

    def __init__(self, artifacts_url: str, name: str) -> None:
        """`artifacts_url` is the store's; `name` identifies the work and stays within `[a-z0-9/-]`."""
        others_write_too = {"use_listings_cache": False} if "://" in artifacts_url else {}
        self._fs, root = fsspec.core.url_to_fs(artifacts_url, **others_write_too)
        self._root = f"{str(root).rstrip('/')}/work/{name}"

    def names(self) -> list[str]:
        """Return the names of the files, sorted."""
        with suppress(FileNotFoundError):
            return sorted(str(path).rpartition("/")[2] for path in self._fs.ls(self._root, detail=False))
        return []

    def put(self, name: str, data: bytes) -> None:
        """Put a file here, in place of one of this name."""
        self._fs.makedirs(self._root, exist_ok=True)
        with self._fs.transaction:
            self._fs.pipe_file(self._path(name), data)

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None when there is none of this name."""
        try:
            return bytes(self._fs.cat_file(self._path(name)))
        except FileNotFoundError:
            return None

    def fetch(self, name: str, path: Path) -> Path:
        """Copy a file to this machine; FileNotFoundError when there is none of this name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fs.get_file(self._path(name), str(path))
        return path

    def remove(self, name: str) -> None:
        """Remove a file; none there is no error."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))

    def clear(self) -> None:
        """Remove all."""
        with suppress(FileNotFoundError):
            self._fs.rm(self._root, recursive=True)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"
