"""Mails as prompts with their subject lines: known ones to train on, and ones of another kind that arrive later."""

import email
import email.policy
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path

from ratoon.client import RatoonError

KNOWN, ARRIVING = ("spam-1", "spam-2"), ("easy-ham-1",)
"""Directories of the corpus: spam, and mails of mailing lists."""
FEEDS = "rssfeeds"
"""Sender of news that the corpus holds as mails; they belong to no mailing list and are left out."""
LICENSE = "PDDL-1.0"
INSTRUCTION = "Write the subject line of this mail."
_BODY_CHARS, _MIN_BODY_CHARS, _HEADER_CHARS = 400, 80, 80
_SUBJECT_WORDS = range(2, 13)
_MARKS = re.compile(r"^((re|fwd?|aw|sv)(\[\d+\])?:\s*|\[[^\]]{1,40}\]\s*)+", re.IGNORECASE)


@dataclass(frozen=True)
class Mail:
    """A mail without its subject line, and the subject line as it was, with `Re:` and the name of the list."""

    id: str
    headers: str
    """Sender and recipients, one a line."""
    body: str
    subject: str

    @property
    def prompt(self) -> str:
        """The instruction, the headers and the start of the body."""
        return f"{INSTRUCTION}\n\n{self.headers}\n\n{self.body}"

    @property
    def thread(self) -> str:
        """Name of the thread: a mail and the replies to it stay in one part of a split."""
        return " ".join(re.findall(r"\w+", _MARKS.sub("", self.subject).lower()))


@dataclass(frozen=True)
class Corpus:
    """The parts of the corpus."""

    training: list[Mail]
    held_out: list[Mail]
    arriving: list[Mail]


def read_corpus(folder: Path, training: int, held_out: int, arriving: int) -> Corpus:
    """Read the corpus and draw so many mails of each part; the same numbers give the same mails."""
    for name in (*KNOWN, *ARRIVING):
        if not (folder / name).is_dir():
            raise RatoonError(f"{folder} does not contain {name}. Run `make data` first.")
    known = _drawn(_read(folder, KNOWN))
    threads = {mail.thread for mail in known[:held_out]}
    return Corpus(
        training=[mail for mail in known[held_out:] if mail.thread not in threads][:training],
        held_out=known[:held_out],
        arriving=_drawn(_read(folder, ARRIVING))[:arriving],
    )


def mail_of(name: str, content: bytes) -> Mail | None:
    """Return a mail; None if it has no plain text or no subject line that says anything."""
    try:
        message = email.message_from_bytes(content, policy=email.policy.default)
        headers, body, senders = _headers(message), _plain(message), _addresses(message, "From")
        subject = " ".join(str(message["subject"] or "").split())
    except (LookupError, ValueError, TypeError, AttributeError, IndexError):
        return None
    words = _MARKS.sub("", subject).split()
    if len(body) < _MIN_BODY_CHARS or len(words) not in _SUBJECT_WORDS or FEEDS in senders:
        return None
    text = f"{headers}{body}{subject}"
    return None if re.search("[\ud800-\udfff\ufffd]", text) else Mail(name, headers, body, subject)


def _headers(message: EmailMessage) -> str:
    """Return names of the sender and the recipients without their hosts: curation masks whole addresses."""
    named = {"From": [each.display_name or each.username for each in _parsed(message, "From")]}
    named |= {name: _addresses(message, name) for name in ("To", "Cc")}
    return "\n".join(
        f"{name}: {', '.join(each)[:_HEADER_CHARS]}" for name, each in named.items() if any(each)
    )


def _addresses(message: EmailMessage, name: str) -> list[str]:
    return [each.username for each in _parsed(message, name)]


def _parsed(message: EmailMessage, name: str) -> Sequence[Address]:
    return getattr(message[name], "addresses", ())


def _plain(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    content = part.get_content() if part is not None else ""
    return str(content).replace("\r\n", "\n").strip()[:_BODY_CHARS].rstrip()


def _read(folder: Path, names: Sequence[str]) -> list[Mail]:
    paths = [path for name in names for path in sorted((folder / name).glob("*.txt"))]
    mails = (mail_of(path.name, path.read_bytes()) for path in paths)
    distinct: dict[str, Mail] = {}
    for mail in mails:
        if mail is not None:
            distinct.setdefault(mail.body, mail)
    return list(distinct.values())


def _drawn(mails: list[Mail]) -> list[Mail]:
    """Return the mails in an order that only their names decide."""
    return sorted(mails, key=lambda mail: hashlib.sha256(mail.id.encode()).digest())
