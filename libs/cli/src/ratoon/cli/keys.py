"""`ratoon keys`: create, list, update, limit, rotate and revoke API keys, and show their usage."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from ratoon.cli.context import session
from ratoon.cli.output import say, show, show_rows

app = typer.Typer(help="Create, update, limit, rotate and revoke API keys.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="Key id or full resource name.")]
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
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


def _collection(context: typer.Context) -> str:
    return f"projects/{session(context).project or '-'}/apiKeys"


def _name(context: typer.Context, id: str) -> str:
    return id if id.startswith("projects/") else f"{_collection(context)}/{id}"


@app.command("list")
def list_keys(context: typer.Context) -> None:
    """List the keys of the project. Without a project, list the keys of the installation."""
    chosen = session(context)
    columns = ["name", "role", "expireTime", "revokeTime", "lastUseTime"]
    show_rows(chosen.client.list(_collection(context)), columns, chosen.output)


@app.command("create")
def create_key(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="Id of the new key.")],
    role: Annotated[Role, typer.Option(help="Highest role of the key.")] = Role.CALLER,
    display_name: Annotated[str, typer.Option(help="Display name.")] = "",
    expires: Expires = "",
) -> None:
    """Create a key. Its secret is shown only once."""
    chosen = session(context)
    body = {"role": f"ROLE_{role.upper()}", "displayName": display_name, **_expiry(expires)}
    show(chosen.client.create(_collection(context), body, id), chosen.output)


@app.command("show")
def show_key(context: typer.Context, id: Id) -> None:
    """Show a key, without its secret."""
    chosen = session(context)
    show(chosen.client.get(_name(context, id)), chosen.output)


@app.command("update")
def update_key(
    context: typer.Context,
    id: Id,
    display_name: Annotated[str | None, typer.Option(help="Display name.")] = None,
    expires: Expires = "",
) -> None:
    """Update the display name or the expiry of a key. Fields that are not given stay unchanged."""
    chosen = session(context)
    body: dict[str, object] = dict(_expiry(expires))
    if display_name is not None:
        body["displayName"] = display_name
    if not body:
        raise typer.BadParameter("Give --display-name, --expires, or both.")
    show(chosen.client.patch(_name(context, id), body, updateMask=",".join(body)), chosen.output)


def _expiry(text: str) -> dict[str, str]:
    """Return `expireTime` for a duration or a time, nothing for an empty value; raise BadParameter for other text."""
    if not text:
        return {}
    if match := _SPAN.fullmatch(text):
        end = datetime.now(UTC) + timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    else:
        try:
            end = datetime.fromisoformat(text)
        except ValueError:
            raise typer.BadParameter(
                f"{text!r} is not a time. Use a form such as 30d, 12h or 2026-12-31."
            ) from None
        end = end.astimezone(UTC) if end.tzinfo else end.replace(tzinfo=UTC)
    return {"expireTime": end.isoformat().replace("+00:00", "Z")}


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
    chosen = session(context)
    options = {
        "requestsPerMinute": requests_per_minute,
        "tokensPerMinute": tokens_per_minute,
        "concurrentRequests": concurrent_requests,
        "tokensPerDay": tokens_per_day,
    }
    limits = {field: value for field, value in options.items() if value is not None}
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
    days: Annotated[int, typer.Option(help="Number of days, including today.")] = 30,
) -> None:
    """Show the usage of a key by day."""
    chosen = session(context)
    usage = chosen.client.get(f"{_name(context, id)}:usage", days=days)
    columns = ["date", "usage.requestCount", "usage.promptTokenCount", "usage.completionTokenCount"]
    show_rows([*usage["days"], {"date": "since creation", "usage": usage["total"]}], columns, chosen.output)


def _method(verb: str, help: str) -> None:
    @app.command(verb, help=help)
    def _call(context: typer.Context, id: Id) -> None:
        chosen = session(context)
        show(chosen.client.post(f"{_name(context, id)}:{verb}"), chosen.output)


_method("rotate", "Replace the secret of a key. The old secret and its tokens stop working immediately.")


@app.command("delete")
def delete_key(context: typer.Context, id: Id) -> None:
    """Delete a key and its usage data. The key and its tokens stop working immediately."""
    chosen = session(context)
    chosen.client.delete(_name(context, id))
    say(f"Deleted {_name(context, id)}.")


_method("revoke", "Revoke a key. The key and its tokens stop working immediately.")
