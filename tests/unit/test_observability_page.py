"""The observability page names every existing metric and no other."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/operations/observability.md").read_text()
TABLE = PAGE[PAGE.index("| metric |") : PAGE.index("Example queries")]
SUFFIXES = re.compile(r"_(bucket|count|sum|created)$")


def test_the_table_names_every_figure(known_figures):
    assert set(re.findall(r"`(ratoon_\w+)`", TABLE)) == known_figures


def test_the_example_queries_use_figures_that_there_are(known_figures):
    examples = PAGE[PAGE.index("Example queries") : PAGE.index("## Logs")]
    used = {SUFFIXES.sub("", name) for name in re.findall(r"\bratoon_\w+", examples)}
    assert used <= known_figures
    assert len(used) > 15
