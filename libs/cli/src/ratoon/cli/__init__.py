"""The `ratoon` command line. All commands use the public HTTP API, except those that manage local processes."""

import sys
from typing import Annotated

import typer

from ratoon.cli import changes, datasets, demo, keys, local, maintenance, resources, safety
from ratoon.cli.context import Session
from ratoon.cli.output import Output, explain, say_error
from ratoon.cli.root import CONTEXT_SETTINGS, RootGroup, print_version
from ratoon.client.raw.errors import OperationFailed, RatoonSdkError
from ratoon.process.errors import storage_fault

app = typer.Typer(
    help="Train, evaluate, serve, monitor and retrain language models. Global options are accepted in any position.",
    cls=RootGroup,
    context_settings=CONTEXT_SETTINGS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_SESSION = Session()
INTERRUPTED = 130
"""Exit status after Ctrl-C, as in shells."""


@app.callback()
def _root(
    context: typer.Context,
    project: Annotated[
        str, typer.Option("--project", "-p", envvar="RATOON_PROJECT", help="Project that commands apply to.")
    ] = "",
    url: Annotated[
        str,
        typer.Option(
            envvar="RATOON_URL",
            help="URL of the HTTP API.",
            show_default="the local installation, else http://127.0.0.1:8080",
        ),
    ] = "",
    api_key: Annotated[
        str,
        typer.Option(
            envvar="RATOON_API_KEY", help="API key.", show_default="operator key of the local installation"
        ),
    ] = "",
    output: Annotated[Output, typer.Option("--output", "-o", help="Output format.")] = Output.TABLE,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    _SESSION.url, _SESSION.api_key, _SESSION.project, _SESSION.output = url, api_key, project, output
    context.obj = _SESSION


for _command in (
    *(local.up, local.down, local.status, local.logs, local.migrate),
    *(maintenance.doctor, maintenance.backup, maintenance.restore, maintenance.gc, resources.ask, demo.demo),
):
    app.command(_command.__name__)(_command)
for _name, _group in (
    ("projects", resources.projects),
    ("datasets", datasets.app),
    ("splits", resources.splits),
    ("labels", resources.labels),
    ("guidelines", changes.guidelines),
    ("runs", resources.runs),
    ("evaluations", resources.evaluations),
    ("models", resources.models),
    ("deployments", resources.deployments),
    ("rollouts", resources.rollouts),
    ("pipelines", resources.pipelines),
    ("policies", resources.policies),
    ("drift", resources.drift),
    ("feedback", resources.feedback),
    ("keys", keys.app),
    ("safety", safety.app),
):
    app.add_typer(_group, name=_name)


def main() -> None:
    """Run the command line. An error prints one sentence on standard error and sets exit status 1."""
    try:
        app()
    except OperationFailed as error:
        explain(error, _SESSION.output)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except RatoonSdkError as error:
        say_error(error)
        sys.exit(1)
    except Exception as error:
        fault = storage_fault(error)
        if fault is None and not hasattr(error, "reason"):
            raise
        say_error(fault.message if fault else error)
        sys.exit(1)
