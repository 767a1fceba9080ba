"""The page on observability names every figure that there is, and none that there is not."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/operations/observability.md").read_text()
TABLE = PAGE[PAGE.index("| figure |") : PAGE.index("An example of each")]
SUFFIXES = re.compile(r"_(bucket|count|sum|created)$")


def test_the_table_names_every_figure(known_figures):
    assert set(re.findall(r"`(ratoon_\w+)`", TABLE)) == known_figures


def test_the_example_queries_use_figures_that_there_are(known_figures):
    examples = PAGE[PAGE.index("An example of each") : PAGE.index("## Logs")]
    used = {SUFFIXES.sub("", name) for name in re.findall(r"\bratoon_\w+", examples)}
    assert used <= known_figures
    assert len(used) > 15
