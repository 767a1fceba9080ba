"""Markdown: the text without its front matter."""

import re

_FRONT_MATTER = re.compile(
    r"\A\ufeff?(?:---[^\S\n]*\r?\n(?:(?!---|\.\.\.)[^\n]*\n)*?(?:---|\.\.\.)|\+\+\+[^\S\n]*\r?\n(?:(?!\+\+\+)[^\n]*\n)*?\+\+\+)"
    r"[^\S\n]*(?:\r?\n|\Z)"
)
_KEY = re.compile(r"[^\s#:=-][^:=]*[:=]")


def without_front_matter(text: str) -> str:
    """Return a text without the YAML or TOML settings before it; two rules at its start are no settings."""
    match = _FRONT_MATTER.match(text)
    if match is None:
        return text
    lines = [line for line in match.group().splitlines()[1:-1] if line.strip() and not line.startswith("#")]
    return text[match.end() :] if not lines or _KEY.match(lines[0]) else text
