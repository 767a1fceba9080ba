"""Every check of the tree that does not run it: one line a check, and its findings.

Owns which checks there are. Knows nothing of what the code does.
"""

import hashlib
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
LOCK = ROOT / "requirements/ratoon.txt"
LOCK_INPUTS = (ROOT / "requirements/ratoon.in", ROOT / "requirements/overrides.txt")

# Where packages come from and where this tree lies are the business of the machine, not of the repository.
FOREIGN = re.compile(
    r"(?:pypi|pythonhosted|npmjs|proxy\.golang|repo[0-9]*\.maven)\.(?:org|com)"
    r"|--(?:extra-)?index-url|--find-links|(?<![\w.~-])/(?:root|work|home/\w+|Users/\w+)/[\w.-]{2,}"
)
TEXT_LIMIT = 2**20
SHOWN_LINES = 60
SIDE_BY_SIDE = 2
"""The types take as long as all other checks together."""


def main() -> int:
    """Run every check, each to its end; 0 when all passed."""
    checks: dict[str, Callable[[], list[str]]] = {
        "format": lambda: command("ruff", "format", "--check", "--output-format=concise", "."),
        "lint": lambda: command("ruff", "check", "--output-format=concise", "."),
        "types": lambda: command("mypy") + command("mypy", "scripts"),
        "layers": lambda: command("lint-imports", "--no-logo"),
        "contracts": lambda: command("python", "scripts/protos.py", "check"),
        "client": lambda: command("python", "-m", "scripts.client", "check"),
        "reference": lambda: command("python", "-m", "scripts.reference", "check"),
        "lock": lambda: list(lock_faults()),
        "addresses": lambda: list(foreign_addresses()),
    }
    chosen = sys.argv[1:] or list(checks)
    if unknown := set(chosen) - set(checks):
        print(f"check: no such check: {', '.join(sorted(unknown))}; there are {', '.join(checks)}")
        return 2
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return 0 if all(list(pool.map(lambda name: passes(name, checks[name]), chosen))) else 1


def passes(name: str, check: Callable[[], list[str]]) -> bool:
    """Run one check and print its line; what it found follows."""
    started = time.monotonic()
    problems = check()
    lines = [f"check: {name:10} {'FAILED' if problems else 'ok':7} {time.monotonic() - started:5.1f} s"]
    lines += [f"    {line}" for line in problems[:SHOWN_LINES]]
    if len(problems) > SHOWN_LINES:
        lines.append(f"    … {len(problems) - SHOWN_LINES} lines more")
    print("\n".join(lines), flush=True)
    return not problems


def command(program: str, *arguments: str) -> list[str]:
    """Return what the program of the environment printed, or nothing where it succeeded."""
    done = subprocess.run(
        [BIN / program, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode == 0:
        return []
    return done.stdout.splitlines() or [f"{program} ended with status {done.returncode}"]


def lock_faults() -> Iterator[str]:
    """Yield what is wrong with the lock: stale, without hashes, or lacking a direct dependency."""
    text = LOCK.read_text()
    inputs = hashlib.sha256(b"".join(path.read_bytes() for path in LOCK_INPUTS)).hexdigest()
    if f"# inputs: {inputs}" not in text:
        yield "requirements/ratoon.txt is older than what it was resolved from: make lock"
    pinned = {}
    for entry in re.split(r"\n(?=[a-z0-9])", text):
        if match := re.match(r"([a-z0-9-]+)(?:\[[^\]]*\])?==", entry):
            pinned[match[1]] = "--hash=sha256:" in entry
    yield from (f"{name} is locked without a hash" for name, hashed in pinned.items() if not hashed)
    for project, name in direct_dependencies():
        if not name.startswith("ratoon-") and name not in pinned:
            yield f"{project} needs {name}, not in the lock: add it to requirements/ratoon.in, make lock"


def direct_dependencies() -> Iterator[tuple[str, str]]:
    """Yield (pyproject, normalised name) of each dependency, extras included."""
    for path in sorted(
        [
            *ROOT.glob("libs/*/pyproject.toml"),
            *ROOT.glob("services/*/pyproject.toml"),
            *ROOT.glob("examples/pyproject.toml"),
        ]
    ):
        project = tomllib.loads(path.read_text())["project"]
        extras = project.get("optional-dependencies", {}).values()
        for requirement in [*project.get("dependencies", []), *(name for extra in extras for name in extra)]:
            name = re.split(r"[\[<>=!~; ]", requirement)[0]
            yield str(path.relative_to(ROOT)), re.sub(r"[-_.]+", "-", name).lower()


def foreign_addresses() -> Iterator[str]:
    """Yield each committed line that names a package registry or a directory of some machine."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        path = ROOT / name
        if path == Path(__file__) or not path.is_file() or path.stat().st_size > TEXT_LIMIT:
            continue
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1):
            if match := FOREIGN.search(line):
                yield f"{name}:{number}: {match[0]}"


if __name__ == "__main__":
    sys.exit(main())
