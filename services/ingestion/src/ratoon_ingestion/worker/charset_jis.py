"""ISO-2022-JP as mailers write it (CP50220 and its relatives), with NEC's and IBM's rows and half-width kana.

Python's own codecs know the standard's characters alone. Here the escape sequences are followed and what stands between
them is read as CP932, which has the other rows.
"""

import re
from collections.abc import Callable

_ESCAPE = re.compile(rb"\x1b(\$[@B]|\([BJIH]|\$\(D|\$\([OPQ])")
_TWO_BYTES = (b"$@", b"$B", b"$(O", b"$(Q")


def decode_jis(data: bytes) -> tuple[str, int]:
    """The text, and how many characters had to be replaced."""
    pieces: list[str] = []
    replaced, mode, start = 0, b"(B", 0
    for escape in (*_ESCAPE.finditer(data), None):
        run = data[start : escape.start() if escape else len(data)]
        text, lost = _run(run, mode)
        pieces.append(text)
        replaced += lost
        if escape:
            mode, start = escape[1], escape.end()
    return "".join(pieces), replaced


def _run(run: bytes, mode: bytes) -> tuple[str, int]:
    """The text between two escape sequences."""
    if mode in _TWO_BYTES:
        return _pairs(run, _jis_x_0208)
    if mode == b"$(D":
        return _pairs(run, _jis_x_0212)
    if mode == b"(I":
        run = bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in run)
    text = run.decode("cp932", errors="replace")
    return text, text.count("\ufffd")


def _pairs(run: bytes, character_of: Callable[[int, int], str]) -> tuple[str, int]:
    """Two bytes a character, but control characters, such as a line end that forgot to leave the mode, are one."""
    pieces: list[str] = []
    at = 0
    while at < len(run):
        if run[at] < 0x21:
            pieces.append(chr(run[at]))
            at += 1
            continue
        pair = run[at : at + 2]
        within = len(pair) == 2 and all(0x21 <= byte <= 0x7E for byte in pair)
        pieces.append(character_of(pair[0], pair[1]) if within else "\ufffd")
        at += 2
    return "".join(pieces), pieces.count("\ufffd")


def _jis_x_0208(first: int, second: int) -> str:
    """By way of Shift JIS."""
    lead = (first + 1) // 2 + (0x70 if first < 0x5F else 0xB0)
    trail = second + (0x1F + (second >= 0x60) if first % 2 else 0x7E)
    return bytes((lead, trail)).decode("cp932", errors="replace")[:1]


def _jis_x_0212(first: int, second: int) -> str:
    """By way of EUC."""
    return bytes((0x8F, first | 0x80, second | 0x80)).decode("euc_jp", errors="replace")[:1]
