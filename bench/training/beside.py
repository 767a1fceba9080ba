"""Processor time of a step of Ratoon next to one of the plain loop, in one process, one step of each in turn.

Both compute the same samples with one thread, so neither the load of the machine nor waiting threads count: what is
left of the difference is what Ratoon does besides forward and backward pass and optimiser.
"""

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from contenders import SKIPPED, Task
from loop import step

from ratoon.operations.jobs import JobFolder
from ratoon.storage.scratch import ScratchStore
from ratoon_training.domain import schedule
from ratoon_training.worker import models
from ratoon_training.worker.checkpoints import Checkpoints
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.reporting import ProgressReporter
from ratoon_training.worker.session import Data, Session


@dataclass
class Plain:
    """The plain loop on the samples of Ratoon's steps."""

    task: Task
    prepared: Path
    corpus: Corpus
    model: Any = field(init=False)

    def __post_init__(self) -> None:
        recipe, corpus = self.task.recipe, self.corpus
        self.model = models.build(recipe, self.prepared)
        self._optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.95), fused=True
        )
        self._plan = schedule.batches(corpus.record_ids, corpus.lengths, recipe.seed, 0, recipe.batch_size)

    def __call__(self, number: int) -> None:
        """Take the step of this number."""
        step(self.model, self._optimiser, self.corpus, self._plan[number], self.task.recipe)


class Interleaved(ProgressReporter):
    """Takes a plain step after each of Ratoon's, reports included; `seconds_of` are both of each pair."""

    def __init__(self, job: JobFolder, scratch: ScratchStore, plain: Plain) -> None:
        super().__init__(job, scratch)
        self._plain = plain
        self._from = 0.0
        self.pairs = list[tuple[float, float]]()

    def begin(self, session: Session) -> None:
        """Start the clock before the first step."""
        super().begin(session)
        self._from = time.process_time()

    def step(self, session: Session, row: list[float]) -> None:
        """Report a step, and take a plain one."""
        super().step(session, row)
        ended = time.process_time()
        self._plain(session.step - 1)
        self.pairs.append((ended - self._from, time.process_time() - ended))
        self._from = time.process_time()


def processor_time(task: Task, prepared: Path) -> dict[str, float]:
    """Return the milliseconds of a step of both, the medians, and the median of their ratios."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    data = Data(Corpus(prepared / "train.npz"), Corpus(prepared / "validation.npz"))
    folder = task.folder / "beside"
    (folder / "job").mkdir(parents=True)
    plain = Plain(task, prepared, data.train)
    reporter = Interleaved(JobFolder(folder / "job"), ScratchStore(task.artifacts, "beside"), plain)
    checkpoints = Checkpoints(folder / "checkpoints", 1)
    checkpoints.claim()
    session = Session(task.recipe, models.build(task.recipe, prepared), data, WorkerContext())
    try:
        session.run(checkpoints, 3600.0, reporter)
    finally:
        checkpoints.close()
        reporter.close()
        torch.set_num_threads(threads)
    pairs = reporter.pairs[SKIPPED:]
    return {
        "ratoon_ms": 1000 * statistics.median(mine for mine, _ in pairs),
        "plain_ms": 1000 * statistics.median(theirs for _, theirs in pairs),
        "ratio": statistics.median(mine / theirs for mine, theirs in pairs),
    }
