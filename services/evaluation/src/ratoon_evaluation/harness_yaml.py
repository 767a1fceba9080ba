"""Tasks of lm-evaluation-harness in YAML, and the templates in them. It knows no model."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import yaml
from jinja2 import StrictUndefined, Template, TemplateSyntaxError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from yaml import AliasEvent, SafeLoader, ScalarNode

from ratoon_evaluation.domain.errors import BadSuite
from ratoon_evaluation.domain.harness import Format, HarnessTask, read_task

MAX_YAML_CHARS = 65_536
_MAX_REPEATED = 1_000_000
"""Characters or items that `*` may make."""


class _Loader(SafeLoader):
    """Reads plain YAML, and says why it reads no Python.

    Aliases stand for single values alone: nested ones of collections would grow without bound when they are written.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return a node; raise BadSuite for an alias of a collection."""
        is_alias = self.check_event(AliasEvent)
        node = super().compose_node(parent, index)
        if is_alias and not isinstance(node, ScalarNode):
            raise BadSuite(
                "An alias may stand for a single value alone: write the list or mapping again.", "yaml"
            )
        return node


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
                _ENVIRONMENT.parse(text)
            except (TemplateSyntaxError, RecursionError) as error:
                raise BadSuite(f"{text[:100]!r} is not a Jinja template: {error}.", "yaml") from None


@lru_cache(maxsize=256)
def template(text: str) -> Template:
    """Return the template of a text, as lm-evaluation-harness reads it; undefined names are errors."""
    return _ENVIRONMENT.from_string(text)


def _regex_replace(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    return re.sub(pattern, replacement, text, count=count)


class _Environment(ImmutableSandboxedEnvironment):
    """Environment of templates, without operations whose results have no bound."""

    intercepted_binops = frozenset({"**", "*"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Return the result of an operation; raise SecurityError if it may be too large."""
        lengths = [len(each) for each in (left, right) if isinstance(each, str | list | tuple)]
        times = [each for each in (left, right) if isinstance(each, int)]
        if operator == "**" or any(length * each > _MAX_REPEATED for length in lengths for each in times):
            raise SecurityError(f"the result of {operator} may be too large")
        return super().call_binop(context, operator, left, right)


_ENVIRONMENT = _Environment(undefined=StrictUndefined, keep_trailing_newline=True, optimized=False)
"""Constants are not computed when a template is read."""
_ENVIRONMENT.filters["regex_replace"] = _regex_replace
