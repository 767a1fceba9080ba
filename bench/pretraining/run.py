"""Perplexity of held-out manuals in two languages after pre-training on two mixtures of them, by ratio of tokens.

    scripts/packages postgresql-doc-15 manpages-zh
    python bench/pretraining/run.py                  # three seeds: five minutes on one idle core
    python bench/pretraining/run.py --seeds 0 --quick

English: pages of PostgreSQL's manual. Chinese: the manual pages of manpages-zh. A new Llama of about 1.3 million
weights with a tokenizer of 4,096 tokens learns `--budget` tokens of a mixture, once: 9 to 1, or 1 to 1. The amounts are
those of `ratoon_ingestion.domain.mixtures`. A twentieth of the documents of each language is held out. Both mixtures
of a seed begin with the same weights and tokenizer, so that perplexities of a token compare; those of seeds do not
quite.

`unigram` is the perplexity by the frequencies of tokens in the even mixture: what a model knows that reads no context.
"""

import argparse
import gzip
import math
import random
import re
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import Record
from ratoon_ingestion.domain.mixtures import Cell, Component, Mixture, Strategy, amounts
from ratoon_ingestion.worker.markup import text_of
from ratoon_training.domain.recipes import Architecture, Method, Objective, Recipe
from ratoon_training.worker import models
from ratoon_training.worker.text import Speech, of_base

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from training_runs import Runs

_LANGUAGES = ("English", "Chinese")
_MIXTURES = {"9 to 1": (9.0, 1.0), "1 to 1": (1.0, 1.0)}
_BLOCK = 128
_DOCUMENTS, _HELD_OUT = 300, 15
_MAX_CHARS = 4_000
"""Characters of a document that are read."""
_SHAPE = Architecture(vocab_size=4096, hidden_size=128, layers=4, heads=4, max_positions=256)
_REQUEST = re.compile(r"^[.'].*?(?:\s+(.*))?$")
_ESCAPE = re.compile(r"\\(?:f(?:\(..|\[[^]]*\]|.)|s[-+]?\d+|[&,/|^%]|\*(?:\(..|.))")
_NAMED = {r"\-": "-", r"\(aq": "'", r"\(dq": '"', r"\e": "\\", r"\(bu": "·", r"\ ": " "}
Row = dict[str, float]


def main() -> int:
    """Measure all seeds, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--budget", type=int, default=150_000, help="tokens that a model learns [%(default)s]"
    )
    parser.add_argument(
        "--data", type=Path, default=Path("/"), help="root of the installed packages [%(default)s]"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a budget of 20,000 tokens")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    budget = 20_000 if options.quick else options.budget
    documents = (_english(options.data), _chinese(options.data))
    rows = [_measured(seed, documents, budget, options.threads) for seed in options.seeds]
    print(f"\n{'':44}{'mean':>8}{'spread':>8}   seeds")
    for name in rows[0]:
        values = [row[name] for row in rows]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        listed = " ".join(f"{value:.1f}" for value in values)
        print(f"{name:44}{statistics.mean(values):8.1f}{spread:8.1f}   {listed}")
    return 0


def _measured(seed: int, documents: Sequence[list[str]], budget: int, threads: int) -> Row:
    """Pre-train on each mixture of one seed; the perplexities."""
    draws = random.Random(seed)
    shuffled = [draws.sample(texts, len(texts)) for texts in documents]
    held_out = [texts[:_HELD_OUT] for texts in shuffled]
    learned = [texts[_HELD_OUT:] for texts in shuffled]
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-pretraining-") as name:
        runs = Runs(Path(name), threads)
        validation = runs.part([Record((), (text,)) for texts in held_out for text in texts], "v")
        recipe = Recipe(
            task=Generate(),
            objective=Objective.PRETRAIN,
            architecture=_SHAPE,
            seed=seed,
            learning_rate=3e-3,
            epochs=1.0,
            batch_size=8,
            max_tokens=_BLOCK,
            language_model_weight=0.0,
        )
        first = runs.part([Record((), (text,)) for texts in learned for text in texts[:100]])
        new = replace(recipe, epochs=1e-4, learning_rate=1e-9)
        base = str(runs.train("base", new, first, validation)["artifact_digest"])
        speech = of_base(_fetched(runs, base))
        row = Row()
        for mixture, weights in _MIXTURES.items():
            texts = _mixed(learned, weights, budget, speech)
            part = runs.part([Record((), (text,)) for text in texts])
            continued = replace(recipe, method=Method.CONTINUE)
            digest = str(runs.train(mixture, continued, part, validation, base)["artifact_digest"])
            model = _model(runs, digest)
            for language, held in zip(_LANGUAGES, held_out, strict=True):
                row[f"{language}: after {mixture}"] = _perplexity(model, speech, held)
        start = _model(runs, base)
        for language, held in zip(_LANGUAGES, held_out, strict=True):
            row[f"{language}: at random weights"] = _perplexity(start, speech, held)
            row[f"{language}: unigram"] = _unigram(speech, texts, held)
    row = dict(sorted(row.items()))
    print(f"seed {seed}: " + ", ".join(f"{name} {value:.1f}" for name, value in row.items()), flush=True)
    return row


def _mixed(
    documents: Sequence[list[str]], weights: Sequence[float], budget: int, speech: Speech
) -> list[str]:
    """Return documents of both languages by ratio of tokens; the last one of each is cut at its amount."""
    tokens = [[(text, len(speech.encode(text))) for text in texts] for texts in documents]
    components = tuple(
        Component(name, weight=weight) for name, weight in zip(_LANGUAGES, weights, strict=True)
    )
    mixture = Mixture(components, Strategy.RATIO, budget=budget)
    sizes = {Cell(place): sum(count for _, count in texts) for place, texts in enumerate(tokens)}
    planned = amounts(mixture, sizes)
    if planned.problem:
        sys.exit(planned.problem)
    chosen: list[str] = []
    for place, texts in enumerate(tokens):
        left = planned.targets[Cell(place)]
        for text, count in texts:
            if left <= 0:
                break
            chosen.append(text if count <= left else text[: int(len(text) * left / count)])
            left -= count
    return chosen


# Perplexity


@torch.no_grad()
def _perplexity(model: Any, speech: Speech, texts: Sequence[str]) -> float:
    """Return the perplexity of a token of documents that follow one another, in blocks."""
    stream = _stream(speech, texts)
    stream = stream[: len(stream) // _BLOCK * _BLOCK]
    losses = [
        F.cross_entropy(model(input_ids=block).logits[:, :-1].flatten(0, 1), block[:, 1:].flatten())
        for block in torch.tensor(stream).view(-1, _BLOCK).split(32)
    ]
    return math.exp(statistics.mean(map(float, losses)))


def _unigram(speech: Speech, learned: Sequence[str], texts: Sequence[str]) -> float:
    """Return the perplexity by frequencies of tokens, one added to each."""
    counts, stream = Counter(_stream(speech, learned)), _stream(speech, texts)
    total = counts.total() + speech.tokenizer.get_vocab_size()
    return math.exp(-statistics.mean(math.log((counts[token] + 1) / total) for token in stream))


def _stream(speech: Speech, texts: Iterable[str]) -> list[int]:
    return [token for text in texts for token in [*speech.encode(text), speech.end]]


def _fetched(runs: Runs, digest: str) -> Path:
    folder = runs.folder / f"fetched-{digest[:12]}"
    return folder if folder.exists() else runs.store.fetch_tree(digest, folder)


def _model(runs: Runs, digest: str) -> Any:
    return models.whole(_fetched(runs, digest), None).eval()


# Documents


def _english(data: Path) -> list[str]:
    pages = _paths(data / "usr/share/doc/postgresql-doc-15/html", "*.html")
    return [text_of(path.read_text(errors="replace"))[:_MAX_CHARS] for path in pages]


def _chinese(data: Path) -> list[str]:
    pages = _paths(data / "usr/share/man/zh_CN", "*/*.gz")
    return [
        _plain(gzip.decompress(path.read_bytes()).decode(errors="replace"))[:_MAX_CHARS] for path in pages
    ]


def _paths(folder: Path, pattern: str) -> list[Path]:
    """Return some of the larger files, always the same."""
    paths = [path for path in sorted(folder.glob(pattern)) if path.is_file() and not path.is_symlink()]
    paths = [path for path in paths if path.stat().st_size > 1_500]
    if len(paths) < _DOCUMENTS:
        sys.exit(f"{folder} has {len(paths)} documents: install the packages that the help names.")
    return random.Random(0).sample(paths, _DOCUMENTS)


def _plain(page: str) -> str:
    """Return the text of a manual page: arguments of requests, without comments and changes of fonts."""
    lines = [_REQUEST.sub(r"\1", line) for line in page.splitlines() if not line.startswith(('.\\"', "'\\"))]
    text = _ESCAPE.sub("", "\n".join(filter(None, lines)))
    for escape, sign in _NAMED.items():
        text = text.replace(escape, sign)
    return text


if __name__ == "__main__":
    sys.exit(main())
