"""Build the documentation site into `.site/`, strictly, with tools pinned in `requirements/docs.txt`.

Owns the environment of the site's tools and the scripts of the site. Knows nothing of what pages say.

    python -m scripts.docs              build the site
    python -m scripts.docs changelog    turn the fragments in changes/ into an entry of CHANGELOG.md
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from scripts.docs_hooks import SCRIPTS

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".tools/uv/bin/uv"
LOCK = ROOT / "requirements/docs.txt"
TOOLS = ROOT / ".tools/docs"


@dataclass(frozen=True)
class Package:
    """A package of npm: name and version, digest of its archive, the file in it, and the name of it in the site."""

    name: str
    sha256: str
    member: str
    script: str


PACKAGES = (
    Package(
        "mermaid@11.17.2",
        "6ad2f42c3fc26bbf9e45cbb6d11898972573ea52b33a5f4ff51952899f950ffd",
        "dist/mermaid.min.js",
        "mermaid.min.js",
    ),
    Package(
        "iframe-worker@1.0.4",
        "e8c5d12d87829c503afba01d67772ea9f4aba5b7ae57a0c98e1917711030efbb",
        "shim/index.js",
        "iframe-worker.js",
    ),
)
"""What draws the diagrams, and what searches in pages that are opened as files."""


class DocsError(Exception):
    """The site was not built; the message says why."""


def main(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    commands = {(): build_site, ("changelog",): write_changelog}
    command = commands.get(tuple(arguments))
    if command is None:
        print("docs: usage: python -m scripts.docs [changelog]")
        return 2
    try:
        install_tools()
        command()
    except DocsError as error:
        print(f"docs: {error}")
        return 1
    return 0


def install_tools() -> None:
    """Install the locked tools into `.tools/docs`, unless they are there."""
    stamp, locked = TOOLS / "locked", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == locked:
        return
    run(UV, "venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, TOOLS)
    run(UV, "pip", "sync", "--quiet", "--python", TOOLS / "bin/python", "--require-hashes", LOCK)
    stamp.write_text(locked)


def build_site() -> None:
    """Build the site; a broken link, a broken anchor or a page outside the navigation is an error."""
    for package in PACKAGES:
        install_script(package)
    run(TOOLS / "bin/mkdocs", "build", "--strict", "--clean")
    print(f"docs: {ROOT / '.site/index.html'}")


def write_changelog() -> None:
    """Move the fragments into an entry of `CHANGELOG.md`."""
    run(TOOLS / "bin/towncrier", "build", "--yes", "--version", (ROOT / "VERSION").read_text().strip())


def install_script(package: Package) -> None:
    """Fetch a pinned package by npm, verify it and keep its script, unless that is there."""
    target = SCRIPTS / package.script
    if target.exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise DocsError(f"npm is needed to fetch {package.name}: apt-get install npm")
    SCRIPTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRIPTS.parent) as scratch:
        if subprocess.run(
            [npm, "pack", "--silent", package.name], cwd=scratch, capture_output=True
        ).returncode:
            raise DocsError(f"npm could not fetch {package.name}; check the network and try again")
        archive = next(Path(scratch).glob("*.tgz"))
        if hashlib.sha256(archive.read_bytes()).hexdigest() != package.sha256:
            raise DocsError(f"{package.name} is not the package that was pinned; nothing was installed")
        with tarfile.open(archive) as members:
            script = members.extractfile(f"package/{package.member}")
            if script is None:
                raise DocsError(f"{package.name} contains no {package.member}")
            Path(scratch, package.script).write_bytes(script.read())
        os.replace(Path(scratch, package.script), target)


def run(*command: str | Path) -> None:
    """Run a tool in the root of the repository; `DocsError` holds its output if it fails."""
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise DocsError(f"{Path(command[0]).name} failed:\n{done.stdout}".rstrip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
