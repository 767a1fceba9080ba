"""Distillation: the divergence from a teacher, its answers, and what is refused before the first step."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from ratoon.operations.jobs import JobFolder
from ratoon_training.domain.distillation import Distillation, Level
from ratoon_training.domain.recipes import Method, Objective, Recipe
from ratoon_training.worker import distilling, models
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.distilling import DistillationSession, TaughtData
from ratoon_training.worker.generation import Decoding, answers
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.task_queue import TrainingTask
from ratoon_training.worker.text import of_base

from .conftest import TINY, Task, train
from .test_grpo import BASE, TASK, rows_of

QUESTIONS = [(f"{a}+{b}=", str(a + b)) for a in range(10) for b in range(10)]


class Taught:
    """A teacher of the sums, and a student with the same tokens that knows little."""

    def __init__(self, task: Task) -> None:
        self.task = task
        part = task.part("taught-sums", rows_of(QUESTIONS))
        self.parts = {"train": part, "validation": part}
        self.teacher = self._digest("teacher", replace(BASE, epochs=12.0))
        small = replace(
            BASE, architecture=replace(BASE.architecture, hidden_size=32, layers=1, heads=1), epochs=2.0
        )
        self.student = self._digest("student", small)

    def _digest(self, name: str, recipe: Recipe) -> str:
        return str(train(self.task, name, recipe, **self.parts)["result"]["artifact_digest"])

    def run(self, name: str, recipe: Recipe, **options: Any) -> dict[str, Any]:
        """Train the student; the outcome."""
        return train(self.task, name, recipe, **{"base": self.student, **self.parts, **options})

    def recipe(self, level: Level, **settings: Any) -> Recipe:
        """Return a recipe of distillation from the teacher."""
        how = Distillation(self.teacher, level, **{"max_new_tokens": 4, **settings})
        return replace(
            BASE,
            method=Method.CONTINUE,
            objective=Objective.DISTILLATION,
            distillation=how,
            learning_rate=3e-3,
            epochs=6.0,
        )


@pytest.fixture(scope="module")
def taught(task: Task) -> Taught:
    return Taught(task)


def test_a_student_comes_nearer_to_its_teacher(taught):
    metrics = taught.run("distilled", taught.recipe(Level.LOGITS))["result"]["metrics"]
    little = taught.run("little", replace(taught.recipe(Level.LOGITS), epochs=0.2))["result"]["metrics"]
    assert metrics["validation_teacher_divergence"] < 0.5 * little["validation_teacher_divergence"]
    assert metrics["validation_loss"] < little["validation_loss"]


def test_a_student_learns_answers_that_its_teacher_writes(taught):
    """No right answer is in the records: they come from the teacher, by its own tokenizer and template."""
    wrong = taught.task.part("taught-wrong", rows_of([(question, "0") for question, _ in QUESTIONS]))
    recipe = taught.recipe(Level.SEQUENCE, temperature=0.0)
    metrics = taught.run("written", recipe, train=wrong)["result"]["metrics"]
    assert metrics["records"] == len(QUESTIONS)
    before = taught.run("written-little", replace(recipe, epochs=0.2), train=wrong)["result"]["metrics"]
    assert metrics["validation_loss"] < before["validation_loss"], "of the right answers"


def test_a_student_from_scratch_takes_the_tokens_of_its_teacher(taught):
    shape = replace(TINY, vocab_size=BASE.architecture.vocab_size)
    recipe = replace(taught.recipe(Level.LOGITS), method=Method.FROM_SCRATCH, architecture=shape, epochs=1.0)
    outcome = taught.run("scratch-student", recipe, base="")
    folder = taught.task.fetch(outcome["result"]["artifact_digest"], "scratch-student")
    teacher = taught.task.fetch(taught.teacher, "teacher")
    assert (folder / "tokenizer.json").read_bytes() == (teacher / "tokenizer.json").read_bytes()


@pytest.mark.parametrize("level", [Level.LOGITS, pytest.param(Level.SEQUENCE, marks=pytest.mark.thorough)])
def test_a_run_resumes_to_the_same_bits(taught, monkeypatch, level):
    recipe = replace(taught.recipe(level, temperature=1.0), method=Method.LORA, lora_rank=2, epochs=1.0)

    def run(name: str, work: str, stop_after: int, fence: int) -> dict[str, Any]:
        polls = iter(range(1, 1000))
        monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) > stop_after)
        return taught.run(name, recipe, work=work, fence=fence)

    whole = run(f"distil-whole-{level}", f"distil-whole-{level}", 1000, 1)["result"]
    work = f"distil-resumed-{level}"
    assert run(f"{work}-a", work, 3, 1)["reason"] == "STOPPED"
    assert run(f"{work}-b", work, 1000, 2)["result"]["artifact_digest"] == whole["artifact_digest"]


# The formula


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_divergence_is_that_of_the_formula(temperature):
    """T23 (d): rows that only one of the embeddings has are left out, and both sides sum to 1."""
    random = torch.Generator().manual_seed(2)
    student = torch.randn(5, 12, generator=random, dtype=torch.float64)
    teacher = torch.randn(5, 15, generator=random, dtype=torch.float64)
    expected = [
        temperature**2
        * F.kl_div(
            (student[row] / temperature).log_softmax(-1),
            (teacher[row, :12] / temperature).softmax(-1),
            reduction="sum",
        )
        for row in range(5)
    ]
    assert torch.allclose(distilling.divergences(student, teacher, temperature), torch.stack(expected))


def session_of_copy(taught: Taught, tmp_path: Any, **settings: Any) -> tuple[DistillationSession, Corpus]:
    """Return a session whose teacher is a copy of its student."""
    recipe = replace(taught.recipe(Level.LOGITS, weight=1.0, **settings), batch_size=8)
    spec = taught.task.spec("copied", recipe, base=taught.teacher, **taught.parts)
    prepared = prepare(spec, recipe, tmp_path / "prepared", lambda _: None)
    data = TaughtData.read(recipe, prepared)
    model = models.build(recipe, prepared)
    return DistillationSession(recipe, model, data, WorkerContext()), data.train


@pytest.mark.parametrize("temperature", [0.5, 2.0, 10.0])
def test_a_copy_of_the_teacher_has_nothing_to_learn(taught, tmp_path, temperature):
    """T23 (a): the loss and the gradient are 0 at every temperature; nothing is shifted by a place."""
    session, _ = session_of_copy(taught, tmp_path, temperature=temperature)
    learned = session._learn([0, 1, 2, 3])
    assert float(learned.numbers[0]) == pytest.approx(0, abs=1e-5)
    assert all(float(p.grad.abs().max()) < 1e-4 for p in session.trainable.values() if p.grad is not None)


def test_padding_does_not_change_the_loss(taught, tmp_path):
    """T23 (b)."""
    session, train_part = session_of_copy(taught, tmp_path)
    with torch.no_grad():
        for parameter in session.trainable.values():
            parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
        batch = train_part.batch([0, 1, 2])
        wide = replace(
            batch,
            ids=F.pad(batch.ids, (0, 10)),
            answer=F.pad(batch.answer, (0, 10)),
        )
        first, second = (session._compared(each)[1].sum() for each in (batch, wide))
    assert float(first) > 0
    assert float(first) == pytest.approx(float(second), rel=1e-6)


class Oracle(torch.nn.Module):
    """Teacher made by hand: all of its probability is on the true next token."""

    def __init__(self, tokens: int, end: int) -> None:
        super().__init__()
        self.config = type("Config", (), {"get_text_config": lambda _: None})()
        self.head = torch.nn.Identity()
        self._tokens, self._end = tokens, end

    def get_decoder(self) -> Any:
        return self

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.head

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        following = F.pad(input_ids[:, 1:], (0, 1))
        following = following.where(following > 0, self._end)
        logits = 50.0 * F.one_hot(following, self._tokens).float()
        return type("Output", (), {"last_hidden_state": logits})()


def test_a_student_of_the_true_tokens_writes_the_answers(taught, tmp_path):
    """T23 (c): 200 steps on 4 rows; a teacher or labels that are shifted by a place would teach other answers."""
    rows = taught.task.part("four", rows_of(QUESTIONS[33:37]))
    settings = replace(taught.recipe(Level.LOGITS, weight=1.0, temperature=1.0), batch_size=4)
    spec = taught.task.spec("oracle", settings, base=taught.student, train=rows, validation=rows)
    prepared = prepare(spec, settings, tmp_path / "prepared", lambda _: None)
    data, model = TaughtData.read(settings, prepared), models.build(settings, prepared)
    speech = of_base(prepared / "tokenizer")
    oracle = Oracle(model.config.vocab_size, speech.end)
    session = DistillationSession(settings, model, replace(data, teacher=oracle), WorkerContext())
    for _ in range(200):
        session.train_step(3e-3)
    tokens = [
        speech.encode(
            speech.rendered([{"role": "user", "content": question}], [], add_generation_prompt=True)
        )
        for question, _ in QUESTIONS[33:37]
    ]
    written = answers(model.eval(), tokens, Decoding(frozenset({speech.end}), 4, 0.0), seed=0)
    texts = [speech.tokenizer.decode(each.ids, skip_special_tokens=True) for each in written]
    assert texts == [answer for _, answer in QUESTIONS[33:37]]
    assert [each.ids[-1] for each in written] == [speech.end] * 4


def test_a_teacher_of_another_vocabulary_is_refused_by_a_sentence(taught):
    """Before the first step; its answers can be learned all the same."""
    others = taught.task.part("other-words", rows_of([(f"say {n}", f"word {n}") for n in range(60)]))
    stranger = train(taught.task, "stranger", replace(BASE, epochs=1.0), train=others, validation=others)
    recipe = replace(taught.recipe(Level.LOGITS), epochs=1.0)
    digest = stranger["result"]["artifact_digest"]
    with pytest.raises(
        Exception, match=r"tokenizer of the teacher is another one: [1-9].*level SEQUENCE"
    ) as refused:
        taught.run("strange", replace(recipe, distillation=Distillation(digest)))
    assert refused.value.reason == "TEACHER_VOCABULARY"
    written = replace(recipe, distillation=Distillation(digest, Level.SEQUENCE, 0.0, max_new_tokens=4))
    assert "result" in taught.run("strange-written", written)


def test_the_job_keeps_the_settings(taught):
    recipe = taught.recipe(Level.SEQUENCE, temperature=0.5)
    spec = taught.task.spec("stored", recipe)
    assert TrainingTask.of_spec(spec, taught.task.folder).recipe == recipe
    assert recipe.task == TASK
