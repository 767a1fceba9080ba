"""The tests, tier by tier from fast to slow: the time of each, and one verdict.

Owns which directories make a tier, which of its tests run side by side, and which tiers run only when they are named.
Knows nothing of what they test.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import xml.etree.ElementTree as ElementTree
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Tier:
    """Directories with tests, options of pytest for them, and how they run side by side.

    Each of `lanes` is a marker expression. Several lanes run side by side, each with a process for every directory; a
    lane that has ended helps the first one. A single lane is one process, whose files are shared among `workers` of
    pytest-xdist. The quick form has `quick_lanes` in their place. A tier that `joins` another one continues its last
    lane.
    """

    folders: tuple[str, ...]
    options: tuple[str, ...] = ()
    lanes: tuple[str, ...] = ("",)
    quick_lanes: tuple[str, ...] = ()
    workers: int = 1
    joins: str = ""
    named_only: bool = False


_ENGINE_OR_RAY = "engine or ray"
_LIGHT_AND_HEAVY = (f"not ({_ENGINE_OR_RAY})", _ENGINE_OR_RAY)
"""Most tests wait for other processes; of those that start engines or Ray only one runs at a time.

Each directory has a process of its own: what one leaves behind in its process is not in the way of the next.
"""
_MARK = re.compile(r"mark\.(?:engine|ray)\b")
_QUICK = ("not thorough",)
_QUICK_LIGHT_AND_HEAVY = tuple(f"({lane}) and not thorough" for lane in _LIGHT_AND_HEAVY)
_INTEGRATION = (
    "libs/*/tests/integration",
    "libs/*/tests/conformance",
    "services/*/tests/integration",
    "tests/integration",
)
TIERS = {
    "unit": Tier(("libs/*/tests/unit", "services/*/tests/unit", "tests/unit"), workers=2),
    "contract": Tier(("tests/contract",)),
    "integration": Tier(_INTEGRATION, lanes=_LIGHT_AND_HEAVY, quick_lanes=_QUICK_LIGHT_AND_HEAVY),
    "e2e": Tier(("tests/e2e",), quick_lanes=_QUICK, joins="integration"),
    "postgresql": Tier(
        _INTEGRATION,
        ("--database", "postgresql"),
        lanes=_LIGHT_AND_HEAVY,
        quick_lanes=("not (engine or ray or kafka or thorough)",),
        workers=2,
        named_only=True,
    ),
    "browser": Tier(("services/*/tests/browser",), quick_lanes=_QUICK, named_only=True),
    "outside": Tier(
        ("libs/*/tests/outside", "services/*/tests/outside", "tests/outside"),
        quick_lanes=_QUICK,
        workers=2,
        named_only=True,
    ),
    "chaos": Tier(("tests/chaos",), quick_lanes=_QUICK, named_only=True),
    "charts": Tier(("tests/charts",), quick_lanes=_QUICK, workers=2, named_only=True),
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
# Ray starts its workers at the lowest priority but four, where they get nothing beside the other lane.
SETTINGS = QUIET | {"RAY_worker_niceness": "0"}
REPORTS = ROOT / ".pytest_cache"
FLAKY = ROOT / "tests" / "flaky.toml"
OPTIONS = ("--quick", "--again", "--listed-only")
FAILURES, NOTHING_COLLECTED = 1, 5
"""Exit statuses of pytest."""
FEW = 3
"""Failures in so many files may be a loaded machine's; more are a fault."""


@dataclass(frozen=True)
class Outcome:
    """Result of one process of a tier; seconds are wall-clock.

    `unsettled` failed, and passed when they were run again alone. `crash` is the stack of a process that died.
    """

    name: str
    status: int
    seconds: float
    passed: int
    failed: int
    skipped: int
    unsettled: tuple[str, ...] = ()
    crash: str = ""


def main() -> int:
    """Run the tiers named on the command line, else the usual ones; what follows `--` goes to pytest.

    `--quick` before the names takes the short form of those that have one. `--again` repeats what failed once, alone,
    if it is little or a process died; with `--listed-only`, if `tests/flaky.toml` lists each failed test. A test that
    passes then fails nothing, and is named at the end.
    """
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    named, extra = sys.argv[1:cut], sys.argv[cut + 1 :]
    usual = [name for name, tier in TIERS.items() if not tier.named_only]
    tiers = [name for name in named if name not in OPTIONS] or usual
    if unknown := set(tiers) - set(TIERS):
        print(f"test: no such tier: {', '.join(sorted(unknown))}; there are {', '.join(TIERS)}")
        return 2
    started, outcomes = time.monotonic(), list[Outcome]()
    for stage in stages(tiers, "--quick" in named, extra):
        print(f"\n── {', '.join(stage.tiers)} ──", flush=True)
        outcomes += run(stage.lanes, repeats(named))
    report(outcomes, time.monotonic() - started)
    return 1 if any(outcome.status for outcome in outcomes) else 0


def repeats(options: list[str]) -> "Repeats":
    """Return which failures the options repeat."""
    if "--again" not in options:
        return lambda _process, _first: False
    return failed_as_listed if "--listed-only" in options else failed_little_or_died


def present(tier: str) -> list[str]:
    """Return the directories of `tier` that exist, relative to the root."""
    folders = [
        path
        for pattern in TIERS[tier].folders
        for path in sorted(ROOT.glob(pattern))
        if any(path.glob("**/test_*.py"))
    ]
    return [str(path.relative_to(ROOT)) for path in folders]


def stages(tiers: list[str], quick: bool, extra: list[str]) -> list["Stage"]:
    """Return what runs one after the other: a tier, with those that join it."""
    planned: list[Stage] = []
    for name in tiers:
        if not (folders := present(name)):
            continue
        lanes = lanes_of(name, folders, quick, extra)
        if planned and TIERS[name].joins in planned[-1].tiers:
            planned[-1].tiers.append(name)
            planned[-1].lanes[-1].extend(process for lane in lanes for process in lane)
        else:
            planned.append(Stage([name], lanes))
    return planned


def lanes_of(name: str, folders: list[str], quick: bool, extra: list[str]) -> list[list["Process"]]:
    """Return the lanes of a tier: they run side by side, the processes of a lane one after the other."""
    tier = TIERS[name]
    quick_lanes = tier.quick_lanes if quick else ()
    if extra:
        either = " or ".join(f"({lane})" for lane in quick_lanes)
        return [[Process(name, folders, [*tier.options, *marked(either), *extra])]]
    lanes = quick_lanes or tier.lanes
    if len(lanes) == 1:
        return [[Process(name, folders, [*tier.options, *marked(lanes[0])], tier.workers)]]
    return [
        [
            Process(f"{name} {number}: {folder}", [folder], [*tier.options, *marked(lane)])
            for folder in folders
            if number == 1 or has_heavy_tests(folder)
        ]
        for number, lane in enumerate(lanes, start=1)
    ]


def marked(expression: str) -> list[str]:
    """Return the options that select tests by their markers; none for all tests."""
    return ["-m", expression] if expression else []


def has_heavy_tests(folder: str) -> bool:
    """Return whether a directory has tests that start engines or Ray."""
    return any(_MARK.search(path.read_text()) for path in (ROOT / folder).rglob("*.py"))


@dataclass(frozen=True)
class Stage:
    """Tiers that run at the same time, and their lanes."""

    tiers: list[str]
    lanes: list[list["Process"]]


class Process:
    """A pytest over directories; its name is that of its files under `.pytest_cache`."""

    def __init__(self, name: str, folders: list[str], options: list[str], workers: int = 1) -> None:
        self.name, self.folders, self.options = name, folders, options
        self.shared = ["-n", str(workers), "--dist", "loadfile"] if workers > 1 else []
        files = REPORTS / re.sub(r"\W+", "-", name)
        self.results, self.crash, self.cache = files.with_suffix(".xml"), files.with_suffix(".crash"), files

    def run(self, output: TextIO | None, *more: str) -> Outcome:
        """Run it to its end; its output goes to ours, or to a file. With `more` options its tests run one by one."""
        self.results.unlink(missing_ok=True)
        self.crash.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "--durations=5", f"--junitxml={self.results}"]
        command += ["-o", f"cache_dir={self.cache}", *(more or self.shared), *self.options, *self.folders]
        env = os.environ | SETTINGS | {"RATOON_TESTS_CRASH": str(self.crash)}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # tests start hundreds of processes of the same modules
        started = time.monotonic()
        status = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env
        ).returncode
        seconds = time.monotonic() - started
        if status == NOTHING_COLLECTED and self.options:
            status = 0
        crash = self.crash.read_text() if status < 0 and self.crash.exists() else ""
        return Outcome(self.name, status, seconds, *counts(self.results), crash=crash)


Repeats = Callable[[Process, Outcome], bool]
"""Decides whether the failures of a process are repeated."""


def run(lanes: list[list[Process]], repeats: Repeats) -> list[Outcome]:
    """Run the lanes of a stage side by side: the first prints as it goes, the others when all have ended.

    A lane that has ended takes what the first one has left, from its end, so that no processor waits for the other.
    """
    REPORTS.mkdir(exist_ok=True)
    left = [deque(lane) for lane in lanes]
    with contextlib.ExitStack() as files:
        paths = [REPORTS / f"lane-{number}.log" for number in range(1, len(lanes))]
        outputs = [None, *(files.enter_context(path.open("w")) for path in paths)]
        with ThreadPoolExecutor(len(lanes)) as pool:
            taken = [in_turn(own, left[0]) for own in left]
            outcomes = list(pool.map(run_lane, taken, outputs, [repeats] * len(lanes)))
    for path in paths:
        print(path.read_text(), flush=True)
    return [outcome for lane in outcomes for outcome in lane]


def in_turn(own: "deque[Process]", first: "deque[Process]") -> Iterator[Process]:
    """Yield the processes of a lane from its beginning, then those of the first lane from its end."""
    with contextlib.suppress(IndexError):
        while True:
            yield own.popleft()
    with contextlib.suppress(IndexError):
        while True:
            yield first.pop()


def run_lane(processes: Iterable[Process], output: TextIO | None, repeats: Repeats) -> list[Outcome]:
    """Run processes one after the other."""
    outcomes = []
    for process in processes:
        first = process.run(output)
        outcomes.append(run_again(process, output, first) if repeats(process, first) else first)
    return outcomes


def failed_little_or_died(process: Process, first: Outcome) -> bool:
    """Return whether a process died, or a few of its tests failed."""
    return first.status < 0 or (first.status == FAILURES and 0 < len(failing_files(process.results)) <= FEW)


def failed_as_listed(process: Process, first: Outcome) -> bool:
    """Return whether tests failed, each of them a listed one; a process that died never did so."""
    failed = failures(process.results) if first.status == FAILURES else []
    known = listed()
    return bool(failed) and all(name.partition("[")[0] in known for name in failed)


def listed() -> set[str]:
    """Return the names of the tests in the list of flaky ones, as JUnit files have them."""
    ids = [entry["id"] for entry in tomllib.loads(FLAKY.read_text()).get("test", [])]
    return {test.replace(".py::", ".", 1).replace("::", ".").replace("/", ".") for test in ids}


def run_again(process: Process, output: TextIO | None, first: Outcome) -> Outcome:
    """Run the tests that failed once more, or all of a process that died, and return the outcome with that."""
    died = first.status < 0
    names = [f"{first.name} ({signal.Signals(-first.status).name})"] if died else failures(process.results)
    options = () if died else ("--last-failed", "--last-failed-no-failures=none")
    second = process.run(output, *options)
    seconds = first.seconds + second.seconds
    if second.status or second.passed < first.failed:
        return replace(first, seconds=seconds)
    passed = first.passed + second.passed
    return replace(first, status=0, seconds=seconds, passed=passed, failed=0, unsettled=tuple(names))


def failures(results: Path) -> list[str]:
    """Return the names of the tests that failed, from a JUnit file."""
    cases = ElementTree.parse(results).iter("testcase")
    return [f"{case.get('classname')}.{case.get('name')}" for case in cases if is_failed(case)]


def failing_files(results: Path) -> set[str]:
    """Return the files of the tests that failed: all tests of a file may fail by one fixture."""
    cases = ElementTree.parse(results).iter("testcase")
    return {str(case.get("classname")) for case in cases if is_failed(case)}


def is_failed(case: ElementTree.Element) -> bool:
    """Return whether a test of a JUnit file failed, or its fixtures did."""
    return case.find("failure") is not None or case.find("error") is not None


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


def report(outcomes: list[Outcome], seconds: float) -> None:
    """Print one line a process and the total, which took `seconds`."""
    print("\n── tests ──")
    for one in outcomes:
        verdict = "FAILED" if one.status else "ok"
        print(
            f"{one.name:56} {verdict:7} {one.passed:5} passed {one.failed:4} failed {one.skipped:4} skipped"
            f" {one.seconds:7.1f} s"
        )
    for name in (name for one in outcomes for name in one.unsettled):
        print(f"unsettled: {name} failed, and passed when it was run again alone")
    for one in outcomes:
        if one.crash:
            print(f"{one.name} died:\n{one.crash.partition('Extension modules')[0]}")
    failed = [one.name for one in outcomes if one.status]
    print(
        f"{'all':56} {'FAILED' if failed else 'ok':7} {sum(one.passed for one in outcomes):5} passed"
        f" {sum(one.failed for one in outcomes):4} failed {sum(one.skipped for one in outcomes):4} skipped"
        f" {seconds:7.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
