"""Mails as prompts with their subject lines: known ones to train on, and ones of another kind that arrive later."""

import email
import email.policy
import hashlib
import re
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from ratoon.client import RatoonError

KNOWN, ARRIVING = "easy-ham-1", "spam-2"
"""Directories of the corpus: mails of mailing lists, and spam."""
LICENSE = "PDDL-1.0"
INSTRUCTION = "Write the subject line of this mail."
_BODY_CHARS, _MIN_BODY_CHARS = 500, 80
_SUBJECT_WORDS = range(2, 13)
_REPLY = re.compile(r"^((re|fwd?|aw|sv)(\[\d+\])?:\s*|\[[^\]]{1,40}\]\s*)+", re.IGNORECASE)


@dataclass(frozen=True)
class Mail:
    """A mail without its subject line, and the subject line."""

    id: str
    body: str
    subject: str

    @property
    def prompt(self) -> str:
        """The instruction and the start of the body."""
        return f"{INSTRUCTION}\n\n{self.body}"

    @property
    def thread(self) -> str:
        """Name of the thread: mails with the same subject line stay in one part of a split."""
        return " ".join(re.findall(r"\w+", self.subject.lower()))


@dataclass(frozen=True)
class Corpus:
    """The parts of the corpus."""

    training: list[Mail]
    held_out: list[Mail]
    arriving: list[Mail]


def read_corpus(folder: Path, training: int, held_out: int, arriving: int) -> Corpus:
    """Read the corpus and draw so many mails of each part; the same numbers give the same mails."""
    for name in (KNOWN, ARRIVING):
        if not (folder / name).is_dir():
            raise RatoonError(f"{folder} does not contain {name}. Run `make data` first.")
    known = _drawn(_read(folder / KNOWN))
    threads = {mail.thread for mail in known[:held_out]}
    return Corpus(
        training=[mail for mail in known[held_out:] if mail.thread not in threads][:training],
        held_out=known[:held_out],
        arriving=_drawn(_read(folder / ARRIVING))[:arriving],
    )


def mail_of(name: str, content: bytes) -> Mail | None:
    """Return a mail; None if it has no plain text or no subject line that says anything."""
    try:
        message = email.message_from_bytes(content, policy=email.policy.default)
        body, subject = _plain(message), _REPLY.sub("", str(message["subject"] or "").strip())
    except (LookupError, ValueError, TypeError, AttributeError, IndexError):
        return None
    subject = " ".join(subject.split())
    if len(body) < _MIN_BODY_CHARS or len(subject.split()) not in _SUBJECT_WORDS:
        return None
    text = f"{body}{subject}"
    return None if re.search("[\ud800-\udfff\ufffd]", text) else Mail(name, body, subject)


def _plain(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    content = part.get_content() if part is not None else ""
    return str(content).replace("\r\n", "\n").strip()[:_BODY_CHARS].rstrip()


def _read(folder: Path) -> list[Mail]:
    mails = (mail_of(path.name, path.read_bytes()) for path in sorted(folder.glob("*.txt")))
    distinct: dict[str, Mail] = {}
    for mail in mails:
        if mail is not None:
            distinct.setdefault(mail.body, mail)
    return list(distinct.values())


def _drawn(mails: list[Mail]) -> list[Mail]:
    """Return the mails in an order that only their names decide."""
    return sorted(mails, key=lambda mail: hashlib.sha256(mail.id.encode()).digest())
