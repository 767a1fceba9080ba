"""The version of Ratoon: the file `VERSION` holds it, and packages, charts and examples repeat it.

Owns where the version is repeated. Knows nothing of what a release contains.

    scripts/version.py                  report places that do not agree with VERSION
    scripts/version.py 0.2.0            write a version to VERSION and to every place
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.compile(r"(\d+\.\d+\.\d+)(?:(\.dev|rc)(\d+))?")
"""PEP 440: a release, a release candidate or a development version."""

PACKAGE = re.compile(r'(?m)^(version = ")([^"]+)(")$')
CHART = re.compile(r"(?m)(^version: |, version: )([\w.-]+)()")
APP = re.compile(r'(?m)^(appVersion: ")([^"]+)(")$')
IMAGE = re.compile(r"(image: ratoon/worker:)([\w.]+)(-cpu)")


def main(arguments: list[str]) -> int:
    """Write the version in the arguments, or check the one in `VERSION`; 0 when every place agrees."""
    path = ROOT / "VERSION"
    if arguments:
        set_version(arguments[0], ROOT)
    faults = list(disagreements(path.read_text().strip(), ROOT))
    print("\n".join(faults) or f"version: {path.read_text().strip()}")
    return 1 if faults else 0


def set_version(version: str, root: Path) -> None:
    """Write a version to `VERSION` and to every place that repeats it."""
    chart_version(version)
    (root / "VERSION").write_text(f"{version}\n")
    for path, pattern, repeated in places(version, root):
        path.write_text(pattern.sub(rf"\g<1>{repeated}\g<3>", path.read_text()))


def disagreements(version: str, root: Path) -> Iterator[str]:
    """Yield each place that names another version, or none."""
    for path, pattern, repeated in places(version, root):
        versions = {match[2] for match in pattern.finditer(path.read_text())}
        if versions != {repeated}:
            named = ", ".join(sorted(versions)) or "no version"
            yield f"{path.relative_to(root)} names {named}, not {repeated}: make version VERSION={version}"


def places(version: str, root: Path) -> Iterator[tuple[Path, re.Pattern[str], str]]:
    """Yield (file, pattern around the version, the version as that file spells it)."""
    for path in sorted(
        [
            *root.glob("libs/*/pyproject.toml"),
            *root.glob("services/*/pyproject.toml"),
            *root.glob("examples/pyproject.toml"),
        ]
    ):
        yield path, PACKAGE, version
    for path in sorted([*root.glob("charts/*/Chart.yaml"), *root.glob("charts/*/charts/*/Chart.yaml")]):
        yield path, CHART, chart_version(version)
        if "type: library" not in path.read_text():
            yield path, APP, version
    yield root / "docs/operations/engines.md", IMAGE, version


def chart_version(version: str) -> str:
    """Return a version as Helm's semantic versioning spells it; ValueError if it is none."""
    match = VERSION.fullmatch(version)
    if match is None:
        raise ValueError(f"{version} is not a version like 0.2.0, 0.2.0rc1 or 0.2.0.dev0")
    release, kind, number = match.groups()
    return f"{release}-{kind.strip('.')}.{number}" if kind else release


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
