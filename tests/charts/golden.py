"""Reviewed texts: `GOLDEN=write` writes them again, for review as a diff."""

import os
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[2]


def check(name: str, text: str) -> None:
    """Compare a text with the stored one; AssertionError shows the difference."""
    path, text = FOLDER / name, without_version(text)
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text)
    assert text.splitlines() == path.read_text().splitlines(), f"{name}: review it, then GOLDEN=write"


def without_version(text: str) -> str:
    """Return a text with VERSION in place of Ratoon's version, so that a release changes no stored text."""
    version = (ROOT / "VERSION").read_text().strip()
    chart = re.search(r"(?m)^version: (.+)$", (ROOT / "charts/ratoon/Chart.yaml").read_text())
    assert chart is not None
    names = "|".join(re.escape(name) for name in sorted({version, chart[1]}, key=len, reverse=True))
    return re.sub(rf"(?<![\w.])(?:{names})(?![\w.])", "VERSION", text)
