"""Raw mails to subject and body. It follows MIME and tolerates mails that violate it.

Of alternatives the plain text is taken, unless it is nearly empty compared with an HTML one. Attachments and parts that
are no text are left out, and `left_out` names them. Truncated parts give what they hold; a multipart whose parts cannot
be separated is read as one text. The only failure is `Undecodable`.
"""

import binascii
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime

from ratoon_ingestion.worker.charset import EncodingRefused, decode, embedded_charset, says_nothing
from ratoon_ingestion.worker.filetypes import binary_kind

_EARLIEST, _LATEST = datetime(1985, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_MARKUP = re.compile(
    r"\s*(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html|head|body|table|div|center|font|p|meta|title)\b",
    re.IGNORECASE | re.DOTALL,
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s\x80-\xff]{64,}")
_LOOKED_AT = 4_096
_HEADER_CHARS = 2_000
_FEW_WORDS = 8
_NO_SPACES = "\u0e00"
"""From here on most scripts put no spaces between words."""
_HEADER = re.compile(rb"[!-9;-~]{1,70}:[^\n]{0,998}\n")
_APPLE_COUNT = re.compile(rb"[0-9]{1,12}[ \t]{0,40}\r?\n")
"""Apple Mail writes the count of bytes before the first header."""
_BOUNDARY = re.compile(
    rb"(?:\A|\n)--([^\s-][^\r\n]{0,198}|-+[^\s-][^\r\n]{0,190})\r?\n(?=[Cc]ontent-[A-Za-z-]+:)"
)
_NO_WORDS = (
    "text/calendar text/vcard text/x-vcard text/directory text/rtf text/css text/javascript"
    " text/x-amp-html text/ecmascript text/rfc822-headers"
)
_NOT_TO_READ = frozenset(_NO_WORDS.split())
"""Types of `text` that hold no words of a writer."""
_BOILERPLATE = re.compile(r"multi-?part|\bMIME\b", re.IGNORECASE)
"""What mailers write before the parts for readers that know no MIME."""
_UUENCODED = re.compile(
    r"^begin(?: [0-7]{3,4}|-base64 [0-7]{3,4}) [^\n]{1,200}\n"
    r"(?>[ -`]{1,62}\r?\n|[A-Za-z0-9+/=]{4,76}\r?\n)+?(?:end|====)[ \t\r]*$\n?",
    re.MULTILINE,
)
"""A file within the text, as it was attached before MIME."""
_ENRICHED = re.compile(r"<param>[^<]{0,200}</param>|</?[A-Za-z][\w-]{0,59}>", re.IGNORECASE | re.DOTALL)


class Undecodable(Exception):
    """A mail that cannot be read: parts nested too deep, or an encoding that is refused."""


@dataclass(frozen=True)
class Body:
    """One text part: text, whether it is HTML, charset (declared or detected), whether that was guessed."""

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
    left_out: tuple[str, ...] = ()
    """The types of the parts that are not read, such as `image/png`."""


def read_mail(raw: bytes, encoding: str = "") -> Mail:
    """Decode a raw mail; `encoding` is that of parts and headers that name none."""
    parser = _BodyReader(encoding)
    try:
        message = message_from_bytes(_mail_bytes(raw))
        bodies = tuple(parser.bodies(message))
        if not any(body.text.strip() for body in bodies):
            bodies = tuple(parser.any_bodies(message)) or bodies
        defective = parser.defective or any(part.defects for part in message.walk())
        has_html = any(body.html for body in bodies) or any(
            p.get_content_type() == "text/html" for p in message.walk()
        )
    except RecursionError as error:
        raise Undecodable("its parts are nested too deep") from error
    if parser.refused and not any(body.text.strip() for body in bodies):
        raise Undecodable(parser.refused)
    return Mail(
        _subject(message, _hint(bodies) or encoding),
        bodies,
        _received(message),
        has_html,
        any(body.guessed for body in bodies),
        defective,
        tuple(parser.left_out),
    )


def _mail_bytes(raw: bytes) -> bytes:
    """The mail in bytes that start with a header: without marks, counts and blank lines before it."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raw = decode(raw).text.encode()
    raw = raw.removeprefix(codecs.BOM_UTF8)
    counted = _APPLE_COUNT.match(raw)
    start = raw[counted.end() if counted else 0 :].lstrip(b" \t\r\n")
    return start if _HEADER.match(start) else raw


@dataclass
class _BodyReader:
    """Goes through the parts of one mail and notes what it passes over."""

    encoding: str
    left_out: list[str] = field(default_factory=list)
    attached: list[Message] = field(default_factory=list)
    """Text that is attached: read when there is no other."""
    refused: str = ""
    defective: bool = False

    def bodies(self, part: Message, outermost: bool = True) -> Iterator[Body]:
        """The text parts, in their order."""
        kind = part.get_content_type()
        if part.is_multipart():
            if kind == "multipart/alternative":
                yield from _best([tuple(self.bodies(child, False)) for child in _children(part)])
                return
            if kind == "message/delivery-status":
                self.left_out.append(kind)
                return
            for child in _children(part):
                yield from self.bodies(child, False)
            return
        if part.get_content_maintype() == "multipart" or _holds_parts(part):
            yield from self._without_parts(part)
        elif part.get_content_maintype() != "text" or kind in _NOT_TO_READ:
            self._leave(part)
        elif not outermost and part.get_content_disposition() == "attachment":
            self._leave(part)
            self.attached.append(part)
        else:
            yield from self._text(part)

    def any_bodies(self, message: Message) -> Iterator[Body]:
        """Text at unusual places of a mail without text: around its parts, attached, or as a subject within."""
        around = [message.preamble, message.epilogue] if message.is_multipart() else []
        texts = [str(each).strip() for each in around if each and not _BOILERPLATE.search(str(each))]
        if text := "\n\n".join(filter(None, texts)):
            yield self._body(text.encode("utf-8", errors="surrogateescape"), "", "text/plain")
            return
        for part in self.attached:
            yield from self._text(part)
        if not self.attached:
            yield from (
                Body(subject, False, "", False)
                for part in message.walk()
                if part is not message and (subject := _subject(part, self.encoding))
            )

    def _without_parts(self, part: Message) -> Iterator[Body]:
        """A multipart in which the parser detects no part: by the boundary that it uses, else as one text."""
        self.defective = True
        data = _raw(part)
        match = _BOUNDARY.search(data)
        if match:
            boundary = match[1].rstrip().replace(b'"', b"")
            header = b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\n\n'
            again = message_from_bytes(header + data)
            if again.is_multipart():
                yield from self.bodies(again, False)
                return
        if data.strip():
            yield self._body(data, _charset(part), "text/plain")

    def _body(self, data: bytes, declared: str, kind: str) -> Body:
        if says_nothing(declared):
            decoded = decode(data, embedded_charset(data), self.encoding)
        else:
            decoded = decode(data, declared)
        encoding = declared if decoded.encoding == "ascii" else decoded.encoding
        text, attached = _UUENCODED.subn("", decoded.text)
        self.left_out += ["text/x-uuencode"] * attached
        if kind in ("text/enriched", "text/richtext"):
            text = _ENRICHED.sub("", text).replace("<<", "<")
        return Body(text, kind == "text/html" or is_markup(text), encoding, decoded.guessed)

    def _text(self, part: Message) -> Iterator[Body]:
        data, declared = _payload(part), _charset(part)
        if (kind := binary_kind(data)) is not None:
            self.left_out.append(kind)
            return
        try:
            yield self._body(data, declared, part.get_content_type())
        except EncodingRefused as error:
            self.refused = str(error)
            self._leave(part)

    def _leave(self, part: Message) -> None:
        """Note a part that is not read, unless it is empty."""
        if _raw(part).strip():
            self.left_out.append(part.get_content_type())


def _holds_parts(part: Message) -> bool:
    """Whether a part that calls itself text begins with the boundary that it names."""
    boundary = part.get_boundary("")
    return bool(boundary) and _raw(part).lstrip().startswith(
        b"--" + boundary.encode("utf-8", "surrogateescape")
    )


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _best(alternatives: list[tuple[Body, ...]]) -> tuple[Body, ...]:
    """Plain text that is not nearly empty, else HTML, else any text."""
    filled = [bodies for bodies in alternatives if any(body.text.strip() for body in bodies)]
    plain = [bodies for bodies in filled if not any(body.html for body in bodies)]
    marked = [bodies for bodies in filled if any(body.html for body in bodies)]
    if plain and (not marked or _says_something(plain[0])):
        return plain[0]
    return (marked or filled or [()])[0]


def _says_something(bodies: tuple[Body, ...]) -> bool:
    """Whether there are a few words; a script without spaces writes one in about two characters."""
    texts = [body.text for body in bodies]
    words = sum(len(text.split()) for text in texts)
    return (
        words >= _FEW_WORDS
        or sum(character >= _NO_SPACES for text in texts for character in text) >= 2 * _FEW_WORDS
    )


def _raw(part: Message) -> bytes:
    """A part's bytes as they stand in the mail."""
    payload = part.get_payload()
    if isinstance(payload, str):
        return payload.encode("utf-8", errors="surrogateescape")
    return b""


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
    raw = _decoded(str(value).encode("utf-8", errors="surrogateescape"), hint)[:_HEADER_CHARS]
    try:
        pieces = decode_header(raw)
    except (HeaderParseError, ValueError, LookupError):
        pieces = [(raw, None)]
    texts = [piece if isinstance(piece, str) else _decoded(piece, charset or "") for piece, charset in pieces]
    return " ".join("".join(texts).split())


def _decoded(data: bytes, declared: str) -> str:
    """Text of a header; a label that is refused is passed over."""
    try:
        return decode(data, declared).text
    except EncodingRefused:
        return decode(data).text


def _hint(bodies: tuple[Body, ...]) -> str:
    """The charset of raw bytes in headers: that of a body that names one."""
    return next((body.encoding for body in bodies if body.encoding not in ("", "us-ascii")), "")


def _received(message: Message) -> datetime | None:
    """When the last server received the mail, else its own date; None when neither can be read."""
    stamps = [str(value).rpartition(";")[2] for value in (message.get_all("Received") or [])[:1]]
    for stamp in (*stamps, str(message.get("Date") or "")):
        try:
            parsed = parsedate_to_datetime(stamp.strip())
            received = parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        if _EARLIEST <= received < _LATEST:
            return received
    return None
