"""Run the demo from an empty machine to the report. The exit status reports the result."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ratoon.client import Ratoon, RatoonError
from ratoon_examples.demo import report, steps
from ratoon_examples.demo.following import Say
from ratoon_examples.demo.mails import read_corpus
from ratoon_examples.demo.measure import Measured
from ratoon_examples.demo.running import Place, Step, free_project, run
from ratoon_examples.demo.steps import Demo
from ratoon_examples.demo.tiers import NANO, Tier
from ratoon_examples.demo.traffic import Message


def run_demo(place: Place, data: Path, project: str, share: float, tier: Tier = NANO) -> int:
    """Run the loop on mail with the task `classify`; return 0 if the demo passed."""
    return run(
        place,
        lambda measured, say: _MailTriage(_demo(place.state, data, project, share, tier, measured, say)),
    )


@dataclass
class _MailTriage:
    demo: Demo
    messages: dict[str, list[Message]] = field(default_factory=dict)

    def steps(self) -> Sequence[Step]:
        demo, messages = self.demo, self.messages
        return (
            ("create the project", lambda: steps.create_project(demo)),
            ("first version: mail to served v1.0", lambda: steps.first_version(demo)),
            ("decode the mails that will arrive", self._prepare),
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

    def complaints(self) -> list[str]:
        return report.complaints(self.demo)

    def write(self, folder: Path, complaints: Sequence[str]) -> Path:
        return report.write(self.demo, folder, complaints)

    def _prepare(self) -> None:
        corpus = self.demo.corpus
        self.messages["kept"] = steps.messages_of(self.demo, "kept-mails", corpus.held_out)
        self.messages["arriving"] = steps.messages_of(self.demo, "arriving-mails", corpus.arriving)


def _demo(
    state: Path, data: Path, project: str, share: float, tier: Tier, measured: Measured, say: Say
) -> Demo:
    client = Ratoon(state=state, timeout=tier.request_timeout_s)
    corpus = read_corpus(data, share, tier.mails)
    name = project or free_project(client, "mail-triage")
    counts = f"{len(corpus.training)} to train on, {len(corpus.held_out)} held out"
    say(f"Project {name}: mails {counts}, {len(corpus.arriving)} to arrive later")
    return Demo(
        client=client,
        project=name,
        measured=measured,
        say=say,
        corpus=corpus,
        tier=tier,
        base=_base(data, tier),
    )


def _base(data: Path, tier: Tier) -> Path | None:
    """Return the directory of the base model of a tier, if it has one."""
    if tier.base is None:
        return None
    folder = data.parent / tier.base
    if not (folder / "config.json").exists():
        raise RatoonError(f"{folder} does not exist. Run `make demo TIER={tier.name}` to fetch it.")
    return folder
