"""The observability page names every existing metric and no other."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/operations/observability.md").read_text()
TABLE = PAGE[PAGE.index("| metric |") : PAGE.index("Example queries")]
SUFFIXES = re.compile(r"_(bucket|count|sum|created)$")


def test_the_table_names_every_metric(known_metrics):
    assert set(re.findall(r"`(ratoon_\w+)`", TABLE)) == known_metrics


def test_the_example_queries_use_existing_metrics(known_metrics):
    examples = PAGE[PAGE.index("Example queries") : PAGE.index("## Logs")]
    used = {SUFFIXES.sub("", name) for name in re.findall(r"\bratoon_\w+", examples)}
    assert used <= known_metrics
    assert len(used) > 15
