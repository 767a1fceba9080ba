"""What counts as personal data in a text, and its masking. It works on text of usual width.

Masked: e-mail addresses of any script, phone numbers as people of many countries write them, payment cards (by Luhn's
check), IP addresses; if configured also URLs, IBANs, Chinese resident IDs and passports. Versions, dates, prices, ISBN
and section numbers stay: what looks like an address or a number is held against what stands before it and against its
count of digits.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, cached_property, partial
from ipaddress import AddressValueError, IPv6Address

from ratoon_ingestion.domain.identifiers import Hit, ibans, passports, resident_ids
from ratoon_ingestion.domain.offsets import Alignment, Block, replacements


class Mask(StrEnum):
    """A kind of personal data; the value is its name in a curation's `masks`."""

    URL = "url"
    EMAIL = "email"
    IP = "ip"
    CARD = "card"
    PHONE = "phone"
    IBAN = "iban"
    NATIONAL_ID = "national_id"
    PASSPORT = "passport"


class Action(StrEnum):
    """What becomes of personal data; the value is its name in the parameters of the step."""

    MASK = "mask"
    """The mark of its kind takes its place."""
    HASH = "hash"
    """The mark holds a keyed hash, so that equal data stay equal within a project."""
    DROP = "drop"
    """The record is removed."""
    KEEP = "keep"


DEFAULT_MASKS = (Mask.EMAIL, Mask.PHONE, Mask.CARD, Mask.IP)

_URL = re.compile(r"(?:https?://|ftp://|www\.)[^\s<>\"')\]]{2,2048}", re.IGNORECASE)

_DENSE = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af"
"""Scripts that put no spaces between words (or, as Korean, endings without one)."""
_LOCAL = rf"(?:[^\W{_DENSE}]|[.%+'\-])"
"""What stands before the @: letters of scripts that put spaces between words, so that 请写a@b.example loses no word."""
_DENSE_LOCAL = rf"(?:[{_DENSE}][\w.%+'\-]{{0,14}})?[{_DENSE}]"
_TOP_LEVEL = (
    r"公司|中国|中國|网络|網路|在线|中文网|网址|网店|网站|商城|商店|集团|我爱你|手机|信息|娱乐|游戏|政务|公益|机构|组织机构|香港|台湾"
    r"|台灣|澳門|澳门|新加坡|世界|企业|健康|招聘|时尚|购物|餐厅|食品|移动|佛山|广东|みんな|コム|グーグル|クラウド|ストア|セール"
    r"|ファッション|ポイント|한국|삼성|닷컴|닷넷|ไทย|คอม|ລາວ"
)
"""Top-level domains in scripts without spaces, where a domain's end cannot be seen otherwise."""
_DOMAIN = (
    rf"(?:(?:[\w\-]{{1,63}}\.){{1,8}}(?:xn--[A-Za-z0-9\-]{{2,59}}|[A-Za-z]{{2,24}}|{_TOP_LEVEL}|[^\W\d_{_DENSE}]{{2,24}})"
    r"|localhost\b|\[[0-9A-Fa-f.:]{3,45}\])"
)
_AT = r"(?:@|[ ]?[\[({]at[\])}][ ]?)"
_EMAIL = re.compile(
    rf"(?:(?<!{_LOCAL}){_LOCAL}{{1,128}}|{_DENSE_LOCAL}|\"[^\"\n@]{{1,64}}\"){_AT}{_DOMAIN}", re.IGNORECASE
)
_WRITTEN_AT = re.compile(r"[\[({]at[\])}]", re.IGNORECASE)
_IMAGE = re.compile(r"@\d+(?:\.\d+)?x\.[a-z]{2,4}$", re.IGNORECASE)
"""`icon@2x.png` is a file."""

_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_IP = re.compile(
    rf"(?=[0-9A-Fa-f])(?<![\w.:])(?:(?:{_OCTET}\.){{3}}{_OCTET}(?![\w]|\.\d)"
    r"|[0-9A-Fa-f]{1,4}:(?:[0-9A-Fa-f]{0,4}:){2,6}[0-9A-Fa-f]{0,4}(?![\w:]))",
    re.ASCII,
)
_BEFORE_A_VERSION = re.compile(
    r"(?:\b(?:versions?|vers?|v|releases?|rel|builds?|firmware|fw|updates?|upgrades?|patch|revision|rev|driver|section"
    r"|sections|sec|chapter|clause|paragraph|abschnitt|kapitel|version[es]|версия|версии)|§|版本|バージョン|버전|第)"
    r"[.:]?(?:\s*(?:number|no|nr|n°|is|=|to|from)\b[.:]?)?\s*[(\[\"']?$|[A-Za-z][/\-_]$",
    re.IGNORECASE,
)
_LOOKED_BACK = 40

_CARD = re.compile(r"(?=[2-6])(?<![\w\-+])[2-6]\d{3}(?:[ \-]?\d){9,15}(?![\w\-])", re.ASCII)

_COUNTRY = (
    r"(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    r"|2[1-689]\d|3[578]\d|42\d|50\d|59\d|6[7-9]\d|80\d|85\d|87\d|88\d|96\d|97\d|99\d)"
)
_PHONE = re.compile(
    rf"""(?=[+(0-9])(?<![\w.@/\-+=,:])(?:(?=\+)|(?<!\d[ ]))
    (?: (?:\+[ ]?|00[ ]?){_COUNTRY}[ .\-/]{{0,2}}(?:\(\d{{1,4}}\)[ .\-/]?)?\d{{1,5}}(?:[ .\-/]{{0,2}}\d{{2,5}}){{1,5}}
      | (?:\+?1[ .\-]?)?\(\d{{3}}\)[ .\-]{{0,2}}\d{{3}}[ .\-]?\d{{4}}                 # (555) 123-4567
      | (?:1[ .\-])?\d{{3}}[ .\-]\d{{3}}[ .\-]\d{{4}}                                # 1-800-555-1234
      | (?:800|866|877|888)\d{{7}}                                                  # 8005551234
      | \(0\d{{1,5}}\)[ .\-/]{{0,2}}\d{{3,8}}(?:[ .\-/]\d{{1,5}}){{0,3}}                  # (030) 901820
      | \(\d{{2}}\)[ ]?9?\d{{4}}[ \-]\d{{4}}                                          # (11) 91234-5678
      | 0\d{{1,5}}[ ]?[/\-][ ]?\d{{3,8}}(?:[ \-]\d{{1,5}}){{0,2}}                         # 030/901820, 03-1234-5678
      | 0\d{{1,4}}[ ]\d{{3,4}}[ \-]?\d{{3,4}}                                         # 020 7946 0958
      | 0[1-9]\d{{2,4}}[ ]\d{{5,8}}                                                 # 07911 123456
      | 0[1-9](?:[ .]\d{{2}}){{4}}                                                  # 01 23 45 67 89
      | 8[ \-]?\(?\d{{3}}\)?[ \-]\d{{3}}[ \-]\d{{2}}[ \-]\d{{2}}                          # 8 (495) 123-45-67
      | 1[3-9]\d[ \-]\d{{4}}[ \-]\d{{4}}                                              # 138 1234 5678
      | 1[3-9]\d{{9}}                                                             # 13812345678
    )(?:[ ]?(?:x|ext\.?|-)[ ]?\d{{1,5}})?(?![\w]|[\-/.,:]\d)""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_CALLED = re.compile(
    r"(?:\b(?:tel|telefon|telephone|téléphone|teléfono|telefono|fon|phone|mobile?|mobil|mob|handy|cell|fax|whatsapp|тел"
    r"|телефон|моб)|电话|手机|電話|携帯|전화|핸드폰|โทร)"
    r"\.?(?:[ ]?(?:number|nummer|no|nr|номер|号码|番号|번호)\b)?[.:：]{0,2}[ ]{0,3}"
    r"(?P<found>[+(]?\d[\d ()/.\-]{4,22}\d)(?![\w])",
    re.IGNORECASE,
)
_DATE_OR_VERSION = re.compile(r"\d{4}[-./]\d\d?[-./]\d\d?|\d\d?[-./]\d\d?[-./]\d{4}|\d+(?:\.\d+)+")
_ZEROS = (
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0E50, 0x0ED0,
    0x0F20, 0x1040, 0x17E0, 0x1810, 0xFF10,
)  # fmt: skip
_DIGITS = {zero + value: ord("0") + value for zero in _ZEROS for value in range(10)}
"""Digits of other scripts, to those of ASCII."""

Accepts = Callable[[re.Match[str]], bool]
Finder = Callable[[str], Iterable[Hit]]


@dataclass(frozen=True)
class Redaction:
    """What becomes of each kind of personal data; kinds without an action stay."""

    actions: Mapping[Mask, Action]
    regions: tuple[str, ...] = ()
    """Countries of passports, as ISO 3166 codes; empty: all known."""
    masks_look_alikes: bool = False
    """Treat what fails the check of its kind as the rest of the kind."""
    key: bytes = b""
    """Key of hashes."""
    phones: Finder | None = None
    """Finds phone numbers, in place of the patterns of this module."""

    @cached_property
    def rules(self) -> tuple[tuple[Mask, Finder, Callable[[str], str]], ...]:
        """The kinds that do not stay: what finds each, and what takes the place of a find."""
        return tuple(
            (kind, find, partial(_mark, kind, self.actions[kind], self.key))
            for kind, find in self._finders()
            if self.actions.get(kind, Action.KEEP) is not Action.KEEP
        )

    def _finders(self) -> Iterator[tuple[Mask, Finder]]:
        for kind, find in _RULES:
            if kind is Mask.PASSPORT:
                yield kind, partial(passports, countries=self.regions)
            elif kind is not Mask.PHONE or self.phones is None:
                yield kind, find
        if self.phones is not None:
            yield Mask.PHONE, self.phones


@dataclass(frozen=True)
class Redacted:
    """A text without its personal data; how much of each kind there was, and how many look-alikes stayed."""

    text: str
    counts: Mapping[Mask, int] = field(default_factory=dict)
    look_alikes: Mapping[Mask, int] = field(default_factory=dict)
    finds: tuple[tuple[Mask, int, int], ...] = ()
    """Kind, begin and end of each find in the text as it was, in the order of their places."""


@cache
def masking(kinds: tuple[Mask, ...]) -> Redaction:
    """Return a redaction that masks these kinds."""
    return Redaction(dict.fromkeys(kinds, Action.MASK))


def masked(text: str, kinds: Collection[Mask]) -> tuple[str, Mapping[Mask, int]]:
    """The text with every find replaced by `[EMAIL]`, `[PHONE]`, …, and how many of each kind there were."""
    result = redacted(text, masking(tuple(kinds)))
    return result.text, result.counts


def redacted(text: str, redaction: Redaction) -> Redacted:
    """Return a text in which personal data are replaced; those that drop the record are masked and counted."""
    counts: dict[Mask, int] = {}
    look_alikes: dict[Mask, int] = {}
    passes: list[Alignment] = []
    finds: list[tuple[Mask, int, int]] = []
    for kind, find, mark in redaction.rules:
        if not _worth_searching(kind, text):
            continue
        text, hits, alike = _replaced(find, mark, redaction.masks_look_alikes, text)
        if hits:
            counts[kind] = counts.get(kind, 0) + len(hits)
            finds += [(kind, *_first_place(passes, *each.before)) for each in hits]
            passes.append(replacements(hits))
        if alike:
            look_alikes[kind] = look_alikes.get(kind, 0) + alike
    return Redacted(text, counts, look_alikes, tuple(sorted(finds, key=lambda find: find[1:])))


def _first_place(passes: Sequence[Alignment], start: int, end: int) -> tuple[int, int]:
    """Return where a span stood before the first pass."""
    for each in reversed(passes):
        start, end = each.original(start, end)
    return start, end


def _mark(kind: Mask, action: Action, key: bytes, data: str) -> str:
    if action is not Action.HASH:
        return f"[{kind.upper()}]"
    plain = data.lower() if kind in _WRITTEN else re.sub(r"[^0-9a-z]", "", data.lower())
    digest = hmac.new(key, f"{kind}:{plain}".encode(), hashlib.sha256).hexdigest()[:16]
    return f"[{kind.upper()}:{digest.translate(LETTERS)}]"


_WRITTEN = (Mask.EMAIL, Mask.URL, Mask.IP)
"""Kinds whose punctuation counts; numbers are equal whatever stands between their digits."""
LETTERS = str.maketrans("0123456789abcdef", "ABCDEFGHIJKLMNOP")
"""Hashes are written in letters: digits would look like numbers of people again."""


def luhn(digits: str) -> bool:
    """Whether a number of decimal digits passes Luhn's check, as payment cards do."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _worth_searching(kind: Mask, text: str) -> bool:
    """A cheap test that spares most texts the regular expression."""
    if kind is Mask.EMAIL:
        return "@" in text or _WRITTEN_AT.search(text) is not None
    return True


def _replaced(
    find: Finder, mark: Callable[[str], str], masks_look_alikes: bool, text: str
) -> tuple[str, list[Block], int]:
    """The text with finds replaced, their places, and the count of look-alikes; digits are searched as ASCII's."""
    plain = text if text.isascii() else text.translate(_DIGITS)
    pieces: list[str] = []
    hits: list[Block] = []
    end = look_alikes = length = 0
    for hit in find(plain):
        if not (hit.is_valid or masks_look_alikes):
            look_alikes += 1
        elif hit.start >= end:
            pieces += text[end : hit.start], mark(plain[hit.start : hit.stop])
            begin = length + hit.start - end
            length, end = begin + len(pieces[-1]), hit.stop
            hits.append(Block((hit.start, hit.stop), (begin, length), False))
    return "".join((*pieces, text[end:])) if pieces else text, hits, look_alikes


def _by_pattern(pattern: re.Pattern[str], accepts: Accepts, plain: str) -> Iterator[Hit]:
    group = "found" if "found" in pattern.groupindex else 0
    for match in pattern.finditer(plain):
        if accepts(match):
            yield Hit(*match.span(group))


def _cards(plain: str) -> Iterator[Hit]:
    """Yield numbers that are as long as those of cards; those that fail Luhn's check look alike."""
    for match in _CARD.finditer(plain):
        digits = _digits(match.group())
        if 13 <= len(digits) <= 19 and len(set(digits)) > 1:
            yield Hit(*match.span(), luhn(digits))


def _always(_: re.Match[str]) -> bool:
    return True


def _is_mail(match: re.Match[str]) -> bool:
    return _IMAGE.search(match.group()) is None


def _is_address(match: re.Match[str]) -> bool:
    """IPv4 was checked by its pattern and is no version; what looks like IPv6 must parse and not be a mere `::`."""
    text = match.group()
    if ":" not in text:
        before = match.string[max(0, match.start() - _LOOKED_BACK) : match.start()]
        return _BEFORE_A_VERSION.search(before) is None
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return sum(character in "0123456789abcdefABCDEF" for character in text) >= 4


def _is_phone(match: re.Match[str]) -> bool:
    """By its count of digits; a national number with few of them is more often another number."""
    text, digits = match.group(), _digits(match.group())
    if text.startswith(("+", "(")):
        return 8 <= len(digits) <= 16
    if digits.startswith("00"):
        return 11 <= len(digits) <= 17
    return 9 <= len(digits) <= 16


def _is_called(match: re.Match[str]) -> bool:
    text = match["found"]
    return 6 <= len(_digits(text)) <= 16 and _DATE_OR_VERSION.fullmatch(text) is None


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


_RULES: tuple[tuple[Mask, Finder], ...] = (
    (Mask.URL, partial(_by_pattern, _URL, _always)),
    (Mask.EMAIL, partial(_by_pattern, _EMAIL, _is_mail)),
    (Mask.IP, partial(_by_pattern, _IP, _is_address)),
    (Mask.IBAN, ibans),
    (Mask.NATIONAL_ID, resident_ids),
    (Mask.PASSPORT, passports),
    (Mask.CARD, _cards),
    (Mask.PHONE, partial(_by_pattern, _PHONE, _is_phone)),
    (Mask.PHONE, partial(_by_pattern, _CALLED, _is_called)),
)
