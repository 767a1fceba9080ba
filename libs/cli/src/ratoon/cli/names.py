"""Resources on the command line: their words (`training-runs`, `runs`) and the names of their instances."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

import typer

from ratoon.client.schema import METHODS, Method

SHORT_WORDS = {
    "runs": "training_runs",
    "evaluations": "evaluation_runs",
    "labels": "label_sets",
    "pipelines": "pipeline_runs",
    "drift": "drift_reports",
    "keys": "api_keys",
    "safety": "safety_filter",
}
"""Names of the command groups of resources."""
INSTALLATION_WIDE = frozenset(("api_keys", "safety_filter"))
"""Resources that exist outside projects too, in `projects/-`."""
_VARIABLE = re.compile(r"\{(?:\w+\.)?(\w+)=([^}]*)\}")


@dataclass(frozen=True)
class Scope:
    """Where names are resolved: the project, and the parent that `--in` names."""

    project: str
    within: str = ""

    def resolve(self, text: str, pattern: str, resource: str = "") -> str:
        """Return a full name that matches a pattern such as `projects/*/datasets/*`.

        `text` is a full name, a name as tables print it (`datasets/tickets/versions/v1`), or the last IDs
        (`v1`, `tickets/v1`). IDs between the project and these are those of `within`, else the ID of the project. Raise
        typer.BadParameter if the project is missing or the name does not fit.
        """
        segments, text = pattern.split("/"), text.strip("/")
        if not text.startswith("projects/"):
            text = "/".join(self._completed(text, segments, resource))
        if not re.fullmatch(re.escape(pattern).replace(r"\*", "[^/:]+"), text):
            raise typer.BadParameter(
                f"The name must look like {pattern}, where * stands for an ID; it is {text}."
            )
        return text

    def _completed(self, text: str, segments: list[str], resource: str) -> list[str]:
        given = text.split("/") if text else []
        if segments == ["projects", "*"]:
            return ["projects", text or self._project(resource)]
        if len(given) > 1 and given[0] in segments[2::2]:
            head = segments[: segments.index(given[0], 2)]
            return [*self._filled(head, resource), *given]
        blanks = [place for place, segment in enumerate(segments) if segment == "*"]
        if len(given) >= len(blanks):
            return ["projects", self._project(resource), *given]
        last = blanks[len(blanks) - len(given) :]
        head = segments[: last[0]] if last else segments
        filled = self._filled(head, resource)
        rest = iter(given)
        return [*filled, *(next(rest) if segment == "*" else segment for segment in segments[len(filled) :])]

    def _filled(self, segments: list[str], resource: str) -> list[str]:
        """Return the leading segments of a pattern with IDs: those of `within`, else the ID of the project."""
        if self.within and segments.count("*") > 1:
            blanks = [place for place, segment in enumerate(segments) if segment == "*"]
            pattern = "/".join(segments[: blanks[-1] + 1])
            name = Scope(self.project).resolve(self.within, pattern)
            return [*name.split("/"), *segments[blanks[-1] + 1 :]]
        return [self._project(resource) if segment == "*" else segment for segment in segments]

    def _project(self, resource: str) -> str:
        if not self.project and resource not in INSTALLATION_WIDE:
            raise typer.BadParameter("No project is set. Use --project NAME, or set RATOON_PROJECT.")
        return self.project or "-"


def refuse_empty(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
    """Return the value of an argument or option; raise typer.BadParameter if it, or one of its items, is an empty text.

    An unset shell variable must not stand for the default, such as the dataset of the project.
    """
    source = context.get_parameter_source(parameter.name or "")
    is_written = source is not None and source.name == "COMMANDLINE"
    if is_written and (value == "" or (isinstance(value, list) and "" in value)):
        raise typer.BadParameter("The value is empty.")
    return value


name_argument = partial(typer.Argument, callback=refuse_empty)
"""Argument of a command that is the name of a resource."""


def patterns(method: Method) -> dict[str, str]:
    """Return the pattern of each resource name in the path of a method: `{"name": "projects/*/datasets/*"}`."""
    return dict(_VARIABLE.findall(method.path))


def plural(resource: str) -> str:
    """Return the word of a resource: `training-runs`."""
    return resource.replace("_", "-")


def singular(resource: str) -> str:
    """Return the word of one item of a resource: `training-run`."""
    words = plural(resource)
    for ending, one in (("ies", "y"), ("iases", "ias"), ("s", "")):
        if words.endswith(ending):
            return words.removesuffix(ending) + one
    return words


def resource_of(word: str, resources: Iterable[str]) -> str | None:
    """Return the resource that a word names: plural, singular, short or as in URLs; None if there is none."""
    known = tuple(resources)
    folded = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).replace("-", "_").lower()
    folded = SHORT_WORDS.get(folded) or SHORT_WORDS.get(f"{folded}s", folded)
    for resource in known:
        if folded in (resource, singular(resource).replace("-", "_")):
            return resource
    return None


def nearest(word: str, words: Iterable[str]) -> str:
    """Return a sentence that offers the most similar word, with a space before it; empty if none is similar."""
    similar = get_close_matches(word, list(words), n=1)
    return f" Did you mean {similar[0]!r}?" if similar else ""


def method_of_name(name: str, verb: str) -> Method | None:
    """Return the method with this verb of the resource that a full name belongs to; None if there is none."""
    for method in METHODS:
        pattern = patterns(method).get("name", "")
        if (
            method.name == verb
            and pattern
            and re.fullmatch(re.escape(pattern).replace(r"\*", "[^/:]+"), name)
        ):
            return method
    return None
