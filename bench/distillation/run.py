"""A student of half of the layers beside its teacher, on mail triage: what DistilBERT claims, measured here.

    python bench/distillation/run.py                       # a small teacher, three seeds: five minutes on one core
    python bench/distillation/run.py --teacher smollm2     # hours on one core
    python bench/distillation/run.py --quick               # 64 mails: that it runs, not what it reaches

`small`: the teacher is a new Llama of 1.7 million weights and 6 layers. `smollm2`: it is SmolLM2-135M-Instruct with a
LoRA adapter. Both are fine-tuned on mails of SpamAssassin (ham or spam, half of each). Two students begin with every
other layer of the (merged) teacher: one learns the right answers alone (SFT), one in addition the teacher's
probabilities (distillation of logits), with the same mails, rate and epochs. `--mails` are trained on, 32 choose the
epoch, `--held-out` are answered at the end; equal mails are taken once. Each seed has a division, an order and a
teacher of its own.

Answers are written greedily and read as the task `classify` reads them: what names no label is wrong. Their speed is
processor time, one answer at a time on one thread, of teacher and student in turn; the adapter is merged.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from sklearn.metrics import f1_score

from ratoon.storage.models import fetch_model
from ratoon.tasks.classify import Classify, parse
from ratoon.tasks.generate import Generate, Sampling
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import messages
from ratoon_training.domain.distillation import Distillation
from ratoon_training.domain.recipes import Architecture, Method, Objective, Recipe
from ratoon_training.worker import models
from ratoon_training.worker.generation import Decoding, answers
from ratoon_training.worker.text import Speech, of_base

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from quality.collections_of_texts import mails
from training_runs import Runs, shape_of

_MODEL = Path(__file__).resolve().parents[2] / ".data/smollm2-135m-instruct"
_LABELS = ("ham", "spam")
_TASK = Classify(_LABELS)
_QUESTION = "Is the mail ham or spam?"
_VALIDATION = 32
_TIMED = 24
_MAX_ANSWER = 8
_ANSWERS = Generate(defaults=Sampling(max_tokens=_MAX_ANSWER))
Row = dict[str, float]


@dataclass(frozen=True)
class Parts:
    """Digests of the parts to train on and to choose the epoch by, and the mails that are answered at the end."""

    train: str
    validation: str
    held_out: list[Record]


@dataclass(frozen=True)
class Answering:
    """A model that answers mails."""

    model: Any
    speech: Speech

    def answer(self, records: Sequence[Record]) -> list[str | None]:
        """Return the label of each answer; None where it names none."""
        prompts = [
            self.speech.encode(self.speech.rendered(turns, [], add_generation_prompt=True))
            for turns in (messages(record.turns) for record in records)
        ]
        ends = Decoding(frozenset({self.speech.end}), _MAX_ANSWER, 0.0)
        written = answers(self.model, prompts, ends, seed=0)
        texts = [self.speech.tokenizer.decode(each.ids, skip_special_tokens=True) for each in written]
        return [parse(_TASK, text) for text in texts]


def main() -> int:
    """Measure all seeds, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--teacher", choices=("small", "smollm2"), default="small")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--mails", type=int, default=720, help="mails to train on [%(default)s]")
    parser.add_argument("--held-out", type=int, default=200, help="mails to answer [%(default)s]")
    parser.add_argument("--characters", type=int, default=200, help="of a mail that are read [%(default)s]")
    parser.add_argument("--tokens", type=int, default=96, help="maximum of a sample [%(default)s]")
    parser.add_argument("--epochs", type=float, default=3.0, help="of the students [%(default)s]")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="one seed of 64 mails")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.mails, options.held_out = [0], 64, 16
    rows = [_measured(seed, options) for seed in options.seeds]
    print(f"\n{'':44}{'mean':>8}{'spread':>8}   seeds")
    for name in rows[0]:
        values = [row[name] for row in rows]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        listed = " ".join(f"{value:.3f}" for value in values)
        print(f"{name:44}{statistics.mean(values):8.3f}{spread:8.3f}   {listed}")
    return 0


def _measured(seed: int, options: argparse.Namespace) -> Row:
    """Train teacher and students of one seed; what they reach."""
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-distillation-") as name:
        runs = Runs(Path(name), options.threads)
        parts = _parts(runs, seed, options)
        is_small = options.teacher == "small"
        recipe = _small(seed, options) if is_small else _adapter(seed, options)
        base = "" if is_small else runs.store.put_tree(_MODEL)
        teacher = _trained(runs, "teacher", recipe, parts, base)
        layers = recipe.architecture.layers // 2
        supervised = replace(
            recipe,
            method=Method.CONTINUE,
            base_layers=layers,
            architecture=replace(recipe.architecture, layers=layers),
            learning_rate=1e-3 if is_small else 1e-4,
            language_model_weight=0.0,
            epochs=options.epochs,
        )
        distilled = replace(supervised, objective=Objective.DISTILLATION, distillation=Distillation(teacher))
        digests = {
            "teacher": teacher,
            "SFT alone": _trained(runs, "sft", supervised, parts, teacher),
            "distilled": _trained(runs, "distilled", distilled, parts, teacher),
        }
        row = _compared(runs, digests, parts.held_out)
    print(f"seed {seed}: " + ", ".join(f"{name} {value:.3f}" for name, value in row.items()), flush=True)
    return row


def _small(seed: int, options: argparse.Namespace) -> Recipe:
    """Return the recipe of a teacher from scratch."""
    return Recipe(
        task=_ANSWERS,
        architecture=Architecture(vocab_size=4096, hidden_size=128, layers=6, heads=4, max_positions=256),
        seed=seed,
        learning_rate=3e-3,
        epochs=6.0,
        batch_size=16,
        max_tokens=options.tokens,
        language_model_weight=0.5,
    )


def _adapter(seed: int, options: argparse.Namespace) -> Recipe:
    """Return the recipe of a teacher with an adapter."""
    return Recipe(
        task=_ANSWERS,
        method=Method.LORA,
        architecture=shape_of(_MODEL),
        lora_rank=16,
        seed=seed,
        learning_rate=3e-4,
        epochs=2.0,
        batch_size=8,
        max_tokens=options.tokens,
        language_model_weight=0.0,
    )


def _trained(runs: Runs, name: str, recipe: Recipe, parts: Parts, base: str) -> str:
    """Train; the digest of the artifact."""
    begun = time.process_time()
    result = runs.train(name, recipe, parts.train, parts.validation, base)
    spent = time.process_time() - begun
    print(f"{name}: {spent:.0f} s of processor time, {result['metrics']}", flush=True)
    return str(result["artifact_digest"])


def _compared(runs: Runs, digests: dict[str, str], held_out: Sequence[Record]) -> Row:
    """Return quality, size and speed of the models."""
    right = [record.answers[0] for record in held_out]
    row, answering = Row(), dict[str, Answering]()
    for name, digest in digests.items():
        answering[name] = each = _answering(runs, name, digest)
        written = [
            label for at in range(0, len(held_out), 16) for label in each.answer(held_out[at : at + 16])
        ]
        row[f"{name}: accuracy"] = statistics.mean(a == b for a, b in zip(right, written, strict=True))
        labels = [label or "" for label in written]
        row[f"{name}: macro-F1"] = float(
            f1_score(right, labels, labels=list(_LABELS), average="macro", zero_division=0)
        )
        row[f"{name}: million weights"] = sum(p.numel() for p in each.model.parameters()) / 1e6
    teacher, student = answering["teacher"], answering["distilled"]
    for name in ("SFT alone", "distilled"):
        row[f"{name}: macro-F1 of the teacher's"] = row[f"{name}: macro-F1"] / row["teacher: macro-F1"]
    row["distilled: weights of the teacher's"] = (
        row["distilled: million weights"] / row["teacher: million weights"]
    )
    return row | _rates(teacher, student, held_out)


def _answering(runs: Runs, name: str, digest: str) -> Answering:
    fetched = fetch_model(runs.store, digest, runs.folder / f"fetched-{name}")
    model = models.whole(fetched.path, fetched.base and fetched.whole)
    return Answering(model.eval().requires_grad_(False), of_base(fetched.path))


def _rates(teacher: Answering, student: Answering, records: Sequence[Record]) -> Row:
    """Return answers a second of processor time of both, one at a time and in turn."""
    spent: dict[str, list[float]] = {"teacher": [], "distilled": []}
    for record in records[:_TIMED]:
        for name, each in (("teacher", teacher), ("distilled", student)):
            begun = time.process_time()
            each.answer([record])
            spent[name].append(time.process_time() - begun)
    rates = {f"{name}: answers a second": 1 / statistics.median(each) for name, each in spent.items()}
    ratio = statistics.median(a / b for a, b in zip(*spent.values(), strict=True))
    return {**rates, "distilled: answers for one of the teacher's": ratio}


# Mails


def _parts(runs: Runs, seed: int, options: argparse.Namespace) -> Parts:
    rows = list(dict.fromkeys(mails()))
    random.Random(seed).shuffle(rows)
    of_labels = [
        [_record(text[: options.characters], own) for text, own in rows if own == label] for label in _LABELS
    ]
    drawn = [record for pair in zip(*of_labels, strict=False) for record in pair]
    first, second = options.mails, options.mails + _VALIDATION
    held_out = drawn[second : second + options.held_out]
    if len(held_out) < options.held_out:
        sys.exit(f"There are {len(drawn):,} mails of both labels: lower --mails or --held-out.")
    return Parts(runs.part(drawn[:first]), runs.part(drawn[first:second]), held_out)


def _record(text: str, label: str) -> Record:
    """Return the question about a mail, and what it is."""
    return Record((Turn(Role.SYSTEM, _QUESTION), Turn(Role.USER, " ".join(text.split()) or "-")), (label,))


if __name__ == "__main__":
    sys.exit(main())
