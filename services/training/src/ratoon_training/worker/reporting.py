"""Reports of a run while it trains: progress with loss, tokens per second and time left, and the live curve."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from ratoon.operations.jobs import JobFolder
from ratoon.storage.scratch import ScratchStore
from ratoon_training.domain.places import FINISH, finish_request
from ratoon_training.domain.runs import WORKERS
from ratoon_training.worker.curves import STEP_COLUMNS, TOKENS, CurveFile

if TYPE_CHECKING:
    from ratoon_training.worker.forecast import Forecast
    from ratoon_training.worker.session import Session

_EVERY_S = 0.5
_FINISH_POLL_S = 1.0
"""Seconds between two looks for a request to finish: the scratch store may be on another machine."""
PREPARED = 0.05
"""Share of a run's progress before its first step."""
_TRAINED = 0.97


class FinishRequest:
    """Request of a run to end early, with its best weights so far."""

    def __init__(self, scratch: ScratchStore | None, fence: int) -> None:
        """`scratch` holds it, for attempts with fencing numbers like this one; None: there is none."""
        self._scratch, self._polled = scratch, 0.0
        self._request = finish_request(fence)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="finish")
        self._looking: Future[bool] | None = None

    def is_set(self) -> bool:
        """Return True if the request is there; it is read once a second, after the first time in the background."""
        if self._scratch is None:
            return False
        is_first = not self._polled
        if self._looking is None and (is_first or time.monotonic() - self._polled >= _FINISH_POLL_S):
            self._polled = time.monotonic()
            self._looking = self._thread.submit(self._look, self._scratch)
        if self._looking is None or not (is_first or self._looking.done()):
            return False
        looking, self._looking = self._looking, None
        return looking.result()

    def _look(self, scratch: ScratchStore) -> bool:
        return scratch.read(FINISH) == self._request


class ProgressReporter:
    """Reports one run. Only the leading worker reports; the others have no `job`."""

    def __init__(
        self,
        job: JobFolder | None,
        scratch: ScratchStore | None = None,
        fence: int = 0,
        forecast: "Forecast | None" = None,
        workers: int = 1,
    ) -> None:
        """`scratch` holds a request to finish, for attempts with fencing numbers like this one; None: there is none.

        `forecast` is made before the first step, and its time does not count. `workers` are those of the request.
        """
        self._workers = workers
        self._job, self._finish = job, FinishRequest(scratch, fence)
        self._forecast = forecast
        self._curve = CurveFile(job.path / "curve.jsonl") if job else None
        self._begun = self._reported = time.monotonic()
        self._tokens = 0.0
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="progress")
        self._written: Future[None] | None = None
        self.seconds = 0.0
        """Seconds since this attempt began to train."""

    @property
    def tokens_per_second(self) -> float:
        """Tokens of the training part a second, since this attempt began to train."""
        return self._tokens / self.seconds if self.seconds else 0.0

    def begin(self, session: "Session") -> None:
        """Start the clock before the first step."""
        if self._forecast is not None:
            self._forecast(session)
        self._begun, self._reported, self._tokens = time.monotonic(), 0.0, 0.0

    def stop_requested(self) -> bool:
        """Return True if the platform asked the run to stop."""
        return self._job is not None and self._job.stop_requested()

    def finish_requested(self) -> bool:
        """Return True if the platform asked the run to end early, with its best weights so far."""
        return self._finish.is_set()

    def step(self, session: "Session", row: list[float]) -> None:
        """Report a step."""
        self._tokens += row[TOKENS]
        self.seconds = time.monotonic() - self._begun
        if self._job is None or self._curve is None:
            return
        self._curve.step(row, session.curves.step_columns, self.seconds, self.tokens_per_second)
        if time.monotonic() - self._reported >= _EVERY_S and (self._written is None or self._written.done()):
            self._wait()
            self._reported = time.monotonic()
            # A disk may take longer than a step.
            self._written = self._writer.submit(self._progress(self._job, session))

    def epoch(self, session: "Session", row: list[float]) -> None:
        """Report the validation of an epoch."""
        self.seconds = time.monotonic() - self._begun
        if self._job is not None and self._curve is not None:
            self._curve.epoch(row, session.curves.scores)
            self._wait()
            self._reported = time.monotonic()
            self._progress(self._job, session)()

    def close(self) -> None:
        """Close the live curve, after the last report."""
        self._writer.shutdown(wait=True)
        if self._curve is not None:
            self._curve.close()

    def _remaining_s(self, session: "Session", rate: float) -> float | None:
        """Return the seconds to the end: by the forecast, corrected by the steps so far, else by their tokens."""
        if self._forecast is not None and self._forecast.predicted is not None:
            return self._forecast.predicted.remaining_s(session.step, self.seconds)
        return session.remaining_tokens() / rate if rate else None

    def _wait(self) -> None:
        """Wait until the last report is written; raise its error."""
        if self._written is not None:
            written, self._written = self._written, None
            written.result()

    def _progress(self, job: JobFolder, session: "Session") -> Callable[[], None]:
        """Return the writing of the progress as it is now."""
        rate = self.tokens_per_second
        return partial(
            job.progress,
            PREPARED + (_TRAINED - PREPARED) * session.step / session.steps,
            _message(session, rate, self._workers),
            done=session.step,
            total=session.steps,
            unit="steps",
            remaining_s=self._remaining_s(session, rate),
            metrics=_metrics(session, rate),
        )


def _message(session: "Session", rate: float, requested: int) -> str:
    """Return the progress as text: `step 120 of 232, loss 0.41, 8,100 tokens/s`; workers that are lost are named."""
    loss = session.curves.steps[-1][1]
    workers = f", {session.workers} of {requested} workers" if session.workers < requested else ""
    return f"step {session.step} of {session.steps}, loss {loss:.2f}, {rate:,.0f} tokens/s{workers}"


def _metrics(session: "Session", rate: float) -> dict[str, float]:
    last = session.curves.steps[-1]
    return {
        "loss": last[1],
        "answer_loss": last[2],
        "gradient_norm": last[4],
        "learning_rate": last[5],
        "tokens_per_second": rate,
        "memory_bytes": float(session.memory_bytes()),
        WORKERS: float(session.workers),
        "epoch": session.step / session.per_epoch,
        **dict(zip(session.curves.measures, last[len(STEP_COLUMNS) :], strict=True)),
        **session.curves.validation,
    }
