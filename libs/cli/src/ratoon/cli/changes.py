"""Commands that update and delete projects, policies and guidelines.

Importing the module adds them to their groups. An update carries the etag of the resource that was read, so concurrent
changes are not overwritten.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ratoon.cli.columns import COLUMNS
from ratoon.cli.context import session
from ratoon.cli.documents import read_settings
from ratoon.cli.names import name_argument
from ratoon.cli.output import JSON, as_json, say, show, show_newest
from ratoon.cli.resources import LIMIT, Limit, Yes, group, policies, projects
from ratoon.tasks.labels import match_label

Name = Annotated[str, name_argument(help="Id or full resource name.")]
Settings = Annotated[Path | None, typer.Option(help="YAML or JSON file with the fields to change.")]

guidelines = group("guidelines", "Instructions and labels for annotators.")


@projects.command("update")
def update_project(
    context: typer.Context,
    project: Name,
    labels: Annotated[str | None, typer.Option(help="Replace all labels; comma-separated.")] = None,
    add_label: Annotated[list[str] | None, typer.Option(help="Add a label (repeatable).")] = None,
    remove_label: Annotated[list[str] | None, typer.Option(help="Remove a label (repeatable).")] = None,
    instructions: Annotated[str | None, typer.Option(help="Instructions for annotators.")] = None,
    name: Annotated[str | None, typer.Option(help="Display name.")] = None,
    settings: Settings = None,
    allow_label_removal: Annotated[
        bool, typer.Option(help="Allow removing labels that the version in production answers with.")
    ] = False,
) -> None:
    """Update a project. Fields that are not given stay unchanged."""
    chosen = session(context)
    read = as_json(chosen.client.projects.get(chosen.project_name(project)))
    changes = read_settings(settings, "projects")
    if labels is not None or add_label or remove_label:
        listed = [each.strip() for each in labels.split(",")] if labels is not None else read["labels"]
        changes["labels"] = _relabelled(listed, add_label or [], remove_label or [])
    changes |= provided(instructions=instructions, display_name=name)
    changed = change(
        context,
        "projects",
        read,
        changes,
        "--labels, --instructions, --settings, …",
        allow_label_removal=allow_label_removal,
    )
    for notice in changed.get("notices", []):
        say(notice)


@projects.command("delete")
def delete_project(context: typer.Context, project: Name, yes: Yes = False) -> None:
    """Delete a project with its deployments, policies, pipeline runs and traffic. Its models and data are retained."""
    chosen = session(context)
    delete(
        context,
        "projects",
        as_json(chosen.client.projects.get(chosen.project_name(project))),
        "with its deployments, policies, pipeline runs, traffic and feedback",
        yes,
    )


@policies.command("update")
def update_policy(
    context: typer.Context,
    policy: Annotated[str, name_argument(help="Id or full resource name.")] = "default",
    settings: Settings = None,
    dry_run: Annotated[
        bool | None,
        typer.Option(
            "--dry-run/--no-dry-run", help="Only record what the policy would start, or start pipeline runs."
        ),
    ] = None,
    paused: Annotated[
        bool | None, typer.Option("--paused/--no-paused", help="Pause or resume the policy.")
    ] = None,
) -> None:
    """Update a policy. Fields that are not given stay unchanged."""
    chosen = session(context)
    changes = read_settings(settings, "policies") | provided(dry_run=dry_run, paused=paused)
    read = as_json(chosen.client.policies.get(chosen.name(policy, "policies")))
    change(context, "policies", read, changes, "--settings, --no-dry-run, …")


@policies.command("delete")
def delete_policy(
    context: typer.Context,
    policy: Annotated[str, name_argument(help="Id or full resource name.")] = "default",
    yes: Yes = False,
) -> None:
    """Delete a policy. It no longer starts pipeline runs."""
    chosen = session(context)
    delete(context, "policies", as_json(chosen.client.policies.get(chosen.name(policy, "policies"))), "", yes)


@guidelines.command("update")
def update_guideline(
    context: typer.Context,
    guideline: Name,
    labels: Annotated[str | None, typer.Option(help="Replace all labels; comma-separated.")] = None,
    instructions: Annotated[str | None, typer.Option(help="Instructions for annotators.")] = None,
    purpose: Annotated[str | None, typer.Option(help="What the labels are for.")] = None,
    ambiguity: Annotated[str | None, typer.Option(help="How to decide ambiguous records.")] = None,
    settings: Settings = None,
    note: Annotated[str, typer.Option(help="What changed and why; annotators see it.")] = "",
    ask_again: Annotated[
        bool, typer.Option(help="Request answers to earlier versions again, in queues.")
    ] = False,
    of_label: Annotated[
        list[str] | None, typer.Option(help="Request answers with this label alone (repeatable).")
    ] = None,
) -> None:
    """Update a guideline: a new version. Existing label sets keep the guideline they were created with."""
    chosen = session(context)
    changes = read_settings(settings, "guidelines") | provided(
        instructions=instructions, purpose=purpose, ambiguity=ambiguity
    )
    if labels is not None:
        changes["labels"] = [each.strip() for each in labels.split(",")]
    if ask_again or note or of_label:
        earlier = "ASK_AGAIN" if ask_again or of_label else "KEEP"
        changes["change"] = {
            "earlierAnswers": f"EARLIER_ANSWERS_{earlier}",
            "labels": of_label or [],
            "note": note,
        }
    read = as_json(chosen.client.guidelines.get(chosen.name(guideline, "guidelines")))
    change(context, "guidelines", read, changes, "--labels, --instructions, --settings, --ask-again, …")


@guidelines.command("versions")
def list_guideline_versions(context: typer.Context, guideline: Name, limit: Limit = LIMIT) -> None:
    """List the newest versions of a guideline, oldest first, and what each means for earlier answers."""
    chosen = session(context)
    versions = partial(chosen.client.guideline_versions.list, chosen.name(guideline, "guidelines"))
    show_newest(versions, limit, COLUMNS["guideline_versions"], chosen.output)


@guidelines.command("delete")
def delete_guideline(context: typer.Context, guideline: Name, yes: Yes = False) -> None:
    """Delete a guideline. Existing label sets keep the guideline they were created with."""
    chosen = session(context)
    read = as_json(chosen.client.guidelines.get(chosen.name(guideline, "guidelines")))
    delete(context, "guidelines", read, "", yes)


def provided(**values: object) -> JSON:
    """Return the values that were given."""
    return {field: value for field, value in values.items() if value is not None}


def _relabelled(labels: list[str], added: list[str], removed: list[str]) -> list[str]:
    """Return the labels after a change; raise typer.BadParameter if a label to remove does not exist."""
    gone = []
    for label in removed:
        known = match_label(label, labels)
        if known is None:
            raise typer.BadParameter(f"There is no label {label!r}; the labels are {', '.join(labels)}.")
        gone.append(known)
    return [*(label for label in labels if label not in gone), *added]


def change(
    context: typer.Context, resource: str, read: JSON, changes: JSON, options: str, **further: object
) -> JSON:
    """Change fields of a resource that was read, and show it; raise typer.BadParameter without any."""
    if not changes:
        raise typer.BadParameter(f"Give at least one field to change: {options}")
    chosen = session(context)
    update = getattr(chosen.client, resource).update
    changed = as_json(update(read["name"], **{**changes, "etag": read["etag"]}, **further))
    show(changed, chosen.output)
    return changed


def delete(context: typer.Context, resource: str, read: JSON, what_else: str, yes: bool) -> None:
    """Delete a resource that was read, after a confirmation."""
    if not yes:
        typer.confirm(f"Delete {read['name']}{' ' + what_else if what_else else ''}?", abort=True)
    getattr(session(context).client, resource).delete(read["name"], etag=read["etag"])
    say(f"Deleted {read['name']}.")
