"""Tasks of lm-evaluation-harness in YAML, and the templates in them. It knows no model."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import yaml
from jinja2 import StrictUndefined, Template, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from yaml import SafeLoader

from ratoon_evaluation.domain.errors import BadSuite
from ratoon_evaluation.domain.harness import Format, HarnessTask, read_task

MAX_YAML_CHARS = 65_536


class _Loader(SafeLoader):
    """Reads plain YAML, and says why it reads no Python."""


def _refused(_loader: SafeLoader, suffix: str, _node: Any) -> Any:
    raise BadSuite(
        f"The task contains the tag !{suffix[:40]}, which names Python code: it is not supported. Write the documents "
        "to a file as that function makes them, and name their fields.",
        "yaml",
    )


_Loader.add_multi_constructor("!", _refused)


def read_yaml(text: str) -> HarnessTask:
    """Return the task that a YAML text describes; BadSuite if it is none, or one that is not supported."""
    if len(text) > MAX_YAML_CHARS:
        raise BadSuite(
            f"The YAML has {len(text):,} characters; at most {MAX_YAML_CHARS:,} are allowed.", "yaml"
        )
    try:
        settings = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadSuite(f"The text is not YAML: {' '.join(str(error).split())[:300]}.", "yaml") from None
    task = read_task(settings)
    for each in (task.format, task.shot_format):
        _check(each)
    return task


def _check(format_: Format) -> None:
    for text in (format_.text, format_.target, format_.choice):
        if isinstance(text, str):
            try:
                template(text)
            except TemplateSyntaxError as error:
                raise BadSuite(f"{text[:100]!r} is not a Jinja template: {error}.", "yaml") from None


@lru_cache(maxsize=256)
def template(text: str) -> Template:
    """Return the template of a text, as lm-evaluation-harness reads it; undefined names are errors."""
    return _ENVIRONMENT.from_string(text)


def _regex_replace(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    return re.sub(pattern, replacement, text, count=count)


_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
_ENVIRONMENT.filters["regex_replace"] = _regex_replace
