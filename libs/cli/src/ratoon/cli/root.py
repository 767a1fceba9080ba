"""Root command: accept global options in any position.

Reorders arguments before they are parsed. Independent of the commands.
"""

import re
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from ratoon.cli.output import Output

CONTEXT_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
"""Settings of the root command. Groups and commands inherit them."""
GLOBAL_OPTIONS = ("--project", "-p", "--output", "-o", "--url", "--api-key")
"""Options of the root command; each takes one value."""
_WITH_VALUE = re.compile(rf"({'|'.join(GLOBAL_OPTIONS)})=(.*)|-o({'|'.join(Output)})", re.DOTALL)


class RootGroup(TyperGroup):
    """Root command. `ratoon runs list -o json` equals `ratoon -o json runs list`; `ratoon help runs` prints help."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reorder the arguments, then parse them; a global option at the end has no value."""
        if args[-1:] and args[-1] in GLOBAL_OPTIONS and "--" not in args and not ctx.resilient_parsing:
            ctx.fail(f"Option {args[-1]!r} requires an argument.")
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
        elif (match := _WITH_VALUE.fullmatch(argument)) is not None:
            first += [match[1] or "-o", match[3] or match[2]]
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
