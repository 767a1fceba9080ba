"""Runs that end before their planned end, that have a fault, and estimates before they begin."""

import json
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path

import pytest

from ratoon.operations.jobs import JobFolder
from ratoon.process.errors import own_reason
from ratoon.storage.scratch import ScratchStore
from ratoon.testkit.models import tiny_llama
from ratoon_training.domain.places import FINISH, scratch_name
from ratoon_training.domain.recipes import Method, Recipe
from ratoon_training.worker import estimating
from ratoon_training.worker.session import Session

from .conftest import RECIPE, Task, rows, train

FAST = replace(RECIPE, epochs=3.0)


def estimate(task: Task, name: str, recipe: Recipe = RECIPE, **options: object) -> dict:
    """The result of a job that estimates a run."""
    spec = {**task.spec(name, recipe, **options), "estimate": True}
    return estimating.run(spec, JobFolder(task.job(name, spec)))


class AtOnce(Executor):
    """Does what it is given before it returns, as a thread may."""

    def __init__(self, *_: object, **__: object) -> None:
        """There is no thread."""

    def submit(self, call, /, *args, **options):
        done = Future()
        done.set_result(call(*args, **options))
        return done


def test_a_run_that_is_to_finish_ends_with_its_best_weights(task, monkeypatch):
    scratch = ScratchStore(task.store.url, scratch_name("finishes"))
    trained = Session.train_step

    def finish_at_fifth(self: Session, rate: float, **requests: bool) -> list[float]:
        row = trained(self, rate, **requests)
        if self.step == 5:
            scratch.put(FINISH, b"0")
        return row

    monkeypatch.setattr(Session, "train_step", finish_at_fifth)
    monkeypatch.setattr("ratoon_training.worker.reporting._FINISH_POLL_S", 0.0)
    monkeypatch.setattr("ratoon_training.worker.reporting.ThreadPoolExecutor", AtOnce)
    result = train(task, "finishes", FAST)["result"]
    assert result["metrics"]["steps"] == 6
    assert result["metrics"]["validation_loss"] > 0
    curves = json.loads(task.store.read(result["curves_digest"]))["curves"]
    assert len(curves["steps"]["rows"]) == 6
    assert [row[1] for row in curves["epochs"]["rows"]] == [6]
    assert (task.fetch(result["artifact_digest"], "finishes") / "model.safetensors").exists()


def test_a_loss_that_is_no_number_leaves_the_last_good_epoch_and_the_diagnosis(task, monkeypatch):
    learned = Session._losses

    def broken(self: Session, measured: list[float]) -> list[float]:
        return [float("nan")] * 3 if self.step == 40 else learned(self, measured)

    monkeypatch.setattr(Session, "_losses", broken)
    outcome = train(task, "not-finite", FAST)
    assert outcome["reason"] == "LOSS_NOT_FINITE"
    assert "lower recipe.learning_rate" in outcome["message"]
    retained = outcome["result"]
    assert retained["diagnosis"]["verdict"] == "loss-not-finite"
    assert "step 41" in retained["diagnosis"]["evidence"]
    assert retained["metrics"]["steps"] == 40
    weights = task.fetch(retained["artifact_digest"], "not-finite") / "model.safetensors"
    monkeypatch.undo()
    whole = train(task, "first-epoch", replace(FAST, epochs=1.0))["result"]
    assert (
        weights.stat().st_size
        == (task.fetch(whole["artifact_digest"], "first-epoch") / "model.safetensors").stat().st_size
    )


def test_a_loss_that_is_no_number_at_once_leaves_nothing(task, monkeypatch):
    monkeypatch.setattr(Session, "_losses", lambda _self, _measured: [float("nan")] * 3)
    assert "result" not in train(task, "never-finite", FAST, checkpoint_every_s=1000.0)


@pytest.mark.parametrize(
    ("rate", "verdicts"),
    [
        (1.0, ["rate-too-high"]),
        (0.01, ["still-improving"]),
        (1e-4, ["rate-too-low", "underfit"]),
        (1e-7, ["underfit"]),
    ],
)
def test_the_diagnosis_names_a_rate_that_is_too_high_or_too_low(task, rate, verdicts):
    recipe = replace(FAST, language_model_weight=0.0, token_dropout=0.0, averaging=0.0, learning_rate=rate)
    diagnosis = train(task, f"rate-{rate}", recipe)["result"]["diagnosis"]
    assert [each["verdict"] for each in diagnosis["findings"]][: len(verdicts)] == verdicts, diagnosis
    assert diagnosis["evidence"]


def test_an_estimate_counts_what_the_run_trains_on(task):
    measured = estimate(task, "estimated", FAST)
    assert (measured["records"], measured["sampled_records"], measured["validation_records"]) == (
        240,
        240,
        40,
    )
    result = train(task, "estimated-run", replace(FAST, token_dropout=0.0))["result"]
    assert int(measured["samples"]) * 3 == result["metrics"]["samples"]
    assert int(measured["tokens"]) * 3 == pytest.approx(result["metrics"]["tokens"], rel=0.1)
    assert not measured["problems"]


def test_a_large_part_is_sampled_evenly_and_stores_nothing(tmp_path, monkeypatch):
    large = Task(tmp_path)
    monkeypatch.setattr(estimating, "SAMPLED_RECORDS", 50)
    before = sorted((tmp_path / "artifacts").rglob("*"))
    measured = estimate(large, "sampled")
    assert (measured["records"], measured["sampled_records"], measured["samples"]) == (240, 50, 50)
    assert sorted((tmp_path / "artifacts").rglob("*")) == before


MANY = [(f"{number:064d}", f"mail number {number}", "ham") for number in range(30)]


@pytest.mark.parametrize(
    ("name", "part", "reason"),
    [
        ("one-label", MANY, "ONE_LABEL"),
        ("rare-label", [*MANY, ("f" * 64, "cheap prize", "spam")], "LABEL_RARE"),
    ],
)
def test_labels_with_too_few_records_are_named_before_the_run(task, name, part, reason):
    task_part = task.part(name, part)
    measured = estimate(task, name, train=task_part)
    assert [each["reason"] for each in measured["problems"]] == [reason]
    assert (
        "Add records" in measured["problems"][0]["message"]
        or "add records" in measured["problems"][0]["message"]
    )


@pytest.mark.parametrize(
    ("name", "part", "reason"),
    [
        ("empty", [], "DATA_EMPTY"),
        ("unknown-label", [("a" * 64, "a mail", "eggs")], "DATA_MALFORMED"),
    ],
)
def test_data_that_would_end_the_run_end_the_estimate_in_the_same_words(task, name, part, reason):
    digest = task.part(name, part)
    with pytest.raises(Exception) as refused:
        estimate(task, name, train=digest)
    assert own_reason(refused.value) == reason
    with pytest.raises(Exception) as trained:
        train(task, f"{name}-run", train=digest)
    assert str(trained.value) == str(refused.value)


def test_a_text_longer_than_the_context_is_counted_as_cut(task):
    long = [(identifier, f"{text} " * 400, label) for identifier, text, label in rows(20, seed=5)]
    part = task.part("long-texts", [*long, *rows(20, seed=6)])
    measured = estimate(task, "long-texts", replace(RECIPE, max_chars=0), train=part)
    assert 0 < int(measured["cut_samples"]) <= 20


def _without_pad_token(base: Path) -> None:
    path = base / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config.pop("pad_token", None)
    path.write_text(json.dumps(config))


def _without_template(base: Path) -> None:
    (base / "chat_template.jinja").unlink()
    path = base / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config.pop("chat_template", None)
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("name", "edit", "reason"),
    [("no-pad-token", _without_pad_token, ""), ("no-template", _without_template, "BAD_BASE_MODEL")],
)
def test_a_base_without_a_pad_token_trains_and_one_without_a_template_is_named(
    task, tmp_path, name, edit, reason
):
    base = tiny_llama(tmp_path / name, max_chars=0)
    edit(base)
    recipe = replace(RECIPE, method=Method.CONTINUE, epochs=0.1, language_model_weight=0.0)
    digest = task.store.put_tree(base)
    if not reason:
        assert train(task, name, recipe, base=digest)["result"]["metrics"]["steps"] == 3
        assert int(estimate(task, f"{name}-estimate", recipe, base=digest)["samples"]) == 240
        return
    with pytest.raises(Exception, match="no chat template: store one") as refused:
        estimate(task, name, recipe, base=digest)
    assert own_reason(refused.value) == reason


def test_a_batch_of_one_trains(task):
    result = train(task, "one", replace(RECIPE, batch_size=1, epochs=0.1))["result"]
    assert result["metrics"]["steps"] == 24
