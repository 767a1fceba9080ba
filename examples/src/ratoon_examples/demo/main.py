"""Run the demo from an empty machine to the report. The exit status reports the result."""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from ratoon.client import Ratoon, RatoonError
from ratoon.local.installation import Installation
from ratoon_examples.demo import report, steps
from ratoon_examples.demo.mails import read_corpus
from ratoon_examples.demo.measure import Measured
from ratoon_examples.demo.steps import Demo
from ratoon_examples.demo.tiers import NANO, Tier
from ratoon_examples.demo.traffic import Message

_DISK_BYTES = 3 << 30
_MEMORY_BYTES = 8 << 30
_QUIET_S = 4.0
_QUIET_LOG_S = 30.0


class ProgressPrinter:
    """Print progress lines with the elapsed time. The next line replaces a line that begins with a carriage return.

    After a while without a new line, the last line is repeated with the current time: after 4 s on a terminal, where it
    replaces itself, and after 30 s in a log.
    """

    def __init__(self, quiet_s: float | None = None) -> None:
        self._began = self._printed_at = time.monotonic()
        self._quiet_s = quiet_s or (_QUIET_S if sys.stderr.isatty() else _QUIET_LOG_S)
        self._open, self._last = False, ""
        self._lock, self._closed = threading.Lock(), threading.Event()
        threading.Thread(target=self._repeat, daemon=True).start()

    def __call__(self, line: str) -> None:
        """Print a line."""
        with self._lock:
            self._printed_at, self._last = time.monotonic(), line
            self._print(line)

    def close(self) -> None:
        """Stop repeating the last line."""
        self._closed.set()

    def _repeat(self) -> None:
        while not self._closed.wait(self._quiet_s / 4):
            with self._lock:
                if time.monotonic() - self._printed_at >= self._quiet_s:
                    self._printed_at = time.monotonic()
                    self._print(f"\r{self._last.lstrip(chr(13))}")

    def _print(self, line: str) -> None:
        fleeting = line.startswith("\r")
        text = f"{time.monotonic() - self._began:6.1f} s  {line.lstrip(chr(13))}"
        if not sys.stderr.isatty():
            print(text, file=sys.stderr, flush=True)
            return
        width = shutil.get_terminal_size().columns - 1
        end = "" if fleeting else "\n"
        print(
            f"{chr(13)}{text[:width]:<{width}}" if fleeting or self._open else text,
            end=end,
            file=sys.stderr,
            flush=True,
        )
        self._open = fleeting


def run_demo(
    state: Path, data: Path, project: str, port: int, share: float, stop: bool, tier: Tier = NANO
) -> int:
    """Start Ratoon, run the loop, write the report, stop Ratoon; return 0 if the demo passed."""
    say = ProgressPrinter()
    installation = Installation(state)
    measured = Measured(installation.processes)
    try:
        _check_machine(state)
        with measured.stage("start the platform"):
            installation.up(isolated=False, host="127.0.0.1", port=port, say=say)
        demo = _demo(state, data, project, share, tier, measured, say)
        failure = _loop(demo)
        complaints = [failure] if failure else report.complaints(demo)
        written = report.write(demo, state / "demo", complaints)
        print(written.read_text())
        say(f"Report: {state / 'demo' / 'report.html'} (also report.txt and report.json in that directory)")
        return 1 if complaints else 0
    finally:
        if stop:
            say("Stopping Ratoon …")
            installation.down(keep_workers=False, say=lambda _line: None)
        say.close()


def _demo(
    state: Path, data: Path, project: str, share: float, tier: Tier, measured: Measured, say: ProgressPrinter
) -> Demo:
    client = Ratoon(state=state, timeout=tier.request_timeout_s)
    corpus = read_corpus(data, share, tier.mails)
    name = project or _free_project(client)
    counts = f"{len(corpus.training)} to train on, {len(corpus.held_out)} held out"
    say(f"Project {name}: mails {counts}, {len(corpus.arriving)} to arrive later")
    return Demo(client, name, corpus, measured, say, tier, _base(data, tier))


def _loop(demo: Demo) -> str:
    """Run all steps in order; return the error message, or an empty string."""
    messages: dict[str, list[Message]] = {}

    def prepare() -> None:
        messages["kept"] = steps.messages_of(demo, "kept-mails", demo.corpus.held_out)
        messages["arriving"] = steps.messages_of(demo, "arriving-mails", demo.corpus.arriving)

    plan: Sequence[tuple[str, Callable[[], None]]] = (
        ("create the project", lambda: steps.create_project(demo)),
        ("first version: mail to served v1.0", lambda: steps.first_version(demo)),
        ("decode the mails that will arrive", prepare),
        (
            "control: the same traffic as before",
            lambda: steps.control(demo, messages["kept"], len(messages["arriving"])),
        ),
        ("traffic of a new kind, with feedback", lambda: steps.traffic(demo, messages["arriving"])),
        ("drift seen, v1.1 trained and passed", lambda: steps.second_version(demo)),
        ("switch to v1.1 with streams open", lambda: steps.switch(demo)),
        ("refuse a bad candidate", lambda: steps.refuse(demo)),
        ("roll a bad version back", lambda: steps.roll_back(demo)),
    )
    for name, step in plan:
        demo.say(f"── {name}")
        try:
            with demo.measured.stage(name):
                step()
        except RatoonError as error:
            demo.say(f"failed: {error}")
            return f"{name}: {error}"
    return ""


def _base(data: Path, tier: Tier) -> Path | None:
    """Return the directory of the base model of a tier, if it has one."""
    if tier.base is None:
        return None
    folder = data.parent / tier.base
    if not (folder / "config.json").exists():
        raise RatoonError(f"{folder} does not exist. Run `make demo TIER={tier.name}` to fetch it.")
    return folder


def _free_project(client: Ratoon) -> str:
    taken = {project.name for project in client.projects.list()}
    if "projects/mail-triage" not in taken:
        return "mail-triage"
    return f"mail-triage-{datetime.now():%m%d-%H%M%S}"


def _check_machine(state: Path) -> None:
    """Check disk space and memory before the demo starts."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    free = shutil.disk_usage(state).free
    if free < _DISK_BYTES:
        raise RatoonError(
            f"The disk of {state} has {free / 2**30:.1f} GiB free; the demo needs 3 GiB. "
            "Free disk space, or use --state."
        )
    available = _available_memory()
    if available < _MEMORY_BYTES:
        raise RatoonError(
            f"{available / 2**30:.1f} GiB of memory are available; the demo needs 8 GiB (two engines, training). "
            "Close other programs and try again."
        )


def _available_memory() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
