"""`ratoon keys`: create, list, update, limit, rotate and revoke API keys, and show their usage."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from ratoon.cli.columns import COLUMNS
from ratoon.cli.context import session
from ratoon.cli.documents import read_time
from ratoon.cli.names import name_argument
from ratoon.cli.output import as_json, say, show, show_rows
from ratoon.client import omit

app = typer.Typer(help="Create, update, limit, rotate and revoke API keys.", no_args_is_help=True)
Id = Annotated[str, name_argument(help="Key id or full resource name.")]
Expires = Annotated[
    str,
    typer.Option(
        help="Expiry: a duration (30d, 12h) or a UTC time (2026-12-31, 2026-12-31T18:00).",
    ),
]


class Role(StrEnum):
    """Roles of a key, from least to most privileged."""

    CALLER = "caller"
    VIEWER = "viewer"
    ANNOTATOR = "annotator"
    ENGINEER = "engineer"
    OPERATOR = "operator"


Limit = Annotated[int | None, typer.Option(min=0, help="Limit; 0: use the default of the installation.")]


def _parent(context: typer.Context) -> str:
    return f"projects/{session(context).project or '-'}"


def _name(context: typer.Context, id: str) -> str:
    return id if id.startswith("projects/") else f"{_parent(context)}/apiKeys/{id}"


@app.command("list")
def list_keys(context: typer.Context) -> None:
    """List the keys of the project. Without a project, list the keys of the installation."""
    chosen = session(context)
    show_rows(chosen.client.api_keys.list(_parent(context)), COLUMNS["api_keys"], chosen.output)


@app.command("create")
def create_key(
    context: typer.Context,
    id: Annotated[str, name_argument(help="Id of the new key.")],
    role: Annotated[Role, typer.Option(help="Highest role of the key.")] = Role.CALLER,
    display_name: Annotated[str, typer.Option(help="Display name.")] = "",
    expires: Expires = "",
) -> None:
    """Create a key. Its secret is shown only once."""
    from ratoon.client import types

    chosen = session(context)
    created = chosen.client.api_keys.create(
        _parent(context),
        api_key_id=id,
        role=types.Role(f"ROLE_{role.upper()}"),
        display_name=display_name,
        expire_time=_expiry(expires),
    )
    show(created, chosen.output)


@app.command("show")
def show_key(context: typer.Context, id: Id) -> None:
    """Show a key, without its secret."""
    chosen = session(context)
    show(chosen.client.api_keys.get(_name(context, id)), chosen.output)


@app.command("update")
def update_key(
    context: typer.Context,
    id: Id,
    display_name: Annotated[str | None, typer.Option(help="Display name.")] = None,
    expires: Expires = "",
) -> None:
    """Update the display name or the expiry of a key. Fields that are not given stay unchanged."""
    chosen = session(context)
    expiry = _expiry(expires)
    if display_name is None and expiry is None:
        raise typer.BadParameter("Give --display-name, --expires, or both.")
    updated = chosen.client.api_keys.update(
        _name(context, id),
        display_name=omit if display_name is None else display_name,
        expire_time=omit if expiry is None else expiry,
    )
    show(updated, chosen.output)


def _expiry(text: str) -> datetime | None:
    """Return a time for a duration or a time, None for an empty value; raise BadParameter for other text."""
    if not text:
        return None
    try:
        return read_time(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a time. Use a form such as 30d, 12h or 2026-12-31."
        ) from None


@app.command("limit")
def limit_key(
    context: typer.Context,
    id: Id,
    requests_per_minute: Limit = None,
    tokens_per_minute: Limit = None,
    concurrent_requests: Limit = None,
    tokens_per_day: Limit = None,
) -> None:
    """Set the limits of a key. Limits that are not given stay unchanged; without any, show the key."""
    from ratoon.client import types

    chosen = session(context)
    options = {
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "concurrent_requests": concurrent_requests,
        "tokens_per_day": tokens_per_day,
    }
    limits: dict[str, Any] = {field: value for field, value in options.items() if value is not None}
    name = _name(context, id)
    if not limits:
        show(chosen.client.api_keys.get(name), chosen.output)
        return
    show(chosen.client.api_keys.update(name, limits=types.KeyLimits(**limits)), chosen.output)


@app.command("usage")
def show_usage(
    context: typer.Context,
    id: Id,
    days: Annotated[int, typer.Option(help="Number of days, including today.")] = 30,
) -> None:
    """Show the usage of a key by day."""
    chosen = session(context)
    usage = as_json(chosen.client.api_keys.usage(_name(context, id), days=days))
    columns = ["date", "usage.requestCount", "usage.promptTokenCount", "usage.completionTokenCount"]
    rows = [*usage.get("days", []), {"date": "since creation", "usage": usage.get("total", {})}]
    show_rows(rows, columns, chosen.output)


@app.command("rotate")
def rotate_key(context: typer.Context, id: Id) -> None:
    """Replace the secret of a key. The old secret and its tokens stop working immediately."""
    chosen = session(context)
    show(chosen.client.api_keys.rotate(_name(context, id)), chosen.output)


@app.command("delete")
def delete_key(context: typer.Context, id: Id) -> None:
    """Delete a key and its usage data. The key and its tokens stop working immediately."""
    session(context).client.api_keys.delete(_name(context, id))
    say(f"Deleted {_name(context, id)}.")


@app.command("revoke")
def revoke_key(context: typer.Context, id: Id) -> None:
    """Revoke a key. The key and its tokens stop working immediately."""
    chosen = session(context)
    show(chosen.client.api_keys.revoke(_name(context, id)), chosen.output)
