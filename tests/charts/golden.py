"""Texts that somebody has looked at once: `GOLDEN=write` writes them anew, to be looked at again as a diff."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    """Whether it is the text that is kept; AssertionError shows where it is not."""
    path = FOLDER / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text)
    assert text.splitlines() == path.read_text().splitlines(), f"{name}: look at it, then GOLDEN=write"
