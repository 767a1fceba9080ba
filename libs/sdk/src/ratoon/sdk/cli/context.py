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
        """A resource's full name from its id, or from a name given in full."""
        return given if given.startswith("projects/") else f"{self.parent()}/{collection}/{given}"


def session(context: typer.Context) -> Session:
    """The session of this command."""
    found = context.find_object(Session)
    assert found is not None, "the root command makes it"
    return found
