"""Chinese texts: traditional characters to simplified ones, by OpenCC, and words, by Jieba."""

import re
from collections.abc import Mapping
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from ratoon_ingestion.worker.steps.references import References
from ratoon_ingestion.worker.steps.result import StepResult
from ratoon_ingestion.worker.words import is_chinese, jieba_cutter

_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa]")
_OTHER_LANGUAGES = ("ja", "ko")
_SIMPLIFIED_TOO = frozenset("乾著於徵藉瞭覆夥薑")
"""Characters that simplified texts hold too, in names and some words."""
_UNCHANGED = re.compile(
    "乾(?=[安隆清元坤陵德卦宁寧符道縣县])|(?<=康)乾"
    "|著(?=[作名者述稱称錄录書书論论])|(?<=[顯显卓昭名原編编專专論论巨合所遺遗譯译土撰拙新較较])著"
)
"""Characters of words in which simplified texts keep them."""
_PARTICLE = re.compile(
    "著(?=[急数數手迷凉涼火陆陸装裝眼落重想魔])"
    "|(?<=[看望走站坐躺跪拿带帶抱背跟陪想说說讲講笑哭听聽活随隨沿接向对對朝穿戴睡有忙急靠顺順围圍盯住含握牵牽吃喝唱])著"
)
"""Words in which simplified texts never write 著: one of them alone makes a text a traditional one."""
_PLACE = "\ue0f0"
"""Stands for a character that is kept, while a text is converted."""


@cache
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("tw2s")


def simplify_chinese(batch: pa.RecordBatch) -> StepResult:
    """Simplified characters for traditional ones; texts with kana, and Japanese and Korean texts, stay."""
    rows = zip(batch.column("text").to_pylist(), batch.column("language").to_pylist(), strict=True)
    texts = [None if language in _OTHER_LANGUAGES else simplified(text) for text, language in rows]
    return StepResult(texts=pa.array(texts, pa.string()))


def simplified(text: str) -> str:
    """Return a text in simplified characters; one that holds no traditional ones but in names stays as it is."""
    if text.isascii() or _KANA.search(text) or _PLACE in text:
        return text
    retained = _UNCHANGED.findall(text)
    converted = str(_converter().convert(_UNCHANGED.sub(_PLACE, text)))
    for character in retained:
        converted = converted.replace(_PLACE, character, 1)
    return converted if _is_traditional(text, converted) else text


def _is_traditional(text: str, converted: str) -> bool:
    """Return whether more changed than characters that simplified texts hold too."""
    if len(text) != len(converted) or _PARTICLE.search(_UNCHANGED.sub(_PLACE, text)):
        return True
    return any(old != new and old not in _SIMPLIFIED_TOO for old, new in zip(text, converted, strict=True))


_DICTIONARY = "words.txt"
_MAX_WORDS = 1_000_000


def prepare_dictionary(settings: Mapping[str, Any], references: References, folder: Path) -> None:
    """Write the words that Jieba takes in addition to its own: one a line, with or without frequency and tag."""
    if source := settings["dictionary"]:
        lines = (line.strip() for text in references.texts(source) for line in text.splitlines())
        words = list(islice(filter(None, lines), _MAX_WORDS))
        (folder / _DICTIONARY).write_text("\n".join(words) + "\n", encoding="utf-8")


def chinese_words(batch: pa.RecordBatch, dictionary: str, model: Path) -> StepResult:
    """Put a space between the words of texts of which at least 5 % are Chinese characters."""
    texts = [
        _spaced(cutter_of(model / _DICTIONARY).lcut(text)) if is_chinese(text) else None
        for text in batch.column("text").to_pylist()
    ]
    return StepResult(texts=pa.array(texts, pa.string()))


@cache
def cutter_of(path: Path) -> Any:
    """Return Jieba with the words of a file, if there is one."""
    if not path.is_file():
        return jieba_cutter()
    shared = jieba_cutter()
    cutter = type(shared)()
    cutter.tmp_dir = shared.tmp_dir
    with path.open("rb") as words:
        cutter.load_userdict(words)
    return cutter


def _spaced(words: list[str]) -> str:
    """Return the words with a space between any two that have no white space between them."""
    pieces = words[:1]
    for before, word in pairwise(words):
        pieces += [word] if before[-1:].isspace() or word[:1].isspace() else [" ", word]
    return "".join(pieces)
