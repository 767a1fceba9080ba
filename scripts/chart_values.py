"""Writes `docs/operations/values.md`, the reference of the chart's values: `python scripts/chart_values.py [check]`.

Owns the page's form. What a value means is said by the comment `# -- …` above it in its chart's `values.yaml`.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts/ratoon"
PAGE = ROOT / "docs/operations/values.md"
KEY = re.compile(r"^( *)([\w.-]+):")
SAID = re.compile(r"^ *# (?:-- )?(.*)$")
SERVICES = ("ingestion", "labeling", "training", "evaluation", "registry", "serving", "flywheel", "gateway")
LIKE_ALL = "registry"

Path_ = tuple[str, ...]
Values = Mapping[str, Any]


def main() -> int:
    """Write the page, or with `check` say whether it is stale; the exit status."""
    fresh = page()
    if "check" not in sys.argv[1:]:
        PAGE.write_text(fresh)
        return 0
    if not PAGE.exists() or PAGE.read_text() != fresh:
        print(f"{PAGE.relative_to(ROOT)} is stale: make chart")
        return 1
    return 0


def page() -> str:
    """The whole page."""
    return "\n".join([*head(), *sections()]) + "\n"


def head() -> Iterator[str]:
    """What stands above the tables."""
    yield "# Values of the chart"
    yield ""
    yield "Written by `make chart` from the charts' own `values.yaml`; `values.schema.json` refuses other names."
    yield "A `*` stands for a name of your choosing. Helm joins what you give with what is there; a name is taken out"
    yield "with `null` (`engines: {cpu: null}`)."


def sections() -> Iterator[str]:
    """A heading and a table for each part."""
    whole = CHART / "values.yaml"
    own = set(yaml.safe_load(whole.read_text())) - {*SERVICES, *sub_charts()}
    for part in sorted(own, key=lambda name: (name != "global", name)):
        yield from section(f"`{part}`", rows(whole, (part,)))
    chart = CHART / "charts" / LIKE_ALL / "values.yaml"
    yield from section(
        "Each service: " + ", ".join(f"`{name}`" for name in SERVICES), rows(chart, (), ("*",))
    )
    for name in ("gateway", "serving", "training", *sub_charts()):
        known = {path for path, _, _ in rows(chart, ())} if name in SERVICES else set()
        found = [row for row in rows(CHART / "charts" / name / "values.yaml", ()) if row[0] not in known]
        yield from section(f"`{name}`", ((((name, *path), default, said) for path, default, said in found)))


def sub_charts() -> list[str]:
    """Sub-charts with values that are no service of the eight."""
    found = [path.parent.name for path in (CHART / "charts").glob("*/values.yaml") if path.stat().st_size]
    return sorted(set(found) - set(SERVICES))


def section(title: str, found: Any) -> Iterator[str]:
    """A heading with its table; nothing where there are no rows."""
    lines = [f"| `{'.'.join(path)}` | {default} | {said} |" for path, default, said in found]
    if lines:
        yield from ("", f"## {title}", "| value | default | meaning |", "|---|---|---|", *lines)


def rows(file: Path, below: Path_, under: Path_ = ()) -> Iterator[tuple[Path_, str, str]]:
    """Path, default and meaning of each value in a file below a path."""
    text = file.read_text()
    said = meanings(text)
    for path, value in leaves(yaml.safe_load(text), said):
        if path[: len(below)] == below:
            yield (*under, *path), shown(value), said.get(path, "")


def leaves(values: Values, said: Mapping[Path_, str], above: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Each value that is no map, each empty map, and each map whose meaning is said."""
    for key, value in values.items():
        path = (*above, key)
        whole = not isinstance(value, Mapping) or not value or is_amounts(value)
        if whole or path in said:
            yield path, value if whole else None
        if not whole:
            yield from leaves(value, said, path)


def is_amounts(value: Values) -> bool:
    """Whether this is what a container asks for, which is shown as one."""
    return set(value) <= {"requests", "limits"}


def shown(value: object) -> str:
    """A default as the table has it."""
    return "" if value is None or value == "" else f"`{json.dumps(value, ensure_ascii=False)}`"


def meanings(text: str) -> dict[Path_, str]:
    """What the comments of a file say, by the path of the key below them."""
    found: dict[Path_, str] = {}
    path: list[tuple[int, str]] = []
    said: list[str] = []
    for line in text.splitlines():
        if match := KEY.match(line):
            indent = len(match[1])
            path = [*(each for each in path if each[0] < indent), (indent, match[2])]
            if said:
                found[tuple(name for _, name in path)] = " ".join(said)
            said = []
        elif line.lstrip().startswith("# -- ") or (said and line.lstrip().startswith("# ")):
            said.append(SAID.sub(r"\1", line))
        else:
            said = []
    return found


if __name__ == "__main__":
    sys.exit(main())
