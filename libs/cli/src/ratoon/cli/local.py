"""`ratoon up`, `down`, `status`, `logs`, `migrate`: manage the installation on this machine."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratoon.cli.context import session
from ratoon.cli.output import say, show_rows

if TYPE_CHECKING:
    from ratoon.local.installation import Installation

State = Annotated[
    Path | None, typer.Option("--state", help="State directory.", show_default="RATOON_STATE, else .ratoon")
]


def up(
    isolated: Annotated[
        bool, typer.Option("--isolated", help="Run each service in its own process.")
    ] = False,
    host: Annotated[
        str, typer.Option(help="Host name or address that the HTTP API listens on.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_525,
            envvar="RATOON_PORT",
            help="Port of the HTTP API; gRPC uses this port + 1, the console this port + 10.",
            show_default="the port of the last start, else 8080",
        ),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Stay and restart processes that exit, until Ctrl-C or `ratoon down`."),
    ] = False,
    metrics: Annotated[
        int,
        typer.Option(
            envvar="RATOON_METRICS_PORT",
            help="First loopback port for Prometheus metrics, one port for each process; 0: no metrics.",
        ),
    ] = 0,
    otlp: Annotated[
        str,
        typer.Option(
            envvar="RATOON_OTLP", help="OTLP/HTTP endpoint to send traces to, such as http://host:4318."
        ),
    ] = "",
    state: State = None,
) -> None:
    """Start Ratoon on this machine and wait until it is ready."""
    from ratoon.local.installation import Installation, find_state
    from ratoon.local.observing import Observing

    installation, observing = Installation(find_state(state)), Observing(metrics, otlp)
    chosen = port or installation.port()
    listeners = installation.up(isolated, host, chosen, say, observing)
    alone = host.startswith("127.") or host in ("localhost", "::1")
    what = "nothing of this is" if alone else "HTTP, gRPC and the console are"
    say(f"Listening ({what} reachable from other machines):")
    for listener in listeners:
        say(f"  {listener.name:<18} {listener.address}")
    key = installation.state / "keys" / "operator.key"
    say(f"The operator key is in {key}. The command line uses it automatically; the console asks for it.")
    if watch:
        _watch(installation, lambda: installation.up(isolated, host, chosen, say, observing))


def _watch(installation: "Installation", again: Callable[[], object]) -> None:
    """Watch until a signal arrives; the processes keep running."""
    import signal
    import threading

    from ratoon.local.watching import watch

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    say("Watching the processes. Press Ctrl-C to stop watching; Ratoon keeps running.")
    watch(installation.processes, again, say, stop)


def down(
    keep_workers: Annotated[
        bool, typer.Option("--keep-workers", help="Leave engines and training jobs running.")
    ] = False,
    state: State = None,
) -> None:
    """Stop Ratoon after requests in flight have completed."""
    from ratoon.local.installation import Installation, find_state

    ended = Installation(find_state(state)).down(keep_workers, say)
    if not ended:
        say("Ratoon is not running.")


def status(context: typer.Context, state: State = None) -> None:
    """Show the processes, their readiness and memory in MiB. Exit status 1 if a process is not ready."""
    from ratoon.local.installation import Installation, find_state

    rows, healthy = _status_rows(Installation(find_state(state)))
    show_rows(rows, ["name", "pid", "state", "memoryMiB"], session(context).output)
    if not healthy:
        raise typer.Exit(1)


def _status_rows(installation: "Installation") -> tuple[list[dict[str, object]], bool]:
    from ratoon.local.processes import control_services

    rows: list[dict[str, object]] = []
    running = installation.processes.running()
    for each in running:
        services = control_services() if each.name == "control" else (each.name,)
        waiting = [service for service in services if not installation.ready(service)]
        state = f"not ready: {', '.join(waiting)}" if waiting else "ready"
        rows.append(_row(each.name, each.mark.pid, state, each.resident_bytes))
    dead = set(installation.processes.names()) - {each.name for each in running}
    rows += [{"name": name, "pid": "", "state": "stopped", "memoryMiB": ""} for name in sorted(dead)]
    rows += [
        _row(each.name, each.mark.pid, "running", each.resident_bytes) for each in installation.workers()
    ]
    return rows, bool(running) and all(row["state"] in ("ready", "running") for row in rows)


def _row(name: str, pid: int, state: str, resident: int) -> dict[str, object]:
    return {"name": name, "pid": pid, "state": state, "memoryMiB": round(resident / 2**20)}


def logs(
    process: Annotated[
        str,
        typer.Argument(
            help="Process: control, gateway, console, or a service if isolated.", show_default="all"
        ),
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the log.")] = False,
    raw: Annotated[bool, typer.Option("--json", help="Print the raw lines, one JSON object each.")] = False,
    state: State = None,
) -> None:
    """Print the logs of the platform processes."""
    from ratoon.local.installation import Installation, find_state
    from ratoon.runtime.log_files import lines
    from ratoon.runtime.logs import legible

    processes = Installation(find_state(state)).processes
    names = [process] if process else processes.names()
    if follow and len(names) > 1:
        raise typer.BadParameter(f"--follow needs one process: {', '.join(names)}.")
    for name in names:
        if not processes.log(name).exists():
            raise typer.BadParameter(
                f"The process {name!r} has no log. Processes: {', '.join(processes.names())}."
            )
        for line in lines(processes.log(name), follow):
            text = line if raw else legible(line)
            print(f"{name}: {text}" if len(names) > 1 and not raw else text)


def migrate(state: State = None) -> None:
    """Migrate the databases of all services to this version."""
    from ratoon.local.installation import Installation, find_state

    Installation(find_state(state)).migrate(say)
