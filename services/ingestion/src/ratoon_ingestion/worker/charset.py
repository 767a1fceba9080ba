"""Bytes to text: ONE way for all readers. It reports the encoding, how that is known, and what was lost.

The order: a byte order mark, the configured encoding (`override`), the item's own declaration (`declared`), UTF-8 where
the bytes are valid, then a guess. It never fails, but for labels whose encoding is refused.
"""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ratoon_ingestion.worker.charset_guess import guess, plausible
from ratoon_ingestion.worker.charset_jis import decode_jis
from ratoon_ingestion.worker.charset_labels import (
    OTHERS,
    STATEFUL,
    WINDOWS_SISTER,
    EncodingRefused,
    codec_of,
    is_utf7,
    named_codec,
    says_nothing,
)

__all__ = [
    "Decoded",
    "Encoding",
    "EncodingRefused",
    "How",
    "choose",
    "choose_for",
    "decode",
    "decode_names",
    "decoded_as",
    "embedded_charset",
    "named_codec",
    "names_encoding",
    "readable",
    "says_nothing",
]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
_SAMPLE = 256 << 10
_FALLBACK = "cp1252"
_FEW = 0.25
"""Up to this share of bytes above ASCII a text that calls itself Latin-1 is believed."""
_SOUND = 8
"""A text is UTF-8 with damage when it holds this many sound sequences for each broken one."""
_DAMAGE = 0.02
"""Share of characters that may be broken after a byte order mark that is believed."""
_PAIRS = ("gb18030", "cp932", "cp949", "cp950", "euc_jp")
_DAMAGED_PAIRS = 0.1
"""Share of characters above ASCII that may be broken in a declared encoding of two bytes that is believed."""
_HALVES = 0.2
"""Share of zero bytes in one half of the bytes pairs from which they are UTF-16."""
_ASCII = bytes(range(128))
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_C1 = re.compile(rb"[\x80-\x9f]")
_JIS = re.compile(rb"\x1b(?:\$[@B]|\(I|\$\()")
_HZ = re.compile(rb"~\{(?:[\x21-\x77][\x21-\x7e])+~\}")
_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_WORDS_OF_TWO = 2
_PRESCANNED = 1_024
_EMBEDDED_CHARSET = re.compile(
    rb"<meta\b[^>]{0,200}?\bcharset\s*=\s*[\"']?([\w:.+-]{2,40})|\A\s*<\?xml\b[^>]{0,200}?\bencoding\s*=\s*[\"']([\w:.+-]{2,40})",
    re.IGNORECASE,
)
"""The charset that a page or an XML file declares (WHATWG's prescan, in short)."""


class How(StrEnum):
    """How an encoding is known."""

    ASCII = "ascii"
    BOM = "byte order mark"
    OVERRIDE = "given"
    DECLARED = "declared"
    VALID_UTF8 = "valid UTF-8"
    DETECTED = "detected"
    """By its characters."""
    FALLBACK = "fallback"
    """Nothing speaks for it; every byte has a character in it."""


@dataclass(frozen=True)
class Encoding:
    """A Python codec, and how it is known."""

    codec: str
    how: How


@dataclass(frozen=True)
class Decoded:
    """Text, the codec it was in, how that is known, and how many characters had to be replaced by U+FFFD."""

    text: str
    encoding: str
    how: How = How.DECLARED
    replaced: int = 0

    @property
    def guessed(self) -> bool:
        """Whether the encoding is a guess."""
        return self.how in (How.DETECTED, How.FALLBACK)


def decode(data: bytes, declared: str = "", override: str = "") -> Decoded:
    """The text of some bytes; EncodingRefused when a label's encoding is not read."""
    encoding = choose(data, declared, override)
    return decoded_as(data, encoding)


def decoded_as(data: bytes, encoding: Encoding) -> Decoded:
    """The text of some bytes in an encoding that was chosen; a byte order mark is no part of it."""
    data = _without_bom(data, encoding.codec)
    text, replaced, codec = _text(data, encoding.codec)
    if _SURROGATE.search(text):
        text, lone = _SURROGATE.subn("\ufffd", text)
        replaced += lone
    return Decoded(text, codec, encoding.how, replaced)


def choose(data: bytes, declared: str = "", override: str = "") -> Encoding:
    """The encoding of some bytes (or of a large sample of them); the codec is one of Python's."""
    for bom, codec in _BOMS:
        if data.startswith(bom) and _is_marked(data[len(bom) :], codec):
            return Encoding(codec, How.BOM)
    if override:
        return Encoding(_fitting(data, named_codec(override)) or named_codec(override), How.OVERRIDE)
    if data.isascii() and b"+" not in data and is_utf7(declared):
        return Encoding("ascii", How.ASCII)
    codec = codec_of(declared)
    if data.isascii() and codec not in STATEFUL:
        return _of_ascii(data)
    if codec and (chosen := _declared(data, codec)):
        return chosen
    return _detected(data, declared)


def choose_for(chunks: Iterable[bytes], declared: str = "", override: str = "") -> Encoding:
    """The encoding of a whole stream: it is UTF-8 when all of it is, else what its first lines above ASCII say."""
    utf8 = codecs.getincrementaldecoder("utf-8")()
    start, above, unfinished = b"", bytearray(), b""
    is_utf8 = True
    for chunk in chunks:
        start = start or chunk[:_SAMPLE]
        is_utf8 = is_utf8 and _takes(utf8, chunk)
        if len(above) < _SAMPLE:
            *lines, unfinished = (unfinished + chunk).split(b"\n")
            if len(unfinished) > _SAMPLE:
                lines, unfinished = [*lines, unfinished], b""
            above += b"".join(line + b"\n" for line in lines if not line.isascii())
    if len(above) < _SAMPLE and not unfinished.isascii():
        above += unfinished
    chosen = choose(start, declared, override)
    if chosen.how in (How.BOM, How.OVERRIDE) or chosen.codec in STATEFUL:
        return chosen
    if is_utf8 and _takes(utf8, b""):
        return Encoding("utf-8", How.VALID_UTF8)
    sample = bytes(above[:_SAMPLE]) or start
    chosen = choose(sample, declared)
    return Encoding(_FALLBACK, How.FALLBACK) if chosen.codec == "ascii" else chosen


def embedded_charset(data: bytes) -> str:
    """The label by which an HTML page or an XML file names its encoding; empty when there is none.

    A label UTF-16 that is written in ASCII is wrong.
    """
    match = _EMBEDDED_CHARSET.search(data[:_PRESCANNED])
    label = (match[1] or match[2]).decode("ascii", errors="replace") if match else ""
    return "utf-8" if label.lower().startswith("utf-16") else label


def decode_names(raw: list[bytes], override: str = "") -> list[Decoded]:
    """Names of files without a label: one encoding for all of them, for one program wrote them all."""
    encoding = names_encoding(raw, override)
    return [decoded_as(name, encoding) for name in raw]


def readable(decoded: Decoded) -> str:
    """An encoding as people call it."""
    return decoded.encoding.replace("_", "-")


def names_encoding(raw: list[bytes], override: str = "") -> Encoding:
    """The encoding of names of files without a label."""
    joined = b"\n".join(raw)
    if joined.isascii():
        return Encoding("ascii", How.ASCII)
    if _fits(joined, "utf-8"):
        return Encoding("utf-8", How.VALID_UTF8)
    if override:
        return Encoding(named_codec(override), How.OVERRIDE)
    codec = guess(joined)
    return Encoding(codec, How.DETECTED) if codec else Encoding("cp437", How.FALLBACK)


def _of_ascii(data: bytes) -> Encoding:
    """ASCII, unless its escapes say that another script is written in it."""
    if _JIS.search(data):
        return Encoding("iso2022_jp", How.DETECTED)
    if data.startswith(b"\x1b$)C"):
        return Encoding("iso2022_kr", How.DETECTED)
    if (utf16 := _halves(data)) is not None:
        return Encoding(utf16, How.DETECTED)
    if _HZ.search(data) and _strictly(data, "hz") is not None:
        return Encoding("hz", How.DETECTED)
    return Encoding("ascii", How.ASCII)


def _declared(data: bytes, codec: str) -> Encoding | None:
    """What the label means, where the bytes agree."""
    if codec in STATEFUL:
        return _stateful(data, codec)
    fitting = _fitting(data, codec)
    if not fitting:
        return None
    if codec == "utf-8":
        return Encoding("utf-8", How.DECLARED)
    if len(_SEQUENCE.findall(data)) >= _WORDS_OF_TWO and _fits(data, "utf-8"):
        text = _strictly(data, fitting) or ""
        if codec not in _PAIRS or not plausible(text, codec):
            return Encoding("utf-8", How.DETECTED)
    if codec == "cp1252":
        return _western(data)
    return Encoding(fitting, How.DECLARED)


def _stateful(data: bytes, codec: str) -> Encoding | None:
    if codec.startswith("utf-16"):
        codec = _halves(data) or codec
        return Encoding(codec, How.DECLARED) if _fits(data, codec) else None
    if data.isascii() or _strictly(data, codec) is not None:
        return Encoding(codec, How.DECLARED)
    return None


def _western(data: bytes) -> Encoding | None:
    """Latin-1 is often declared wrongly: text with many bytes above ASCII must read like it."""
    if _fits(data, "utf-8"):
        return Encoding("utf-8", How.DETECTED)
    if len(data.translate(None, _ASCII)) < _FEW * len(data):
        return Encoding("cp1252", How.DECLARED)
    return Encoding("cp1252", How.DECLARED) if guess(data) in ("cp1252", "") else None


def _detected(data: bytes, declared: str) -> Encoding:
    if (utf16 := _halves(data)) is not None and _fits(data, utf16):
        return Encoding(utf16, How.DETECTED)
    if _fits(data, "utf-8"):
        return Encoding("utf-8", How.VALID_UTF8 if says_nothing(declared) else How.DETECTED)
    if _damaged_utf8(data):
        return Encoding("utf-8", How.DECLARED if codec_of(declared) == "utf-8" else How.DETECTED)
    codec = codec_of(declared)
    if _damaged_pairs(data, codec):
        return Encoding(codec, How.DECLARED)
    if guessed := guess(data):
        return Encoding(guessed, How.DETECTED)
    if codec and codec not in STATEFUL and codec != "utf-8":
        return Encoding(codec, How.DECLARED)
    return Encoding(_FALLBACK, How.FALLBACK)


def _damaged_utf8(data: bytes) -> bool:
    """Whether most sequences above ASCII are sound UTF-8, such as in a text that was cut within a character."""
    sound = len(_SEQUENCE.findall(data))
    rest = len(_SEQUENCE.sub(b"", data).translate(None, _ASCII))
    return sound >= _SOUND * rest or (
        0 < rest <= 3 and sound >= _WORDS_OF_TWO and data[-3:].translate(None, _ASCII) != b""
    )


def _damaged_pairs(data: bytes, codec: str) -> bool:
    """Whether the bytes are a declared encoding of two bytes a character with a little damage."""
    if codec not in _PAIRS:
        return False
    text = data[:_SAMPLE].decode(codec, errors="replace")
    above = sum(not character.isascii() for character in text)
    return text.count("\ufffd") <= _DAMAGED_PAIRS * above and plausible(text, codec)


def _halves(data: bytes) -> str | None:
    """UTF-16 without a mark, detected by the zero bytes of its ASCII."""
    sample = data[:_SAMPLE]
    if len(sample) < 4 or b"\0" not in sample:
        return None
    even, odd, half = sample[0::2].count(0), sample[1::2].count(0), len(sample) / 2
    if odd >= _HALVES * half and even <= odd / 20:
        return "utf-16-le"
    if even >= _HALVES * half and odd <= even / 20:
        return "utf-16-be"
    return None


def _fitting(data: bytes, codec: str) -> str:
    """The codec, or that of its relatives which takes all bytes; empty when none does."""
    sister = WINDOWS_SISTER.get(codec, "")
    if sister and _C1.search(data):
        return sister if _strictly(data, sister) is not None else ""
    return next((each for each in (codec, *OTHERS.get(codec, ())) if _strictly(data, each) is not None), "")


def _is_marked(rest: bytes, codec: str) -> bool:
    """Whether what follows a byte order mark is what it says: all of it but for little damage and a cut at the end."""
    text = codecs.getincrementaldecoder(codec)("replace").decode(rest)
    return text.count("\ufffd") <= _DAMAGE * len(text)


def _fits(data: bytes, codec: str) -> bool:
    return _strictly(data, codec) is not None


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return str(data.decode(codec))
    except (LookupError, ValueError, TypeError):
        return None


def _takes(decoder: codecs.IncrementalDecoder, chunk: bytes) -> bool:
    try:
        decoder.decode(chunk, final=not chunk)
    except ValueError:
        return False
    return True


def _without_bom(data: bytes, codec: str) -> bytes:
    return next(
        (data[len(bom) :] for bom, of in _BOMS if of == codec and data.startswith(bom)),
        data,
    )


def _text(data: bytes, codec: str) -> tuple[str, int, str]:
    """Text, replaced characters, and the codec that read it."""
    if codec.startswith("iso2022_jp"):
        text, replaced = decode_jis(data)
        return text, replaced, "iso2022_jp"
    text = data.decode(codec, errors="replace")
    lost = text.count("\ufffd")
    if lost and codec in ("utf-8", "gb18030", "utf-16-le", "utf-16-be"):
        lost = max(0, lost - data.count("\ufffd".encode(codec)))
    return text, lost, codec
