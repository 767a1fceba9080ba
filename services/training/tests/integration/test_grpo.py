"""GRPO on sums: rewards, advantages and loss, functions that fail, resuming, and what a tiny model learns."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ratoon.operations.jobs import JobFolder
from ratoon.process.sandbox.sandbox import Ended, Limits, Outcome, SandboxMissing, run_program
from ratoon.tasks.generate import Generate, Sampling
from ratoon_training.domain.errors import BadBaseModel, RewardFailed
from ratoon_training.domain.recipes import Method, Objective, Recipe
from ratoon_training.domain.rewards import Grpo, PolicyLoss, Reward, RewardKind
from ratoon_training.worker import functions, generation, models, objective, policy
from ratoon_training.worker.prompts import Prompt

from .architectures import tiny
from .conftest import Row, Task, train
from .test_preferences import SFT, row
from .test_reward_models import REWARD, preferences, sums

TASK = Generate(defaults=Sampling(max_tokens=4))
BASE = replace(SFT, task=TASK, epochs=10.0)
GRPO = replace(
    BASE,
    method=Method.CONTINUE,
    objective=Objective.GRPO,
    learning_rate=1e-3,
    batch_size=16,
    epochs=6.0,
    grpo=Grpo(max_new_tokens=4),
)


def rows_of(questions: Sequence[tuple[str, str]]) -> list[Row]:
    return [row(at, question, answer) for at, (question, answer) in enumerate(questions)]


class Sums:
    """All sums of two digits, and a model that was taught half of them a little."""

    def __init__(self, task: Task) -> None:
        self.task = task
        questions = [(f"{a}+{b}=", str(a + b)) for a in range(10) for b in range(10)]
        random.Random(3).shuffle(questions)
        self.parts = {
            "train": task.part("grpo-sums", rows_of(questions)),
            "validation": task.part("grpo-sums-held-out", rows_of(questions[:40])),
        }
        known = task.part("grpo-sums-known", rows_of(questions[:60]))
        outcome = train(task, "grpo-base", BASE, train=known, validation=known)
        self.base: str = outcome["result"]["artifact_digest"]

    def run(self, name: str, recipe: Recipe, **options: Any) -> dict[str, Any]:
        """Train the model; the outcome."""
        return train(self.task, name, recipe, base=self.base, **{**self.parts, **options})


@pytest.fixture(scope="module")
def learner(task: Task) -> Sums:
    return Sums(task)


def test_the_reward_rises_over_that_of_the_base(learner):
    """The short form, in seconds: answers of one digit."""
    of_one_digit = replace(GRPO.grpo, rewards=(Reward(RewardKind.PATTERN, "^[0-9]$"),))
    metrics = learner.run("grpo", replace(GRPO, epochs=3.0, grpo=of_one_digit))["result"]["metrics"]
    assert metrics["validation_reward"] >= metrics["validation_reference_reward"] + 0.1
    assert (metrics["units"], metrics["validation_unscored"]) == (100, 0)


VARIANTS = {
    "plain": replace(GRPO, epochs=1.0, gradient_accumulation=2),
    "adapter, divergence and several steps": replace(
        GRPO,
        method=Method.LORA,
        lora_rank=2,
        epochs=1.0,
        grpo=replace(GRPO.grpo, iterations=3, kl_weight=0.1, loss=PolicyLoss.ANSWER),
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_resumes_to_the_same_bits(learner, monkeypatch, variant):
    """Of steps that share their answers, it is stopped between two."""
    recipe = replace(VARIANTS[variant], batch_size=8)
    part = learner.task.part(
        "grpo-thirty", rows_of([(f"{a}+{b}=", str(a + b)) for a in range(3) for b in range(8)])
    )

    def run(name: str, work: str, stop_after: int, fence: int) -> dict[str, Any]:
        polls = iter(range(1, 1000))
        monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) > stop_after)
        return learner.run(name, recipe, work=work, fence=fence, train=part, validation=part)

    whole = run(f"grpo-whole-{variant}", f"grpo-whole-{variant}", 1000, 1)["result"]
    work = f"grpo-resumed-{variant}"
    for fence, steps in enumerate((0, 2) if recipe.grpo.iterations == 1 else (1, 4), start=1):
        assert run(f"{work}-{fence}", work, steps, fence)["reason"] == "STOPPED"
    assert run(f"{work}-end", work, 1000, 3)["result"]["artifact_digest"] == whole["artifact_digest"]


# Generation


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "gemma2"])
def test_answers_have_the_probabilities_that_the_trainer_computes(tmp_path, kind):
    """Keys and values that are stored, and padding before prompts of other lengths, change nothing but rounding."""
    model = models._of_base(tiny(tmp_path / kind, kind), torch.float32)
    model.eval()
    prompts = [[1, 5, 6], [1, 7, 8, 9, 10, 11, 12], [1, 3]]
    decoding = generation.Decoding(frozenset({2}), 6, 0.7)
    written = generation.answers(model, prompts, decoding, seed=5)
    assert written == generation.answers(model, prompts, decoding, seed=5)
    from ratoon_training.worker.grpo import _batch

    batch = _batch([(prompt, answer.ids) for prompt, answer in zip(prompts, written, strict=True)])
    values, entropy, number = objective.token_log_probabilities(model, batch, 0.7)
    expected = torch.tensor([value for answer in written for value in answer.log_probabilities])
    assert torch.allclose(values, expected, atol=2e-4)
    assert number.tolist() == [row for row, answer in enumerate(written) for _ in answer.ids]
    assert bool((entropy > 0).all())


# The formula


def trl(grpo: Grpo, rows: list[dict[str, Tensor]], weights: Tensor, beta: float) -> Tensor:
    """Return the loss of TRL's trainer in float64, one answer after another."""
    losses, total = [], sum(len(named["now"]) for named in rows)
    for each_row in rows:
        ratio = (each_row["now"] - each_row["old"]).exp()
        held = ratio.clamp(1 - grpo.clip_low, 1 + grpo.clip_high)
        each = -torch.min(ratio * each_row["advantage"], held * each_row["advantage"])
        each = each * (each_row["old"] - each_row["generated"]).exp().clamp(max=grpo.max_correction)
        difference = each_row["reference"] - each_row["now"]
        each = each + beta * (difference.exp() - difference - 1)
        losses.append(each)
    match grpo.loss:
        case PolicyLoss.TOKEN:
            return (
                sum((w * each.sum() for w, each in zip(weights, losses, strict=True)), torch.tensor(0.0))
                / total
            )
        case PolicyLoss.ANSWER:
            return torch.stack([w * each.mean() for w, each in zip(weights, losses, strict=True)]).mean()
    sums = torch.stack([w * each.sum() for w, each in zip(weights, losses, strict=True)])
    return sums.sum() / (len(rows) * grpo.max_new_tokens)


@pytest.mark.parametrize("loss", PolicyLoss)
@pytest.mark.parametrize("beta", [0.0, 0.2])
def test_loss_and_gradients_are_those_of_the_formula(loss, beta):
    """Ratios on both sides of the clip, corrections beyond their limit, advantages of both signs."""
    grpo = Grpo(loss=loss, kl_weight=beta, max_new_tokens=6)
    random_ = torch.Generator().manual_seed(1)
    lengths, rows = [1, 6, 3, 4], []
    for length, advantage in zip(lengths, (1.5, -0.7, 0.0, 0.4), strict=True):
        draw = torch.randn(4, length, generator=random_, dtype=torch.float64)
        now = (draw[0] - 2).requires_grad_()
        names = {"old": now.detach() + 0.3 * draw[1], "reference": now.detach() + 0.5 * draw[3]}
        generated = names["old"] + 0.6 * draw[2]
        rows.append(
            {"now": now, "generated": generated, "advantage": torch.tensor(advantage).double(), **names}
        )
    weights = torch.tensor([1.0, 1.0, 2.0, 0.5], dtype=torch.float64)
    expected = trl(grpo, rows, weights, beta)
    expected.backward()
    joined = {
        name: torch.cat([each[name].detach() for each in rows])
        for name in ("now", "old", "generated", "reference")
    }
    now = joined["now"].float().requires_grad_()
    answer = torch.repeat_interleave(torch.arange(4), torch.tensor(lengths))
    reference = joined["reference"].float() if beta else None
    tokens = policy.Tokens(answer, joined["old"].float(), joined["generated"].float(), reference)
    terms = policy.terms(grpo, now, tokens, torch.stack([each["advantage"] for each in rows]).float())
    actual = policy.averaged(
        grpo, terms.losses, tokens, weights.float(), policy.Norm(sum(lengths), len(lengths))
    )
    actual.backward()
    assert float(actual.detach()) == pytest.approx(float(expected.detach()), rel=1e-5, abs=1e-7)
    gradients = torch.cat([each["now"].grad for each in rows])
    assert torch.allclose(now.grad.double(), gradients, atol=1e-6)
    assert 0 < float(terms.clipped.sum()) < sum(lengths)
    assert float(terms.correction.max()) == pytest.approx(2.0)


def test_equal_rewards_teach_nothing_but_the_tie_to_the_start():
    """T20 (d): with a weight of the divergence its gradient counts; without one, it is exactly 0."""
    for weight in (0.0, 0.1):
        grpo = Grpo(kl_weight=weight, max_new_tokens=4)
        now = torch.tensor([-1.0, -2.0, -0.5]).requires_grad_()
        reference = torch.tensor([-1.5, -1.0, -0.5]) if weight else None
        tokens = policy.Tokens(torch.tensor([0, 0, 1]), now.detach(), now.detach(), reference)
        terms = policy.terms(grpo, now, tokens, torch.zeros(2))
        loss = policy.averaged(grpo, terms.losses, tokens, torch.ones(2), policy.Norm(3, 2))
        loss.backward()
        assert torch.isfinite(loss)
        if not weight:
            assert (float(loss.detach()), float(now.grad.abs().max())) == (0.0, 0.0)
            continue
        difference = reference - now.detach()
        assert torch.allclose(now.grad, weight * (1 - difference.exp()) / 3, atol=1e-6)


def test_an_answer_of_the_generator_counts_as_the_trainer_finds_it_likely():
    """A token that the generator draws too often counts less, by the ratio of its probabilities."""
    grpo = Grpo()
    now = torch.tensor([-1.0, -1.0])
    tokens = policy.Tokens(torch.tensor([0, 1]), now, torch.tensor([-1.0, -1.0 + 0.5]), None)
    losses = policy.terms(grpo, now, tokens, torch.tensor([1.0, 1.0])).losses
    assert float(losses[1] / losses[0]) == pytest.approx(float(torch.tensor(-0.5).exp()))


# Functions of users


PROMPTS = [Prompt([{"role": "user", "content": f"{n}+1="}], [str(n + 1)]) for n in range(6)]


@pytest.fixture
def _sandbox() -> None:
    try:
        run_program("x = 1")
    except SandboxMissing as error:
        pytest.skip(str(error))


def scored(body: str, completions: Sequence[str]) -> tuple[list[float | None], Counter[str]]:
    faults: Counter[str] = Counter()
    source = "import math, time\ndef reward(messages, completion, references):\n" + body
    functions.checked(source)
    return functions.scores(source, PROMPTS[: len(completions)], completions, faults), faults


@pytest.mark.usefixtures("_sandbox")
def test_a_function_gets_the_conversation_the_answer_and_the_references():
    body = "    return float(completion in references) + 0.5 * ('+' in messages[-1]['content'])"
    assert scored(body, ["1", "7"])[0] == [1.5, 0.5]


@pytest.mark.usefixtures("_sandbox")
def test_a_function_that_raises_or_returns_no_number_scores_what_it_can():
    """T21: neither is a reward of 0, and each is counted by what it did."""
    body = (
        "    print('noise')\n"
        "    if completion == 'raise': raise ValueError('bad')\n"
        "    return {'nan': math.nan, 'inf': math.inf, 'none': None, 'text': 'yes'}.get(completion, 1)"
    )
    values, faults = scored(body, ["raise", "nan", "1", "none", "text", "inf"])
    assert values == [None, None, 1.0, None, None, None]
    assert faults == Counter(
        {
            "The function raised ValueError: bad.": 1,
            "The function returned nan.": 1,
            "The function returned inf.": 1,
            "The function returned a str.": 1,
        }
    )


@pytest.mark.usefixtures("_sandbox")
def test_a_function_that_hangs_or_ends_its_process_is_counted_and_the_others_are_scored(monkeypatch):
    monkeypatch.setattr(functions, "TIMEOUT_S", 0.3)
    body = (
        "    import os\n"
        "    if completion == 'exit': os._exit(0)\n"
        "    while completion == 'hang': pass\n"
        "    return 1"
    )
    values, faults = scored(body, ["1", "hang", "2", "exit", "3"])
    assert values == [1.0, None, 1.0, None, 1.0]
    assert sum(faults.values()) == 2
    assert any("took longer than 0.3 s" in fault for fault in faults)


def test_a_process_has_the_time_of_a_function_for_each_of_its_answers(monkeypatch):
    """A slow function scores all answers of a large step, as each of them takes less than the limit."""
    limits: list[Limits] = []

    def ended(program: str, allowed: Limits) -> Ended:
        limits.append(allowed)
        return Ended(Outcome.PASSED, output="".join(f'[{number}, "1.0", ""]\n' for number in range(200)))

    monkeypatch.setattr(functions, "run_program", ended)
    faults: Counter[str] = Counter()
    assert functions.scores("", [PROMPTS[0]] * 200, ["1"] * 200, faults) == [1.0] * 200
    assert limits[0].timeout_s > 200 * functions.TIMEOUT_S
    assert not faults


@pytest.mark.usefixtures("_sandbox")
def test_a_source_that_cannot_run_is_refused_before_the_first_step(learner):
    source = "import no_such_module\ndef reward(messages, completion, references):\n    return 1"
    recipe = replace(GRPO, grpo=replace(GRPO.grpo, rewards=(Reward(RewardKind.FUNCTION, source),)))
    outcome = learner.run("grpo-no-module", recipe)
    assert outcome["reason"] == RewardFailed.reason
    assert "no_such_module" in outcome["message"]


@pytest.mark.usefixtures("_sandbox")
def test_a_run_ends_when_most_answers_have_no_reward(learner):
    source = "def reward(messages, completion, references):\n    raise KeyError('gone')"
    recipe = replace(GRPO, grpo=replace(GRPO.grpo, rewards=(Reward(RewardKind.FUNCTION, source),)))
    outcome = learner.run("grpo-raises", recipe)
    assert outcome["reason"] == "REWARD_FAILED"
    assert "100% of the answers" in outcome["message"]
    assert "raised KeyError: 'gone'" in outcome["message"]


@pytest.mark.usefixtures("_sandbox")
def test_a_run_goes_on_when_a_function_fails_at_times(learner):
    source = (
        "def reward(messages, completion, references):\n"
        "    return float('nan') if completion.startswith('1') else float(completion in references)"
    )
    rewards = (Reward(RewardKind.FUNCTION, source), Reward(RewardKind.PATTERN, "^[0-9]+$", 0.5))
    recipe = replace(GRPO, epochs=1.0, grpo=replace(GRPO.grpo, rewards=rewards))
    metrics = learner.run("grpo-nan", recipe)["result"]["metrics"]
    assert metrics["validation_unscored"] == 0, "the pattern scores what the function does not"
    assert 0 < metrics["validation_reward"] <= 1.5


# Reward models


@pytest.mark.thorough
def test_a_reward_model_rewards_answers(learner):
    """Its own tokenizer and chat template read the answers."""
    pairs = learner.task.part("grpo-pairs", preferences(sums()[:160]))
    judge = learner.run("grpo-judge", replace(REWARD, epochs=4.0), train=pairs, validation=pairs)["result"][
        "artifact_digest"
    ]
    rewards = (Reward(RewardKind.REWARD_MODEL, judge),)
    recipe = replace(GRPO, epochs=2.0, grpo=replace(GRPO.grpo, rewards=rewards))
    metrics = learner.run("grpo-by-judge", recipe)["result"]["metrics"]
    assert metrics["validation_reward"] > metrics["validation_reference_reward"]


def test_another_model_is_no_reward_model(learner):
    rewards = (Reward(RewardKind.REWARD_MODEL, learner.base),)
    outcome = learner.run("grpo-no-judge", replace(GRPO, grpo=replace(GRPO.grpo, rewards=rewards)))
    assert (outcome["reason"], BadBaseModel.code) == ("NOT_A_REWARD_MODEL", "INVALID_ARGUMENT")


# The long form


@pytest.mark.thorough
def test_a_tiny_model_gains_ten_points_of_exact_match_over_its_supervised_training():
    """Two-digit sums; `bench/rewards` measures three seeds."""
    path = Path(__file__).parents[4] / "bench" / "rewards" / "run.py"
    ended = subprocess.run(
        [sys.executable, str(path), "--seeds", "1"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr[-2000:]
