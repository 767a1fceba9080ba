"""Commands that change and delete what people made: projects, policies, guidelines.

Importing the module adds them to their groups. A change carries the etag that was read, so nothing is overwritten that
the user has not seen.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from ratoon.sdk.cli.context import session
from ratoon.sdk.cli.files import read_settings
from ratoon.sdk.cli.output import say, show
from ratoon.sdk.cli.resources import group, policies, projects
from ratoon.tasks.labels import match_label

JSON = dict[str, Any]
Name = Annotated[str, typer.Argument(help="Id, or the full name.")]
Settings = Annotated[Path | None, typer.Option(help="JSON file with fields to change.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

guidelines = group(
    "guidelines",
    ["name", "labels", "conflictPolicy", "createTime"],
    "What annotators are told, and the labels they choose from.",
)


@projects.command("update")
def update_project(
    context: typer.Context,
    project: Name,
    labels: Annotated[str | None, typer.Option(help="All labels, by comma.")] = None,
    add_label: Annotated[list[str] | None, typer.Option(help="A label to add; may be repeated.")] = None,
    remove_label: Annotated[
        list[str] | None, typer.Option(help="A label to remove; may be repeated.")
    ] = None,
    instructions: Annotated[str | None, typer.Option(help="What annotators are told.")] = None,
    name: Annotated[str | None, typer.Option(help="Name to show.")] = None,
    settings: Settings = None,
    allow_label_removal: Annotated[
        bool, typer.Option(help="Remove labels although the version in production answers with them.")
    ] = False,
) -> None:
    """Change a project; what is not named stays as it is."""
    chosen = session(context)
    read = chosen.client.get(project if project.startswith("projects/") else f"projects/{project}")
    changes = read_settings(settings)
    if labels is not None or add_label or remove_label:
        listed = [each.strip() for each in labels.split(",")] if labels is not None else read["labels"]
        changes["labels"] = _relabelled(listed, add_label or [], remove_label or [])
    changes |= _given(instructions=instructions, displayName=name)
    changed = _change(
        context,
        read,
        changes,
        "--labels, --instructions, --settings, …",
        allowLabelRemoval=allow_label_removal,
    )
    for notice in changed.get("notices", []):
        say(notice)


@projects.command("delete")
def delete_project(context: typer.Context, project: Name, yes: Yes = False) -> None:
    """Delete a project with its policies, captured traffic and feedback. Its models and data stay stored."""
    chosen = session(context)
    full = project if project.startswith("projects/") else f"projects/{project}"
    _delete(context, chosen.client.get(full), "with its policies, traffic and feedback", yes)


@policies.command("update")
def update_policy(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(help="Id, or the full name.")] = "default",
    settings: Settings = None,
    dry_run: Annotated[
        bool | None,
        typer.Option(
            "--dry-run/--no-dry-run", help="Only say what would have started; or start it from now on."
        ),
    ] = None,
    paused: Annotated[
        bool | None, typer.Option("--paused/--no-paused", help="Hold it, or let it go on.")
    ] = None,
) -> None:
    """Change a policy; what is not named stays as it is."""
    chosen = session(context)
    changes = read_settings(settings) | _given(dryRun=dry_run, paused=paused)
    read = chosen.client.get(chosen.name(policy, "policies"))
    _change(context, read, changes, "--settings, --no-dry-run, …")


@policies.command("delete")
def delete_policy(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(help="Id, or the full name.")] = "default",
    yes: Yes = False,
) -> None:
    """Delete a policy: nothing starts by itself any more."""
    chosen = session(context)
    _delete(context, chosen.client.get(chosen.name(policy, "policies")), "", yes)


@guidelines.command("update")
def update_guideline(
    context: typer.Context,
    guideline: Name,
    labels: Annotated[str | None, typer.Option(help="All labels, by comma.")] = None,
    instructions: Annotated[str | None, typer.Option(help="What annotators are told.")] = None,
) -> None:
    """Change a guideline; label sets that exist keep what they were made with."""
    chosen = session(context)
    changes = _given(instructions=instructions)
    if labels is not None:
        changes["labels"] = [each.strip() for each in labels.split(",")]
    read = chosen.client.get(chosen.name(guideline, "guidelines"))
    _change(context, read, changes, "--labels, --instructions")


@guidelines.command("delete")
def delete_guideline(context: typer.Context, guideline: Name, yes: Yes = False) -> None:
    """Delete a guideline; label sets that exist keep what they were made with."""
    chosen = session(context)
    _delete(context, chosen.client.get(chosen.name(guideline, "guidelines")), "", yes)


def _given(**values: object) -> JSON:
    return {field: value for field, value in values.items() if value is not None}


def _relabelled(labels: list[str], added: list[str], removed: list[str]) -> list[str]:
    """The labels after a change; typer.BadParameter for one to remove that is not there."""
    gone = []
    for label in removed:
        known = match_label(label, labels)
        if known is None:
            raise typer.BadParameter(f"There is no label {label!r}; the labels are {', '.join(labels)}.")
        gone.append(known)
    return [*(label for label in labels if label not in gone), *added]


def _change(context: typer.Context, read: JSON, changes: JSON, options: str, **query: object) -> JSON:
    if not changes:
        raise typer.BadParameter(f"Name what to change: {options}")
    chosen = session(context)
    changed = chosen.client.patch(read["name"], {**changes, "etag": read["etag"]}, **query)
    show(changed, chosen.output)
    return changed


def _delete(context: typer.Context, read: JSON, what_else: str, yes: bool) -> None:
    if not yes:
        typer.confirm(f"Delete {read['name']}{' ' + what_else if what_else else ''}?", abort=True)
    session(context).client.delete(read["name"], etag=read["etag"])
    say(f"Deleted {read['name']}.")
