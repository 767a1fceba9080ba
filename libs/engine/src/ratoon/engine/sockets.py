"""Directory of the sockets between the processes of an engine: a file that names it, and its removal."""

import shutil
import tempfile
from pathlib import Path

SOCKETS_FILE = "sockets"
"""File in an engine's directory that names the directory of its sockets."""
PREFIX = "ratoon-engine-"


def remove_sockets(folder: Path) -> None:
    """Remove the sockets that the engine of this directory left, if any."""
    note = folder / SOCKETS_FILE
    if not note.exists():
        return
    named = Path(note.read_text())
    if named.parent == Path(tempfile.gettempdir()) and named.name.startswith(PREFIX):
        shutil.rmtree(named, ignore_errors=True)
    note.unlink(missing_ok=True)
