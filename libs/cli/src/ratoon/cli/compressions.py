"""`ratoon compressions`: smaller forms of a version, measured beside it, registered as its next version."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from ratoon.cli.context import Session, session
from ratoon.cli.exit_codes import ExitCode
from ratoon.cli.output import JSON, as_json, follow, say, show, show_rows
from ratoon.cli.resources import VERSION, Name, group
from ratoon.cli.runs import parts_of_split, size_text
from ratoon.client import NotFoundError

app = group("compressions", "Smaller forms of a model, measured beside it.", long_work=True, deletes=True)


class Method(StrEnum):
    """Number format of the weights."""

    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    INT8 = "int8"
    INT4 = "int4"
    PRUNED = "pruned"


class Rounding(StrEnum):
    """Choice of the rounded weights."""

    NEAREST = "nearest"
    GPTQ = "gptq"


class Dtype(StrEnum):
    """Number format in which engines compute."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


@app.command("create")
def create_compression(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="Version, such as v1.0.")],
    method: Annotated[Method, typer.Option("--method", "-m", help="Number format of the weights.")],
    rounding: Annotated[
        Rounding, typer.Option(help="Choice of rounded weights; gptq reads calibration texts.")
    ] = Rounding.NEAREST,
    group_size: Annotated[
        int, typer.Option(min=0, help="Weights that share a scale (int4); 0: as many as fit, at most 128.")
    ] = 0,
    sparsity: Annotated[
        float, typer.Option(min=0, max=1, help="Share of weights that become zero (pruned); 0: 0.5.")
    ] = 0.0,
    split: Annotated[
        str,
        typer.Option(
            help="Split whose validation part is measured, and whose training part calibrates.",
            show_default="the parts of the version's own training",
        ),
    ] = "",
    records: Annotated[int, typer.Option(min=1, help="Validation records to answer.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the drawn records.")] = 0,
    dtype: Annotated[
        Dtype | None,
        typer.Option(help="Number format in which engines compute.", show_default="that of the method"),
    ] = None,
    compression: Annotated[
        str, typer.Option("--id", help="ID of the compression.", show_default="the server generates one")
    ] = "",
    register: Annotated[
        bool, typer.Option("--register", help="Wait, and register the result as the next version.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Wait for the end. Exit status 1 unless it succeeds.")
    ] = False,
) -> None:
    """Compress a version, and measure size, memory, speed and quality beside it.

    An adapter is merged into its base first. The sealed test part is not read: compare both versions in an evaluation
    before one replaces the other.

    Example:
      ratoon compressions create v1.0 --method int8 --register
    """
    chosen = session(context)
    known = chosen.client.model_versions.get(_version(chosen, version))
    fields: JSON = {
        "source_digest": known.artifact_digest,
        "source_version": known.name,
        "method": f"METHOD_{method.name}",
        "rounding": f"ROUNDING_{rounding.name}",
        "group_size": group_size,
        "sparsity": sparsity,
        "quality_records": records,
        "seed": seed,
        **_parts(chosen, known, split),
    }
    if dtype is not None:
        fields["serving_dtype"] = f"DTYPE_{dtype.name}"
    if compression:
        fields["compression_id"] = compression
    created = chosen.client.compressions.create(chosen.parent(), **fields)
    if not watch and not register:
        show(as_json(created), chosen.output)
        return
    ended = follow(chosen.client, created.name, chosen.output)
    _show_table(chosen, ended)
    if register:
        _register(chosen, ended)


@app.command("table")
def show_table(context: typer.Context, name: Name) -> None:
    """Show size, memory, speed and quality of a compressed model beside its source.

    Example:
      ratoon compressions table small
    """
    chosen = session(context)
    compression = as_json(chosen.client.compressions.get(chosen.name(name, "compressions")))
    _show_table(chosen, compression)


@app.command("forms")
def list_forms(context: typer.Context) -> None:
    """List compressed versions, merged adapters and distilled students beside the versions they come from.

    Example:
      ratoon compressions forms
    """
    chosen = session(context)
    model = chosen.client.projects.get(chosen.parent()).model
    versions = [as_json(each) for each in chosen.client.model_versions.list(model)]
    names = {_lineage(each).get("trainingRun", "") for each in versions} - {""}
    runs = {name: as_json(run) for name in names if (run := _existing_run(chosen, name)) is not None}
    rows = forms_of(versions, runs)
    if chosen.output.is_for_people:
        rows = [{name: _readable(name, value) for name, value in row.items()} for row in rows]
    show_rows(rows, _FORMS, chosen.output, f"No version of {model} is another form of one.")


@app.command("register")
def register_compression(context: typer.Context, name: Name) -> None:
    """Register a compressed model as the next version of the model of its source.

    The registry compares both, and refuses a model that differs by more than the tolerance of its number format.

    Example:
      ratoon compressions register small
    """
    chosen = session(context)
    _register(chosen, as_json(chosen.client.compressions.get(chosen.name(name, "compressions"))))


@app.command("gate")
def gate_compression(
    context: typer.Context,
    name: Name,
    split: Annotated[str, typer.Option(help="Split on whose test part both models answer.")],
    margin: Annotated[
        float, typer.Option(min=0, help="Accepted loss of the metric; the whole interval must be above it.")
    ] = 0.02,
    metric: Annotated[str, typer.Option(help="Metric.", show_default="that of the kind of task")] = "",
) -> None:
    """Evaluate a compressed model next to its source: no worse by more than the margin. Exit status 1 unless it passes.

    Example:
      ratoon compressions gate small --split s1 --margin 0.02
    """
    chosen = session(context)
    compression = as_json(chosen.client.compressions.get(chosen.name(name, "compressions")))
    if not compression.get("artifactDigest"):
        raise typer.BadParameter(_NO_RESULT.format(compression["name"]))
    source = compression.get("sourceVersion") or "its source"
    fields: JSON = {
        "candidate_digest": compression["artifactDigest"],
        "reference_digest": compression["sourceDigest"],
        "domains": [{"name": "main", "split": chosen.name(split, f"datasets/{chosen.project}/splits")}],
        "task": compression.get("task"),
        "metric": metric,
        "gate": [{"kind": "KIND_NOT_WORSE", "domain": "main", "threshold": -margin}],
        "candidate_note": f"{compression['name']}, compressed from {source}.",
    }
    created = chosen.client.evaluation_runs.create(chosen.parent(), **fields)
    evaluated = follow(chosen.client, created.name, chosen.output)
    verdict = evaluated.get("verdict", {})
    show(verdict, chosen.output)
    if not verdict.get("passed"):
        raise typer.Exit(ExitCode.FAILED)


_NO_RESULT = "{0} has no result. Wait for its end with: ratoon compressions watch {0}"
_COLUMNS = ["measurement", "source", "compressed"]
_MEASURED = (
    "sizeBytes",
    "weightMemoryBytes",
    "tokensPerSecond",
    "batchTokensPerSecond",
    "dtype",
    "runtime",
    "note",
)


_FORMS = ["version", "form", "source", "sizeBytes", "sourceSizeBytes", "scores", "sourceScores"]


def forms_of(versions: Sequence[JSON], runs: Mapping[str, JSON]) -> list[JSON]:
    """Return a row for each version that is another form of a version: compressed, merged, pruned or a student."""
    by_name = {each["name"]: each for each in versions}
    by_digest = {each.get("artifactDigest", ""): each for each in versions}
    rows = []
    for version in versions:
        form, source = _form(version, by_name, by_digest, runs)
        if source is None:
            continue
        shared = sorted(version.get("scores", {}).keys() & source.get("scores", {}).keys())
        rows.append(
            {
                "version": version["name"].rpartition("/")[2],
                "form": form,
                "source": source["name"].rpartition("/")[2],
                "sizeBytes": version.get("sizeBytes", 0),
                "sourceSizeBytes": source.get("sizeBytes", 0),
                "scores": {name: version["scores"][name] for name in shared},
                "sourceScores": {name: source["scores"][name] for name in shared},
            }
        )
    return rows


def _form(
    version: JSON, by_name: Mapping[str, JSON], by_digest: Mapping[str, JSON], runs: Mapping[str, JSON]
) -> tuple[str, JSON | None]:
    """Return the form of a version and the version it comes from; None: it comes from none by another form."""
    lineage = _lineage(version)
    run = lineage.get("trainingRun", "")
    source = by_name.get(lineage.get("derivedFrom", ""))
    if source is not None:
        is_compressed = _lineage(source).get("trainingRun", "") == run
        return ("compressed" if is_compressed else "merged adapter"), source
    parent = by_name.get(lineage.get("parentVersion", ""))
    if parent is not None and run and _lineage(parent).get("trainingRun", "") == run:
        return "pruned", parent
    teacher = runs.get(run, {}).get("recipe", {}).get("distillation", {}).get("teacherArtifactDigest", "")
    return "student", by_digest.get(teacher) if teacher else None


def _lineage(version: JSON) -> JSON:
    lineage: JSON = version.get("lineage", {})
    return lineage


def _existing_run(chosen: Session, name: str) -> Any:
    """Return a training run; None if it is deleted."""
    try:
        return chosen.client.training_runs.get(name)
    except NotFoundError:
        return None


def _show_table(chosen: Session, compression: JSON) -> None:
    rows = rows_of(compression)
    if chosen.output.is_for_people:
        rows = [{name: _readable(row["measurement"], value) for name, value in row.items()} for row in rows]
    show_rows(rows, _COLUMNS, chosen.output, f"{compression['name']} has no measurements yet.")


def _readable(measurement: str, value: Any) -> Any:
    """Return a measurement as people read it: sizes in MiB, and the word of an enum."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {each:.4g}" for name, each in value.items())
    if value == "" or value == measurement:
        return value
    if measurement.endswith("Bytes"):
        return size_text(float(value))
    return value.removeprefix("DTYPE_").lower() if measurement == "dtype" else value


def rows_of(compression: JSON) -> list[JSON]:
    """Return the table of a compression: a row for each measurement."""
    source, compressed = (compression.get(side, {}) for side in ("source", "compressed"))
    if not source:
        return []
    rows = [
        {"measurement": name, "source": source.get(name, ""), "compressed": compressed.get(name, "")}
        for name in _MEASURED
        if source.get(name) or compressed.get(name)
    ]
    metrics = compressed.get("metrics", {})
    rows += [
        {"measurement": name, "source": source.get("metrics", {}).get(name, 0.0), "compressed": value}
        for name, value in sorted(metrics.items())
    ]
    if difference := compression.get("difference"):
        low, high = (round(difference.get(end, 0.0), 4) for end in ("low", "high"))
        rows.append(
            {
                "measurement": f"{difference.get('metric', '')} difference",
                "source": "",
                "compressed": f"{difference.get('value', 0.0):.4f} ({low} to {high})",
            }
        )
    return rows


def _version(chosen: Session, version: str) -> str:
    return chosen.version(version, "models") if VERSION.fullmatch(version) else chosen.name(version, "models")


def _parts(chosen: Session, version: Any, split: str) -> JSON:
    """Return the parts of a split, or those that the version was trained on, with its task."""
    run = version.lineage.training_run if version.lineage else ""
    fields: JSON = {}
    if run:
        trained = chosen.client.training_runs.get(run)
        fields = {"train_digest": trained.train_digest, "validation_digest": trained.validation_digest}
        if trained.recipe and trained.recipe.task:
            fields["task"] = trained.recipe.task
    if split:
        fields |= parts_of_split(chosen, split)
    if "task" not in fields:
        task = chosen.client.projects.get(chosen.parent()).task
        if task is not None:
            fields["task"] = task
    return fields


def _register(chosen: Session, compression: JSON) -> None:
    source = compression.get("sourceVersion", "")
    if not compression.get("artifactDigest"):
        raise typer.BadParameter(_NO_RESULT.format(compression["name"]))
    if not source:
        raise typer.BadParameter(
            f"{compression['name']} compresses an artifact that is no version: register that one first."
        )
    known = chosen.client.model_versions.get(source)
    from ratoon.client.types import Lineage

    lineage = known.lineage or Lineage()
    words = compression["method"].removeprefix("METHOD_").lower()
    registered = chosen.client.model_versions.create(
        source.partition("/versions/")[0],
        artifact_digest=compression["artifactDigest"],
        lineage=lineage.model_copy(
            update={
                "parent_version": source,
                # A pruned model is another one: its weights are not those of its source, rounded.
                "derived_from": "" if words == "pruned" else source,
                "evaluation_run": "",
                "pipeline_run": "",
            }
        ),
        changelog=f"{source.rpartition('/')[2]} with its weights in {words}.",
        golden_source_digest=known.golden_source_digest,
        serving_dtypes=[compression["servingDtype"]],
    )
    say(f"Registering {registered.name}.")
    show(follow(chosen.client, registered.name, chosen.output), chosen.output)
