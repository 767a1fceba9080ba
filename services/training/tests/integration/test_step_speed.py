"""What a step does beside its computation: in the background, to the same bits; and compiled passes."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ratoon.operations.jobs import JobFolder
from ratoon.storage.scratch import ScratchStore
from ratoon_training.domain.places import CLAIMS, FINISH, finish_request
from ratoon_training.worker import models
from ratoon_training.worker.ahead import Ahead
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.corpus import Corpus, located
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.reporting import FinishRequest, ProgressReporter
from ratoon_training.worker.session import Data, Session

from .conftest import RECIPE, Task

_WITHIN_S = 20.0


@pytest.fixture
def ahead() -> Iterator[Ahead[int, tuple[int, str]]]:
    work = Ahead[int, tuple[int, str]]()
    yield work
    work.close()


def on_thread(key: int) -> tuple[int, str]:
    return key, threading.current_thread().name


def test_the_next_result_is_computed_by_a_thread_and_another_one_at_once(ahead):
    ahead.begin(1, on_thread)
    key, thread = ahead.take(1, on_thread)
    assert key == 1 and thread.startswith("next-step")
    ahead.begin(2, on_thread)
    assert ahead.take(3, on_thread) == (3, threading.current_thread().name)
    assert ahead.take(2, on_thread) == (2, threading.current_thread().name), "what was begun is discarded"


def test_an_error_of_the_thread_is_raised_where_the_result_is_taken(ahead):
    ahead.begin(0, lambda key: (1 // key, ""))
    with pytest.raises(ZeroDivisionError):
        ahead.take(0, on_thread)


@pytest.fixture(scope="module")
def prepared(task: Task) -> Path:
    folder = task.folder / "work" / "speed" / "prepared"
    return prepare(task.spec("speed", RECIPE), RECIPE, folder, lambda _: None)


def session(prepared: Path, recipe=RECIPE) -> Session:
    corpus = Corpus(prepared / "train.npz")
    return Session(recipe, models.build(recipe, prepared), Data(corpus, corpus), WorkerContext())


@pytest.mark.parametrize("packed", [False, True])
def test_samples_drawn_ahead_are_those_of_the_step(prepared, monkeypatch, packed):
    recipe = replace(RECIPE, packed=packed, token_dropout=0.2, language_model_epochs=0.1)
    first, second = session(prepared, recipe), session(prepared, recipe)
    monkeypatch.setattr(second._ahead, "begin", lambda *_: None)
    for step in range(1, first.per_epoch + 2):
        assert first.train_step(1e-3) == second.train_step(1e-3), step
    for name, weights in first.trainable.items():
        assert torch.equal(weights, second.trainable[name]), name


@pytest.mark.parametrize("packed", [False, True])
def test_located_places_are_those_of_the_masks(prepared, packed):
    corpus = Corpus(prepared / "train.npz")
    batch = corpus.packed([0, 5, 2]) if packed else corpus.batch([0, 5, 2])
    answer, text = batch.places()
    for known in (batch.chosen(), located(batch).to(torch.device("cpu")).chosen()):
        assert torch.equal(batch.targets.flatten()[known.answer], batch.targets[answer])
        assert torch.equal(batch.targets.flatten()[known.text], batch.targets[text])


class SlowFolder(JobFolder):
    """A job on a disk that holds each report until the test ends it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.ends = threading.Event()
        self.written = list[int]()

    def report(self, progress) -> None:
        assert self.ends.wait(_WITHIN_S)
        self.written.append(progress.done)


def test_steps_do_not_wait_for_a_report_and_the_end_of_an_epoch_does(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr("ratoon_training.worker.reporting._EVERY_S", 0.0)
    job, trained = SlowFolder(tmp_path), session(prepared)
    reporter = ProgressReporter(job)
    reporter.begin(trained)
    for _ in range(3):
        row = trained.train_step(1e-3)
        trained.curves.steps.append(row)
        reporter.step(trained, row)
    assert job.written == []
    job.ends.set()
    reporter.epoch(trained, [0, trained.step, 1.0, 0.5, 0.5])
    reporter.close()
    assert job.written == [1, 3]


def test_a_request_to_finish_is_read_at_once_and_then_in_the_background(tmp_path, monkeypatch):
    scratch = ScratchStore(str(tmp_path), "run")
    earlier, later = 1, 1 + CLAIMS
    scratch.put(FINISH, finish_request(earlier))
    assert FinishRequest(scratch, earlier).is_set()
    monkeypatch.setattr("ratoon_training.worker.reporting._FINISH_POLL_S", 0.0)
    request = FinishRequest(scratch, later)
    assert not request.is_set()
    scratch.put(FINISH, finish_request(later))
    until = time.monotonic() + _WITHIN_S
    while not request.is_set():
        assert time.monotonic() < until
