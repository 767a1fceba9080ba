"""Run the demo from an empty machine to the report. The exit status reports the result."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from ratoon.client import Ratoon, RatoonError
from ratoon.local.installation import Installation
from ratoon_examples.demo import report, steps
from ratoon_examples.demo.machine import check_machine
from ratoon_examples.demo.mails import read_corpus
from ratoon_examples.demo.measure import Measured
from ratoon_examples.demo.progress import ProgressPrinter
from ratoon_examples.demo.steps import Demo
from ratoon_examples.demo.tiers import NANO, Tier
from ratoon_examples.demo.traffic import Message


def run_demo(
    state: Path, data: Path, project: str, port: int, share: float, stop: bool, tier: Tier = NANO
) -> int:
    """Start Ratoon, run the loop, write the report, stop Ratoon; return 0 if the demo passed."""
    say = ProgressPrinter()
    installation = Installation(state)
    measured = Measured(installation.processes)
    try:
        check_machine(state)
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
