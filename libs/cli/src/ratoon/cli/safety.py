"""`ratoon safety`: block lists for the prompts and answers of a project."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ratoon.cli.context import session
from ratoon.cli.output import show

app = typer.Typer(help="Block lists for prompts and answers.", no_args_is_help=True)
Words = Annotated[
    Path | None,
    typer.Option(exists=True, help="File with one word or phrase a line; an empty file clears the list."),
]


def _name(context: typer.Context) -> str:
    return f"projects/{session(context).project or '-'}/safetyFilter"


@app.command("show")
def show_filter(context: typer.Context) -> None:
    """Show the block lists of the project. Without a project, show the lists that apply to all projects."""
    chosen = session(context)
    show(chosen.client.safety_filter.get(_name(context)), chosen.output)


@app.command("set")
def set_filter(context: typer.Context, prompts: Words = None, answers: Words = None) -> None:
    """Replace the block list for prompts, for answers, or both. It applies to new requests within moments."""
    chosen = session(context)
    paths = {"input_words": prompts, "output_words": answers}
    lists: dict[str, Any] = {field: _lines(path) for field, path in paths.items() if path is not None}
    if not lists:
        raise typer.BadParameter("Give a file: --prompts, --answers, or both.")
    show(chosen.client.safety_filter.update(_name(context), **lists), chosen.output)


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]
