"""`ratoon keys`: API keys, listed, made, limited, rotated and revoked, and what they used."""

from typing import Annotated

import typer

from ratoon.sdk.cli.context import session
from ratoon.sdk.cli.output import show, show_rows

app = typer.Typer(help="API keys of callers.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="The key's id, or its full name.")]
Limit = Annotated[int | None, typer.Option(min=0, help="0: as the installation's settings say.")]


def _collection(context: typer.Context) -> str:
    return f"projects/{session(context).project or '-'}/apiKeys"


def _name(context: typer.Context, id: str) -> str:
    return id if id.startswith("projects/") else f"{_collection(context)}/{id}"


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


@app.command("limit")
def limit_key(
    context: typer.Context,
    id: Id,
    requests_per_minute: Limit = None,
    tokens_per_minute: Limit = None,
    concurrent_requests: Limit = None,
    tokens_per_day: Limit = None,
) -> None:
    """Say how much a key may use; what is not named stays as it is."""
    chosen = session(context)
    given = {
        "requestsPerMinute": requests_per_minute,
        "tokensPerMinute": tokens_per_minute,
        "concurrentRequests": concurrent_requests,
        "tokensPerDay": tokens_per_day,
    }
    limits = {field: value for field, value in given.items() if value is not None}
    name = _name(context, id)
    if not limits:
        show(chosen.client.get(name), chosen.output)
        return
    mask = ",".join(f"limits.{field}" for field in limits)
    show(chosen.client.patch(name, {"limits": limits}, updateMask=mask), chosen.output)


@app.command("usage")
def show_usage(
    context: typer.Context,
    id: Id,
    days: Annotated[int, typer.Option(help="How many days, today among them.")] = 30,
) -> None:
    """Show what a key used, day by day."""
    chosen = session(context)
    told = chosen.client.get(f"{_name(context, id)}:usage", days=days)
    columns = ["date", "usage.requestCount", "usage.promptTokenCount", "usage.completionTokenCount"]
    show_rows([*told["days"], {"date": "since it was made", "usage": told["total"]}], columns, chosen.output)


def _method(verb: str, help: str) -> None:
    @app.command(verb, help=help)
    def _call(context: typer.Context, id: Id) -> None:
        chosen = session(context)
        show(chosen.client.post(f"{_name(context, id)}:{verb}"), chosen.output)


_method("rotate", "Give a key a new secret; the old one ends.")
_method("revoke", "End a key now.")
