"""Running a demo: start Ratoon, run the steps, write the report, stop Ratoon."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ratoon.client import Ratoon, RatoonError
from ratoon.local.installation import Installation
from ratoon_examples.demo.following import Say
from ratoon_examples.demo.machine import check_machine
from ratoon_examples.demo.measure import Measured
from ratoon_examples.demo.progress import ProgressPrinter

Step = tuple[str, Callable[[], None]]


class Prepared(Protocol):
    """A demo whose platform runs."""

    def steps(self) -> Sequence[Step]:
        """Return the steps with their names, in their order."""
        ...

    def complaints(self) -> list[str]:
        """Return the failed checks after all steps; empty if the demo passed."""
        ...

    def write(self, folder: Path, complaints: Sequence[str]) -> Path:
        """Write the report; return the path of its text."""
        ...


@dataclass(frozen=True)
class Place:
    """Where a demo runs: state directory, port, and whether Ratoon stops at the end."""

    state: Path
    port: int
    stop: bool = True


def run(place: Place, prepare: Callable[[Measured, Say], Prepared]) -> int:
    """Start Ratoon, run the demo, write the report, stop Ratoon; return 0 if the demo passed."""
    say = ProgressPrinter()
    installation = Installation(place.state)
    measured = Measured(installation.processes)
    try:
        check_machine(place.state)
        with measured.stage("start the platform"):
            installation.up(isolated=False, host="127.0.0.1", port=place.port, say=say)
        demo = prepare(measured, say)
        failure = _failure_of(demo.steps(), measured, say)
        complaints = [failure] if failure else demo.complaints()
        folder = place.state / "demo"
        print(demo.write(folder, complaints).read_text())
        say(f"Report: {folder / 'report.html'} (also report.txt and report.json in that directory)")
        return 1 if complaints else 0
    finally:
        if place.stop:
            say("Stopping Ratoon …")
            installation.down(keep_workers=False, say=lambda _line: None)
        say.close()


def free_project(client: Ratoon, name: str) -> str:
    """Return the name, with the time if there is a project of this name."""
    taken = {project.name for project in client.projects.list()}
    return name if f"projects/{name}" not in taken else f"{name}-{datetime.now():%m%d-%H%M%S}"


def _failure_of(steps: Sequence[Step], measured: Measured, say: Say) -> str:
    """Run all steps in order; return the error message, or an empty string."""
    for name, step in steps:
        say(f"── {name}")
        try:
            with measured.stage(name):
                step()
        except RatoonError as error:
            say(f"failed: {error}")
            return f"{name}: {error}"
    return ""
