"""Text that can be stored: a Python string may hold lone surrogates, UTF-8 may not.

JSON lets them in (`"\\ud800"`). Code that hashes, stores or sends foreign text uses these functions, so that such a
character never raises an unexpected error.
"""

import re

_SURROGATE = re.compile(r"[\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def is_encodable(text: str) -> bool:
    """Return whether UTF-8 can hold the text."""
    return text.isascii() or _SURROGATE.search(text) is None


def encodable(text: str) -> str:
    """Return the text with each lone surrogate replaced by U+FFFD; other text comes back as it is."""
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)


def utf8(text: str) -> bytes:
    """Return the text in UTF-8, lone surrogates replaced by U+FFFD."""
    return encodable(text).encode()
