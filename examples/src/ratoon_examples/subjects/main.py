"""Run the demo of the task `generate`. The exit status reports the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ratoon.client import Ratoon, RatoonError
from ratoon_examples.demo.following import Say
from ratoon_examples.demo.measure import Measured
from ratoon_examples.demo.running import Place, Step, free_project, run
from ratoon_examples.subjects import report, steps
from ratoon_examples.subjects.mails import read_corpus
from ratoon_examples.subjects.sizes import Size
from ratoon_examples.subjects.steps import Demo


def run_demo(place: Place, data: Path, base: Path, project: str, size: Size) -> int:
    """Let a chat model learn to write subject lines, and keep up with new mail; return 0 if the demo passed."""
    if not (base / "config.json").exists():
        raise RatoonError(f"{base} does not exist. Run `make demo TASK=generate` to fetch it.")

    def prepare(measured: Measured, say: Say) -> "_Subjects":
        client = Ratoon(state=place.state, timeout=size.request_timeout_s)
        corpus = read_corpus(data, size.training, size.held_out, size.arriving)
        name = project or free_project(client, "subject-lines")
        counts = f"{len(corpus.training)} to train on, {len(corpus.held_out)} held out"
        say(f"Project {name}: mails {counts}, {len(corpus.arriving)} to arrive later")
        return _Subjects(
            Demo(client=client, project=name, measured=measured, say=say, corpus=corpus, base=base, size=size)
        )

    return run(place, prepare)


@dataclass(frozen=True)
class _Subjects:
    demo: Demo

    def steps(self) -> Sequence[Step]:
        demo = self.demo
        return (
            ("create the project", lambda: steps.create_project(demo)),
            ("first version: mail to served v1.0", lambda: steps.first_version(demo)),
            ("control: the same traffic as before", lambda: steps.control(demo)),
            ("traffic of a new kind, with feedback", lambda: steps.traffic(demo)),
            ("drift seen, v1.1 trained and passed", lambda: steps.second_version(demo)),
            ("switch to v1.1 with streams open", lambda: steps.switch(demo)),
            ("refuse a bad candidate", lambda: steps.refuse(demo)),
        )

    def complaints(self) -> list[str]:
        return report.complaints(self.demo)

    def write(self, folder: Path, complaints: Sequence[str]) -> Path:
        return report.write(self.demo, folder, complaints)
