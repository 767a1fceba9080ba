"""Record headers as one column of text, byte for byte."""

import json

from ratoon.events.ports import Record

_Headers = tuple[tuple[str, bytes], ...]


def headers_text(record: Record) -> str:
    """Headers as ASCII JSON; bytes that are no UTF-8 survive as lone surrogates."""
    return json.dumps([[name, value.decode("utf-8", "surrogateescape")] for name, value in record.headers])


def headers_of(text: str) -> _Headers:
    """The headers in such a text."""
    return tuple((name, value.encode("utf-8", "surrogateescape")) for name, value in json.loads(text))
