"""Traditional Chinese characters to simplified ones, by OpenCC."""

import re
from functools import cache

import opencc
import pyarrow as pa

from ratoon_ingestion.worker.steps.result import StepResult

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
def _converter() -> opencc.OpenCC:
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
