"""Commands of connections: places with data that are read again and again."""

import time
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from ratoon.cli.columns import COLUMNS
from ratoon.cli.context import Session, session
from ratoon.cli.output import MAX_PAGE, show, show_rows
from ratoon.cli.resources import Name, group

if TYPE_CHECKING:
    from ratoon.client.types import Connection

app = group("connections", "Places with data that are read again and again.")
_POLL_S = 0.5


@app.command("read")
def read_connection(
    context: typer.Context,
    connection: Name,
    wait: Annotated[
        bool, typer.Option(help="Wait for the end of the reading, and of those that follow it.")
    ] = True,
) -> None:
    """Read a connection now, whatever its schedule."""
    chosen = session(context)
    _follow(chosen, chosen.client.connections.read(chosen.name(connection, "connections")), wait)


@app.command("dead-letters")
def list_dead_letters(
    context: typer.Context,
    connection: Name,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of messages to show.")] = 20,
) -> None:
    """Show the messages of a topic that gave no record, oldest first.

    Keys and values are shown in Base64: `--output json` gives them to other programs.
    """
    chosen = session(context)
    name = chosen.name(connection, "connections")
    rows = chosen.client.dead_letters.list(name, page_size=min(limit, MAX_PAGE))
    show_rows(islice(rows, limit), COLUMNS["dead_letters"], chosen.output)


@app.command("replay")
def replay_dead_letters(
    context: typer.Context,
    connection: Name,
    wait: Annotated[bool, typer.Option(help="Wait for the end of the reading.")] = True,
) -> None:
    """Read the dead letters of a connection again, with its present settings."""
    chosen = session(context)
    name = chosen.name(connection, "connections")
    _follow(chosen, chosen.client.connections.replay_dead_letters(name), wait)


def _follow(chosen: Session, connection: "Connection", wait: bool) -> None:
    """Show a connection, after its readings have ended if that is requested; exit with 1 if the last one failed."""
    from ratoon.client.types import ConnectionState

    while wait and connection.state != ConnectionState.IDLE:
        time.sleep(_POLL_S)
        connection = chosen.client.connections.get(connection.name)
    show(connection, chosen.output)
    if wait and connection.failure and connection.failure.reason:
        raise typer.Exit(1)
