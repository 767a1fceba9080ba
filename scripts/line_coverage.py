"""Line coverage of the unit tier: runs it directory by directory, and writes the table of `docs/coverage.md`.

Owns what is measured and how it is shown. Sets no threshold.

    python -m scripts.line_coverage                 measure the whole tier and write the table
    python -m scripts.line_coverage FOLDER…         measure these directories again, keep the results of the others
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.test import QUIET, ROOT, present

DATA = ROOT / ".coverage.d"
PAGE = ROOT / "docs/coverage.md"
BEGIN, END = "<!-- coverage -->", "<!-- /coverage -->"


@dataclass(frozen=True)
class Lines:
    """Lines of one package: how many there are, and how many ran."""

    total: int = 0
    covered: int = 0

    def __add__(self, other: "Lines") -> "Lines":
        return Lines(self.total + other.total, self.covered + other.covered)

    @property
    def percent(self) -> float:
        """Share of the lines that ran, in percent; 100 of no lines."""
        return 100.0 * self.covered / self.total if self.total else 100.0


def main(folders: list[str]) -> int:
    """Measure directories of tests and write the table; 1 if a test failed, and the table stays as it was."""
    DATA.mkdir(exist_ok=True)
    failed = [folder for folder in folders or present("unit") if not measure(folder)]
    if failed:
        print(f"coverage: tests failed in {', '.join(failed)}")
        return 1
    packages = measured()
    PAGE.write_text(with_table(PAGE.read_text(), list(table(packages))))
    print(f"coverage: {sum(packages.values(), Lines()).percent:.1f} % of the lines; {PAGE.relative_to(ROOT)}")
    return 0


def measure(folder: str) -> bool:
    """Run the tests of one directory; its result replaces the one before. Return whether they passed."""
    data = DATA / folder.replace("/", "-")
    command = [sys.executable, "-m", "coverage", "run", f"--data-file={data}", "-m", "pytest", "-q", folder]
    return subprocess.run(command, cwd=ROOT, env=os.environ | QUIET).returncode == 0


def measured() -> dict[str, Lines]:
    """Return the lines of each package, over all directories that were measured."""
    coverage = [sys.executable, "-m", "coverage"]
    files = [str(path) for path in sorted(DATA.iterdir()) if path.name != "all" and path.suffix != ".json"]
    combined, report = DATA / "all", DATA / "report.json"
    subprocess.run(
        [*coverage, "combine", "--quiet", "--keep", f"--data-file={combined}", *files], cwd=ROOT, check=True
    )
    subprocess.run(
        [*coverage, "json", "--quiet", f"--data-file={combined}", "-o", str(report)], cwd=ROOT, check=True
    )
    return by_package(json.loads(report.read_text())["files"])


def by_package(files: dict[str, dict[str, dict[str, int]]]) -> dict[str, Lines]:
    """Return the sum of the lines of each library and service from the files of coverage's JSON report."""
    packages: dict[str, Lines] = {}
    for name, file in sorted(files.items()):
        package = "/".join(Path(name).parts[:2])
        summary = file["summary"]
        lines = Lines(summary["num_statements"], summary["covered_lines"])
        packages[package] = packages.get(package, Lines()) + lines
    return packages


def table(packages: dict[str, Lines]) -> Iterator[str]:
    """Yield the rows of the table, the sum last."""
    yield from ("| package | lines | covered |", "|---|---|---|")
    rows: Iterable[tuple[str, Lines]] = [*packages.items(), ("all", sum(packages.values(), Lines()))]
    for name, lines in rows:
        yield f"| {name} | {lines.total:,} | {lines.percent:.1f} % |"


def with_table(page: str, rows: list[str]) -> str:
    """Return a page with these rows between its markers."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
