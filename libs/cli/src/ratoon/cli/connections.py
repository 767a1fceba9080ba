"""Commands of connections: places with data that are read again and again."""

import time
from typing import Annotated

import typer

from ratoon.cli.context import session
from ratoon.cli.output import show
from ratoon.cli.resources import Name, group

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
    from ratoon.client.types import ConnectionState

    chosen = session(context)
    connections = chosen.client.connections
    read = connections.read(chosen.name(connection, "connections"))
    while wait and read.state != ConnectionState.IDLE:
        time.sleep(_POLL_S)
        read = connections.get(read.name)
    show(read, chosen.output)
    if wait and read.failure and read.failure.reason:
        raise typer.Exit(1)
