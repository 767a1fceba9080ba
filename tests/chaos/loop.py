"""The whole loop on a slice of the mails, small enough to be run again and again while its parts are killed.

It only uses the public API and retries as a client should: a request without an answer, or with the answer "not now",
is repeated with the same request id. What the platform acknowledged is written to the ledger, for the checker.
"""

import email
import email.policy
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ratoon.client import APIConnectionError, APIStatusError, Ratoon, RatoonError
from ratoon.client.states import has_ended, has_succeeded
from ratoon.client.types import PipelineRun, PipelineRunState, PipelineRunTrigger, Record, SourceFormat
from ratoon_examples.demo.mails import LABELS, LICENSE, Mail, archive, read_corpus

T = TypeVar("T")
NOT_NOW = {429, 502, 503, 504}
TRAINING = {
    "epochs": 8,
    "continueEpochs": 6,
    "hiddenSize": 128,
    "layers": 2,
    "maxChars": 400,
    "replayCount": 40,
}
ANNOTATED = 8
CALLERS = 4
PROJECT = "mail"
KILLED_UNDER_TRAFFIC = "the new engine ended after traffic was routed to it"
_RETRY_S = 300.0
_STAGE_S = 1800.0


class GaveUp(RatoonError):
    """The loop made no progress: what was waited for, and for how long."""


@dataclass(frozen=True)
class Slice:
    """The mails of one loop: those to train on, and those that arrive later as (text, label)."""

    training: tuple[Mail, ...]
    arriving: tuple[tuple[str, str], ...]


def slice_of(data: Path, training: int = 320, arriving: int = 120) -> Slice:
    """Return a number of mails of each population, half ham, half spam."""
    corpus = read_corpus(data, 1.0)
    later = [(text, mail.label) for mail in _halves(corpus.arriving, arriving) if (text := _text(mail))]
    return Slice(_halves(corpus.training, training), tuple(later))


@dataclass
class Loop:
    """One pipeline run and a half: mail to v1.0, traffic, feedback, v1.1. `stage` is the current stage."""

    client: Ratoon
    mails: Slice
    ledger: Path
    stage: str = "begins"

    def run(self) -> None:
        """From the mails to the second version; GaveUp when it does not get there."""
        self._create()
        first = self._first_version()
        self._annotate(first)
        self._traffic()
        self._second_version()
        self.stage = "done"

    def _create(self) -> None:
        self.stage = "project"
        project: dict[str, Any] = {
            "labels": ["ham", "spam"],
            "instructions": "Is this mail wanted (ham) or not (spam)?",
            "training": TRAINING,
            "gate": {"newDomainThreshold": -1, "oldDomainThreshold": -1, "baselineMargin": 1},
            "rollout": {"bakeSeconds": 3},
        }
        retrying(lambda: self.client.projects.create(project_id=PROJECT, request_id="project", **project))
        retrying(
            lambda: self.client.policies.create(
                f"projects/{PROJECT}",
                policy_id="default",
                min_answers=10_000,
                min_feedback=len(self.mails.arriving) // 2,
                error_rate_threshold=0.01,
                settle_seconds=4,
                cooldown_seconds=3600,
                request_id="policy",
            )
        )

    def _first_version(self) -> PipelineRun:
        self.stage = "first version"
        parent = f"projects/{PROJECT}"
        digest = retrying(lambda: self.client.blobs.upload(archive(list(self.mails.training))))
        source = retrying(
            lambda: self.client.sources.create(
                parent,
                source_id="mails",
                display_name="mails",
                format=SourceFormat.MAIL_ARCHIVE,
                digest=digest,
                license=LICENSE,
                labels_by_folder=LABELS,
                request_id="mails",
            )
        )
        self._acknowledged("source", source.name, items=len(self.mails.training))
        runs = self.client.pipeline_runs
        run = retrying(lambda: runs.create(parent, sources=[source.name], request_id="first"))
        self._acknowledged("run", run.name)
        return self._end(run.name)

    def _annotate(self, run: PipelineRun) -> None:
        self.stage = "annotations"
        assert run.products is not None
        version = run.products.dataset_version
        records = retrying(lambda: self.client.records.list(version, page_size=ANNOTATED)).items
        for number, record in enumerate(records):
            self._acknowledged("annotation", self._annotated(record, f"annotation-{number}"))

    def _annotated(self, record: Record, request_id: str) -> str:
        created = retrying(
            lambda: self.client.annotations.create(
                f"projects/{PROJECT}",
                record_id=record.record_id,
                content_digest=record.content_digest,
                label=record.source_label,
                request_id=request_id,
            )
        )
        return created.name

    def _traffic(self) -> None:
        """Answer every mail and label the answer, one after the other, with several readers in parallel."""
        self.stage = "traffic"
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(self._read_mail, self.mails.arriving))

    def _read_mail(self, mail: tuple[str, str]) -> None:
        text, label = mail
        chat = self.client.chat
        answer = retrying(lambda: chat.completions.create(PROJECT, text, max_tokens=4, temperature=0))
        right = answer.text.strip() == label
        feedback: dict[str, Any] = {"thumb": "up"} if right else {"thumb": "down", "correction": label}
        retrying(lambda: chat.feedback(answer.answer_id, **feedback))
        self._acknowledged("feedback", answer.answer_id)

    def _second_version(self) -> None:
        self.stage = "waiting for a retraining"
        name = eventually("a run that a policy starts", self._started_by_policy)
        self.stage = "second version"
        self._end(name, may_roll_back=True)

    def _started_by_policy(self) -> str:
        runs = retrying(lambda: list(self.client.pipeline_runs.list(f"projects/{PROJECT}")))
        by_hand = (PipelineRunTrigger.UNSPECIFIED, PipelineRunTrigger.MANUAL)
        return next((run.name for run in runs if run.trigger not in by_hand), "")

    def _end(self, name: str, *, may_roll_back: bool = False) -> PipelineRun:
        """Return the run, once it has ended well; the stage follows it.

        `may_roll_back`: a rollout whose new engine is killed under traffic ends well when it rolls back.
        """

        def ended() -> PipelineRun | None:
            run = retrying(lambda: self.client.pipeline_runs.get(name))
            working = [stage.id for stage in run.stages if stage.state == "RUNNING"]
            self.stage = f"{name.rsplit('/', 1)[-1][:8]} {working[0] if working else run.state}"
            return run if has_ended(run) else None

        run = eventually(f"the end of {name}", ended)
        assert run is not None
        message = run.failure.message if run.failure else ""
        was_killed = run.state == PipelineRunState.ROLLED_BACK and KILLED_UNDER_TRAFFIC in message
        if not has_succeeded(run) and not (may_roll_back and was_killed):
            raise GaveUp(f"{name} ended as {run.state}: {message}")
        return run

    def _acknowledged(self, kind: str, name: str, **more: int) -> None:
        with self.ledger.open("a") as ledger:
            ledger.write(json.dumps({"kind": kind, "name": name, **more}) + "\n")


def retrying(call: Callable[[], T], within_s: float = _RETRY_S) -> T:
    """Return the answer to an idempotent call; repeat it for a while if there is none, or the answer is "not now"."""
    until = time.monotonic() + within_s
    while True:
        try:
            return call()
        except (APIConnectionError, APIStatusError) as error:
            lasting = isinstance(error, APIStatusError) and error.status_code not in NOT_NOW
            if lasting or time.monotonic() > until:
                raise
        time.sleep(0.3)


def eventually(what: str, condition: Callable[[], T], within_s: float = _STAGE_S) -> T:
    """Evaluate a condition every half second until it is true; GaveUp after the timeout."""
    until = time.monotonic() + within_s
    while not (result := condition()):
        if time.monotonic() > until:
            raise GaveUp(f"Waited {within_s:.0f} s for {what}.")
        time.sleep(0.5)
    return result


def _halves(mails: list[Mail], count: int) -> tuple[Mail, ...]:
    """Return `count` mails, half of them ham, in their order."""
    ham = [mail for mail in mails if mail.label == "ham"][: count // 2]
    spam = [mail for mail in mails if mail.label == "spam"][: count // 2]
    chosen = {id(mail) for mail in ham + spam}
    return tuple(mail for mail in mails if id(mail) in chosen)


def _text(mail: Mail) -> str:
    """Subject and body as a mail program shows them; empty when it cannot."""
    try:
        message = email.message_from_bytes(mail.content, policy=email.policy.default)
        body = message.get_body(("plain", "html"))
        return f"{message['subject'] or ''}\n{body.get_content() if body else ''}".strip()[:2000]
    except (LookupError, ValueError, TypeError, AttributeError, IndexError):
        return ""
