"""The kind of what is no text of a person: by signature, by control characters, and code by its name.

Owns the table of signatures and of code's names. It opens nothing and knows no reader.
"""

import re
from pathlib import PurePosixPath

from ratoon_ingestion.media import SIGNATURES


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_LOOKED_AT = 8_192
_CONTROL = bytes(set(range(32)) - {8, 9, 10, 12, 13, 14, 15, 26, 27}) + b"\x7f"
"""What texts do not hold: backspace overstrikes, escape, 14 and 15 shift scripts, 26 once ended files."""
_MANY = 0.02
_PADDING = bytes(3)
"""Zero bytes in a row, as binary formats have and texts have not."""
_MIN_SIGNATURE_BYTES = 4
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    *SIGNATURES,
    (0, b"BM", "image/bmp"),
    (0, b"v/1\x01", "image/exr"),
    (0, b"P4\n", "image/netpbm"),
    (0, b"P5\n", "image/netpbm"),
    (0, b"P6\n", "image/netpbm"),
    (0, b"\x59\xa6\x6a\x95", "image/sun-raster"),
    (0, b"\x01\xda", "image/sgi"),
    (0, b".snd\x00\x00", "audio/basic"),
    (0, b"8BPS", "image/photoshop"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"%!PS", "application/postscript"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/msoffice"),
    (0, b"!BDN", "application/outlook-pst"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ\x90", "application/x-executable"),
    (0, b"MZ\x00", "application/x-executable"),
    (0, b"\xca\xfe\xba\xbe", "application/java-class"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-executable"),
    (0, b"\x00asm", "application/wasm"),
    (0, b"dex\n0", "application/android-dex"),
    (0, b"SQLite format 3\x00", "application/sqlite"),
    (0, b"PAR1", "application/parquet"),
    (0, b"ARROW1", "application/arrow"),
    (0, b"\x89HDF\r\n\x1a\n", "application/hdf5"),
    (0, b"\x93NUMPY", "application/numpy"),
    (0, b"GGUF", "application/gguf"),
    (0, b"\x80\x02", "application/pickle"),
    (0, b"\x80\x03", "application/pickle"),
    (0, b"\x80\x04\x95", "application/pickle"),
    (0, b"\x80\x05\x95", "application/pickle"),
    (0, b"\x00\x01\x00\x00\x00", "font/ttf"),
    (0, b"OTTO\x00", "font/otf"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"ttcf\x00", "font/collection"),
    (0, b"\xde\x12\x04\x95", "application/gettext-mo"),
    (0, b"\x95\x04\x12\xde", "application/gettext-mo"),
    (0, b"-----BEGIN PGP MESSAGE", "application/pgp-encrypted"),
    (0, b"\x30\x82", "application/asn1"),
    (0, b"bplist00", "application/plist"),
    (0, b"L\x00\x00\x00\x01\x14\x02\x00", "application/windows-shortcut"),
    (0, b"Cr24", "application/chrome-extension"),
    (0, b"!<arch>\n", "application/ar"),
)
_WORDY = _set(
    "application/postscript application/rtf application/pdf application/pgp-encrypted application/ar"
)
"""Types that are identified by their start alone: the rest of them may be printable."""
_ARCHIVES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/bzip2"),
    (b"\xfd7zXZ\x00", "application/xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/7z"),
    (b"Rar!\x1a\x07", "application/rar"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"\x04\x22\x4d\x18", "application/lz4"),
    (b"MSCF\x00", "application/cab"),
    (b"\x1f\x9d", "application/compress"),
    (b"LZIP", "application/lzip"),
)
_OFFICE: tuple[tuple[bytes, str], ...] = (
    (b"word/", "application/docx"),
    (b"xl/", "application/xlsx"),
    (b"ppt/", "application/pptx"),
    (b"mimetypeapplication/vnd.oasis.opendocument", "application/opendocument"),
    (b"mimetypeapplication/epub+zip", "application/epub"),
    (b"META-INF/container.xml", "application/epub"),
    (b"META-INF/", "application/jar"),
    (b"AndroidManifest.xml", "application/apk"),
    (b"[Content_Types].xml", "application/office"),
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")

_CODE = _set(
    "py pyi pyx pxd c h cc cpp cxx hpp hh java kt kts scala js mjs cjs jsx tsx vue css scss sass less go rb php pm"
    " bash zsh fish bat cmd ps1 lua jl swift sql asm f90 f95 dart groovy gradle cmake mk proto thrift ipynb wat vhd"
    " vhdl sv glsl cu cuh metal nix tf coffee xbm xpm clj cljs erl exs zig sol m4 am ac"
)
_MAYBE_CODE = _set("cs ts rs pl el ml hs sh r m mm s d v ex t in")
"""Also the codes of languages and countries: the content decides."""
_DATA = _set("json yaml yml toml cfg ini lock xml xsd xsl svg po pot map properties plist csproj sln")
_CODE_NAMES = _set(
    "makefile gnumakefile dockerfile cmakelists.txt jenkinsfile vagrantfile gemfile rakefile go.mod go.sum cargo.lock"
    " package-lock.json yarn.lock pnpm-lock.yaml poetry.lock pipfile pipfile.lock composer.lock gemfile.lock uv.lock"
    " .gitignore .gitattributes .gitmodules .dockerignore .editorconfig .npmignore pkg-info manifest.in configure"
    " sources.txt top_level.txt dependency_links.txt entry_points.txt requires.txt record wheel py.typed"
)
_CODE_LINE = re.compile(
    r"[;{}]\s*$"
    r"|^\s*(?:import |from \w[\w.]* import |#include|def |class |return\b|elif |else:|using |namespace |package )"
    r"|^\s*(?:public |private |static |const |let |var |func |fn |use |end$|fi$|done$|my \$|\(def|@\w+\(?|module )"
)
_CODE_SHARE = 0.3
_LONG_LINE = 2_000
_MINIFIED = re.compile(r"function\s*\(|=>|\bvar \w|!function|\}\}")


def binary_kind(data: bytes) -> str | None:
    """The type of what is no text, such as `image/png`; None when it may be text."""
    start = data[:_LOOKED_AT]
    if not start or start.startswith(_UTF16):
        return None
    match = _signed(start)
    if match is not None and (match[1] in _WORDY or _is_distinctive(match[0]) or not _printable(start)):
        return match[1]
    return None if _utf16(start) or _printable(start) else "application/octet-stream"


def archive_kind(data: bytes) -> str | None:
    """The type of an archive or a compressed file; None when it is none."""
    kind = next((kind for start, kind in _ARCHIVES if data.startswith(start)), None)
    if kind is None and data[257:262] == b"ustar":
        return "application/tar"
    return kind


def office_kind(data: bytes) -> str | None:
    """The type of an office document or program that is a zip within; None when it is none."""
    if not data.startswith(b"PK\x03\x04"):
        return None
    start, end = data[:_LOOKED_AT], data[-_LOOKED_AT:]
    return next((kind for sign, kind in _OFFICE if sign in start or sign in end), None)


def code_kind(path: str, text: str) -> str | None:
    """What a file of code, of settings or of a package is, by its name and what it holds; None for other texts."""
    name = PurePosixPath(path).name.lower()
    ending = name.rpartition(".")[2] if "." in name[1:] else ""
    if name in _CODE_NAMES:
        return f"a file of a program's package ({name})"
    if ending in _DATA:
        return f"a file of data or settings (.{ending})"
    if ending in _CODE:
        return _minified(text) or f"source code (.{ending})"
    if text.startswith("#!") or (ending in _MAYBE_CODE and _code_share(text) >= _CODE_SHARE):
        return f"source code (.{ending})" if ending else "a script"
    return None


def _signed(start: bytes) -> tuple[bytes, str] | None:
    return next(((sign, kind) for at, sign, kind in _SIGNATURES if start[at : at + len(sign)] == sign), None)


def _is_distinctive(sign: bytes) -> bool:
    """Whether no text begins with a signature."""
    return len(sign) >= _MIN_SIGNATURE_BYTES and any(byte < 9 or byte >= 0x80 for byte in sign)


def _printable(start: bytes) -> bool:
    if _PADDING in start.rstrip(b"\0"):
        return False
    return len(start) - len(start.translate(None, _CONTROL)) <= _MANY * len(start)


def _utf16(start: bytes) -> bool:
    """Whether the zero bytes are those of UTF-16 (or 32) without a mark."""
    half = len(start) / 2
    even, odd = start[0::2].count(0), start[1::2].count(0)
    few, many = min(even, odd), max(even, odd)
    rest = start.replace(b"\0", b"")
    return (
        many >= 0.2 * half
        and few <= many / 20
        and len(rest) - len(rest.translate(None, _CONTROL)) <= _MANY * half
    )


def _code_share(text: str) -> float:
    lines = [line for line in text[:_LOOKED_AT].splitlines() if line.strip()]
    return sum(bool(_CODE_LINE.search(line)) for line in lines) / max(len(lines), 1)


def _minified(text: str) -> str | None:
    longest = max(map(len, text[: _LOOKED_AT * 4].splitlines()), default=0)
    return "minified code" if longest > _LONG_LINE and _MINIFIED.search(text[:_LOOKED_AT]) else None
