"""One raw item decoded: its texts, what was done to them, and why it is no record, if it is none.

MIME and encodings are undone here; HTML becomes text. Record ids are derived from an item's text, so that the same
text has the same id in every source.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ratoon.tasks.kind import Record
from ratoon.tasks.records import BadRecord, from_json, prompt_text, to_json
from ratoon_ingestion.domain.conversations import KIND_ATTRIBUTE, is_text, kind_of
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.batches import Verdict
from ratoon_ingestion.worker.charset import Decoded, EncodingRefused, decode, embedded_charset, readable
from ratoon_ingestion.worker.documents import NotReadable, read_document
from ratoon_ingestion.worker.documents.markdown import without_front_matter
from ratoon_ingestion.worker.documents.wikitext import text_of_wikitext
from ratoon_ingestion.worker.filetypes import binary_kind, code_kind
from ratoon_ingestion.worker.mail import Mail, Undecodable, is_markup, read_mail
from ratoon_ingestion.worker.markup import text_of
from ratoon_ingestion.worker.readers import Item, Kind
from ratoon_ingestion.worker.readers.media import MediaPayload

_LOST = "\ufffd"


@dataclass(frozen=True)
class Source:
    """A decoded item before curation: blocks of text, some of them HTML."""

    subject: str
    blocks: tuple[tuple[str, bool], ...]
    steps: tuple[str, ...] = ()
    html: bool = False
    received: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Attributes of the record: `charset`, when that was guessed."""
    refused: Verdict = None
    """Why it is no record."""
    record: Record | None = None
    """The record, where the item is one as a whole."""
    attachment: str = ""
    """Digest of the file that the item is; empty: it is a text."""
    to_text: Callable[[str], str] | None = None
    """How each block becomes text, where its markup is not HTML."""

    def record_id(self, key: bytes) -> str:
        """The HMAC-SHA256 of the decoded source."""
        attachment = (self.attachment,) if self.attachment else ()
        parts = "\x00".join((self.subject, *(text for text, _ in self.blocks), *attachment))
        return hmac.new(key, parts.encode(), hashlib.sha256).hexdigest()

    def text(self) -> str:
        """Subject and body, HTML as text; of a conversation its messages."""
        if self.record is not None:
            return prompt_text(self.record.turns)
        return "\n\n".join(part for part in (self.subject, *self.bodies()) if part.strip())

    def bodies(self) -> list[str]:
        """The text of each block."""
        if self.to_text is not None:
            return [self.to_text(text) for text, _ in self.blocks]
        return [text_of(text) if html else text for text, html in self.blocks]

    def verdict(self, text: str) -> Verdict:
        """Why an item with this text is no record; None when it is one."""
        if self.refused is not None:
            return self.refused
        return None if text.strip() else (Rejected.NO_TEXT, "it holds no text")


def decoded(kind: Kind, payload: bytes, path: str = "", encoding: str = "") -> Source:
    """An item's source; `encoding` is that of what does not name its own."""
    if kind is Kind.MAIL:
        return _of_mail(payload, encoding)
    if kind is Kind.TEXT:
        return _of_file(payload, path, encoding)
    if kind.is_example:
        return _of_example(kind, payload)
    if kind is Kind.MEDIA:
        return _of_media(payload)
    if kind is Kind.DOCUMENT:
        return _of_document(payload)
    if kind is Kind.MARKDOWN:
        return _of_markdown(_of_file(payload, path, encoding))
    if kind is Kind.PAGE:
        return Source("", ((payload.decode("utf-8", errors="replace"), False),), (kind.value,))
    if kind in (Kind.HTML, Kind.WIKITEXT):
        return _of_markup(kind, payload.decode("utf-8", errors="replace"))
    return _of_cell(kind, payload.decode("utf-8", errors="replace"))


def record_id_of(item: Item, key: bytes, encoding: str = "") -> str:
    """The id that the record of an item has."""
    return decoded(item.kind, item.payload, item.path, encoding).record_id(key)


def _of_file(payload: bytes, path: str, encoding: str) -> Source:
    if not payload:
        return Source("", (), refused=(Rejected.NO_TEXT, "the file is empty"))
    if (kind := binary_kind(payload)) is not None:
        return _unread(payload, Rejected.NOT_TEXT, kind)
    try:
        content = decode(payload, embedded_charset(payload), encoding)
    except EncodingRefused as error:
        return _unread(payload, Rejected.UNDECODABLE, str(error))
    source = _of_text(content, ["charset_guessed"] if content.guessed else [], content.replaced)
    if (code := code_kind(path, content.text)) is not None:
        return Source(source.subject, source.blocks, (*source.steps, "code"), refused=(Rejected.CODE, code))
    return source


def _of_media(payload: bytes) -> Source:
    """A file with the text that goes with it; the mark stands for it, as in conversations."""
    try:
        media = MediaPayload.read(payload)
    except (ValueError, TypeError):
        return _unread(payload, Rejected.NOT_MEDIA, "not an image, audio or video file")
    return Source(media.text, ((f"<{media.group}>", False),), ("media",), attachment=media.digest)


def _of_document(payload: bytes) -> Source:
    try:
        document = read_document(payload)
    except NotReadable as error:
        return _unread(payload, error.reason, str(error))
    return Source("", ((document.text, False),), (document.kind,), attributes=document.attributes)


def _of_markdown(source: Source) -> Source:
    is_text = source.refused is None and not source.html
    return replace(source, to_text=without_front_matter) if is_text else source


def _of_markup(kind: Kind, text: str) -> Source:
    lost = text.count(_LOST)
    steps = (kind.value, *([f"characters_replaced:{lost}"] if lost else []))
    is_html = kind is Kind.HTML
    to_text = None if is_html else text_of_wikitext
    return Source("", ((text, is_html),), steps, is_html, to_text=to_text)


def _unread(payload: bytes, reason: Rejected, detail: str) -> Source:
    """An item whose text is not known: its id is that of its bytes."""
    return Source("", ((hashlib.sha256(payload).hexdigest(), False),), refused=(reason, detail))


def _of_cell(kind: Kind, text: str) -> Source:
    """A cell of a table, which its reader decoded; what was lost before the import is not counted."""
    steps = ["charset_guessed"] if kind is Kind.GUESSED_CELL else []
    return _of_text(Decoded(text, "utf-8"), steps, 0 if kind is Kind.CELL else text.count(_LOST))


def _of_example(kind: Kind, payload: bytes) -> Source:
    """A record; that of a single message is the text of it, and has its id."""
    try:
        record = from_json(text := payload.decode())
    except (UnicodeDecodeError, BadRecord):
        return _unread(payload, Rejected.BAD_ROW, "not a record")
    lost = text.count(_LOST) if kind is Kind.LOSSY_EXAMPLE else 0
    steps = [f"characters_replaced:{lost}"] if lost else []
    steps += ["charset_guessed"] if kind is Kind.GUESSED_EXAMPLE else []
    source = Source("", ((prompt_text(record.turns), False),), tuple(steps))
    source = replace(source, attributes={KIND_ATTRIBUTE: kind_of(record)})
    return source if is_text(record) else replace(source, blocks=((to_json(record), False),), record=record)


def _of_text(content: Decoded, steps: list[str], lost: int) -> Source:
    html = is_markup(content.text)
    steps += [*(["html"] if html else []), *([f"characters_replaced:{lost}"] if lost else [])]
    attributes = {"charset": readable(content)} if content.guessed else {}
    return Source("", ((content.text, html),), tuple(steps), html, attributes=attributes)


def _of_mail(payload: bytes, encoding: str) -> Source:
    if (kind := binary_kind(payload)) is not None:
        return _unread(payload, Rejected.NOT_TEXT, kind)
    try:
        mail = read_mail(payload, encoding)
    except Undecodable as error:
        return _unread(payload, Rejected.UNDECODABLE, str(error))
    source = Source(
        mail.subject,
        tuple((body.text, body.html) for body in mail.bodies),
        ("mime", *_mail_steps(mail)),
        mail.html,
        mail.received,
        _mail_attributes(mail),
    )
    if mail.bodies or mail.left_out:
        refused = _without_body(source, mail)
        return source if refused is None else _refused(source, refused)
    return source


def _refused(source: Source, why: Verdict) -> Source:
    return Source(source.subject, source.blocks, source.steps, source.html, source.received, refused=why)


def _mail_steps(mail: Mail) -> list[str]:
    lost = sum(text.count(_LOST) for text in (mail.subject, *(body.text for body in mail.bodies)))
    flags = {
        "mime_defective": mail.defective,
        "charset_guessed": mail.guessed,
        "html": any(body.html for body in mail.bodies),
    }
    left_out = [f"part_left_out:{kind} ({count})" for kind, count in sorted(Counter(mail.left_out).items())]
    replaced = [f"characters_replaced:{lost}"] if lost else []
    return [*(name for name, is_set in flags.items() if is_set), *left_out, *replaced]


def _mail_attributes(mail: Mail) -> dict[str, str]:
    guessed = next((body.encoding for body in mail.bodies if body.guessed), "")
    return {"charset": guessed.replace("_", "-")} if guessed else {}


def _without_body(source: Source, mail: Mail) -> Verdict:
    """A mail that holds more than its subject, none of which is text, is no record of its subject alone."""
    if any(body.strip() for body in source.bodies()):
        return None
    if mail.left_out:
        return Rejected.NO_TEXT, f"its body is {', '.join(sorted(set(mail.left_out)))}"[:200]
    if any(body.text.strip() for body in mail.bodies):
        return Rejected.NO_TEXT, "its body holds images or markup alone"
    return None
