"""Reward models on sums that are right or wrong: the head, its loss, its artifact, and resuming."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ratoon.operations.jobs import JobFolder
from ratoon.tasks.kind import Record
from ratoon.tasks.records import messages
from ratoon_training.domain.errors import BadBaseModel, BadRecipe
from ratoon_training.domain.recipes import Method, Objective
from ratoon_training.worker import decoders, models, reward_models, text
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.session import Data
from ratoon_training.worker.sessions import session_of

from .architectures import CONFIGS, tiny
from .conftest import Task
from .test_preferences import DPO, PAIRS, SFT, Sums, corpus, preferences, sums

REWARD = replace(DPO, objective=Objective.REWARD_MODEL, learning_rate=5e-4, epochs=8.0)


@pytest.fixture(scope="module")
def learner(task: Task) -> Sums:
    return Sums(task)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_reward_model_tells_right_answers_from_wrong_ones(learner, seed):
    outcome = learner.run(f"reward-{seed}", replace(REWARD, seed=seed), **learner.pairs)
    metrics = outcome["result"]["metrics"]
    assert metrics["validation_pair_accuracy"] >= 0.75, "held out: half of the pairs by chance"
    assert metrics["validation_reward_margin"] > 0.1
    assert (metrics["units"], metrics["records"]) == (320, 320)


def published(learner: Sums, name: str, method: Method) -> tuple[Path, Any]:
    """Return the directory of a reward model that was trained for one epoch, and the model as peers load it."""
    recipe = replace(REWARD, method=method, epochs=1.0, lora_rank=2)
    digest = learner.run(f"published-{name}", recipe, **learner.pairs)["result"]["artifact_digest"]
    folder = learner.task.fetch(digest, f"reward-{name}")
    if method is Method.CONTINUE:
        return folder, AutoModelForSequenceClassification.from_pretrained(folder)
    from peft import PeftModel

    base = learner.task.fetch(learner.base, "sums-base")
    whole = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    return folder, PeftModel.from_pretrained(whole, folder)


@pytest.mark.parametrize("method", [Method.CONTINUE, Method.LORA])
def test_the_artifact_gives_the_same_rewards_in_transformers(learner, tmp_path, method):
    """The reward of a conversation is what a peer computes for the rendered text, also in a padded batch."""
    folder, model = published(learner, method.value, method)
    tokenizer = AutoTokenizer.from_pretrained(learner.task.fetch(learner.base, "sums-base"))
    part = corpus(learner, tmp_path, REWARD, PAIRS)
    core = model.get_base_model() if method is Method.LORA else reward_models.load(folder)
    ours = reward_models.rewards(core.eval(), part.batch(list(range(len(part)))))
    chats = [
        messages([*pair.turns, replace(pair.turns[0], role="assistant", content=answer)])
        for pair in PAIRS
        for answer in (pair.answers[0], pair.rejected or "")
    ]
    rendered = [tokenizer.apply_chat_template(chat, tokenize=False) for chat in chats]
    batch = tokenizer(rendered, add_special_tokens=False, padding=True, return_tensors="pt")
    model.eval()
    model.config.pad_token_id = tokenizer.pad_token_id
    theirs = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, 0]
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.thorough
def test_a_rejected_answer_that_the_reward_model_finds_better_is_counted(learner):
    """Of twenty preferences of which five are reversed, it names about those."""
    recipe = replace(REWARD, epochs=6.0)
    judge = learner.run("judge", recipe, **learner.pairs)["result"]["artifact_digest"]
    drawn = sums()[:40]
    reversed_pairs = [(question, wrong, right) for question, right, wrong in drawn[:10]]
    counts = []
    for name, rows in (("straight", drawn), ("reversed", [*reversed_pairs, *drawn[10:]])):
        part = learner.task.part(f"judged-{name}", preferences(rows))
        dpo = replace(DPO, epochs=0.2, reward_model=judge)
        outcome = learner.run(f"dpo-{name}", dpo, train=part, validation=part)
        counts.append(outcome["result"]["metrics"]["contradicted_pairs"])
    assert counts[1] > counts[0]


def test_a_model_that_writes_text_is_no_reward_model(learner):
    with pytest.raises(BadBaseModel, match="name the artifact of a run with the objective REWARD_MODEL"):
        reward_models.load(learner.task.fetch(learner.base, "sums-base"))


@pytest.mark.parametrize("method", [Method.CONTINUE, pytest.param(Method.LORA, marks=pytest.mark.thorough)])
def test_a_run_resumes_to_the_same_bits(learner, monkeypatch, method):
    recipe = replace(REWARD, method=method, lora_rank=2, epochs=3.0, batch_size=4, gradient_accumulation=2)
    part = learner.task.part("reward-twenty", preferences(sums()[:20]))

    def run(name: str, work: str, stop_after: int, fence: int) -> dict[str, Any]:
        polls = iter(range(1, 1000))
        monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) > stop_after)
        return learner.run(name, recipe, work=work, fence=fence, train=part, validation=part)

    whole = run(f"reward-whole-{method}", f"reward-whole-{method}", 1000, 1)["result"]
    work = f"reward-resumed-{method}"
    for fence, steps in enumerate((0, 7), start=1):
        assert run(f"{work}-{fence}", work, steps, fence)["reason"] == "STOPPED"
    assert run(f"{work}-end", work, 1000, 3)["result"]["artifact_digest"] == whole["artifact_digest"]


def test_an_adapter_of_answers_is_continued_with_a_head(learner):
    """A LoRA adapter that writes answers becomes one that judges them, on the same base."""
    part = learner.task.part("reward-forty", preferences(sums()[:40]))
    parts = {"train": part, "validation": part}
    answers = replace(SFT, method=Method.LORA, lora_rank=2, epochs=1.0)
    adapter = learner.run("answers-adapter", answers, **parts)["result"]["artifact_digest"]
    recipe = replace(REWARD, method=Method.LORA, lora_rank=2, epochs=1.0)
    from .conftest import train

    outcome = train(learner.task, "continued-with-head", recipe, base=adapter, **parts)
    assert outcome["result"]["metrics"]["validation_pair_accuracy"] > 0


# The formula


def bradley_terry(model: Any, tokens: Sequence[list[int]], weights: Tensor, share: float) -> Tensor:
    """Return the loss of TRL's reward trainer in float64, one conversation after another."""
    values = []
    for ids in tokens:
        states = model.model(input_ids=torch.tensor([ids])).last_hidden_state
        values.append(model.score(states[0, -1])[0])
    margins = torch.stack(values[::2]) - torch.stack(values[1::2])
    losses = -(1 - share) * margins.sigmoid().log() - share * (1 - margins.sigmoid()).log()
    return (weights * losses).sum() / weights.sum()


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_loss_and_gradients_are_those_of_the_formula(learner, tmp_path, parts, share):
    recipe = replace(REWARD, batch_size=8, gradient_accumulation=parts, label_smoothing=share)
    part = corpus(learner, tmp_path, recipe, PAIRS)
    model = reward_models.with_head(decoders.from_scratch(SFT.architecture), 0)
    exact = reward_models.with_head(decoders.from_scratch(SFT.architecture), 0).double()
    with torch.no_grad():
        model.score.weight.mul_(20)
    exact.load_state_dict(model.state_dict())
    session = session_of(recipe, model, Data(part, part), WorkerContext())
    numbers = session._learn([0, 1, 2]).numbers
    tokens = [part._sample(at).tolist() for at in range(len(part))]
    expected = bradley_terry(exact, tokens, part.weights[::2].double(), share)
    expected.backward()
    assert float(numbers[0]) == pytest.approx(expected.item(), rel=1e-4)
    for name, parameter in model.named_parameters():
        gradient = exact.get_parameter(name).grad
        assert torch.allclose(parameter.grad.double(), gradient, atol=2e-5, rtol=1e-3), name


@pytest.mark.thorough
@pytest.mark.parametrize("kind", [*(kind for kind in CONFIGS if kind != "phi3")])
def test_a_head_fits_many_architectures(tmp_path, kind):
    folder = tiny(tmp_path / kind, kind)
    model = reward_models.with_head(models._of_base(folder, torch.float32), 0)
    model.save_pretrained(tmp_path / "reward")
    ids = torch.tensor([[1, 5, 6, 7]])
    again = reward_models.load(tmp_path / "reward")
    assert torch.allclose(again(input_ids=ids).logits, model.eval()(input_ids=ids).logits, atol=1e-5)


def test_an_equal_preference_is_left_out_and_packing_is_refused(learner, tmp_path):
    same = Record(PAIRS[0].turns, ("2",), rejected="2 ")
    part = corpus(learner, tmp_path, REWARD, [same, *PAIRS])
    assert len(part) == 2 * len(PAIRS)
    with pytest.raises(BadRecipe, match="reads the reward at the last token"):
        replace(REWARD, packed=True).checked()


@pytest.mark.parametrize(("pad", "expected"), [("<pad>", 0), ("</s>", 1)])
def test_rows_are_filled_with_a_token_that_ends_no_text(learner, pad, expected):
    """The end of an answer is the place of its reward: it must not be taken for padding."""
    speech = text.of_base(learner.task.fetch(learner.base, "sums-base"))
    named = {**speech.special_tokens, "pad_token": pad}
    assert text.pad_token(replace(speech, special_tokens=named)) == expected
