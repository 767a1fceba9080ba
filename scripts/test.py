"""The tests, tier by tier from fast to slow: one pytest a tier, the time of each, and one verdict.

Owns which folders make a tier, and which tiers run only when they are named. Knows nothing of what they test.
"""

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Tier:
    """Folders with tests, what pytest is told about them, and what else in the quick form."""

    folders: tuple[str, ...]
    options: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    named_only: bool = False


_INTEGRATION = (
    "libs/*/tests/integration",
    "libs/*/tests/conformance",
    "services/*/tests/integration",
    "tests/integration",
)
TIERS = {
    "unit": Tier(("libs/*/tests/unit", "services/*/tests/unit", "tests/unit")),
    "contract": Tier(("tests/contract",)),
    "integration": Tier(_INTEGRATION),
    "e2e": Tier(("tests/e2e",)),
    "postgresql": Tier(
        _INTEGRATION,
        ("--database", "postgresql"),
        quick=("-m", "not engine and not ray and not kafka"),
        named_only=True,
    ),
    "browser": Tier(("services/*/tests/browser",), quick=("-m", "not thorough"), named_only=True),
    "outside": Tier(
        ("libs/*/tests/outside", "services/*/tests/outside", "tests/outside"),
        quick=("-m", "not thorough"),
        named_only=True,
    ),
    "chaos": Tier(("tests/chaos",), named_only=True),
    "charts": Tier(("tests/charts",), quick=("-m", "not thorough"), named_only=True),
    "cluster-quick": Tier(("tests/cluster/quick", "services/*/tests/cluster"), named_only=True),
    "cluster": Tier(("tests/cluster/whole",), ("--exitfirst",), named_only=True),
}
# Nothing may be fetched and nothing reported while tests run.
QUIET = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "VLLM_NO_USAGE_STATS": "1",
}
FAILURES, NOTHING_COLLECTED = 1, 5
"""Exit statuses of pytest."""
FEW = 3
"""So many failures may be a busy machine's; more are a fault."""


@dataclass(frozen=True)
class Outcome:
    """How a tier went; seconds are wall-clock. `unsettled` failed, and passed when they were run again alone."""

    tier: str
    status: int
    seconds: float
    passed: int
    failed: int
    skipped: int
    unsettled: tuple[str, ...] = ()


def main() -> int:
    """Run the tiers named on the command line, else the usual ones; what follows `--` goes to pytest.

    `--quick` before the names takes the short form of those that have one. `--again` runs what failed once more, alone:
    a test that passes then fails nothing, and is named at the end.
    """
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    named, extra = sys.argv[1:cut], sys.argv[cut + 1 :]
    quick, again = "--quick" in named, "--again" in named
    usual = [name for name, tier in TIERS.items() if not tier.named_only]
    wanted = [name for name in named if name not in ("--quick", "--again")] or usual
    if unknown := set(wanted) - set(TIERS):
        print(f"test: no such tier: {', '.join(sorted(unknown))}; there are {', '.join(TIERS)}")
        return 2
    outcomes = []
    for tier in wanted:
        if folders := present(tier):
            first = run(tier, folders, told(tier, quick, extra))
            outcomes.append(run_again(first, folders, told(tier, quick, extra)) if again else first)
    report(outcomes)
    return 1 if any(outcome.status for outcome in outcomes) else 0


def present(tier: str) -> list[str]:
    """Return the folders of `tier` that exist, relative to the root."""
    found = [
        path
        for pattern in TIERS[tier].folders
        for path in sorted(ROOT.glob(pattern))
        if any(path.glob("**/test_*.py"))
    ]
    return [str(path.relative_to(ROOT)) for path in found]


def told(tier: str, quick: bool, extra: list[str]) -> list[str]:
    """Return what pytest is told beside the folders of `tier`."""
    return [*TIERS[tier].options, *(TIERS[tier].quick if quick else ()), *extra]


def run(tier: str, folders: list[str], options: list[str]) -> Outcome:
    """Run one tier and return how it went."""
    print(f"\n── {tier}: {len(folders)} folders ──", flush=True)
    results = ROOT / ".pytest_cache" / f"{tier}.xml"
    results.unlink(missing_ok=True)
    started = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--durations=5",
        f"--junitxml={results}",
        *options,
        *folders,
    ]
    status = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, env=os.environ | QUIET).returncode
    seconds = time.monotonic() - started
    if status == NOTHING_COLLECTED and options:
        status = 0
    return Outcome(tier, status, seconds, *counts(results))


def run_again(first: Outcome, folders: list[str], options: list[str]) -> Outcome:
    """Run the few tests that failed in a tier once more, and return how it went with that."""
    if first.status != FAILURES or not 0 < first.failed <= FEW:
        return first
    failed = failures(ROOT / ".pytest_cache" / f"{first.tier}.xml")
    second = run(first.tier, folders, [*options, "--last-failed", "--last-failed-no-failures=none"])
    seconds = first.seconds + second.seconds
    if second.status or second.passed < first.failed:
        return replace(first, seconds=seconds)
    return replace(
        first,
        status=0,
        seconds=seconds,
        passed=first.passed + second.passed,
        failed=0,
        unsettled=tuple(failed),
    )


def failures(results: Path) -> list[str]:
    """Return the names of the tests that failed, from a JUnit file."""
    cases = ElementTree.parse(results).iter("testcase")
    return [
        f"{case.get('classname')}.{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]


def counts(results: Path) -> tuple[int, int, int]:
    """Return (passed, failed, skipped) from a JUnit file; zeros where pytest wrote none."""
    if not results.exists():
        return 0, 0, 0
    suites = ElementTree.parse(results).iter("testsuite")
    totals = [
        [int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")] for suite in suites
    ]
    tests, failures, errors, skipped = (sum(column) for column in zip(*totals, strict=True))
    return tests - failures - errors - skipped, failures + errors, skipped


def report(outcomes: list[Outcome]) -> None:
    """Print one line a tier and the total."""
    print("\n── tests ──")
    for one in outcomes:
        verdict = "FAILED" if one.status else "ok"
        print(
            f"{one.tier:12} {verdict:7} {one.passed:5} passed {one.failed:4} failed {one.skipped:4} skipped"
            f" {one.seconds:7.1f} s"
        )
    for name in (name for one in outcomes for name in one.unsettled):
        print(f"unsettled: {name} failed, and passed when it was run again alone")
    failed = [one.tier for one in outcomes if one.status]
    print(
        f"{'all':12} {'FAILED' if failed else 'ok':7} {sum(one.passed for one in outcomes):5} passed"
        f" {sum(one.failed for one in outcomes):4} failed {sum(one.skipped for one in outcomes):4} skipped"
        f" {sum(one.seconds for one in outcomes):7.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
