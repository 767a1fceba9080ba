"""Parts of the mail corpus: training, held-out for the control, arriving later."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ratoon.client import RatoonError
from ratoon.client.local_data import archive_of
from ratoon_examples.demo.tiers import Mails

HELD_OUT_SHARE = 0.2
LABELS = {"easy-ham-1": "ham", "spam-1": "spam", "hard-ham-1": "ham", "spam-2": "spam"}
CLASSES = ("ham", "spam")
LICENSE = "PDDL-1.0"


@dataclass(frozen=True)
class Mail:
    """One raw mail: directory, file name, bytes."""

    folder: str
    name: str
    content: bytes

    @property
    def label(self) -> str:
        """Label of the directory: ham or spam."""
        return LABELS[self.folder]


@dataclass(frozen=True)
class Corpus:
    """The three parts of the corpus."""

    training: list[Mail]
    held_out: list[Mail]
    arriving: list[Mail]


def read_corpus(folder: Path, share: float, mails: Mails | None = None) -> Corpus:
    """Read and divide the corpus. `mails` limits the mails of each class; `share` below 1 takes that share of them."""
    missing = [name for name in LABELS if not (folder / name).is_dir()]
    if missing:
        raise RatoonError(f"{folder} does not contain {', '.join(missing)}. Run `make data` first.")
    read = 1.0 if mails else share
    known = [mail for name in ("easy-ham-1", "spam-1") for mail in _read(folder, name, read)]
    later = [mail for name in ("hard-ham-1", "spam-2") for mail in _read(folder, name, read)]
    held_out = [mail for mail in known if _draw(mail, "kept") < HELD_OUT_SHARE]
    training = [mail for mail in known if _draw(mail, "kept") >= HELD_OUT_SHARE]
    arriving = sorted(later, key=lambda mail: _draw(mail, "arrival"))
    if mails is None:
        return Corpus(training, held_out, arriving)
    return Corpus(
        _of_each_class(training, round(mails.training * share)),
        _of_each_class(held_out, round(mails.held_out * share)),
        _of_each_class(arriving, round(mails.arriving * share)),
    )


def _of_each_class(mails: list[Mail], count: int) -> list[Mail]:
    """Return a sample of `count` mails of each class, in the order of the mails."""
    taken: set[Mail] = set()
    for label in CLASSES:
        of_class = [mail for mail in mails if mail.label == label]
        taken.update(sorted(of_class, key=lambda mail: _draw(mail, "taken"))[:count])
    return [mail for mail in mails if mail in taken]


def archive(mails: list[Mail]) -> bytes:
    """Return the mails as one archive by directory; the same mails give the same bytes."""
    return archive_of((f"{mail.folder}/{mail.name}", mail.content) for mail in mails)


def _read(folder: Path, name: str, share: float) -> list[Mail]:
    files = sorted(path for path in (folder / name).iterdir() if path.suffix != ".json")
    mails = [Mail(name, path.name, path.read_bytes()) for path in files]
    return [mail for mail in mails if _draw(mail, "slice") < share]


def _draw(mail: Mail, purpose: str) -> float:
    """Return a number from 0 to 1 that depends only on the mail and the purpose."""
    digest = hashlib.sha256(f"{purpose}/{mail.folder}/{mail.name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
