"""Labels of character encodings, and the Python codecs that decode what is really meant by them.

The table is that of the WHATWG Encoding Standard (https://encoding.spec.whatwg.org/#names-and-labels), compared
without case and punctuation, with what mail adds to it. A label names a *superset*: `gb2312` stands for GB 18030,
`ks_c_5601-1987` for CP949, `iso-8859-1` for windows-1252. It knows no text.
"""

import codecs
import re

_NOISE = re.compile(r"[^a-z0-9]")
_LABELS = {
    "utf-8": "unicode11utf8 unicode20utf8 utf8 xunicode20utf8 utf8mb4 cp65001 unicodeutf8",
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859_2": "csisolatin2 iso88592 isoir101 l2 latin2 iso885921987",
    "iso8859_3": "csisolatin3 iso88593 isoir109 l3 latin3 iso885931988",
    "iso8859_4": "csisolatin4 iso88594 isoir110 l4 latin4 iso885941988",
    "iso8859_5": "csisolatincyrillic cyrillic iso88595 isoir144 iso885951988",
    "iso8859_6": "arabic asmo708 csiso88596e csiso88596i csisolatinarabic ecma114 iso88596 iso88596e iso88596i"
    " isoir127 iso885961987",
    "iso8859_7": "csisolatingreek ecma118 elot928 greek greek8 iso88597 isoir126 iso885971987 suneugreek",
    "iso8859_8": "csiso88598e csisolatinhebrew hebrew iso88598 iso88598e isoir138 iso885981988 visual"
    " csiso88598i iso88598i logical",
    "iso8859_10": "csisolatin6 iso885910 isoir157 l6 latin6",
    "iso8859_13": "iso885913",
    "iso8859_14": "iso885914",
    "iso8859_15": "csisolatin9 iso885915 l9 latin9 latin0",
    "iso8859_16": "iso885916",
    "koi8_r": "cskoi8r koi koi8 koi8r",
    "koi8_u": "koi8ru koi8u",
    "mac_roman": "csmacintosh mac macintosh xmacroman macroman",
    "cp874": "dos874 iso885911 tis620 windows874 cp874 tis6200 xwindows874",
    "cp1250": "cp1250 windows1250 xcp1250",
    "cp1251": "cp1251 windows1251 xcp1251 win1251",
    "cp1252": "ansix341968 cp1252 cp819 csisolatin1 ibm819 iso88591 iso885911987 isoir100 l1 latin1 windows1252"
    " xcp1252 iso8859 ansix341986 8859 88591 ansi windowslatin1",
    "cp1253": "cp1253 windows1253 xcp1253",
    "cp1254": "cp1254 csisolatin5 iso88599 iso885991989 isoir148 l5 latin5 windows1254 xcp1254",
    "cp1255": "cp1255 windows1255 xcp1255",
    "cp1256": "cp1256 windows1256 xcp1256",
    "cp1257": "cp1257 windows1257 xcp1257",
    "cp1258": "cp1258 windows1258 xcp1258",
    "mac_cyrillic": "xmaccyrillic xmacukrainian",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb2312 gb231280 gbk isoir58 xgbk gb18030 cp936 ms936 windows936"
    " euccn xeuccn gb1988 cngb",
    "hz": "hz hzgb2312 hzgb",
    "cp950": "big5 big5hkscs cnbig5 csbig5 xxbig5 xbig5 cp950 ms950 windows950 big5eten",
    "euc_jp": "cseucpkdfmtjapanese eucjp xeucjp xeuc ujis",
    "iso2022_jp": "csiso2022jp iso2022jp iso2022jp1 iso2022jp2 iso2022jp3 iso2022jpms cp50220 cp50221 cp50222"
    " csiso2022jp2 iso2022jpext",
    "cp932": "csshiftjis ms932 mskanji shiftjis sjis windows31j xsjis cp932 mscode932 xmscp932 cswindows31j",
    "cp949": "cseuckr csksc56011987 euckr isoir149 korean ksc56011987 ksc56011989 ksc5601 ksc56011992 windows949 cp949"
    " ms949 uhc ksx1001 xwindows949 ksc5601 csksc5601",
    "iso2022_kr": "csiso2022kr iso2022kr",
    "johab": "johab cp1361 ms1361",
    "utf-16-be": "unicodefffe utf16be",
    "utf-16-le": "csunicode iso10646ucs2 ucs2 unicode unicodefeff utf16 utf16le",
    "utf-32-le": "utf32 utf32le ucs4",
    "utf-32-be": "utf32be",
    "mac_latin2": "xmacce xmaccentraleurope xmaccentraleurroman",
    "mac_greek": "xmacgreek",
    "mac_turkish": "xmacturkish",
}
_CODECS = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
_UNTOLD = frozenset({"", "ascii", "usascii", "isoir6", "iso646us", "us", "ansix34", "7bit", "iso646irv1991"})
"""Labels that say no more than that the text should be ASCII: what is above it is detected."""
_UTF7 = frozenset({"utf7", "unicode11utf7", "csunicode11utf7", "xunicode20utf7", "utf7imap", "cp65000"})
_NO_DECODER = frozenset({"iso2022cn", "iso2022cnext", "csiso2022cn"})
_CODE_PAGES = (
    "cp037 cp1026 cp1125 cp1140 cp273 cp424 cp437 cp500 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860"
    " cp861 cp862 cp863 cp864 cp865 cp869 cp875 hp_roman8 koi8_t kz1048 mac_iceland ptcp154"
)
"""Of DOS, IBM mainframes and nations, under Python's names."""
_CODE_PAGE_NAMES = frozenset(_CODE_PAGES.split())

STATEFUL = frozenset({"iso2022_jp", "iso2022_kr", "hz", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"})
"""Codecs that write other scripts in ASCII bytes."""
WINDOWS_SISTER = {
    "iso8859_2": "cp1250",
    "iso8859_4": "cp1257",
    "iso8859_7": "cp1253",
    "iso8859_8": "cp1255",
    "iso8859_10": "cp1252",
    "iso8859_13": "cp1257",
    "iso8859_14": "cp1252",
    "iso8859_15": "cp1252",
    "iso8859_16": "cp1250",
    "iso8859_3": "cp1254",
}
"""What is meant by an ISO 8859 label when bytes stand where ISO has control characters (0x80 to 0x9F)."""
OTHERS = {
    "cp950": ("big5hkscs", "big5"),
    "euc_jp": ("euc_jisx0213",),
    "cp932": ("shift_jisx0213",),
    "koi8_r": ("koi8_u",),
    "iso2022_jp": ("iso2022_jp_ext", "iso2022_jp_2004"),
}
"""Codecs that are tried where the first one does not fit to the last byte."""


class EncodingRefused(Exception):
    """A label whose encoding is not read: no decoder for it is safe or known."""

    code, reason = "INVALID_ARGUMENT", "ENCODING_UNKNOWN"


def codec_of(label: str) -> str:
    """The codec that a label stands for; empty when the label says nothing or is unknown.

    EncodingRefused for UTF-7 (its ASCII may be anything, so that no check of a text holds) and ISO-2022-CN.
    """
    name = _plain(label)
    if name in _UTF7 or name in _NO_DECODER:
        raise EncodingRefused(
            f"Text in the encoding {label.strip()[:40]!r} is not supported. Save it as UTF-8 and import "
            "it again."
        )
    if name in _UNTOLD:
        return ""
    return _CODECS.get(name) or _dos(name)


def is_utf7(label: str) -> bool:
    """Whether a label means UTF-7, which is plain ASCII as long as no `+` is in it."""
    return _plain(label) in _UTF7


def says_nothing(label: str) -> bool:
    """Whether a label is empty or means plain ASCII."""
    return _plain(label) in _UNTOLD


def named_codec(label: str) -> str:
    """The codec of a label that a person gave; EncodingRefused when there is none by that name."""
    if codec := codec_of(label):
        return codec
    if label.strip() and says_nothing(label):
        return "utf-8"
    raise EncodingRefused(
        f"{label[:40]!r} is not an encoding that Ratoon knows. Name one of the WHATWG Encoding Standard, "
        "such as utf-8, gb18030, shift_jis, windows-1252 or utf-16le."
    )


def _plain(label: str) -> str:
    return _NOISE.sub("", label.partition(";")[0].lower().removesuffix("$esc"))[:40]


def _dos(name: str) -> str:
    """The codec of a DOS, IBM or national code page by any of its usual spellings."""
    number = re.fullmatch(r"(?:cs)?(?:x?cp|ibm|x?dos|x?windows|ms|pc)?(\d{3,4})(?:multilingual)?", name)
    try:
        codec = codecs.lookup(f"cp{number[1]}" if number else name).name.replace("-", "_")
    except (LookupError, ValueError):
        return ""
    return codec if codec in _CODE_PAGE_NAMES else ""
