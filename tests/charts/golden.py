"""Reviewed texts: `GOLDEN=write` writes them again, for review as a diff."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    """Compare a text with the stored one; AssertionError shows the difference."""
    path = FOLDER / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text)
    assert text.splitlines() == path.read_text().splitlines(), f"{name}: review it, then GOLDEN=write"
