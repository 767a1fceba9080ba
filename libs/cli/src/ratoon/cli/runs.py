"""Commands for training runs: plan, create, watch, compare, stop, resume, clone and continue them."""

import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from ratoon.cli.context import Session, session
from ratoon.cli.documents import read_settings, read_value
from ratoon.cli.exit_codes import ExitCode
from ratoon.cli.names import nearest
from ratoon.cli.output import JSON, as_json, errors, follow, say, say_error, show, show_rows
from ratoon.cli.resources import Name, group
from ratoon.client import RatoonError
from ratoon.client.schema import MESSAGES, Field, json_name

if TYPE_CHECKING:
    from ratoon.client.types import TrainingRun

app = group("training_runs", "Training runs.", deletes=True)

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH = 40
"""Characters of a sparkline."""
_POINTS = 200
_SHOWN = (
    ("loss", "loss"),
    ("validation_loss", "validation loss"),
    ("learning_rate", "rate"),
    ("gradient_norm", "gradient norm"),
    ("tokens_per_second", "tokens/s"),
    ("memory_bytes", "memory"),
)
_DRAWN = ("loss", "validation_loss", "gradient_norm")
"""Measurements that `watch` draws."""
_ESTIMATED = (
    ("steps", "steps"),
    ("epochs", "epochs"),
    ("records", "records"),
    ("samples", "samples an epoch"),
    ("tokens", "tokens"),
    ("cutSamples", "samples that are cut"),
    ("longestTokens", "longest sample in tokens"),
    ("parameters", "parameters"),
    ("trainedParameters", "trained parameters"),
    ("device", "device"),
    ("cost", "cost"),
)
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Field of the recipe, such as learningRate=0.001 or architecture.layers=2; of the compute resources with "
        "the prefix `resources.`. Repeatable.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Only plan the run: steps, tokens, time, memory and what would end it. [off]"
    ),
]
Watch = Annotated[
    bool, typer.Option("--watch", "-w", help="Watch the run to its end. Exit status 1 unless it succeeds.")
]
Id = Annotated[str, typer.Option("--id", help="ID of the new run.", show_default="the server generates one")]


@app.command("create")
def create_run(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="YAML or JSON file with the run: parts, recipe, resources."),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="Split whose training and validation parts to use: its ID, if it belongs to the dataset with the name "
            "of the project, or its full name.",
            show_default="the digests in the file",
        ),
    ] = "",
    changes: Set = None,
    id: Id = "",
    dry_run: DryRun = False,
    watch: Watch = False,
) -> None:
    """Start a training run, or plan it with --dry-run.

    Example:
      ratoon runs create -f run.yaml --dry-run
      ratoon runs create -f run.yaml --set learningRate=0.001 --set epochs=2 --watch
    """
    chosen = session(context)
    fields = _fields(chosen, file, split, changes or [])
    created = chosen.client.training_runs.create(
        chosen.parent(), training_run_id=id or None, validate_only=dry_run or None, **fields
    )
    _finish(chosen, created, dry_run, watch)


@app.command("plan")
def plan_run(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="YAML or JSON file with the run: parts, recipe, resources."),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="Split whose parts to plan with: its ID, if it belongs to the dataset with the name of the "
            "project, or its full name.",
            show_default="the digests in the file; without them, memory alone is planned",
        ),
    ] = "",
    changes: Set = None,
) -> None:
    """Plan a run without starting it: memory, machines, time, cost, and what to change if it does not fit.

    Exit status 1 if the run would be refused or would fail.

    Example:
      ratoon runs plan --split 2026-01 --set batchSize=64
      ratoon runs plan --set architecture.hiddenSize=768 --set resources.workers=2
    """
    chosen = session(context)
    fields = _fields(chosen, file, split, changes or [])
    if fields.get("train_digest") or fields.get("trainDigest"):
        _show_plan(
            chosen, as_json(chosen.client.training_runs.create(chosen.parent(), validate_only=True, **fields))
        )
        return
    from ratoon.client.types import TrainingRun  # here: the models take long to import

    planned = as_json(chosen.client.training_runs.plan(chosen.parent(), training_run=TrainingRun(**fields)))
    _show_plan(chosen, {"plan": planned})


@app.command("clone")
def clone_run(
    context: typer.Context,
    name: Name,
    changes: Set = None,
    id: Id = "",
    dry_run: DryRun = False,
    watch: Watch = False,
) -> None:
    """Start a run like another one, with changes.

    Example:
      ratoon runs clone 01a2 --set learningRate=0.0005 --watch
    """
    _cloned(context, name, changes, id, dry_run, watch, continues=False)


@app.command("continue")
def continue_run(
    context: typer.Context,
    name: Name,
    changes: Set = None,
    id: Id = "",
    dry_run: DryRun = False,
    watch: Watch = False,
) -> None:
    """Start a run from the model of another one: its result, or the last good checkpoint of one that failed.

    Example:
      ratoon runs continue 01a2 --set epochs=2
    """
    _cloned(context, name, changes, id, dry_run, watch, continues=True)


@app.command("stop")
def stop_run(context: typer.Context, name: Name, watch: Watch = False) -> None:
    """Stop a run early. It validates, and its best weights so far become its result."""
    chosen = session(context)
    stopped = chosen.client.training_runs.stop(chosen.name(name, "trainingRuns"))
    _finish(chosen, stopped, False, watch)


@app.command("cancel")
def cancel_run(context: typer.Context, name: Name) -> None:
    """Cancel a run. It ends without a result; `ratoon runs resume` continues it from its last checkpoint."""
    chosen = session(context)
    show(chosen.client.training_runs.cancel(chosen.name(name, "trainingRuns")), chosen.output)


@app.command("resume")
def resume_run(context: typer.Context, name: Name, watch: Watch = False) -> None:
    """Resume a run that failed or was cancelled, from its last checkpoint."""
    chosen = session(context)
    resumed = chosen.client.training_runs.resume(chosen.name(name, "trainingRuns"))
    _finish(chosen, resumed, False, watch)


@app.command("show")
def show_run(context: typer.Context, name: Name) -> None:
    """Show one training run: its settings, and after its end what was predicted next to what was measured."""
    chosen = session(context)
    _show_run(chosen, as_json(chosen.client.training_runs.get(chosen.name(name, "trainingRuns"))))


@app.command("watch")
def watch_run(context: typer.Context, name: Name) -> None:
    """Watch a run to its end: loss, rate, gradient norm, speed, memory, time left. Exit status 1 unless it succeeds."""
    chosen = session(context)
    _show_run(chosen, _followed(chosen, chosen.name(name, "trainingRuns")))


@app.command("metrics")
def list_metrics(
    context: typer.Context,
    name: Name,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric", help="Only this measurement; with its points. Repeatable.", show_default="all"
        ),
    ] = None,
    points: Annotated[
        int, typer.Option(min=2, max=1000, help="Maximum number of points of a series.")
    ] = _POINTS,
) -> None:
    """List the measurements of a run over its steps, with their course."""
    chosen = session(context)
    run = chosen.name(name, "trainingRuns")
    listed = [as_json(each) for each in chosen.client.training_run_metrics.list(run, max_points=points)]
    if metric:
        names = [str(each["metric"]) for each in listed]
        for each in metric:
            if each not in names:
                raise typer.BadParameter(f"{run} has no measurement {each!r}.{nearest(each, names)}")
        listed = [each for each in listed if each["metric"] in metric]
    if not chosen.output.is_for_people:
        show_rows(listed, ["name"], chosen.output)
        return
    show_rows(
        [_series_row(each) for each in listed],
        ["metric", "points", "first", "last", "min", "max", "course"],
        chosen.output,
        f"{run} has no measurements yet.",
    )


@app.command("compare")
def compare_runs(
    context: typer.Context,
    names: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="IDs or full resource names of two or more runs.")
    ],
) -> None:
    """Compare runs: their last measurements, the course of their loss, and the settings in which they differ.

    Example:
      ratoon runs compare 01a2 01a3
    """
    chosen = session(context)
    runs = [as_json(chosen.client.training_runs.get(chosen.name(each, "trainingRuns"))) for each in names]
    if len(runs) < 2:
        raise typer.BadParameter("Name at least two runs.")
    labels = [str(run["name"]).rpartition("/")[2] for run in runs]
    rows = [
        {
            "of": "state",
            **dict(
                zip(labels, (str(run["state"]).removeprefix("STATE_").lower() for run in runs), strict=True)
            ),
        },
        *_series_rows(chosen, runs, labels),
        *_differences(runs, labels),
    ]
    show_rows(rows, ["of", *labels], chosen.output)


def _cloned(
    context: typer.Context,
    name: str,
    changes: list[str] | None,
    id: str,
    dry_run: bool,
    watch: bool,
    *,
    continues: bool,
) -> None:
    chosen = session(context)
    created = chosen.client.training_runs.clone(
        chosen.name(name, "trainingRuns"),
        training_run_id=id or None,
        continue_training=continues or None,
        validate_only=dry_run or None,
        **_changed(changes or [], {}),
    )
    _finish(chosen, created, dry_run, watch)


def _finish(chosen: Session, run: "TrainingRun", planned: bool, watch: bool) -> None:
    """Print a plan, or a run, at once or at its end."""
    value = as_json(run)
    if planned:
        _show_plan(chosen, value)
    elif watch:
        _show_run(chosen, _followed(chosen, str(value["name"])))
    else:
        show(value, chosen.output)


def _fields(chosen: Session, file: Path | None, split: str, changes: Sequence[str]) -> JSON:
    """Return the fields of a run: file, parts of the split, changes; the task of the project if they state none."""
    fields = read_settings(file, "training_runs")
    if split:
        fields |= parts_of_split(chosen, split)
    fields |= _changed(changes, fields)
    recipe = fields.get("recipe", {})
    if not recipe.keys() & {"task", "labels"} and (task := chosen.client.projects.get(chosen.parent()).task):
        fields["recipe"] = {**recipe, "task": as_json(task)}
    return fields


def parts_of_split(chosen: Session, split: str) -> JSON:
    """Return the digests of the training and the validation part of a split; RatoonError while it has none."""
    parts = as_json(chosen.client.splits.get(chosen.name(split, f"datasets/{chosen.project}/splits")))
    digests = {
        "train_digest": parts.get("trainDigest", ""),
        "validation_digest": parts.get("validationDigest", ""),
    }
    if not all(digests.values()):
        raise RatoonError(f"{split} is not ready. Wait for it with: ratoon splits watch {split}")
    return digests


def _changed(changes: Sequence[str], fields: JSON) -> JSON:
    """Return recipe and resources with the changes of --set; typer.BadParameter names a field that does not exist."""
    changed: JSON = {}
    for change in changes:
        path, is_set, text = change.partition("=")
        if not is_set:
            raise typer.BadParameter(f"--set takes FIELD=VALUE; it is {change!r}.")
        parts = path.split(".")
        owner, message = ("resources", "Resources") if parts[0] == "resources" else ("recipe", "Recipe")
        if parts[0] in ("resources", "recipe"):
            parts = parts[1:]
        target = changed.setdefault(owner, dict(fields.get(owner, {})))
        _set(target, message, parts, text, path)
    return changed


def _set(target: JSON, message: str, parts: list[str], text: str, path: str) -> None:
    """Set a field, or a field of a message within it."""
    field = _field(message, parts[0] if parts else "", path)
    key = json_name(field.name)
    if len(parts) > 1:
        if field.kind not in MESSAGES or field.repeated:
            raise typer.BadParameter(f"{path}: {parts[0]} has no fields.")
        inner = target.setdefault(key, {})
        _set(inner, field.kind, parts[1:], text, path)
    elif field.repeated:
        target[key] = [read_value(each.strip(), _single(field), f"--set {path}") for each in text.split(",")]
    else:
        target[key] = read_value(text, field, f"--set {path}")


def _field(message: str, name: str, path: str) -> Field:
    names = {json_name(each.name): each for each in MESSAGES[message].fields}
    names |= {each.name: each for each in MESSAGES[message].fields}
    if name not in names:
        raise typer.BadParameter(f"The recipe of a run has no field {path!r}.{nearest(name, list(names))}")
    return names[name]


def _single(field: Field) -> Field:
    return Field(field.name, field.kind, field.comment)


def _show_plan(chosen: Session, run: JSON) -> None:
    """Print the plan of a run; exit status 1 if the run would be refused or would fail."""
    plan = run.get("plan", {})
    problems = plan.get("problems", [])
    if not plan.get("admitted") and not problems:
        problems = [{"reason": "OUT_OF_MEMORY", "message": plan.get("reason", ""), "blocking": True}]
    if not chosen.output.is_for_people:
        show(run, chosen.output)
    else:
        show({**dict(_plan_lines(plan)), **_layout(run.get("resources", {}))}, chosen.output)
        for each in problems:
            sentence = f"{each['reason']}: {each['message']}"
            say_error(sentence) if each.get("blocking") else say(sentence)
    if any(each.get("blocking") for each in problems):
        raise typer.Exit(ExitCode.FAILED)


def _plan_lines(plan: JSON) -> Iterator[tuple[str, object]]:
    estimate = plan.get("estimate", {})
    for key, title in _ESTIMATED:
        value = estimate.get(key)
        if value not in (None, "", 0, 0.0, "0"):
            yield title, _grouped(value)
    if seconds := float(estimate.get("seconds", 0.0)):
        yield "time", _duration(seconds)
        yield "time by", estimate.get("basis", "")
    yield "memory", size_text(float(plan.get("measuredBytes", 0)))
    yield "free memory", size_text(float(plan.get("availableBytes", 0)))
    if basis := plan.get("basis"):
        yield "memory by", basis
    for each in plan.get("recommendations", []):
        yield f"machine for {each['work']}", f"{each['family']}, {each['chip']}. {each['reason']}"
    for number, each in enumerate(plan.get("changes", []), 1):
        settings = " ".join(f"--set {setting}" for setting in each["settings"])
        yield (
            f"change {number}",
            f"{each['description']}: {settings} ({size_text(float(each['measuredBytes']))})",
        )


def _layout(resources: JSON) -> dict[str, str]:
    """Return the line of the layout of several workers: `4 data (FSDP) x 2 tensor`."""
    layout = resources.get("parallelism", {})
    words = {
        "data": str(layout.get("strategy", "")).removeprefix("STRATEGY_"),
        "tensor": "",
        "pipeline": str(layout.get("schedule", "")).removeprefix("SCHEDULE_"),
    }
    parts = [
        f"{layout[name]} {name}" + (f" ({word})" if word else "")
        for name, word in words.items()
        if int(layout.get(name, 1)) > 1
    ]
    return {"layout": " x ".join(parts)} if parts else {}


def _followed(chosen: Session, name: str) -> JSON:
    """Watch a run to its end; on a terminal with live measurements."""
    if not chosen.output.is_for_people or not sys.stderr.isatty():
        return follow(chosen.client, name, chosen.output)
    try:
        with Live(Text(""), console=errors, transient=True, refresh_per_second=4) as live:

            def on_state(run: object) -> None:
                live.update(Group(*map(Text, live_lines(as_json(run)))))  # type: ignore[arg-type]

            return as_json(chosen.client.training_runs.wait(name, on_state=on_state))
    except KeyboardInterrupt:
        say(f"{name} continues to run; only the watch has ended. End it early with: ratoon runs stop {name}")
        raise


def live_lines(run: JSON) -> list[str]:
    """Return the lines that show a run in progress: its state, its last measurements, and their course."""
    progress = run.get("progress", {})
    metrics = progress.get("metrics", {})
    state = str(run.get("state", "")).removeprefix("STATE_").lower()
    remaining = float(progress.get("remainingSeconds", 0.0) or 0.0)
    left = f", {_duration(remaining)} left" if remaining else ""
    lines = [f"{str(run.get('name', '')).rpartition('/')[2]}  {state}: {progress.get('message', '')}{left}"]
    measured = [f"{title} {_measured(key, float(metrics[key]))}" for key, title in _SHOWN if key in metrics]
    if measured:
        lines.append("  ".join(measured))
    for key in _DRAWN:
        values = [
            float(each["metrics"][key]) for each in run.get("curve", ()) if key in each.get("metrics", {})
        ]
        if len(values) > 1:
            lines.append(f"{key.replace('_', ' '):>16}  {sparkline(values)}")
    return lines


def sparkline(values: Sequence[float], width: int = _WIDTH) -> str:
    """Return values as a line of at most `width` blocks, each the mean of a span; the lowest block is the minimum."""
    if not values:
        return ""
    spans = min(width, len(values))
    cuts = [len(values) * number // spans for number in range(spans + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(cuts)]
    low, high = min(means), max(means)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((value - low) * scale)] for value in means)


def _show_run(chosen: Session, run: JSON) -> None:
    show(run, chosen.output)
    if chosen.output.is_for_people:
        for line in accounts(run):
            say(line)
    diagnosis = run.get("diagnosis", {})
    if chosen.output.is_for_people and diagnosis.get("verdict", "healthy") != "healthy":
        say(
            f"Diagnosis: {diagnosis['verdict']}. {diagnosis.get('evidence', '')} {diagnosis.get('remedy', '')}"
        )


def accounts(run: JSON) -> Iterator[str]:
    """Yield what was predicted of a run next to what was measured, and its energy and cost."""
    accuracy, usage = run.get("planAccuracy"), run.get("usage")
    if accuracy:
        memory = [float(accuracy.get(f"{each}PeakMemoryBytes", 0)) for each in ("predicted", "measured")]
        seconds = [float(accuracy.get(f"{each}Seconds", 0)) for each in ("predicted", "measured")]
        rates = [float(accuracy.get(f"{each}TokensPerSecond", 0)) for each in ("predicted", "measured")]
        yield (
            f"Memory: {size_text(memory[0])} predicted, {size_text(memory[1])} measured "
            f"({float(accuracy.get('memoryError', 0)):+.1%})."
        )
        yield (
            f"Training: {seconds[0]:,.1f} s predicted, {seconds[1]:,.1f} s measured "
            f"({float(accuracy.get('timeError', 0)):+.1%}); {rates[0]:,.0f} and {rates[1]:,.0f} tokens/s."
        )
    if usage:
        cost = (
            f", cost {float(usage['cost']):,.4g} {usage.get('currency', '')}".rstrip()
            if usage.get("cost")
            else ""
        )
        yield f"Energy: {float(usage.get('energyWh', 0)):,.3g} Wh{cost}. {usage.get('energyBasis', '')}"


def _series_row(series: JSON) -> JSON:
    metric = str(series["metric"])
    values = [float(each.get("value", 0.0)) for each in series.get("points", [])]
    return {
        "metric": metric,
        "points": len(values),
        "first": _measured(metric, values[0]),
        "last": _measured(metric, values[-1]),
        "min": _measured(metric, min(values)),
        "max": _measured(metric, max(values)),
        "course": sparkline(values),
    }


def _series_rows(chosen: Session, runs: Sequence[JSON], labels: Sequence[str]) -> Iterator[JSON]:
    """Yield the last value of each measurement that two runs share, and the course of their losses."""
    measured: list[dict[str, list[float]]] = []
    for run in runs:
        listed = chosen.client.training_run_metrics.list(str(run["name"]), max_points=_POINTS)
        series = [as_json(each) for each in listed]
        measured.append(
            {
                str(each["metric"]): [float(point.get("value", 0.0)) for point in each.get("points", [])]
                for each in series
            }
        )
    shared = [name for name in sorted(set().union(*measured)) if sum(name in each for each in measured) > 1]
    for name in shared:
        values = [_measured(name, each[name][-1]) if each.get(name) else "–" for each in measured]
        yield {"of": name, **dict(zip(labels, values, strict=True))}
    for name in ("loss", "validation_loss"):
        if name in shared:
            courses = [sparkline(each.get(name, []), _WIDTH // 2) for each in measured]
            yield {"of": f"course of {name}", **dict(zip(labels, courses, strict=True))}


def _differences(runs: Sequence[JSON], labels: Sequence[str]) -> Iterator[JSON]:
    """Yield the settings in which runs differ."""
    settings = [
        dict(_flat({name: run.get(name, {}) for name in ("recipe", "resources")} | _data(run)))
        for run in runs
    ]
    for name in sorted(set().union(*settings)):
        values = [str(each.get(name, "–")) for each in settings]
        if len(set(values)) > 1:
            yield {"of": name.removeprefix("recipe."), **dict(zip(labels, values, strict=True))}


def _data(run: JSON) -> JSON:
    return {
        name: str(run.get(name, ""))[:12]
        for name in ("trainDigest", "validationDigest", "baseArtifactDigest")
    }


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, object]]:
    if not isinstance(value, dict):
        yield prefix, value
        return
    for name, each in value.items():
        yield from _flat(each, f"{prefix}.{name}" if prefix else name)


def _measured(name: str, value: float) -> str:
    return (
        size_text(value)
        if name.endswith("_bytes")
        else f"{value:,.0f}"
        if abs(value) >= 1000
        else f"{value:.4g}"
    )


def _grouped(value: object) -> str:
    """Return a number with separators; the API sends large ones as texts."""
    text = str(value)
    return f"{int(text):,}" if text.isdecimal() else f"{value:.4g}" if isinstance(value, float) else text


def size_text(value: float) -> str:
    """Return a number of bytes in MiB or GiB."""
    return f"{value / 2**30:.1f} GiB" if value >= 2**30 else f"{value / 2**20:.0f} MiB"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
