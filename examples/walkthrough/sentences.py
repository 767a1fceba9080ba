"""Sentences in three languages, from the package chatterbot-corpus (BSD-3-Clause), as the walkthroughs use them.

`python scripts/zoo.py languages` fetches them into `.data/zoo/languages`.
"""

import random
import re
from pathlib import Path

LANGUAGES = ("dutch", "english", "italian")
LICENSE = "BSD-3-Clause"
_FOLDER = Path(__file__).resolve().parents[2] / ".data/zoo/languages/chatterbot_corpus/data"
_LINE = re.compile(r"^ *-(?: -)? (.+)$", re.MULTILINE)
_MIN_CHARS = 20


def read_sentences(language: str) -> list[str]:
    """Return the sentences of a language in a random order that is always the same."""
    files = sorted((_FOLDER / language).glob("*.yml"))
    if not files:
        raise SystemExit(f"{_FOLDER / language} has no sentences: run `python scripts/zoo.py languages`")
    lines = (line.strip(" \"'") for file in files for line in _LINE.findall(file.read_text(encoding="utf-8")))
    sentences = sorted({line for line in lines if len(line) >= _MIN_CHARS})
    random.Random(language).shuffle(sentences)
    return sentences
