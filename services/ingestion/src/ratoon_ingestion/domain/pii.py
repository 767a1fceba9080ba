"""What counts as personal data in a text, and its masking. It works on text of usual width.

Masked: e-mail addresses, phone numbers, payment cards (by Luhn's check), IP addresses, and URLs when asked.
"""

import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from ipaddress import AddressValueError, IPv6Address


class Mask(StrEnum):
    """A kind of personal data; the value is its name in a curation's `masks`."""

    URL = "url"
    EMAIL = "email"
    IP = "ip"
    CARD = "card"
    PHONE = "phone"


DEFAULT_MASKS = (Mask.EMAIL, Mask.PHONE, Mask.CARD, Mask.IP)

_URL = re.compile(r"(?:https?://|ftp://|www\.)[^\s<>\"')\]]{2,2048}", re.IGNORECASE)
_LOCAL = r"(?:[^\W\u2e80-\u9fff\uac00-\ud7af]|[.%+'\-])"
"""What stands before the @: letters of scripts that put spaces between words, so that 请写a@b.example loses no word."""
_EMAIL = re.compile(
    rf"(?<!{_LOCAL}){_LOCAL}{{1,128}}@(?:(?:[\w\-]{{1,63}}\.){{1,8}}[A-Za-z]{{2,24}}|localhost\b)"
)
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_IP = re.compile(
    rf"(?=[0-9A-Fa-f])(?<![\w.:])(?:(?:{_OCTET}\.){{3}}{_OCTET}(?![\w]|\.\d)"
    r"|[0-9A-Fa-f]{1,4}:(?:[0-9A-Fa-f]{0,4}:){2,6}[0-9A-Fa-f]{0,4}(?![\w:]))",
    re.ASCII,
)
_CARD = re.compile(r"(?=[2-6])(?<![\w\-])[2-6]\d{3}(?:[ \-]?\d){9,15}(?![\w\-])", re.ASCII)
_PHONE = re.compile(
    r"""(?=[+(0-9])(?<![\w.@/\-+=])
    (?: (?:\+|00)\d{1,3}[ .\-/]?(?:\(\d{1,4}\)[ .\-/]?)?\d{1,4}(?:[ .\-/]?\d{2,4}){2,4}  # +44 (0)20 7946 0958
      | (?:\+?1[ .\-]?)?\(\d{3}\)[ .\-]{0,2}\d{3}[ .\-]?\d{4}                            # (555) 123-4567
      | (?:1[ .\-])?\d{3}[ .\-]\d{3}[ .\-]\d{4}                                          # 1-800-555-1234
      | (?:800|866|877|888)\d{7}                                                         # 8005551234
      | 0\d{2,4}[ \-/]\d{3,4}[ \-]?\d{3,4}                                               # 020 7946 0958
      | 1[3-9]\d{9}                                                                      # 13812345678
    )(?:[ ]?(?:x|ext\.?)[ ]?\d{1,5})?(?![\w]|[\-/.]\d)""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def masked(text: str, kinds: Collection[Mask]) -> tuple[str, Mapping[Mask, int]]:
    """The text with every find replaced by `[EMAIL]`, `[PHONE]`, …, and how many of each kind there were."""
    counts: dict[Mask, int] = {}
    for kind in Mask:
        if kind not in kinds or not _worth_searching(kind, text):
            continue
        pattern, accepts = _RULES[kind]
        text, found = _replace(pattern, accepts, f"[{kind.upper()}]", text)
        if found:
            counts[kind] = counts.get(kind, 0) + found
    return text, counts


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
        return "@" in text
    return True


def _replace(
    pattern: re.Pattern[str], accepts: Callable[[str], bool], mask: str, text: str
) -> tuple[str, int]:
    found = 0

    def swap(match: re.Match[str]) -> str:
        nonlocal found
        if not accepts(match.group()):
            return match.group()
        found += 1
        return mask

    return pattern.sub(swap, text), found


def _always(_: str) -> bool:
    return True


def _is_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and luhn(digits)


def _is_address(text: str) -> bool:
    """IPv4 was checked by its pattern; what looks like IPv6 must parse and not be a mere `::`."""
    if ":" not in text:
        return True
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return sum(character in "0123456789abcdefABCDEF" for character in text) >= 4


_RULES: Mapping[Mask, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    Mask.URL: (_URL, _always),
    Mask.EMAIL: (_EMAIL, _always),
    Mask.IP: (_IP, _is_address),
    Mask.CARD: (_CARD, _is_card),
    Mask.PHONE: (_PHONE, _always),
}
