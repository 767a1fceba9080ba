"""Models that learn from preferences and judged answers: DPO, IPO and KTO on sums that are right or wrong.

TRL is no dependency: losses and gradients are held against the formulas of the papers, in float64 and with the own
forward pass of the model. Of IPO, log-ratios are means over the tokens of an answer, as TRL has them.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoTokenizer

from ratoon.operations.jobs import JobFolder
from ratoon.tasks.generate import Generate, Sampling
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import messages, prompt_text, to_json
from ratoon_training.domain.errors import DataEmpty, SampleTooLong
from ratoon_training.domain.recipes import Method, Objective, PreferenceLoss, Recipe, Truncation
from ratoon_training.worker import decoders, models, text
from ratoon_training.worker.comparisons import ComparisonCounts, save_comparisons
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.session import Data
from ratoon_training.worker.sessions import ComparisonSession, session_of

from .architectures import tiny
from .conftest import TINY, Row, Task, train, train_once
from .templates import ENDS, TEMPLATES, write_tokenizer

TASK = Generate(defaults=Sampling(max_tokens=6))
SFT = Recipe(
    task=TASK,
    architecture=replace(TINY, hidden_size=64, layers=2, heads=2),
    batch_size=16,
    epochs=30.0,
    learning_rate=3e-3,
    max_tokens=64,
    language_model_weight=0.0,
)
DPO = replace(SFT, method=Method.CONTINUE, objective=Objective.DPO, learning_rate=5e-4, epochs=8.0)
KTO = replace(DPO, objective=Objective.KTO, epochs=4.0)

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in (1, 2))]
Sum = tuple[str, str, str]


def sums() -> list[Sum]:
    """Return a question, its right answer and a wrong one, for each sum of two digits, four times."""
    rng = random.Random(1)
    drawn = []
    for a in range(10):
        for b in range(10):
            for wrong in rng.sample([n for n in range(19) if n != a + b], 4):
                drawn.append((f"{a}+{b}=", str(a + b), str(wrong)))
    rng.shuffle(drawn)
    return drawn


def row(number: int, question: str, *answers: str, **fields: Any) -> Row:
    """Return a record as ingestion writes it."""
    record = Record((Turn(Role.USER, question),), answers, **fields)
    return (f"{number:04d}", prompt_text(record.turns), answers[0], to_json(record))


def preferences(drawn: Sequence[Sum]) -> list[Row]:
    """Return the right answer of each sum rather than the wrong one."""
    return [row(at, question, right, rejected=wrong) for at, (question, right, wrong) in enumerate(drawn)]


def thumbs_up_and_down(drawn: Sequence[Sum]) -> list[Row]:
    """Return thumbs: each sum is answered right or wrong."""
    return [
        row(at, question, right if at % 2 else wrong, is_good=bool(at % 2))
        for at, (question, right, wrong) in enumerate(drawn)
    ]


class Sums:
    """Pairs of right and wrong answers in two parts, and a model that knows half of the sums."""

    def __init__(self, task: Task) -> None:
        self.task, drawn = task, sums()
        compared, held_out = drawn[:320], drawn[320:]
        known = [row(at, question, right) for at, (question, right, _) in enumerate(drawn[:60])]
        self.pairs = {
            "train": task.part("sums-pairs", preferences(compared)),
            "validation": task.part("sums-pairs-held-out", preferences(held_out)),
        }
        self.thumbs = {
            "train": task.part("sums-thumbs", thumbs_up_and_down(compared)),
            "validation": task.part("sums-thumbs-held-out", thumbs_up_and_down(held_out)),
        }
        answered = task.part("sums", known)
        outcome = train_once(task, "sums-base", SFT, train=answered, validation=answered)
        self.base: str = outcome["result"]["artifact_digest"]

    def run(self, name: str, recipe: Recipe, **parts: Any) -> dict[str, Any]:
        """Train the model; the outcome."""
        return train(self.task, name, recipe, base=self.base, **parts)


@pytest.fixture(scope="module")
def learner(task: Task) -> Sums:
    return Sums(task)


@pytest.mark.parametrize("seed", SEEDS)
def test_dpo_lifts_the_accuracy_on_held_out_pairs(learner, seed):
    metrics = learner.run(f"dpo-{seed}", replace(DPO, seed=seed), **learner.pairs)["result"]["metrics"]
    before, after = (
        metrics[f"validation_{name}"] for name in ("reference_ranking_accuracy", "ranking_accuracy")
    )
    assert before < 0.9
    assert after >= before + 0.04
    assert metrics["validation_pair_accuracy"] >= 0.8
    assert metrics["validation_reward_margin"] > 0.3
    assert (metrics["units"], metrics["records"]) == (320, 320)


@pytest.mark.parametrize("seed", SEEDS)
def test_kto_separates_good_answers_from_bad_ones(learner, seed):
    metrics = learner.run(f"kto-{seed}", replace(KTO, seed=seed), **learner.thumbs)["result"]["metrics"]
    assert metrics["validation_loss"] < 0.49, "before the first step, it is 0.5"
    assert metrics["validation_reward_margin"] > 0.1


VARIANTS = {
    "dpo": replace(DPO, epochs=3.0, batch_size=4, gradient_accumulation=2),
    "ipo adapter": replace(
        DPO,
        method=Method.LORA,
        lora_rank=2,
        epochs=3.0,
        batch_size=4,
        preference_loss=PreferenceLoss.IPO,
        packed=True,
    ),
    "kto": replace(KTO, epochs=3.0, batch_size=4),
}
"""15 steps of 20 units; an epoch ends after step 5."""


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_resumes_to_the_same_bits(learner, monkeypatch, variant):
    """It is stopped before the first step, between two epochs and within one."""
    recipe, rows = (
        VARIANTS[variant],
        thumbs_up_and_down if VARIANTS[variant].objective is Objective.KTO else preferences,
    )
    part = learner.task.part(f"twenty-{variant}", rows(sums()[:20]))
    parts = {"train": part, "validation": part}

    def run(name: str, work: str, stop_after: int, fence: int) -> dict[str, Any]:
        polls = iter(range(1, 1000))
        monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) > stop_after)
        return learner.run(name, recipe, work=work, fence=fence, **parts)

    whole = run(f"whole-{variant}", f"whole-{variant}", 1000, 1)["result"]
    work = f"resumed-{variant}"
    for fence, steps in enumerate((0, 5, 2), start=1):
        assert run(f"{work}-{fence}", work, steps, fence)["reason"] == "STOPPED"
    assert run(f"{work}-end", work, 1000, 4)["result"]["artifact_digest"] == whole["artifact_digest"]


def test_a_run_publishes_its_curves_with_margin_and_accuracy(learner):
    result = learner.run("curves", replace(DPO, epochs=1.0), **learner.pairs)["result"]
    folder = learner.task.fetch(result["artifact_digest"], "dpo")
    curves = json.loads((folder / "training.json").read_text())["curves"]
    assert curves["steps"]["columns"][-2:] == ["reward_margin", "pair_accuracy"]
    assert "pair_accuracy" in curves["epochs"]["columns"]
    recipe = Recipe.parse(
        {
            key: value
            for key, value in json.loads((folder / "recipe.json").read_text()).items()
            if key in vars(DPO)
        }
    )
    assert (recipe.objective, recipe.beta) == (Objective.DPO, 0.1)


# The formulas


def corpus(learner: Sums, folder: Path, recipe: Recipe, rows: Sequence[Record]) -> Corpus:
    """Return records as a part."""
    base = learner.task.fetch(learner.base, "sums-base")
    path = folder / "part.npz"
    named = [(f"{at:03d}", record) for at, record in enumerate(rows)]
    save_comparisons(path, text.of_base(base), recipe, named, "training")
    return Corpus(path)


def record(prompt: str, answer: str, **fields: Any) -> Record:
    return Record((Turn(Role.USER, prompt),), (answer,), **fields)


PAIRS = [
    record("1+1=", "2", rejected="3 or so"),
    record("Say a longer sentence.", "This one is longer.", rejected="No", weight=2.0),
    record("7+8=", "15", rejected="16"),
]
RATED = [
    record("1+1=", "2", is_good=True),
    record("7+8=", "It is 16", is_good=False),
    record("Say something.", "No", is_good=False, weight=2.0),
]


def log_probabilities(model: Any, part: Corpus) -> Tensor:
    """Return the log-probability of each answer and its number of tokens, one sample after another in float64."""
    values = []
    for at in range(len(part)):
        batch = part.batch([at])
        logits = model(input_ids=batch.ids).logits[:, :-1].log_softmax(-1)
        each = logits.gather(2, batch.ids[:, 1:].unsqueeze(2)).squeeze(2)
        values.append(torch.stack([each[batch.answer].sum(), batch.answer.sum().double()]))
    return torch.stack(values)


def dpo(model: Any, part: Corpus, reference: Tensor, recipe: Recipe) -> Tensor:
    now, weights = log_probabilities(model, part), part.weights[::2].double()
    ratios = now[:, 0] - reference[:, 0]
    if recipe.preference_loss is PreferenceLoss.IPO:
        ratios = ratios / now[:, 1]
        losses = (ratios[::2] - ratios[1::2] - 1 / (2 * recipe.beta)).square()
    else:
        share, chosen = recipe.label_smoothing, torch.sigmoid(recipe.beta * (ratios[::2] - ratios[1::2]))
        losses = -(1 - share) * chosen.log() - share * (1 - chosen).log()
    return (weights * losses).sum() / weights.sum()


def kto(model: Any, part: Corpus, reference: Tensor, recipe: Recipe) -> Tensor:
    ratios, weights = log_probabilities(model, part)[:, 0] - reference[:, 0], part.weights[::2].double()
    divergence = ratios[1::2].mean().clamp(min=0).detach()
    values = [
        recipe.good_weight * (1 - torch.sigmoid(recipe.beta * (ratio - divergence)))
        if good
        else recipe.bad_weight * (1 - torch.sigmoid(recipe.beta * (divergence - ratio)))
        for ratio, good in zip(ratios[::2], part.labels[::2], strict=True)
    ]
    return (weights * torch.stack(values)).sum() / weights.sum()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("parts", [1, pytest.param(2, marks=pytest.mark.thorough), 3])
@pytest.mark.parametrize(
    ("formula", "records", "changes"),
    [
        (dpo, PAIRS, {"objective": Objective.DPO, "beta": 0.3}),
        (dpo, PAIRS, {"objective": Objective.DPO, "beta": 0.3, "label_smoothing": 0.2}),
        (dpo, PAIRS, {"objective": Objective.DPO, "preference_loss": PreferenceLoss.IPO}),
        (kto, RATED, {"objective": Objective.KTO, "beta": 0.3, "bad_weight": 1.5}),
        (kto, RATED[1:], {"objective": Objective.KTO, "beta": 0.3}),
    ],
)
def test_loss_and_gradients_are_those_of_the_formula(
    learner, tmp_path, formula, records, changes, parts, packed
):
    """Also T18: a step without a good answer has a finite loss, and gradients."""
    recipe = replace(DPO, batch_size=8, packed=packed, gradient_accumulation=parts, clip_norm=1e9, **changes)
    part = corpus(learner, tmp_path, recipe, records)
    model = decoders.from_scratch(SFT.architecture)
    if packed:
        models.packing.allow(model)
    session = session_of(recipe, model, Data(part, part), WorkerContext())
    assert isinstance(session, ComparisonSession)
    exact = decoders.from_scratch(SFT.architecture).double()
    exact.load_state_dict(model.state_dict())
    reference = log_probabilities(exact, part).detach()
    assert torch.allclose(session.references.train.double(), reference[:, 0], atol=1e-4)
    moved = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=moved)
            exact.get_parameter(name).copy_(parameter)
    numbers = session._learn(list(range(len(records)))).numbers
    expected = formula(exact, part, reference, recipe)
    expected.backward()
    assert float(numbers[0]) == pytest.approx(expected.item(), rel=1e-4)
    for name, parameter in model.named_parameters():
        gradient = exact.get_parameter(name).grad
        assert torch.allclose(parameter.grad.double(), gradient, atol=2e-5, rtol=1e-3), name
    assert float(sum(p.grad.abs().sum() for p in model.parameters())) > 0


def test_a_model_that_has_not_changed_has_no_rewards(learner, tmp_path):
    part = corpus(learner, tmp_path, DPO, PAIRS)
    model = decoders.from_scratch(SFT.architecture)
    session = session_of(DPO, model, Data(part, part), WorkerContext())
    loss, margin, _ = (float(each) for each in session._learn([0, 1, 2]).numbers)
    assert loss == pytest.approx(np.log(2), abs=1e-5)
    assert margin == pytest.approx(0, abs=1e-5)


# What is compared


@pytest.mark.parametrize("adds_bos", [False, True])
@pytest.mark.parametrize("name", TEMPLATES)
def test_each_side_has_the_tokens_of_the_rendered_template(tmp_path, name, adds_bos):
    """T02, T17: no second beginning or end of a text, the same prompt on both sides; T09: one system message."""
    folder = write_tokenizer(tmp_path, TEMPLATES[name], eos=ENDS[name], adds_bos=adds_bos)
    turns = (Turn(Role.USER, "How is it?"), Turn(Role.ASSISTANT, "Wet."), Turn(Role.USER, "And now?"))
    pair = Record(turns, ("Rain again.",), rejected="No")
    recipe = replace(DPO, max_tokens=256)
    save_comparisons(tmp_path / "part.npz", text.of_base(folder), recipe, [("a", pair)], "training")
    tokenizer, part = AutoTokenizer.from_pretrained(folder), Corpus(tmp_path / "part.npz")
    for at, answer in enumerate((pair.answers[0], pair.rejected)):
        chat = messages([*turns, Turn(Role.ASSISTANT, answer or "")])
        whole = tokenizer.apply_chat_template(chat, return_dict=False)
        assert part._sample(at).tolist() == whole
        batch = part.batch([at])
        learned = tokenizer.decode(batch.ids[:, 1:][batch.answer], skip_special_tokens=True)
        assert learned.strip().endswith(answer or ""), "of the last answer alone"


def counted(
    learner: Sums, folder: Path, recipe: Recipe, *rows: Record
) -> tuple[ComparisonCounts, list[list[int]]]:
    """Return the counts of a part, and the tokens of its samples."""
    base = learner.task.fetch(learner.base, "sums-base")
    named = [(f"{at:03d}", each) for at, each in enumerate(rows)]
    counts = save_comparisons(folder / "part.npz", text.of_base(base), recipe, named, "training")
    with np.load(folder / "part.npz") as arrays:
        tokens, offsets = arrays["tokens"], arrays["offsets"]
    return counts, [tokens[a:b].tolist() for a, b in pairwise(offsets)]


def test_a_cut_leaves_both_answers_the_same_prompt(learner, tmp_path):
    """T16: the short answer stays whole, whatever the long one has; equal pairs are counted and left out."""
    recipe = replace(DPO, max_tokens=32)
    long = record("9 " * 8, "12", rejected="1 " * 60)
    same = record("1+1=", "1 " * 40 + "2", rejected="1 " * 40 + "3")
    full = record("9 " * 40, "12", rejected="13")
    counts, samples = counted(learner, tmp_path, recipe, long, same, full)
    assert (counts.units, counts.equal_pairs, counts.records) == (2, 1, 3)
    speech = text.of_base(learner.task.fetch(learner.base, "sums-base"))
    for chosen, rejected in zip(samples[::2], samples[1::2], strict=True):
        answer = speech.encode("12")
        assert chosen[-len(answer) - 1 :] == [*answer, speech.end]
        prompt = chosen[: -len(answer) - 1]
        assert rejected[: len(prompt)] == prompt
        assert max(len(chosen), len(rejected)) <= 32


def test_each_policy_of_truncation(learner, tmp_path):
    full, short = record("9 " * 40, "12", rejected="13"), PAIRS[2]
    right = replace(DPO, max_tokens=32, truncation=Truncation.RIGHT)
    counts, _ = counted(learner, tmp_path, right, full, short)
    assert (counts.units, counts.long_answers) == (1, 1), "nothing is left of its answers"
    _, left = counted(learner, tmp_path, replace(DPO, max_tokens=32, truncation=Truncation.LEFT), full)
    _, whole = counted(learner, tmp_path, replace(DPO, max_tokens=256), full)
    assert [sample[-31:] for sample in left] == [sample[-31:] for sample in whole]
    assert all(sample[0] == each[0] for sample, each in zip(left, whole, strict=True)), (
        "the first token is kept"
    )
    with pytest.raises(SampleTooLong, match=r"recipe\.max_tokens allows 32"):
        counted(learner, tmp_path, replace(DPO, max_tokens=32, truncation=Truncation.REFUSE), full)


def test_an_answer_is_compared_with_the_answer_to_another_prompt(learner, tmp_path):
    """T18: no answer stands beside itself, nor beside another answer to its own prompt."""
    counts, samples = counted(learner, tmp_path, KTO, *RATED, PAIRS[0])
    assert counts.units == 5
    assert all(own != other for own, other in zip(samples[::2], samples[1::2], strict=True))
    with pytest.raises(DataEmpty, match="to two prompts at least"):
        counted(learner, tmp_path, KTO, PAIRS[0])


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([record("1+1=", "2", rejected=" 2 ")], "The chosen and the rejected answer are the same"),
        ([record("1+1=", "2", rejected=" ")], "The answer ' ' is not a text"),
        ([record("1+1=", "2")], "1 other records. Add preferences"),
    ],
)
def test_a_part_without_preferences_is_refused_by_a_sentence(learner, tmp_path, rows, says):
    with pytest.raises(DataEmpty, match="DPO would learn nothing of the training part") as raised:
        counted(learner, tmp_path, DPO, *rows)
    assert says in str(raised.value)


def test_the_dropout_of_a_base_is_switched_off(learner, tmp_path):
    """The reference is computed without dropout: with it, a model that has not changed would have rewards."""
    model = models._of_base(tiny(tmp_path / "gpt2", "gpt2"), torch.float32)
    part = corpus(learner, tmp_path, DPO, PAIRS)
    session = session_of(DPO, model, Data(part, part), WorkerContext())
    assert abs(float(session._learn([0, 1, 2]).numbers[1])) < 1e-4
