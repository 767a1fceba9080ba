"""Shell completion: the script of each shell, and names of resources."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from ratoon.client.schema import find_method

_TIMEOUT_S = 2.0
_NAMES = 100


class Shell(StrEnum):
    """Shells with completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="Shell: bash, zsh or fish.")]) -> None:
    """Print the completion script of a shell.

    Examples:
      source <(ratoon completion bash)
      ratoon completion zsh > "${fpath[1]}/_ratoon"
      ratoon completion fish > ~/.config/fish/completions/ratoon.fish
    """
    from typer import completion as scripts

    script = scripts.get_completion_script(  # type: ignore[attr-defined]
        prog_name="ratoon", complete_var="_RATOON_COMPLETE", shell=shell
    )
    print(script)


def complete_names(context: typer.Context, resource: str, incomplete: str) -> list[str]:
    """Return the newest names of a resource that begin like this; none if the server does not answer at once."""
    from ratoon.cli.context import Session
    from ratoon.cli.names import patterns
    from ratoon.client import Ratoon, RatoonError

    listing = find_method(resource, "list")
    if listing is None:
        return []
    options: dict[str, Any] = context.find_root().params
    chosen = Session(options.get("url") or "", options.get("api_key") or "", options.get("project") or "")
    try:
        parent = {
            name: chosen.scope(context.params.get("within") or "").resolve("", pattern, resource)
            for name, pattern in patterns(listing).items()
        }
        with Ratoon(
            base_url=chosen.url or None, api_key=chosen.api_key or None, timeout=_TIMEOUT_S, max_retries=0
        ) as client:
            page = getattr(client, resource).list(**parent, page_size=_NAMES)
            ids = [str(each.name).rpartition("/")[2] for each in page.items]
    except (RatoonError, typer.BadParameter):
        return []
    return [each for each in ids if each.startswith(incomplete)]
