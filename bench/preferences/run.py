"""What each method learns of other people's preferences, and of right against wrong sums, on pairs that it never saw.

    python bench/preferences/run.py                          # sums: three seeds, minutes on one core
    python bench/preferences/run.py --set llamafactory       # SmolLM2 with LoRA on its demo sets: hours on two cores
    python bench/preferences/run.py --set llamafactory --quick

`sums`: a Llama of about 0.9 M parameters that knows 60 of the 100 sums of two digits compares right answers with wrong
ones, of 320 pairs; 80 pairs are held out. `llamafactory`: `dpo_en_demo` (300 pairs) and `kto_en_demo` (300 thumbs) of
the package of this name, cut to `--tokens`; a fifth is held out. Every seed has a division and an order of its own.

| method | what is measured on the held-out part |
|---|---|
| base | share of pairs whose chosen answer is the likelier one |
| SFT on chosen answers | the same |
| DPO | the same, and the share whose chosen answer gained more than the rejected one (by the reference) |
| reward model | share of pairs whose chosen answer has the higher reward |
| KTO | share of thumbs on the right side of the distance from the reference, and the margin between good and bad |
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ratoon.tasks.generate import Generate, Sampling
from ratoon.tasks.kind import Record, Role, Turn
from ratoon_training.domain.recipes import Method, Objective, Recipe

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from training_runs import SMALL, Runs, question, shape_of

_ROOT = Path(__file__).resolve().parents[2]
_MODEL = _ROOT / ".data/smollm2-135m-instruct"
_SETS = _ROOT / ".data/zoo/llamafactory/data"
_ROLES = {"human": Role.USER, "gpt": Role.ASSISTANT, "system": Role.SYSTEM}
Parts = tuple[str, str]
Row = dict[str, float]


@dataclass(frozen=True)
class Collection:
    """Preferences and thumbs in two parts each, the digest of the model that they train, and recipes."""

    pairs: Parts
    thumbs: Parts
    base: str
    recipe: Recipe


def main() -> int:
    """Measure all seeds, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", choices=("sums", "llamafactory"), default="sums")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=192, help="maximum tokens of a sample [%(default)s]")
    parser.add_argument(
        "--epochs", type=float, default=3.0, help="epochs on the sets of llamafactory [%(default)s]"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--quick", action="store_true", help="one seed; of llamafactory 24 pairs of 96 tokens"
    )
    options = parser.parse_args()
    rows = [_measured(seed, options) for seed in range(1 if options.quick else options.seeds)]
    print(f"\n{'':44}{'mean':>8}{'spread':>8}   seeds")
    for name in rows[0]:
        values = [row[name] for row in rows]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        listed = " ".join(f"{value:.3f}" for value in values)
        print(f"{name:44}{statistics.mean(values):8.3f}{spread:8.3f}   {listed}")
    return 0


def _measured(seed: int, options: argparse.Namespace) -> Row:
    """Train each method of one seed; what it reaches."""
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-preferences-") as name:
        runs = Runs(Path(name), options.threads)
        of_sums = options.set == "sums"
        collection = _sums(runs, seed) if of_sums else _llamafactory(runs, seed, options)
        row = _methods(runs, collection)
    print(f"seed {seed}: " + ", ".join(f"{name} {value:.3f}" for name, value in row.items()), flush=True)
    return row


def _methods(runs: Runs, collection: Collection) -> Row:
    base, recipe, pairs = collection.base, collection.recipe, collection.pairs
    dpo = replace(recipe, objective=Objective.DPO)
    aligned = runs.train("dpo", dpo, *pairs, base)["metrics"]
    judge = runs.train("reward", replace(recipe, objective=Objective.REWARD_MODEL), *pairs, base)["metrics"]
    kto = replace(recipe, objective=Objective.KTO)
    rated = runs.train("kto", kto, *collection.thumbs, base)["metrics"]
    supervised = runs.train("sft", recipe, *pairs, base)["artifact_digest"]
    short = replace(dpo, epochs=0.01, learning_rate=1e-9)
    after_sft = runs.train("after-sft", short, *pairs, supervised)["metrics"]
    return {
        "base: likelier answer": aligned["validation_reference_ranking_accuracy"],
        "SFT on chosen: likelier answer": after_sft["validation_reference_ranking_accuracy"],
        "DPO: likelier answer": aligned["validation_ranking_accuracy"],
        "DPO: answer that gained more": aligned["validation_pair_accuracy"],
        "reward model: answer of the higher reward": judge["validation_pair_accuracy"],
        "KTO: thumbs on their side": rated["validation_judgement_accuracy"],
        "KTO: margin between good and bad": rated["validation_reward_margin"],
    }


# Collections


def _sums(runs: Runs, seed: int) -> Collection:
    draws = random.Random(seed)
    drawn = [
        (f"{a}+{b}=", str(a + b), str(wrong))
        for a in range(10)
        for b in range(10)
        for wrong in draws.sample([number for number in range(19) if number != a + b], 4)
    ]
    draws.shuffle(drawn)
    recipe = Recipe(
        task=Generate(defaults=Sampling(max_tokens=4)),
        architecture=SMALL,
        seed=seed,
        learning_rate=2e-3,
        epochs=24.0,
        batch_size=16,
        max_tokens=32,
        language_model_weight=0.0,
    )
    known = runs.part([question(prompt, right) for prompt, right, _ in drawn[:60]])
    base = runs.train("base", recipe, known, known)["artifact_digest"]
    pairs = [question(prompt, right, rejected=wrong) for prompt, right, wrong in drawn]
    thumbs = [
        question(prompt, right if at % 2 else wrong, is_good=bool(at % 2))
        for at, (prompt, right, wrong) in enumerate(drawn)
    ]
    aligned = replace(recipe, method=Method.CONTINUE, learning_rate=5e-4, epochs=8.0)
    return Collection(_parts(runs, pairs, 320), _parts(runs, thumbs, 320), base, aligned)


def _llamafactory(runs: Runs, seed: int, options: argparse.Namespace) -> Collection:
    pairs = [
        Record(
            tuple(Turn(_ROLES[turn["from"]], turn["value"]) for turn in row["conversations"]),
            (row["chosen"]["value"],),
            rejected=row["rejected"]["value"],
        )
        for row in json.loads((_SETS / "dpo_en_demo.json").read_text())
    ]
    thumbs = [
        Record(
            tuple(Turn(Role(turn["role"]), turn["content"]) for turn in row["messages"][:-1]),
            (row["messages"][-1]["content"],),
            is_good=row["label"],
        )
        for row in json.loads((_SETS / "kto_en_demo.json").read_text())
    ]
    draws = random.Random(seed)
    for rows in (pairs, thumbs):
        draws.shuffle(rows)
    count, tokens, epochs = (24, 96, 1.0) if options.quick else (300, options.tokens, options.epochs)
    recipe = Recipe(
        task=Generate(),
        method=Method.LORA,
        architecture=shape_of(_MODEL),
        lora_rank=16,
        seed=seed,
        learning_rate=1e-4,
        epochs=epochs,
        batch_size=8,
        gradient_accumulation=2,
        max_tokens=tokens,
        language_model_weight=0.0,
    )
    trained = count * 4 // 5
    base = runs.store.put_tree(_MODEL)
    return Collection(
        _parts(runs, pairs[:count], trained), _parts(runs, thumbs[:count], trained), base, recipe
    )


def _parts(runs: Runs, records: Sequence[Record], trained: int) -> Parts:
    return runs.part(records[:trained]), runs.part(records[trained:])


if __name__ == "__main__":
    sys.exit(main())
