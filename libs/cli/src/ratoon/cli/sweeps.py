"""`ratoon sweeps`: search for the settings of a recipe, watch the trials, make the best ones the project's."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ratoon.cli.context import Session, session
from ratoon.cli.documents import read_settings
from ratoon.cli.names import name_argument
from ratoon.cli.output import JSON, as_json, follow, say, show, show_rows
from ratoon.cli.resources import Name, group
from ratoon.cli.runs import parts_of_split

app = group("sweeps", "Searches for the settings of a training recipe.", long_work=True, deletes=True)

_OF_A_SPLIT = {
    "dataset_version": "datasetVersion",
    "label_set_digest": "labelSetDigest",
    "mode": "mode",
    "group_attribute": "groupAttribute",
    "ratios": "ratios",
    "seed": "seed",
}
"""Settings of a split that those of its folds share."""
_COLUMNS = ["number", "state", "value", "settings", "minutes", "message"]


@app.command("create")
def create_sweep(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Option("--file", "-f", help="YAML or JSON file with the search: recipe, parameters, budget."),
    ],
    sweep: Annotated[
        str, typer.Option("--id", help="ID of the new sweep.", show_default="the server generates one")
    ] = "",
    split: Annotated[
        str,
        typer.Option(help="Split whose training and validation parts are used; its test part stays sealed."),
    ] = "",
    folds: Annotated[
        str, typer.Option(help="Splits of cross-validation, one for each fold; comma-separated.")
    ] = "",
    fold_count: Annotated[
        int,
        typer.Option(
            min=0,
            max=20,
            help="Folds of cross-validation of --split: a split like it is created for each of them, with the same "
            "test part. 0: none.",
        ),
    ] = 0,
    watch: Annotated[
        bool,
        typer.Option("--watch", "-w", help="Watch the sweep to its end. Exit status 1 unless it succeeds."),
    ] = False,
) -> None:
    """Start a sweep. Each trial is a training run.

    Example:
      ratoon sweeps create -f sweep.yaml --split s1 --watch
      ratoon sweeps create -f sweep.yaml --split s1 --fold-count 5 --watch
    """
    chosen = session(context)
    if fold_count and (folds or not split):
        raise typer.BadParameter("--fold-count needs --split, and goes without --folds.")
    fields: dict[str, Any] = read_settings(file, "sweeps")
    if fold_count:
        fields["folds"] = _folds_of(chosen, split, fold_count)
    elif split:
        fields |= parts_of_split(chosen, split)
    if folds:
        fields["folds"] = [parts_of_split(chosen, each.strip()) for each in folds.split(",")]
    if sweep:
        fields["sweep_id"] = sweep
    created = chosen.client.sweeps.create(chosen.parent(), **fields)
    if not watch:
        show(_summary(as_json(created)), chosen.output)
        return
    show(_summary(as_json(follow(chosen.client, created.name, chosen.output))), chosen.output)


@app.command("trials")
def list_trials(context: typer.Context, name: Name) -> None:
    """List the trials of a sweep with their settings and values.

    Example:
      ratoon sweeps trials rate
    """
    chosen = session(context)
    sweep = as_json(chosen.client.sweeps.get(chosen.name(name, "sweeps")))
    rows = [_row(trial) for trial in sweep.get("trials", [])]
    show_rows(rows, _COLUMNS, chosen.output, "No trials yet.")


@app.command("resume")
def resume_sweep(
    context: typer.Context,
    name: Name,
    max_trials: Annotated[int, typer.Option(min=0, help="New maximum of trials; 0: it stays.")] = 0,
    max_hours: Annotated[
        float, typer.Option(min=0, help="New maximum of the hours of all trials; 0: it stays.")
    ] = 0.0,
) -> None:
    """Continue a sweep that was cancelled or has used its budget. No trial is repeated.

    Example:
      ratoon sweeps resume rate --max-trials 40
    """
    chosen = session(context)
    full = chosen.name(name, "sweeps")
    fields: dict[str, Any] = {}
    if max_trials or max_hours:
        budget = as_json(chosen.client.sweeps.get(full)).get("budget", {})
        changes = {"maxTrials": max_trials, "maxHours": max_hours}
        fields["budget"] = budget | {key: value for key, value in changes.items() if value}
    show(_summary(as_json(chosen.client.sweeps.resume(full, **fields))), chosen.output)


@app.command("apply")
def apply_sweep(
    context: typer.Context,
    name: Annotated[str, name_argument(help="Id or full resource name.")],
    trial: Annotated[int, typer.Option(min=0, help="Number of the trial; 0: the best one.")] = 0,
) -> None:
    """Make the settings of the best trial the training settings of the project.

    A change of the project in between is refused; run the command again then.

    Example:
      ratoon sweeps apply rate
    """
    chosen = session(context)
    full = chosen.name(name, "sweeps")
    project = full.partition("/sweeps/")[0]
    etag = chosen.client.projects.get(project).etag
    applied = as_json(chosen.client.projects.apply_sweep(project, sweep=full, trial=trial or None, etag=etag))
    say(f"{project} trains with these settings from the next pipeline run on.")
    show({each: applied.get(each, {}) for each in ("name", "training", "tuning")}, chosen.output)


def _folds_of(chosen: Session, split: str, count: int) -> list[JSON]:
    """Return the parts of the folds of a split; create the splits that do not exist, and wait for them."""
    full = chosen.name(split, f"datasets/{chosen.project}/splits")
    parent, _, origin = full.partition("/splits/")
    like = as_json(chosen.client.splits.get(full))
    fields: dict[str, Any] = {name: like[key] for name, key in _OF_A_SPLIT.items() if key in like}
    names = []
    for fold in range(count):
        own = f"{origin[:40]}-fold-{fold}-of-{count}"
        fields["folds"] = {"count": count, "fold": fold}
        names.append(chosen.client.splits.create(parent, split_id=own, request_id=own, **fields).name)
    say(f"{count} splits like {full} are being made: {parent}/splits/{origin[:40]}-fold-0-of-{count}, …")
    for name in names:
        chosen.client.splits.wait(name)
    return [parts_of_split(chosen, name) for name in names]


def _summary(sweep: JSON) -> JSON:
    """Return a sweep without its trials, which have a command of their own."""
    return {key: value for key, value in sweep.items() if key != "trials"}


def _row(trial: JSON) -> JSON:
    settings = ", ".join(f"{name}={_short(text)}" for name, text in sorted(trial.get("settings", {}).items()))
    return {
        "number": trial.get("number", 0),
        "state": trial.get("state", ""),
        "value": trial.get("value", ""),
        "settings": settings,
        "minutes": round(trial.get("seconds", 0.0) / 60, 1),
        "message": trial.get("message", ""),
        "trainingRuns": trial.get("trainingRuns", []),
    }


def _short(text: str) -> str:
    """Return a number with four digits, other values as they are."""
    try:
        number = float(text)
    except ValueError:
        return text
    return text if text.lstrip("-").isdigit() else f"{number:.4g}"
