from pathlib import Path

from ratoon.service import readme
from ratoon_console.settings import Settings


def test_the_readme_lists_every_setting():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    assert readme.updated(text, Settings) == text
