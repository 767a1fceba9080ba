"""Values drawn at random from the chart's own schema, and every key that an operator could set to null."""

import json
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.charts.manifests import CHART

LOOKALIKES = [
    "0123",
    "1e3",
    "yes",
    "no",
    "on",
    "null",
    "~",
    "true",
    "20261201",
    "2026-12-01",
    "0x1f",
    "1_000",
    "text",
]
"""Texts that YAML would read as another type without quotes."""
PRINTABLE = st.characters(min_codepoint=33, max_codepoint=126)
KEYS = st.sampled_from(["plain", "example.com/key", "yes", "123"])


def schema() -> dict[str, Any]:
    """The chart's schema of values."""
    return json.loads((CHART / "values.schema.json").read_text())


def defaults() -> dict[str, Any]:
    """The chart's values as Helm completes them: its own over those of its sub-charts."""
    parts = {
        path.parent.name: yaml.safe_load(path.read_text()) for path in CHART.glob("charts/*/values.yaml")
    }
    own = yaml.safe_load((CHART / "values.yaml").read_text())
    return {name: merged(parts.get(name) or {}, own.get(name, {})) for name in {**own, **parts}}


def merged(under: Any, over: Any) -> Any:
    """One value over another, tables key by key."""
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    both = {name: merged(under[name], over[name]) for name in under.keys() & over.keys()}
    return {**under, **over, **both}


def paths(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each key, of inner tables too."""
    for name, value in values.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from paths(value, (*above, name))


def at(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A table that holds one value at a path."""
    for name in reversed(path):
        value = {name: value}
    return value


def drawn() -> st.SearchStrategy[dict[str, Any]]:
    """Values as an operator might write them: a few keys of the schema, each with a value that it allows."""
    whole = schema()
    rule = {name: each for name, each in whole["properties"].items() if name not in ("worker", "common")}
    return table({"type": "object", "properties": rule}, whole["$defs"], max_keys=4)


def value(rule: dict[str, Any], known: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values that a rule allows."""
    if "$ref" in rule:
        return value(known[rule["$ref"].rpartition("/")[2]], known)
    if "anyOf" in rule:
        return st.one_of(*(value(each, known) for each in rule["anyOf"]))
    if "enum" in rule:
        return st.sampled_from(rule["enum"])
    kind = rule.get("type")
    if isinstance(kind, list):
        return st.one_of(*(value({"type": each}, known) for each in kind))
    return KINDS[kind](rule, known)


def table(
    rule: dict[str, Any], known: dict[str, Any], max_keys: int = 2
) -> st.SearchStrategy[dict[str, Any]]:
    """A table: some of its fixed keys and those that it needs, or keys of the operator's own."""
    fixed = {
        name: each for name, each in rule.get("properties", {}).items() if name != "global" or max_keys > 2
    }
    if fixed:
        need = set(rule.get("required", ()))
        names = st.sets(st.sampled_from(sorted(fixed)), min_size=1, max_size=max_keys).map(
            lambda some: sorted(some | need)
        )
        return names.flatmap(
            lambda some: st.fixed_dictionaries({name: value(fixed[name], known) for name in some})
        )
    keys, own = KEYS, rule.get("additionalProperties")
    for pattern, each in rule.get("patternProperties", {}).items():
        keys, own = text({"pattern": pattern}, known), each
    if not own:
        return st.just({})
    return st.dictionaries(keys, value(own, known), max_size=2, min_size=rule.get("minProperties", 0))


def text(rule: dict[str, Any], _known: dict[str, Any]) -> st.SearchStrategy[str]:
    """A text; where any is allowed, one that looks like something else."""
    if "pattern" in rule:
        return st.from_regex(rule["pattern"], fullmatch=True, alphabet=PRINTABLE)
    return st.sampled_from(LOOKALIKES)


def number(rule: dict[str, Any], _known: dict[str, Any]) -> st.SearchStrategy[float]:
    """A number within its bounds, large ones often."""
    minimum = rule.get("minimum", rule.get("exclusiveMinimum", 0))
    maximum = rule.get("maximum", 2**40)
    if rule["type"] == "number":
        return st.floats(max(minimum, 0.001), maximum, allow_nan=False).map(lambda some: round(some, 3) or 1)
    return st.one_of(
        st.integers(minimum, maximum), st.sampled_from([minimum, min(maximum, 10**6), min(maximum, 10**7)])
    )


KINDS = {
    "object": table,
    "string": text,
    "integer": number,
    "number": number,
    "boolean": lambda _rule, _known: st.booleans(),
    "null": lambda _rule, _known: st.none(),
    "array": lambda rule, known: st.lists(value(rule["items"], known), max_size=2, unique_by=repr),
}
