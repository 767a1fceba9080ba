"""Directory of the sockets between an engine's processes: where it is noted, and how it is removed."""

import shutil
import tempfile
from pathlib import Path

SOCKETS_NOTE = "sockets"
"""File in an engine's directory that names the directory of its sockets."""
PREFIX = "ratoon-engine-"


def forget_sockets(folder: Path) -> None:
    """Remove the sockets that the engine of this directory left; none is no error."""
    note = folder / SOCKETS_NOTE
    if not note.exists():
        return
    named = Path(note.read_text())
    if named.parent == Path(tempfile.gettempdir()) and named.name.startswith(PREFIX):
        shutil.rmtree(named, ignore_errors=True)
    note.unlink(missing_ok=True)
