"""Identifiers use the field's terms: private words of earlier code do not come back."""

import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREES = ("services", "libs", "scripts", "tests", "bench", "examples")

REFUSED = {
    **dict.fromkeys(("room", "rooms"), "service, capacity"),
    **dict.fromkeys(("house", "houses"), "stack, environment, installation"),
    **dict.fromkeys(("told", "telling", "teller"), "report, status, message"),
    **dict.fromkeys(("asked", "wanted"), "request, spec, params, desired"),
    **dict.fromkeys(("wish", "wishes"), "request, desired state"),
    **dict.fromkeys(
        ("found", "made", "said", "given", "kept"), "the thing: match, created, message, config, retained"
    ),
    **dict.fromkeys(("desk", "desks"), "what it is: job service, ports, request context"),
    **dict.fromkeys(("nobody", "somebody", "whoever"), "anonymous, a caller"),
    **dict.fromkeys(("most", "least"), "max, min"),
    **dict.fromkeys(("judgement", "judgements", "judged"), "feedback label, labelled"),
    **dict.fromkeys(("lesson", "lessons"), "labelled example"),
    **dict.fromkeys(("shelf", "shelves", "shelved"), "scratch store, remote checkpoint"),
    **dict.fromkeys(("stumble", "stumbles", "stumbled"), "step failure"),
    **dict.fromkeys(("breath", "calm", "hasty", "patience"), "timeout, interval, backoff"),
    **dict.fromkeys(("hear", "heard", "waker", "forgetter"), "consume, on_<event>, subscriber"),
    **dict.fromkeys(("bury", "buried", "farewell", "forsaken"), "clean up, retire, final event"),
    **dict.fromkeys(("tenure", "tenures"), "lease continuity"),
    "anew": "again",
    "barred": "excluded",
    "boot": "monotonic",
    "burst": "trigger window",
    "censor": "content filter",
    "figures": "metrics",
    "foundation": "service runtime",
    "leftovers": "gc roots",
    "moment": "time, now",
    "nursery": "fork server",
    "sight": "observation",
    "upkeep": "gc, maintenance",
}
"""Words that no identifier contains, with the terms to use instead."""

SENTENCE_WORDS = {
    *("asked", "found", "given", "heard", "kept", "least", "made", "moment", "most", "said", "wanted"),
    *("nobody", "somebody", "whoever"),
}
"""Refused words that the name of a test, which is a sentence, may contain."""

ALLOWED = {
    "boot_id": "Linux's name of one boot of a machine",
    "burst_answers": "field of a policy in the API",
    "burst_since": "stored field of a policy",
    "cancel_asked": "stored field of a pipeline run",
    "connection_made": "method of asyncio's protocols",
    "given": "decorator of Hypothesis",
    "most_common": "method of collections.Counter",
    "patience": "parameter of early stopping in a recipe",
    "room_s": "field of an older release in a test of stored rows",
    "upkeep": "old name of a value of the chart",
}
"""Identifiers with a refused word that stay, with the reason."""


def refused_words(name: str) -> list[str]:
    """Return the refused words in an identifier. The status `NotFound` is not one of them."""
    if name.strip("_") in ALLOWED:
        return []
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", re.sub("(?i)not_?found", "", name))
    words = {part.lower() for part in parts} & REFUSED.keys()
    return sorted(words - SENTENCE_WORDS if name.startswith("test_") else words)


@cache
def refused_identifiers() -> dict[str, list[str]]:
    """Return a line for each module and each identifier with a refused word, by directory."""
    lines: dict[str, list[str]] = {directory: [] for directory in directories()}
    for path in sources():
        names = {path.stem, *identifiers(ROOT / path)}
        lines[directory_of(path)] += [
            f"{path}: {name} ({'; '.join(f'{word}: {REFUSED[word]}' for word in words)})"
            for name in sorted(names)
            if (words := refused_words(name))
        ]
    return lines


def sources() -> Iterator[Path]:
    """Yield the tracked Python files, without generated ones and migrations, which never change."""
    listed = subprocess.run(
        ["git", "ls-files", *(f"{tree}/*.py" for tree in TREES)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        if (
            not re.search(r"_pb2(_grpc)?\.py$|/_generated/|/migrations/versions/", name)
            and (ROOT / name).exists()
        ):
            yield Path(name)


def directory_of(path: Path) -> str:
    """Return the service or library of a file, else its top directory."""
    return "/".join(path.parts[:2] if path.parts[0] in ("services", "libs") else path.parts[:1])


def directories() -> list[str]:
    """Return all directories with sources."""
    return sorted({directory_of(path) for path in sources()})


def identifiers(path: Path) -> set[str]:
    """Return the identifiers of a file."""
    with tokenize.open(path) as source:
        return {
            token.string for token in tokenize.generate_tokens(source.readline) if token.type == tokenize.NAME
        }


@pytest.mark.parametrize("directory", directories())
def test_identifiers_use_the_terms_of_the_field(directory):
    lines = refused_identifiers()[directory]
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("RoomSettings", ["room"]),
        ("_MOST_VALUES", ["most"]),
        ("told_rooms", ["rooms", "told"]),
        ("headroom", []),
        ("NotFound", []),
        ("_not_found", []),
        ("_boot_id", []),
        ("test_a_record_is_found_by_its_id", []),
        ("test_a_room_starts", ["room"]),
    ],
)
def test_words_are_parts_of_identifiers(name, words):
    assert refused_words(name) == words


def test_each_allowed_identifier_exists():
    used = set().union(*(identifiers(ROOT / path) for path in sources()))
    assert {name for name in ALLOWED if name not in used and f"_{name}" not in used} == set()
