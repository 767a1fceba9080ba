"""`ratoon demo`: the closed loop on real mail."""

from pathlib import Path
from typing import Annotated

import typer

from ratoon.cli.local import State
from ratoon.client import RatoonError


def demo(
    task: Annotated[
        str,
        typer.Option(
            help="Task of the model: classify (spam or not, trained from scratch), generate (a chat model writes the "
            "subject lines of mails) or regress (strength of sentiment, rated by ten people)."
        ),
    ] = "classify",
    data: Annotated[Path, typer.Option(help="Directory of the mail corpus (created by `make data`).")] = Path(
        ".data/spam-assassin"
    ),
    project: Annotated[str, typer.Option(help="Id of the project to create.", show_default="a new id")] = "",
    port: Annotated[int, typer.Option(help="Port of the HTTP API if Ratoon is not running yet.")] = 8080,
    slice: Annotated[
        float,
        typer.Option(
            help="Share of the mails to use, from 0 to 1; below 1 for a quick run. Only for classify."
        ),
    ] = 1.0,
    stop: Annotated[
        bool, typer.Option("--stop/--keep", help="Stop Ratoon at the end, or leave it running.")
    ] = True,
    tier: Annotated[
        str,
        typer.Option(
            help="Size. classify: nano (trains a model from scratch) or small (LoRA on a 135M chat model); generate "
            "and regress: full or quick.",
            show_default="the first",
        ),
    ] = "",
    state: State = None,
) -> None:
    """Run the closed loop twice on real data, and write a report of the measurements. It needs a checkout of Ratoon."""
    from ratoon.local.installation import find_state

    try:
        from ratoon_examples import demos
    except ModuleNotFoundError:
        raise RatoonError("The demo is part of Ratoon's source tree. In a checkout, run: make demo") from None

    if task not in demos.SIZES:
        raise typer.BadParameter(f"Unknown task {task!r}. Available: {', '.join(demos.SIZES)}.")
    sizes = demos.SIZES[task]
    if tier and tier not in sizes:
        raise typer.BadParameter(f"Unknown tier {tier!r} of {task}. Available: {', '.join(sizes)}.")
    settings = demos.Settings(find_state(state), data, project, port, slice, stop, tier or sizes[0])
    raise typer.Exit(demos.run(task, settings))
