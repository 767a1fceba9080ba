"""Context of every resource command: client, project, output format."""

from dataclasses import dataclass
from functools import cached_property

import typer

from ratoon.cli.names import Scope
from ratoon.cli.output import Output
from ratoon.client import Ratoon


@dataclass
class Session:
    """Global options: URL, API key, project, output format."""

    url: str = ""
    api_key: str = ""
    project: str = ""
    output: Output = Output.TABLE

    @cached_property
    def client(self) -> Ratoon:
        """The client, created on first use."""
        return Ratoon(base_url=self.url or None, api_key=self.api_key or None)

    def scope(self, within: str = "") -> Scope:
        """Return where names are resolved; `within` is the parent of the resources."""
        return Scope(self.project, within)

    def parent(self) -> str:
        """Return `projects/{project}`; raise typer.BadParameter if no project is set."""
        if not self.project:
            raise typer.BadParameter("No project is set. Use --project NAME, or set RATOON_PROJECT.")
        return f"projects/{self.project}"

    def project_name(self, text: str) -> str:
        """Return the full name of a project from its ID or full name."""
        return text if text.startswith("projects/") else f"projects/{text}"

    def name(self, text: str, collection: str) -> str:
        """Return the full name of a resource from any accepted form; `collection` may be a path."""
        return text if text.startswith("projects/") else resolve_name(text, self.parent(), collection)

    def version(self, text: str, collection: str) -> str:
        """Return the full name of a version of the project's own dataset or model (`v1`, `versions/v1`, …)."""
        return self.name(text, f"{collection}/{self.project}/versions")


def resolve_name(text: str, parent: str, collection: str) -> str:
    """Return a full resource name from an id, a name as tables print it, or a full name.

    Tables print names without the project: `datasets/tickets/versions/v1`. The part of a name that a path in
    `collection` has already is not repeated: `versions/v1` is a name in `datasets/tickets/versions`.
    """
    text = text.strip("/")
    if text.startswith("projects/"):
        return text
    head, _, rest = text.partition("/")
    segments = collection.split("/")
    if not rest:
        return f"{parent}/{collection}/{text}"
    if head in segments[0::2]:
        return "/".join([parent, *segments[: segments.index(head)], text])
    return f"{parent}/{text}"


def session(context: typer.Context) -> Session:
    """Return the session of this command."""
    existing = context.find_object(Session)
    assert existing is not None, "the root command makes it"
    return existing
