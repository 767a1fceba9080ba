"""Bytes to text: the declared charset when it holds, else the best guess; it never fails."""

import codecs
import re
from dataclasses import dataclass, replace

from charset_normalizer import from_bytes

_LOOKED_AT = 8_192
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_TOO_SHORT = 48
"""Fewer bytes say too little for a guess."""
_UNTOLD = frozenset({"", "ascii", "us-ascii"})
_WESTERN = frozenset({"iso-8859-1", "latin-1", "latin1", "windows-1252", "cp1252"})
_FEW = 0.25
"""Up to this share of bytes above ASCII a text that calls itself Latin-1 is believed."""
_ASCII = bytes(range(128))
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Decoded:
    """Text, the charset it was in, and whether that had to be guessed."""

    text: str
    encoding: str
    guessed: bool = False


def decode(data: bytes, declared: str = "") -> Decoded:
    """The text of some bytes. A declared charset that is unknown or does not fit is passed over."""
    decoded = _decoded(data, declared.strip().lower())
    return replace(decoded, text=_SURROGATE.sub("\ufffd", decoded.text))


def _decoded(data: bytes, declared: str) -> Decoded:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return Decoded(data.decode(encoding, errors="replace"), encoding)
    if data.isascii() and not _stateful(declared):
        return Decoded(data.decode("ascii"), "ascii")
    if declared not in _UNTOLD | _WESTERN and (text := _strictly(data, declared)) is not None:
        return Decoded(text, declared)
    if (text := _strictly(data, "utf-8")) is not None:
        return Decoded(text, "utf-8", guessed=declared not in ("", "utf-8"))
    if declared in _WESTERN and _share_above_ascii(data[:_LOOKED_AT]) < _FEW:
        return Decoded(data.decode("cp1252", errors="replace"), "cp1252")  # what mailers mean by Latin-1
    encoding = _guess(data)
    return Decoded(data.decode(encoding, errors="replace"), encoding, guessed=True)


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return str(data.decode(encoding))
    except (LookupError, ValueError, TypeError):
        return None


def _share_above_ascii(data: bytes) -> float:
    return len(data.translate(None, _ASCII)) / max(len(data), 1)


def _stateful(declared: str) -> bool:
    """Whether the charset writes other scripts in ASCII bytes."""
    return declared.startswith(("iso-2022", "utf-7", "utf-16", "utf-32", "hz"))


def _guess(data: bytes) -> str:
    if len(data) < _TOO_SHORT:
        return "cp1252"
    best = from_bytes(data[:_LOOKED_AT]).best()
    return best.encoding if best else "cp1252"
