"""`ratoon keys`: API keys, listed, made, rotated and revoked."""

from typing import Annotated

import typer

from ratoon.sdk.cli.context import session
from ratoon.sdk.cli.output import show, show_rows

app = typer.Typer(help="API keys of callers.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="The key's id, or its full name.")]


def _collection(context: typer.Context) -> str:
    return f"projects/{session(context).project or '-'}/apiKeys"


@app.command("list")
def list_keys(context: typer.Context) -> None:
    """Show the keys of the project (or those of the whole installation, without one)."""
    chosen = session(context)
    columns = ["name", "role", "expireTime", "revokeTime", "lastUseTime"]
    show_rows(chosen.client.list(_collection(context)), columns, chosen.output)


@app.command("create")
def create_key(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="Its id.")],
    role: Annotated[str, typer.Option(help="caller, viewer, annotator, engineer or operator.")] = "caller",
) -> None:
    """Make a key; its secret is shown this once."""
    chosen = session(context)
    show(chosen.client.create(_collection(context), {"role": f"ROLE_{role.upper()}"}, id), chosen.output)


def _method(verb: str, help: str) -> None:
    @app.command(verb, help=help)
    def _call(context: typer.Context, id: Id) -> None:
        chosen = session(context)
        name = id if id.startswith("projects/") else f"{_collection(context)}/{id}"
        show(chosen.client.post(f"{name}:{verb}"), chosen.output)


_method("rotate", "Give a key a new secret; the old one ends.")
_method("revoke", "End a key now.")
