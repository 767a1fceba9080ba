"""Run the demo of the task `regress`. The exit status reports the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ratoon.client import Ratoon
from ratoon_examples.demo.following import Say
from ratoon_examples.demo.measure import Measured
from ratoon_examples.demo.running import Place, Step, free_project, run
from ratoon_examples.sentiment import report, steps
from ratoon_examples.sentiment.ratings import read_corpus
from ratoon_examples.sentiment.sizes import Size
from ratoon_examples.sentiment.steps import Demo


def run_demo(place: Place, ratings: Path, project: str, size: Size) -> int:
    """Let ten people rate words, and a model learn their mean and keep up; return 0 if the demo passed."""
    corpus = read_corpus(ratings, size.training, size.held_out, size.arriving)

    def prepare(measured: Measured, say: Say) -> "_Sentiment":
        client = Ratoon(state=place.state, timeout=size.request_timeout_s)
        name = project or free_project(client, "sentiment")
        counts = f"{len(corpus.training)} to train on, {len(corpus.held_out)} held out"
        say(f"Project {name}: words {counts}; {len(corpus.arriving)} strong complaints to arrive later")
        return _Sentiment(
            Demo(client=client, project=name, measured=measured, say=say, corpus=corpus, size=size)
        )

    return run(place, prepare)


@dataclass(frozen=True)
class _Sentiment:
    demo: Demo

    def steps(self) -> Sequence[Step]:
        demo = self.demo
        return (
            ("create the project", lambda: steps.create_project(demo)),
            ("ten people rate the words", lambda: steps.rate(demo)),
            ("first version: ratings to served v1.0", lambda: steps.first_version(demo)),
            ("control: the same traffic as before", lambda: steps.control(demo)),
            ("traffic of a new kind, with feedback", lambda: steps.traffic(demo)),
            ("drift seen, v1.1 trained, passed and switched to", lambda: steps.second_version(demo)),
        )

    def complaints(self) -> list[str]:
        return report.complaints(self.demo)

    def write(self, folder: Path, complaints: Sequence[str]) -> Path:
        return report.write(self.demo, folder, complaints)
