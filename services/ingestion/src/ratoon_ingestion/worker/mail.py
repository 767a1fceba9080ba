"""Raw mails to subject and body. It follows MIME where MIME is kept and gets on where it is not.

Of alternatives the plain text is taken, unless it says next to nothing beside an HTML one; attachments are
left out. Truncated parts give what they hold. The only failure is `Undecodable`.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime

from ratoon_ingestion.worker.charset import EncodingRefused, decode

_EARLIEST, _LATEST = datetime(1985, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_MARKUP = re.compile(
    r"\s*(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html|head|body|table|div|center|font|p|meta|title)\b",
    re.IGNORECASE | re.DOTALL,
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s\x80-\xff]{64,}")
_LOOKED_AT = 4_096
_HEADER_CHARS = 2_000
_FEW_WORDS = 8


class Undecodable(Exception):
    """A mail that defeats the parser (thousands of nested parts)."""


@dataclass(frozen=True)
class Body:
    """One text part: text, whether it is HTML, charset (declared or found), whether that was guessed."""

    text: str
    html: bool
    encoding: str
    guessed: bool


@dataclass(frozen=True)
class Mail:
    """A decoded mail; `defective` when it breaks MIME's rules, `html` when any part is HTML."""

    subject: str
    bodies: tuple[Body, ...]
    received: datetime | None
    html: bool
    guessed: bool
    defective: bool


def read_mail(raw: bytes) -> Mail:
    """Decode a raw mail."""
    try:
        message = message_from_bytes(raw.replace(b"\x00", b""))
        bodies = tuple(_bodies(message))
        defective = any(part.defects for part in message.walk())
        has_html = any(body.html for body in bodies) or any(
            p.get_content_type() == "text/html" for p in message.walk()
        )
    except RecursionError as error:
        raise Undecodable("its parts are nested too deep") from error
    except EncodingRefused as error:
        raise Undecodable(str(error)) from error
    return Mail(
        _subject(
            message, next((body.encoding for body in bodies if body.encoding not in ("", "us-ascii")), "")
        ),
        bodies,
        _received(message),
        has_html,
        any(body.guessed for body in bodies),
        defective,
    )


def _bodies(part: Message) -> Iterator[Body]:
    if part.is_multipart():
        if part.get_content_type() == "multipart/alternative":
            yield from _best([tuple(_bodies(child)) for child in _children(part)])
            return
        for child in _children(part):
            yield from _bodies(child)
        return
    if part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment":
        yield _body(part)


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _best(alternatives: list[tuple[Body, ...]]) -> tuple[Body, ...]:
    """Plain text with something to say, else HTML, else whatever there is."""
    filled = [bodies for bodies in alternatives if any(body.text.strip() for body in bodies)]
    plain = [bodies for bodies in filled if not any(body.html for body in bodies)]
    marked = [bodies for bodies in filled if any(body.html for body in bodies)]
    if plain and (not marked or sum(len(body.text.split()) for body in plain[0]) >= _FEW_WORDS):
        return plain[0]
    return (marked or filled or [()])[0]


def _body(part: Message) -> Body:
    declared = _charset(part)
    decoded = decode(_payload(part), declared)
    html = part.get_content_type() == "text/html" or is_markup(decoded.text)
    encoding = declared if decoded.encoding == "ascii" else decoded.encoding
    return Body(decoded.text, html, encoding, decoded.guessed)


def _payload(part: Message) -> bytes:
    """A part's bytes; base64 that is cut or soiled is read as far as it goes."""
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    if str(part.get("Content-Transfer-Encoding", "")).strip().lower() != "base64" or not part.defects:
        return data
    if not _BASE64.fullmatch(data[:_LOOKED_AT]):
        return data
    clean = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    return binascii.a2b_base64(clean[: len(clean) // 4 * 4])


def is_markup(text: str) -> bool:
    """Whether a text that calls itself plain starts as an HTML page does."""
    return _MARKUP.match(text[:_LOOKED_AT]) is not None


def _charset(part: Message) -> str:
    try:
        return part.get_content_charset("") or ""
    except (LookupError, ValueError, TypeError):
        return ""


def _subject(message: Message, hint: str) -> str:
    """The subject's text: raw bytes are in the body's charset; broken encoded words stay as they are."""
    value = next((value for name, value in message.raw_items() if name.lower() == "subject"), "")
    raw = decode(str(value).encode("utf-8", errors="surrogateescape"), hint).text[:_HEADER_CHARS]
    try:
        pieces = decode_header(raw)
    except (HeaderParseError, ValueError, LookupError):
        pieces = [(raw, None)]
    texts = [
        piece if isinstance(piece, str) else decode(piece, charset or "").text for piece, charset in pieces
    ]
    return " ".join("".join(texts).split())


def _received(message: Message) -> datetime | None:
    """When the last server took the mail, else when it says it was written; None when neither can be read."""
    stamps = [str(value).rpartition(";")[2] for value in (message.get_all("Received") or [])[:1]]
    for stamp in (*stamps, str(message.get("Date") or "")):
        try:
            parsed = parsedate_to_datetime(stamp.strip())
            moment = parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        if _EARLIEST <= moment < _LATEST:
            return moment
    return None
