"""What every resource command needs: the client, the project, how to print."""

from dataclasses import dataclass
from functools import cached_property

import typer

from ratoon.sdk.cli.output import Output
from ratoon.sdk.client import Client


@dataclass
class Session:
    """The options before the command: address, key, project, output."""

    url: str = ""
    api_key: str = ""
    project: str = ""
    output: Output = Output.TABLE

    @cached_property
    def client(self) -> Client:
        """The client, made when the first command needs it."""
        return Client(self.url, self.api_key)

    def parent(self) -> str:
        """`projects/{project}`; a sentence when no project was chosen."""
        if not self.project:
            raise typer.BadParameter(
                "Choose a project: --project NAME before the command, or RATOON_PROJECT."
            )
        return f"projects/{self.project}"

    def name(self, given: str, collection: str) -> str:
        """Return a resource's full name from any spelling that a user has; `collection` may be a path of its own."""
        return given if given.startswith("projects/") else resolve_name(given, self.parent(), collection)

    def version(self, given: str, collection: str) -> str:
        """Return the full name of a version of the project's own dataset or model (`v1`, `versions/v1`, …)."""
        return self.name(given, f"{collection}/{self.project}/versions")


def resolve_name(given: str, parent: str, collection: str) -> str:
    """Return a full resource name from an id, a name as tables print it, or a full name.

    Tables print names without the project: `datasets/tickets/versions/v1`. The part of a name that a path in
    `collection` has already is not repeated: `versions/v1` is a name in `datasets/tickets/versions`.
    """
    given = given.strip("/")
    if given.startswith("projects/"):
        return given
    head, _, rest = given.partition("/")
    segments = collection.split("/")
    if not rest:
        return f"{parent}/{collection}/{given}"
    if head in segments[0::2]:
        return "/".join([parent, *segments[: segments.index(head)], given])
    return f"{parent}/{given}"


def session(context: typer.Context) -> Session:
    """The session of this command."""
    found = context.find_object(Session)
    assert found is not None, "the root command makes it"
    return found
