"""Names in Chinese texts, by the tagger of Jieba: the model `jieba` of the step `named_entities`.

The tagger knows words with their tags and guesses names of people by a hidden Markov model. An address is a place name
with what follows it up to the last part of an address, such as a street, a number or a room.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from ratoon_ingestion.worker.words import jieba_cutter

_KINDS = {
    "nr": "person", "nrfg": "person", "nrt": "person",
    "ns": "address",
    "nt": "organization",
}  # fmt: skip
_HAN = re.compile(r"[\u4e00-\u9fff]")
_REST = re.compile(
    r"(?:[\u4e00-\u9fff]{0,8}?(?:特别行政区|自治区|自治州|街道|大街|大道|新村|小区|花园|公寓|大厦|广场|[省市州区县旗镇乡村路街道巷弄里])"
    r"|[\d０-９A-Za-z一二三四五六七八九十百甲乙丙丁\-－]{1,8}(?:号楼|单元|号|栋|幢|座|楼|层|室|弄|房))+"
)
"""Parts of an address behind a place name."""
_SURNAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭"
    "陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤欧司诸上"
)
"""Characters with which most names of people begin."""
_MIN_CHARS, _PERSON_CHARS = 2, range(2, 5)
_NO_NAMES = frozenset(
    [
        "谢谢",
        "高兴",
        "任何",
        "于是",
        "石头",
        "金子",
        "白白",
        "白痴",
        "白干",
        "白领",
        "陈述",
        "武功",
        "雷霆",
        "黎明",
        "何以堪",
        "金童玉女",
        "东西",
        "大都",
        "城市",
        "大城市",
        "海洋",
        "山峰",
        "新鲜",
        "东东",
        "青山绿水",
        "跑江湖",
        "霸王龙",
        "国际化",
    ]
)
"""Words that the tagger took for names in reviews."""

Entity = tuple[int, int, str]


def entities(texts: Sequence[str]) -> list[list[Entity]]:
    """Return the names in each text: first character, character after the last, and kind."""
    return [list(_in_text(text)) if _HAN.search(text) else [] for text in texts]


def _in_text(text: str) -> Iterator[Entity]:
    place = end = 0
    for word, tag in _tagger().cut(text):
        start = text.index(word, place)
        place = start + len(word)
        kind = _KINDS.get(tag)
        if (
            kind is None
            or start < end
            or len(word) < _MIN_CHARS
            or not _HAN.search(word)
            or word in _NO_NAMES
        ):
            continue
        if kind == "person" and not _may_be_a_person(word):
            continue
        end = place
        if kind == "address" and (rest := _REST.match(text, place)):
            end = rest.end()
        yield start, end, kind


def _may_be_a_person(word: str) -> bool:
    return len(word) in _PERSON_CHARS and word[0] in _SURNAMES


@cache
def _tagger() -> Any:
    from jieba.posseg import POSTokenizer

    return POSTokenizer(jieba_cutter())
