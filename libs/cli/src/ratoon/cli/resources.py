"""Resource commands: each group lists, shows, watches and cancels one resource and adds its own commands."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ratoon.cli import parity_rows
from ratoon.cli.collecting import collected_version
from ratoon.cli.columns import COLUMNS
from ratoon.cli.context import session
from ratoon.cli.documents import read_settings
from ratoon.cli.model_folders import (
    PLAIN,
    as_safetensors,
    check_architecture,
    checked_model,
    needs_conversion,
    with_template,
)
from ratoon.cli.names import name_argument, patterns
from ratoon.cli.output import JSON, as_json, console, follow, say, show, show_newest, show_rows
from ratoon.client import RatoonError
from ratoon.client.schema import find_method

VERSION = re.compile(r"v\d+(\.\d+)*")
VERSIONS = {"models": "model_versions", "datasets": "dataset_versions"}
"""Resources whose `show` and `delete` commands also accept a version ID."""
Name = Annotated[str, name_argument(help="Id or full resource name.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")]
Limit = Annotated[int, typer.Option(min=0, help="Maximum number of items, the newest ones; 0: all.")]
LIMIT = 100
Place = Callable[[typer.Context, str, str], tuple[str, str]]
"""Resource of the client and full name, from an id or name and its parent's."""


def group(
    resource: str, help: str, *, parent: str = "", long_work: bool = False, deletes: bool = False
) -> typer.Typer:
    """Create the command group of a resource of the client; `parent` is a collection between it and the project.

    `deletes` adds `delete`, for resources without an etag.
    """
    app = typer.Typer(help=help, no_args_is_help=True)
    kind = resource.replace("_", " ")
    one = re.sub("ie$", "y", kind.removesuffix("s"))
    scope: type[str] = Annotated[  # type: ignore[assignment]
        str,
        typer.Option(
            "--in",
            hidden=not parent,
            help=f"One of the project's {parent}.",
            show_default="the one with the name of the project",
        ),
    ]

    def place(context: typer.Context, name: str, within: str) -> tuple[str, str]:
        chosen = session(context)
        if resource in VERSIONS and VERSION.fullmatch(name):
            return VERSIONS[resource], chosen.version(name, resource)
        return resource, chosen.scope(within).resolve(name, _pattern(resource, "get", "name"))

    @app.command("list", help=f"List the newest {kind}, oldest first.")
    def _list(context: typer.Context, within: scope = "", limit: Limit = LIMIT) -> None:  # type: ignore[valid-type]
        chosen = session(context)
        parent_name = chosen.scope().resolve(within, _pattern(resource, "list", "parent"))
        empty = f"No {kind} in {parent_name}."
        list_of = partial(getattr(chosen.client, resource).list, parent_name)
        show_newest(list_of, limit, COLUMNS[resource], chosen.output, empty)

    @app.command("show", help=f"Show one {one}.")
    def _show(context: typer.Context, name: Name, within: scope = "") -> None:  # type: ignore[valid-type]
        chosen = session(context)
        attribute, full = place(context, name, within)
        show(getattr(chosen.client, attribute).get(full), chosen.output)

    if long_work:
        _add_long_work(app, one, place, scope)
    if deletes:
        _add_deletion(app, one, place, scope)
    return app


def _pattern(resource: str, verb: str, argument: str) -> str:
    method = find_method(resource, verb)
    assert method is not None, (resource, verb)
    return patterns(method)[argument]


def _add_long_work(app: typer.Typer, one: str, place: Place, scope: type[str]) -> None:
    """Add the commands that watch and cancel a resource."""

    @app.command("watch", help=f"Watch one {one} to its end. Exit status 1 unless it succeeds.")
    def _watch(context: typer.Context, name: Name, within: scope = "") -> None:  # type: ignore[valid-type]
        chosen = session(context)
        _, full = place(context, name, within)
        show(follow(chosen.client, full, chosen.output), chosen.output)

    @app.command("cancel", help=f"Cancel one {one}.")
    def _cancel(context: typer.Context, name: Name, within: scope = "") -> None:  # type: ignore[valid-type]
        chosen = session(context)
        attribute, full = place(context, name, within)
        show(getattr(chosen.client, attribute).cancel(full), chosen.output)


def _add_deletion(app: typer.Typer, one: str, place: Place, scope: type[str]) -> None:
    """Add the command that deletes a resource."""

    @app.command("delete", help=f"Delete one {one}. Refused while it is in progress or in use.")
    def _delete(context: typer.Context, name: Name, within: scope = "", yes: Yes = False) -> None:  # type: ignore[valid-type]
        confirm_deletion(context, *place(context, name, within), yes)


def confirm_deletion(context: typer.Context, resource: str, name: str, yes: bool, **further: object) -> None:
    """Delete a resource by its full name, after a confirmation unless `yes`."""
    attribute = getattr(session(context).client, resource)
    attribute.get(name)
    if not yes:
        typer.confirm(f"Delete {name}?", abort=True)
    attribute.delete(name, **further)
    say(f"Deleted {name}.")


projects = typer.Typer(help="Projects with their labels, gates and training defaults.", no_args_is_help=True)


@projects.command("create")
def create_project(
    context: typer.Context,
    project: Annotated[str, name_argument(help="Project id: lowercase letters, digits and dashes.")],
    labels: Annotated[
        str,
        typer.Option(help="Labels that the model answers with; comma-separated. Other tasks: in --settings."),
    ] = "",
    instructions: Annotated[str, typer.Option(help="Instructions for annotators.")] = "",
    settings: Annotated[
        Path | None, typer.Option(help="YAML or JSON file with more fields (task, gate, training, …).")
    ] = None,
) -> None:
    """Create a project with its dataset, model and deployment, all with the same name."""
    chosen = session(context)
    listed = {"labels": [label.strip() for label in labels.split(",")]} if labels else {}
    fields = {**listed, "instructions": instructions, **read_settings(settings, "projects")}
    show(chosen.client.projects.create(project_id=project, **fields), chosen.output)


@projects.command("list")
def list_projects(context: typer.Context, limit: Limit = LIMIT) -> None:
    """List the newest projects, oldest first."""
    chosen = session(context)
    show_newest(chosen.client.projects.list, limit, COLUMNS["projects"], chosen.output)


@projects.command("show")
def show_project(context: typer.Context, project: Annotated[str, name_argument(help="Project id.")]) -> None:
    """Show one project."""
    chosen = session(context)
    show(chosen.client.projects.get(chosen.project_name(project)), chosen.output)


splits = group(
    "splits", "Train, validation and test splits.", parent="datasets", long_work=True, deletes=True
)


@splits.command("readings")
def list_readings(
    context: typer.Context, split: Annotated[str, name_argument(help="Full resource name of the split.")]
) -> None:
    """List the reads of the sealed test part of a split: time, reader, purpose."""
    chosen = session(context)
    show_rows(chosen.client.split_readings.list(split), COLUMNS["split_readings"], chosen.output)


labels = group("label_sets", "Label sets and labeling tasks.", long_work=True, deletes=True)


class TaskState(StrEnum):
    """Tasks that are listed."""

    OPEN = "open"
    DONE = "done"
    SKIPPED = "skipped"
    ALL = "all"


@labels.command("tasks")
def list_tasks(
    context: typer.Context,
    state: Annotated[TaskState, typer.Option(help="State of the tasks.")] = TaskState.OPEN,
    limit: Limit = LIMIT,
    reader: Annotated[
        str, typer.Option(help="Reader of tasks of sealed records: a resource name.", show_default="none")
    ] = "",
    purpose: Annotated[str, typer.Option(help="Purpose of the reading of sealed records; logged.")] = "",
) -> None:
    """List the newest tasks: records that wait for an annotator, or that one has reviewed.

    Tasks of sealed records are left out, unless an engineer gives a reader and a purpose: that is logged at the split.
    """
    chosen = session(context)
    condition = None if state is TaskState.ALL else f"state = {state.upper()}"
    tasks = partial(
        chosen.client.tasks.list,
        chosen.parent(),
        filter=condition,
        reader=reader or None,
        purpose=purpose or None,
    )
    show_newest(tasks, limit, COLUMNS["tasks"], chosen.output)


@labels.command("complete")
def complete_task(
    context: typer.Context,
    task: Name,
    label: Annotated[str, typer.Argument(help="Label of the record; empty: skip the task.")] = "",
) -> None:
    """Complete a task with a label. Without a label, skip the task."""
    chosen = session(context)
    show(chosen.client.tasks.complete(chosen.name(task, "tasks"), label=label), chosen.output)


models = group("models", "Models, versions and aliases.", deletes=True)
Model = Annotated[str, name_argument(help="Model id or name.", show_default="the project's model")]


@models.command("versions")
def list_model_versions(context: typer.Context, model: Model = "", limit: Limit = LIMIT) -> None:
    """List the newest versions of a model, oldest first."""
    chosen = session(context)
    name = chosen.name(model or chosen.project, "models")
    versions = partial(chosen.client.model_versions.list, name)
    show_newest(versions, limit, COLUMNS["model_versions"], chosen.output)


Version = Annotated[str, name_argument(help="Version id such as v1.0, or full resource name.")]


def _version_name(context: typer.Context, text: str) -> str:
    """Return the full name of a version of the project's model."""
    chosen = session(context)
    if VERSION.fullmatch(text):
        return chosen.version(text, "models")
    return chosen.scope().resolve(text, _pattern("model_versions", "get", "name"))


@models.command("describe")
def describe_version(
    context: typer.Context,
    version: Version,
    layers: Annotated[bool, typer.Option("--layers", help="List each tensor with its shape. [off]")] = False,
) -> None:
    """Show the architecture of a version and its number of parameters, and with --layers its tensors.

    Example:
      ratoon models describe v1.0 --layers
    """
    chosen = session(context)
    summary = as_json(chosen.client.model_versions.describe(_version_name(context, version)))
    if not chosen.output.is_for_people:
        show(summary, chosen.output)
    elif layers:
        rows = [{**each, "shape": " × ".join(map(str, each.get("shape", [])))} for each in summary["layers"]]
        show_rows(rows, ["name", "shape", "dtype", "parameterCount", "trained"], chosen.output)
    else:
        tensors = len(summary.pop("layers", []))
        show({**summary, "tensors": tensors}, chosen.output)


_BEYOND = "VERDICT_BEYOND"


@models.command("parity")
def show_parity(context: typer.Context, version: Version) -> None:
    """Show in which forms a version was trained, merged, quantized, exported and served, and how far they differ.

    Each row compares a form with the one from which it was made: equal choices of tokens, and differences of
    log-probabilities in nats. The command fails with exit code 1 if a form is not the same model. `--output json`
    prints the whole certificate, with the inputs of each form.

    Example:
      ratoon models parity v1.0
    """
    chosen = session(context)
    certificate = as_json(chosen.client.model_versions.parity(_version_name(context, version)))
    links = certificate.get("links", [])
    if chosen.output.is_for_people:
        show_rows(
            map(parity_rows.parity_row, links),
            parity_rows.COLUMNS,
            chosen.output,
            empty="No form was compared yet.",
        )
        for link in links:
            if link.get("message") and link.get("verdict") == _BEYOND:
                say(f"{link['reason']}: {link['message']}")
    else:
        show(certificate, chosen.output)
    if certificate.get("verdict") == _BEYOND:
        raise typer.Exit(1)


@models.command("neighbours")
def list_neighbours(
    context: typer.Context,
    version: Version,
    token: Annotated[str, typer.Argument(help="Token as a text, with or without the space before it.")],
    count: Annotated[int, typer.Option(min=1, max=100, help="Number of neighbours.")] = 10,
) -> None:
    """List the tokens whose embeddings are nearest to that of a token, by cosine.

    Example:
      ratoon models neighbours v1.0 invoice
    """
    chosen = session(context)
    name = _version_name(context, version)
    nearest = chosen.client.model_versions.neighbours(name, token=token, count=count)
    if not chosen.output.is_for_people:
        show(nearest, chosen.output)
    else:
        show_rows(nearest.neighbours, ["token", "tokenId", "cosine"], chosen.output)


@models.command("upload")
def upload_model(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            help="Hugging Face model directory with safetensors or pickled weights, or a GGUF file.",
            exists=True,
        ),
    ],
    chat_template: Annotated[
        str,
        typer.Option(
            help=f"Chat template to upload with the model: a Jinja file, or `{PLAIN}` [the model's own]"
        ),
    ] = "",
) -> None:
    """Upload a base model or an adapter. Set its digest as training.baseArtifactDigest of a project.

    Pickled weights (.bin, .pt) and GGUF files are converted to safetensors, in a process that loads tensors alone. The
    directory is checked: its files, and each tensor against the architecture that config.json names. Files
    that are not part of a model are skipped and listed.
    """
    if folder.is_file() and not needs_conversion(folder):
        raise typer.BadParameter(
            f"{folder.name} is a file, and no GGUF file: name the directory of the model."
        )
    chosen = session(context)
    with as_safetensors(folder) as safe, with_template(safe, chat_template) as source:
        if safe != folder:
            say(f"Converted {folder.name} to safetensors.")
        files = checked_model(source)
        if files.is_encoder:
            say(
                "An encoder: base_artifact_digest of runs with METHOD_NEURAL. Its tensors are checked when one starts."
            )
        elif not check_architecture(source):
            say("The tensors are checked when a training run starts: transformers is not installed here.")
        if files.left_out:
            say(f"Skipped files that are not part of a model: {', '.join(files.left_out)}.")
        digest = chosen.client.blobs.upload_tree(source, names=frozenset(files.model))
    show({"folder": str(folder), "files": len(files.model), "digest": digest}, chosen.output)


@models.command("merge")
def merge_version(context: typer.Context, version: Version) -> None:
    """Merge the adapter of a version into its base and register the whole model as the next version of the model.

    A training run compares the answers of both to prompts of the validation part of the version's own training, and
    fails with MERGE_DIFFERS if they are not the same. The registry then verifies and signs the whole model. Its lineage
    names the run, the data of the version and the version itself.

    Example:
      ratoon models merge v1.0
    """
    from ratoon.client.types import Lineage, Recipe, RecipeMethod

    chosen = session(context)
    known = chosen.client.model_versions.get(_version_name(context, version))
    lineage = known.lineage or Lineage()
    if not lineage.training_run:
        raise typer.BadParameter(f"{known.name} was not trained here: it has no training run.")
    if not known.base_artifact_digest:
        raise typer.BadParameter(f"{known.name} is a whole model: there is no adapter to merge.")
    trained = chosen.client.training_runs.get(lineage.training_run)
    task = trained.recipe.task if trained.recipe else None
    created = chosen.client.training_runs.create(
        chosen.parent(),
        train_digest=trained.train_digest,
        validation_digest=trained.validation_digest,
        base_artifact_digest=known.artifact_digest,
        recipe=Recipe(method=RecipeMethod.MERGE, task=task),
    )
    say(f"Merging in {created.name}.")
    merged = follow(chosen.client, created.name, chosen.output)
    registered = chosen.client.model_versions.create(
        known.name.partition("/versions/")[0],
        artifact_digest=str(merged["artifactDigest"]),
        lineage=lineage.model_copy(
            update={
                "training_run": created.name,
                "parent_version": known.name,
                "derived_from": known.name,
                "evaluation_run": "",
                "pipeline_run": "",
            }
        ),
        changelog=f"The adapter of {known.name.rpartition('/')[2]}, merged into its base.",
        golden_source_digest=known.golden_source_digest or trained.validation_digest,
    )
    show(follow(chosen.client, registered.name, chosen.output), chosen.output)


@models.command("served")
def list_served_models(context: typer.Context) -> None:
    """List the deployments and versions that answer, as `--model` of `ratoon ask` takes them.

    Example:
      ratoon models served
    """
    chosen = session(context)
    rows = [{"name": each.id} for each in chosen.client.chat.served_models()]
    show_rows(rows, ["name"], chosen.output, "Nothing is served.")


@models.command("history")
def list_alias_changes(context: typer.Context, model: Model = "", limit: Limit = LIMIT) -> None:
    """List the newest changes of all aliases of a model, oldest first."""
    chosen = session(context)
    name = chosen.name(model or chosen.project, "models")
    alias_changes = partial(chosen.client.alias_changes.list, name)
    show_newest(alias_changes, limit, COLUMNS["alias_changes"], chosen.output)


deployments = group("deployments", "Deployments: the serving version and its replicas.")


@deployments.command("delete")
def delete_deployment(
    context: typer.Context,
    deployment: Name,
    force: Annotated[
        bool, typer.Option("--force", help="Also delete a deployment that serves; stop its engines.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Delete a deployment with its engines and rollouts. The models that it served are retained."""
    name = session(context).name(deployment, "deployments")
    confirm_deletion(context, "deployments", name, yes, **({"force": True} if force else {}))


@deployments.command("scale")
def scale_deployment(
    context: typer.Context,
    min_replicas: Annotated[
        int, typer.Argument(help="Minimum number of replicas; 0: scale to zero without traffic.")
    ],
    max_replicas: Annotated[int, typer.Argument(help="Maximum number of replicas.")],
    name: Annotated[
        str, typer.Option(help="Deployment id or name.", show_default="the project's deployment")
    ] = "",
) -> None:
    """Set the minimum and maximum replicas of a deployment (Kubernetes only)."""
    chosen = session(context)
    deployment = chosen.name(name or chosen.project, "deployments")
    scaled = chosen.client.deployments.scale(deployment, min_replicas=min_replicas, max_replicas=max_replicas)
    show(scaled, chosen.output)


_RATES = {"engine_requests_per_second", "gateway_requests_per_second", "utilization", "spare"}
"""Fields of a file of rates."""


@deployments.command("plan")
def plan_deployment(
    context: typer.Context,
    requests_per_second: Annotated[
        float, typer.Option("--requests-per-second", min=0, help="Rate to plan for, in requests a second.")
    ],
    name: Annotated[
        str,
        name_argument(help="Id or full resource name.", show_default="the one with the name of the project"),
    ] = "",
    engine_rate: Annotated[
        float,
        typer.Option(
            min=0, help="Requests a second of one engine process.", show_default="measured from traffic"
        ),
    ] = 0.0,
    gateway_rate: Annotated[
        float,
        typer.Option(
            min=0,
            help="Requests a second of one gateway process.",
            show_default="that of the reference machine",
        ),
    ] = 0.0,
    utilization: Annotated[
        float, typer.Option(min=0, max=1, help="Share of these rates to plan with.", show_default="0.7")
    ] = 0.0,
    spare: Annotated[int, typer.Option(min=0, help="Engines and gateways each that may fail at once.")] = 1,
    rates_file: Annotated[
        Path | None,
        typer.Option(
            help="YAML or JSON file with engine_requests_per_second, gateway_requests_per_second, utilization and "
            "spare, which replace the options.",
            show_default="none",
        ),
    ] = None,
) -> None:
    """Compute how many engines and gateways a rate of requests takes, from measured rates.

    Example:
      ratoon deployments plan --requests-per-second 10000
    """
    chosen = session(context)
    deployment = chosen.name(name or chosen.project, "deployments")
    rates: JSON = {
        "engine_requests_per_second": engine_rate or None,
        "gateway_requests_per_second": gateway_rate or None,
        "utilization": utilization or None,
        "spare": spare,
    }
    if rates_file is not None:
        import yaml  # here: it takes longer to import than most commands take

        stated = yaml.safe_load(rates_file.read_text()) or {}
        if unknown := sorted(set(stated) - _RATES):
            raise typer.BadParameter(
                f"{rates_file} has the fields {', '.join(unknown)}: name {', '.join(sorted(_RATES))}."
            )
        rates |= stated
    planned = chosen.client.deployments.plan(deployment, requests_per_second=requests_per_second, **rates)
    show(planned, chosen.output)


rollouts = group("rollouts", "Start, watch and undo rollouts of model versions.", parent="deployments")


Latest = Annotated[
    str, name_argument(help="Rollout id or name.", show_default="the latest rollout of the project")
]


def _rollout_name(context: typer.Context, text: str) -> str:
    """Return the given rollout, or the latest one of the project's deployment."""
    chosen = session(context)
    if text:
        return chosen.name(text, f"deployments/{chosen.project}/rollouts")
    deployment = chosen.name(chosen.project, "deployments")
    newest = chosen.client.rollouts.list(deployment, page_size=1, order_by="create_time desc").items
    if not newest:
        raise typer.BadParameter("There is no rollout yet. Create one with `ratoon rollouts create VERSION`.")
    return newest[0].name


def _rollout_method(verb: str, help: str) -> None:
    @rollouts.command(verb, help=help)
    def _call(
        context: typer.Context,
        name: Latest = "",
        reason: Annotated[str, typer.Option(help="Reason; stored with the rollout.")] = "",
    ) -> None:
        chosen = session(context)
        call = getattr(chosen.client.rollouts, verb)
        changed = call(_rollout_name(context, name), reason=reason)
        show(changed, chosen.output)
        if verb != "pause":
            say(f"Watch it with: ratoon rollouts watch {changed.name.split('/', 2)[2]}")


for _verb, _help in (
    ("pause", "Pause a rollout at its current step."),
    ("resume", "Resume a paused rollout."),
    ("abort", "Abort a rollout and return all traffic to the previous version."),
    ("undo", "Abort a rollout in progress, or roll back to the previous version."),
):
    _rollout_method(_verb, _help)


@rollouts.command("watch")
def watch_rollout(context: typer.Context, name: Latest = "") -> None:
    """Watch a rollout to its end. Exit status 1 unless it succeeds."""
    chosen = session(context)
    show(follow(chosen.client, _rollout_name(context, name), chosen.output), chosen.output)


@rollouts.command("create")
def create_rollout(
    context: typer.Context,
    version: Annotated[str, name_argument(help="Model version: v1.0 or full resource name.")],
    deployment: Annotated[
        str, typer.Option(help="Deployment id or name.", show_default="the project's deployment")
    ] = "",
    share: Annotated[
        list[int] | None,
        typer.Option(help="Percentage of traffic for a step before 100 % (repeatable)."),
    ] = None,
    step_seconds: Annotated[float, typer.Option(help="Seconds of analysis in each step.")] = 10.0,
    shadow_share: Annotated[
        float,
        typer.Option(help="Share of requests that both versions answer, 0 to 1. No caller gets the copy."),
    ] = 0.0,
    min_pairs: Annotated[
        int,
        typer.Option(
            help="Pairs of answers with a known right answer to compare before the shift. 0: no wait."
        ),
    ] = 0,
    max_wait: Annotated[float, typer.Option(help="Longest wait for these pairs, in seconds.")] = 3600.0,
    metric: Annotated[
        str, typer.Option(help="Metric of the comparison.", show_default="the project's primary metric")
    ] = "",
    max_loss: Annotated[float, typer.Option(help="Accepted loss in the metric of the comparison.")] = 0.0,
    require_pairs: Annotated[
        bool, typer.Option("--require-pairs", help="Roll back if the wait ends with too few pairs.")
    ] = False,
) -> None:
    """Roll out a model version and watch the rollout. Each --share adds a step with that share of the traffic.

    With --shadow-share and --min-pairs, the new version first answers copies of requests.
    """
    from ratoon.client.types import ShadowAnalysis

    chosen = session(context)
    to = chosen.version(version, "models")
    parent = chosen.name(deployment or chosen.project, "deployments")
    shadow = ShadowAnalysis(
        share=shadow_share,
        min_pairs=min_pairs,
        max_wait_seconds=max_wait if min_pairs else 0.0,
        metric=metric,
        max_loss=max_loss,
        require_pairs=require_pairs,
    )
    rollout = chosen.client.rollouts.create(
        parent,
        to_version=to,
        shares=share or [],
        step_seconds=step_seconds,
        shadow=shadow if shadow_share or min_pairs else None,
    )
    show(follow(chosen.client, rollout.name, chosen.output), chosen.output)


THUMBS = {1: "up", -1: "down"}
_MAX_CELL_CHARS = 60
feedback = typer.Typer(help="User feedback on answers.", no_args_is_help=True)


@feedback.command("list")
def list_feedback(context: typer.Context, limit: Limit = LIMIT) -> None:
    """List the newest feedback, oldest first."""
    chosen = session(context)

    def pages(**query: Any) -> Iterator[JSON]:
        for each in chosen.client.feedback.list(chosen.parent(), **query):
            row = as_json(each)
            people = {"thumb": THUMBS.get(each.thumb, ""), "correction": _first_line(each.correction)}
            yield {**row, **people} if chosen.output.is_for_people else row

    show_newest(pages, limit, COLUMNS["feedback"], chosen.output)


def _first_line(text: str) -> str:
    """Return the beginning of a text for a table."""
    line = text.split("\n", 1)[0][:_MAX_CELL_CHARS]
    return line if line == text else f"{line}…"


class Thumb(StrEnum):
    """Judgement of an answer."""

    UP = "up"
    DOWN = "down"


class Implicit(StrEnum):
    """Behaviour of a user towards an answer."""

    COPIED = "copied"
    REGENERATED = "regenerated"
    ABANDONED = "abandoned"


class Consent(StrEnum):
    """Permitted use of feedback as data."""

    TRAINING = "training"
    EVALUATION = "evaluation"
    NONE = "none"


ConsentOption = Annotated[
    Consent | None, typer.Option(help="Permitted use as data [that of the project].", show_default=False)
]
UserOption = Annotated[str, typer.Option(help="User who gives the feedback [the user of the request].")]


@feedback.command("give")
def give_feedback(
    context: typer.Context,
    answer_id: Annotated[str, name_argument(help="Id of the answer.")],
    thumb: Annotated[Thumb | None, typer.Option(help="Thumb: up or down.")] = None,
    rating: Annotated[int, typer.Option(help="Rating from 1 to 5; 0: no rating.")] = 0,
    correction: Annotated[
        list[str] | None,
        typer.Option(help="Right answer: a label (repeat it for several), a number, or the rewritten text."),
    ] = None,
    comment: Annotated[str, typer.Option(help="Comment.")] = "",
    outcome: Annotated[
        list[str] | None, typer.Option(help="Outcome as name=number; it may be sent again. Repeatable.")
    ] = None,
    implicit: Annotated[
        Implicit | None, typer.Option(help="Behaviour of the user, which is no vote.")
    ] = None,
    consent: ConsentOption = None,
    user: UserOption = "",
) -> None:
    """Give feedback on an answer: a thumb, a rating, a correction or an outcome."""
    chosen = session(context)
    corrections = correction or []
    given = chosen.client.chat.feedback(
        answer_id,
        thumb=thumb.value if thumb else None,
        rating=rating or None,
        correction=corrections if len(corrections) > 1 else "".join(corrections) or None,
        comment=comment or None,
        outcomes=_outcomes(outcome or []) or None,
        implicit=implicit.value if implicit else None,
        consent=consent.value if consent else None,
        user=user or None,
    )
    show(given, chosen.output)


def _outcomes(named: Sequence[str]) -> dict[str, float]:
    """Return outcomes by name; BadParameter for one that is no `name=number`."""
    outcomes = {}
    for each in named:
        name, _, number = each.partition("=")
        try:
            outcomes[name] = float(number)
        except ValueError:
            raise typer.BadParameter(f"{each!r} is not name=number.", param_hint="--outcome") from None
    return outcomes


@feedback.command("prefer")
def prefer_answer(
    context: typer.Context,
    preferred: Annotated[str, name_argument(help="Id of the better answer.")],
    rejected: Annotated[str, name_argument(help="Id of the other answer to the same prompt.")],
    comment: Annotated[str, typer.Option(help="Comment.")] = "",
    consent: ConsentOption = None,
    user: UserOption = "",
) -> None:
    """Say which of two answers to the same prompt is better."""
    chosen = session(context)
    given = chosen.client.chat.prefer(
        preferred,
        rejected,
        comment=comment or None,
        consent=consent.value if consent else None,
        user=user or None,
    )
    show(given, chosen.output)


_FORMS = {
    "correction": ("CORRECTION", "CONFIRMATION"),
    "preference": ("PREFERENCE",),
    "thumb": ("UNPAIRED_PREFERENCE",),
}
_FEEDBACK_ATTRIBUTES = ("version", "user", "consent", "feedback")
_FEEDBACK_LICENSE = "Captured traffic with users' feedback; for this project alone."
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


class FeedbackForm(StrEnum):
    """Form of feedback as data."""

    CORRECTION = "correction"
    PREFERENCE = "preference"
    THUMB = "thumb"


class Purpose(StrEnum):
    """Use of feedback as data."""

    TRAINING = "training"
    EVALUATION = "evaluation"


@feedback.command("collect")
def collect_feedback(
    context: typer.Context,
    form: Annotated[
        list[FeedbackForm] | None,
        typer.Option(
            help="Form of the records: right answers, pairs of a better and a worse answer, or answers with a thumb "
            "(repeatable).",
            show_default="all",
        ),
    ] = None,
    dataset: Annotated[
        str,
        name_argument(help="Dataset of the new version; created if absent.", show_default="PROJECT-feedback"),
    ] = "",
    purpose: Annotated[Purpose, typer.Option(help="Use that the users must permit.")] = Purpose.TRAINING,
    since: Annotated[
        datetime | None, typer.Option(formats=_TIMES, help="Only answers after this time, UTC.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_TIMES, help="Only answers and feedback up to this time, UTC.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Write the records as JSON lines to this new file instead of a dataset version."),
    ] = None,
) -> None:
    """Make a dataset version of what users said about answers: right answers, preferences, answers with a thumb.

    Each record keeps the version that answered, the mark of the user, the consent and the form. The rows have the
    layouts of supervised fine-tuning (`messages`), DPO (`prompt`, `chosen`, `rejected`) and KTO (`prompt`,
    `completion`, `label`); labels and numbers are rows of `text` and `label`.

    Example:
      ratoon feedback collect --form preference --since 2026-05-01
    """
    from ratoon.client.types import ExportFeedbackRequestForm, FeedbackConsent

    chosen = session(context)
    if file is not None and file.exists():
        raise typer.BadParameter(f"{file} exists already.", param_hint="--file")
    named = [ExportFeedbackRequestForm(f"FORM_{name}") for each in form or () for name in _FORMS[each]]
    exported = chosen.client.feedback.export(
        chosen.parent(),
        forms=named or None,
        purpose=FeedbackConsent(f"CONSENT_{purpose.value.upper()}"),
        start_time=_utc(since),
        end_time=_utc(until),
    )
    if exported.left_out_counts:
        counted = ", ".join(f"{count} {reason}" for reason, count in sorted(exported.left_out_counts.items()))
        say(f"Feedback that becomes no record: {counted}.")
    if not exported.record_count:
        raise RatoonError(f"No feedback of {chosen.project} becomes a record.")
    if file is not None:
        chosen.client.blobs.download_to(exported.digest, file)
        show(exported, chosen.output)
        return
    version = collected_version(
        chosen,
        exported.digest,
        f"Feedback of users of {chosen.project}",
        _FEEDBACK_ATTRIBUTES,
        dataset or f"{chosen.project}-feedback",
        _FEEDBACK_LICENSE,
    )
    show(version, chosen.output)


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


@feedback.command("compare")
def compare_versions(
    context: typer.Context,
    version: Annotated[
        str, name_argument(help="Version of the project's model: v1.1 or full resource name.")
    ],
    other: Annotated[str, name_argument(help="Version to compare with.")],
) -> None:
    """Compare two versions by user feedback, with 95 % confidence intervals."""
    chosen = session(context)
    names = [chosen.version(each, "models") for each in (version, other)]
    comparison = chosen.client.feedback.compare(chosen.parent(), version=names[0], other_version=names[1])
    show(comparison, chosen.output)


pipelines = group(
    "pipeline_runs",
    "Run and watch pipelines: from data to a trained, evaluated and served model.",
    long_work=True,
    deletes=True,
)
drift = group(
    "drift_reports", "Reports on the drift of captured traffic from the training data.", deletes=True
)


@pipelines.command("approve")
def approve_pipeline(
    context: typer.Context,
    name: Name,
    reason: Annotated[str, typer.Option(help="Reason; stored with the run.")],
) -> None:
    """Approve a run that waits for approval. Its version is rolled out."""
    chosen = session(context)
    run = chosen.name(name, "pipelineRuns")
    show(chosen.client.pipeline_runs.approve(run, reason=reason), chosen.output)


@pipelines.command("reject")
def reject_pipeline(
    context: typer.Context,
    name: Name,
    reason: Annotated[str, typer.Option(help="Reason; stored with the run.")],
) -> None:
    """Reject a run that waits for approval."""
    chosen = session(context)
    run = chosen.name(name, "pipelineRuns")
    show(chosen.client.pipeline_runs.reject(run, reason=reason), chosen.output)


@pipelines.command("run")
def run_pipeline(
    context: typer.Context,
    source: Annotated[list[str], typer.Option(help="Source to build the dataset from (repeatable).")],
    no_rollout: Annotated[bool, typer.Option("--no-rollout", help="Stop after registration.")] = False,
    recipe: Annotated[
        str,
        typer.Option(
            help="Recipe of the training, such as sft or classical (a classical model).",
            show_default="that of the project",
        ),
    ] = "",
) -> None:
    """Start a pipeline run and watch it: dataset, labels, split, training, evaluation, registration, rollout."""
    chosen = session(context)
    sources = [chosen.name(each, "sources") for each in source]
    run = chosen.client.pipeline_runs.create(
        chosen.parent(), sources=sources, skip_rollout=no_rollout, recipe=recipe or None
    )
    say(f"Started {run.name}.")
    last = follow(chosen.client, run.name, chosen.output)
    if not chosen.output.is_for_people:
        show(last, chosen.output)
        return
    stages = [{**stage, "state": stage["state"].lower()} for stage in last["stages"]]
    show_rows(stages, ["id", "state", "message"], chosen.output)
    version = last.get("products", {}).get("modelVersion", "")
    if version and not no_rollout:
        say(
            f'{version.rsplit("/", 1)[-1]} passed its gate and now serves {chosen.project}. Try: ratoon ask "…"'
        )


policies = group("policies", "Policies that start retraining automatically.")


@policies.command("create")
def create_policy(
    context: typer.Context,
    policy: Annotated[str, typer.Option(help="Id of the new policy.")] = "default",
    settings: Annotated[
        Path | None, typer.Option(help="YAML or JSON file with fields of the policy.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only record what the policy would start, and why.")
    ] = False,
) -> None:
    """Create a policy that starts retraining automatically."""
    chosen = session(context)
    fields = {**read_settings(settings, "policies"), "dry_run": dry_run}
    show(chosen.client.policies.create(chosen.parent(), policy_id=policy, **fields), chosen.output)


@policies.command("pause")
def pause_policy(
    context: typer.Context,
    policy: Annotated[str, typer.Option(help="Policy id or full resource name.")] = "default",
    resume: Annotated[bool, typer.Option(help="Resume the policy.")] = False,
) -> None:
    """Pause a policy, or resume it with --resume."""
    chosen = session(context)
    current = chosen.client.policies.get(chosen.name(policy, "policies"))
    changed = chosen.client.policies.update(current.name, etag=current.etag, paused=not resume)
    show(changed, chosen.output)


def ask(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="Prompt; `-` reads standard input.")],
    model: Annotated[
        str, typer.Option(help="Deployment or deployment@version.", show_default="the project's deployment")
    ] = "",
    max_tokens: Annotated[int, typer.Option(help="Maximum number of tokens in the answer.")] = 8,
    continue_text: Annotated[
        bool, typer.Option("--continue", help="Continue the prompt as text, without a chat template.")
    ] = False,
) -> None:
    """Send a prompt to the serving model; print the answer, its version and its id."""
    import sys

    chosen = session(context)
    prompt = sys.stdin.read() if text == "-" else text
    chat = chosen.client.chat
    create = chat.complete_text if continue_text else chat.completions.create
    answer = create(model or chosen.project, prompt, max_tokens=max_tokens, temperature=0)
    if not chosen.output.is_for_people:
        answered = {
            "name": answer.answer_id,
            "text": answer.text,
            "model": answer.version,
            "id": answer.answer_id,
        }
        show(answered, chosen.output)
        return
    console.print(answer.text, markup=False, highlight=False)
    say(f"({answer.version}; feedback: ratoon feedback give {answer.answer_id} --thumb up|down)")
