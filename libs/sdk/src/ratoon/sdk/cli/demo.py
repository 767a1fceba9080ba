"""`ratoon demo`: the whole loop on real mail."""

from pathlib import Path
from typing import Annotated

import typer

from ratoon.sdk.cli.local import State


def demo(
    data: Annotated[Path, typer.Option(help="Folder with the mail corpus (make data).")] = Path(
        ".data/spam-assassin"
    ),
    project: Annotated[str, typer.Option(help="Project to make; default: a new one.")] = "",
    port: Annotated[int, typer.Option(help="Port of the HTTP API when Ratoon is not up yet.")] = 8080,
    slice: Annotated[float, typer.Option(help="Share of the mails to use; below 1 for a quick look.")] = 1.0,
    stop: Annotated[bool, typer.Option("--stop/--keep", help="Stop Ratoon at the end.")] = True,
    tier: Annotated[
        str, typer.Option(help="nano (a model from scratch) or small (LoRA on a chat model of 135 M).")
    ] = "nano",
    state: State = None,
) -> None:
    """Take mail through the whole loop, twice, and write a report of what was measured."""
    from ratoon.sdk.demo.main import run_demo
    from ratoon.sdk.demo.tiers import TIERS
    from ratoon.sdk.local.installation import find_state

    if tier not in TIERS:
        raise typer.BadParameter(f"There is no tier {tier!r}; there are {', '.join(TIERS)}.")
    raise typer.Exit(run_demo(find_state(state), data, project, port, slice, stop, TIERS[tier]))
