"""Root command: accept global options in any position.

Reorders arguments before they are parsed. Independent of the commands.
"""

from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

CONTEXT_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
"""Settings of the root command. Groups and commands inherit them."""
GLOBAL_OPTIONS = ("--project", "-p", "--output", "-o", "--url", "--api-key")
"""Options of the root command; each takes one value."""


class RootGroup(TyperGroup):
    """Root command. `ratoon runs list -o json` equals `ratoon -o json runs list`; `ratoon help runs` prints help."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reorder the arguments, then parse them."""
        return super().parse_args(ctx, ordered(args))


def ordered(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with global options first and a leading `help` as a trailing `--help`."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    first: list[str] = []
    rest: list[str] = []
    waiting = list(arguments[:cut])
    while waiting:
        argument = waiting.pop(0)
        if argument in GLOBAL_OPTIONS and waiting:
            first += [argument, waiting.pop(0)]
        elif argument.partition("=")[0] in GLOBAL_OPTIONS and "=" in argument:
            first.append(argument)
        else:
            rest.append(argument)
    rest += arguments[cut:]
    if rest[:1] == ["help"]:
        rest = [*rest[1:], "--help"]
    return [*first, *rest]


def print_version(requested: bool) -> None:
    """Print the version of Ratoon and exit, if requested."""
    if requested:
        from importlib.metadata import version

        print(f"ratoon {version('ratoon-cli')}")
        raise typer.Exit
