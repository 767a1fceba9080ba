"""GRPO on sums: exact match of a small model after its supervised training, and after it learned from rewards.

    python bench/rewards/run.py                  # seeds 0, 1 and 2
    python bench/rewards/run.py --seeds 1

A Llama of about 0.9 M parameters from scratch learns the 100 sums of two digits by SFT, for 24 epochs. Then it answers
the same prompts, 16 a step, 16 answers each, and is rewarded for exact matches; it sees no right answer any more. Both
are measured by answers drawn at temperature 1, four to each of the 100 prompts. The gain says that the model
learns from rewards, not that it adds numbers that it never saw. Goal: at least 10 points more. It also reports the
share of time in which the model writes answers.

    python bench/rewards/run.py --held-out 0.3   # the same, measured on prompts that no training part has

With `--held-out`, the sums are the 1,000 of a number below 100 and a digit, the model reads characters, and that share
of the sums is in no training part of SFT or GRPO: a gain there is one on prompts that no reward was given for.
"""

import argparse
import random
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from ratoon.tasks.generate import Generate, Sampling
from ratoon_training.domain.recipes import Method, Objective, Recipe
from ratoon_training.domain.rewards import Grpo

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from training_runs import SMALL, Runs, question

_TASK = Generate(defaults=Sampling(max_tokens=4))
_GOAL = 0.1
_CHARACTERS = 264
"""Size of a vocabulary of single bytes and the marks of chats."""


def main() -> int:
    """Measure all seeds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--sft-epochs", type=float, default=24.0)
    parser.add_argument("--held-out", type=float, default=0.0, help="share of prompts that are only measured")
    parser.add_argument("--epochs", type=float, default=15.0, help="passes of GRPO over the prompts")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    gains = [_measure(seed, options) for seed in range(options.first, options.first + options.seeds)]
    spread = statistics.stdev(gains) if len(gains) > 1 else 0.0
    print(f"gain {statistics.mean(gains):+.3f} (standard deviation {spread:.3f}), goal {_GOAL:+.2f}")
    return 0 if min(gains) >= _GOAL else 1


def _measure(seed: int, options: argparse.Namespace) -> float:
    """Train one seed; the gain of exact match."""
    highest = 100 if options.held_out else 10
    sums = [(f"{a}+{b}=", str(a + b)) for a in range(highest) for b in range(10)]
    random.Random(seed).shuffle(sums)
    known = sums[round(options.held_out * len(sums)) :]
    measured = sums[: len(sums) - len(known)] or known
    with tempfile.TemporaryDirectory() as name:
        runs = Runs(Path(name), options.threads)
        part, held_out = (
            runs.part([question(*each) for each in each_part]) for each_part in (known, measured)
        )
        sft = Recipe(
            task=_TASK,
            architecture=replace(SMALL, vocab_size=_CHARACTERS) if options.held_out else SMALL,
            seed=seed,
            learning_rate=2e-3,
            epochs=options.sft_epochs,
            batch_size=16,
            max_tokens=32,
            language_model_weight=0.0,
            patience=0,
        )
        base = runs.train("sft", sft, part, held_out)
        learned = replace(
            sft,
            method=Method.CONTINUE,
            objective=Objective.GRPO,
            learning_rate=3e-4,
            epochs=options.epochs,
            batch_size=16,
            grpo=Grpo(max_new_tokens=4, group_size=16),
        )
        metrics = runs.train("grpo", learned, part, held_out, base["artifact_digest"])["metrics"]
    before, after = (metrics[f"validation_{each}exact_match"] for each in ("reference_", ""))
    seconds = metrics["training_seconds"]
    writing = metrics["writing_seconds"] / seconds
    print(
        f"seed {seed}: exact match {before:.3f} -> {after:.3f}, {metrics['steps']:.0f} steps in {seconds:.0f} s, "
        f"{writing:.0%} of the time writing, {metrics['validation_unscored']:.0%} without a reward",
        flush=True,
    )
    return float(after - before)


if __name__ == "__main__":
    sys.exit(main())
