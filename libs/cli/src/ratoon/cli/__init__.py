"""The `ratoon` command line. All commands use the public HTTP API, except those that manage local processes."""

import sys
from typing import Annotated

import typer

from ratoon.cli import (
    blobs,
    changes,
    compressions,
    connections,
    dataset_files,
    datasets,
    demo,
    evaluations,
    keys,
    local,
    maintenance,
    model_files,
    profiles,
    queues,
    resources,
    runs,
    safety,
    suites,
    sweeps,
    table_rows,
)
from ratoon.cli.completions import completion
from ratoon.cli.context import Session
from ratoon.cli.examples import add_examples
from ratoon.cli.exit_codes import ExitCode, exit_code, sentence
from ratoon.cli.output import Output, explain, say_error
from ratoon.cli.root import CONTEXT_SETTINGS, RootGroup, print_version
from ratoon.cli.verbs import add_verbs
from ratoon.client import OperationFailedError, RatoonError
from ratoon.process.errors import storage_fault

app = typer.Typer(
    help="Train, evaluate, serve, monitor and retrain language models. Global options are accepted in any position.",
    cls=RootGroup,
    context_settings=CONTEXT_SETTINGS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_SESSION = Session()


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
    *(
        maintenance.doctor,
        maintenance.backup,
        maintenance.restore,
        maintenance.gc,
        resources.ask,
        demo.demo,
        completion,
    ),
):
    app.command(_command.__name__)(_command)
datasets.app.command("diff")(dataset_files.diff)
datasets.app.command("export")(dataset_files.export)
datasets.app.command("rows")(table_rows.rows)
resources.models.command("export")(model_files.export)
resources.models.command("download")(model_files.download)
resources.models.add_typer(
    resources.group("model_exports", "Exports of models.", long_work=True, deletes=True), name="exports"
)
for _name, _group in (
    ("projects", resources.projects),
    ("connections", connections.app),
    ("datasets", datasets.app),
    ("profiles", profiles.app),
    ("splits", resources.splits),
    ("labels", resources.labels),
    ("queues", queues.app),
    ("guidelines", changes.guidelines),
    ("runs", runs.app),
    ("sweeps", sweeps.app),
    ("compressions", compressions.app),
    ("evaluations", evaluations.app),
    ("suites", suites.app),
    ("models", resources.models),
    ("deployments", resources.deployments),
    ("rollouts", resources.rollouts),
    ("pipelines", resources.pipelines),
    ("policies", resources.policies),
    ("drift", resources.drift),
    ("feedback", resources.feedback),
    ("keys", keys.app),
    ("safety", safety.app),
    ("blobs", blobs.app),
):
    app.add_typer(_group, name=_name)


add_examples(app)
add_verbs(app)


def main() -> None:
    """Run the command line. An error prints one sentence on standard error and sets the exit status of its kind."""
    try:
        app()
    except OperationFailedError as error:
        explain(error, _SESSION.output)
        sys.exit(ExitCode.FAILED)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except RatoonError as error:
        say_error(sentence(error))
        sys.exit(exit_code(error))
    except Exception as error:
        fault = storage_fault(error)
        if fault is None and not hasattr(error, "reason") and not isinstance(error, OSError):
            raise
        say_error(fault.message if fault else error)
        sys.exit(ExitCode.FAILED)
