"""Comments of the protos: texts of the OpenAPI document."""

import json
from functools import cache
from importlib.resources import files


def comment(full_name: str) -> str:
    """Return the comment of a service, method, message, field, enum or enum value; empty if it has none."""
    return _comments().get(full_name, "")


def summary(full_name: str) -> str:
    """Return the first sentence of a comment, without its period."""
    text = " ".join(comment(full_name).split("\n\n")[0].split())
    return text.partition(". ")[0].removesuffix(".")


@cache
def _comments() -> dict[str, str]:
    text = files("ratoon.contracts").joinpath("comments.json").read_text(encoding="utf-8")
    return dict(json.loads(text))
