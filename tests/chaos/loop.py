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

import httpx

from ratoon.client.raw.client import ENDED_BADLY, ENDED_WELL, Answer, Client
from ratoon.client.raw.errors import ApiError, RatoonSdkError, Unreachable
from ratoon_examples.demo.mails import LABELS, LICENSE, Mail, archive, read_corpus

JSON = dict[str, Any]
T = TypeVar("T")
NOT_NOW = {429, 502, 503, 504}
TRAINING = {
    "epochs": 8,
    "continueEpochs": 2,
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


class GaveUp(RatoonSdkError):
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

    client: Client
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
        project = {
            "labels": ["ham", "spam"],
            "instructions": "Is this mail wanted (ham) or not (spam)?",
            "training": TRAINING,
            "gate": {"newDomainThreshold": -1, "oldDomainThreshold": -1, "baselineMargin": 1},
            "rollout": {"bakeSeconds": 3},
        }
        retrying(lambda: self.client.create("projects", project, PROJECT, request_id="project"))
        policy = {
            "minAnswers": 10_000,
            "minFeedback": len(self.mails.arriving) // 2,
            "errorRateThreshold": 0.01,
            "settleSeconds": 4,
            "cooldownSeconds": 3600,
        }
        parent = f"projects/{PROJECT}"
        retrying(lambda: self.client.create(f"{parent}/policies", policy, "default", request_id="policy"))

    def _first_version(self) -> JSON:
        self.stage = "first version"
        digest = retrying(lambda: self.client.upload(archive(list(self.mails.training))))
        source = {
            "displayName": "mails",
            "format": "FORMAT_MAIL_ARCHIVE",
            "digest": digest,
            "license": LICENSE,
            "labelsByFolder": LABELS,
        }
        parent = f"projects/{PROJECT}"
        created = retrying(
            lambda: self.client.create(f"{parent}/sources", source, "mails", request_id="mails")
        )
        self._acknowledged("source", created["name"], items=len(self.mails.training))
        request = {"sources": [created["name"]]}
        run = retrying(lambda: self.client.create(f"{parent}/pipelineRuns", request, request_id="first"))
        self._acknowledged("run", run["name"])
        return self._end(run["name"])

    def _annotate(self, run: JSON) -> None:
        self.stage = "annotations"
        version = run["products"]["datasetVersion"]
        records = retrying(lambda: self.client.get(f"{version}/records", pageSize=ANNOTATED))["records"]
        for number, record in enumerate(records):
            annotation = {
                "recordId": record["recordId"],
                "contentDigest": record["contentDigest"],
                "label": record["sourceLabel"],
            }
            created = self._annotated(annotation, f"annotation-{number}")
            self._acknowledged("annotation", created["name"])

    def _annotated(self, annotation: JSON, request_id: str) -> JSON:
        collection = f"projects/{PROJECT}/annotations"
        return retrying(lambda: self.client.create(collection, annotation, request_id=request_id))

    def _traffic(self) -> None:
        """Answer every mail and label the answer, one after the other, with several readers in parallel."""
        self.stage = "traffic"
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(self._read_mail, self.mails.arriving))

    def _read_mail(self, mail: tuple[str, str]) -> None:
        text, label = mail
        answer: Answer = retrying(lambda: self.client.chat(PROJECT, text, max_tokens=4))
        right = answer.text.strip() == label
        feedback = {"thumb": "up"} if right else {"thumb": "down", "correction": label}
        retrying(lambda: self.client.feedback(answer.id, **feedback))
        self._acknowledged("feedback", answer.id)

    def _second_version(self) -> None:
        self.stage = "waiting for a retraining"
        name = eventually("a run that a policy starts", self._started_by_policy)
        self.stage = "second version"
        self._end(name, may_roll_back=True)

    def _started_by_policy(self) -> str:
        runs = retrying(lambda: list(self.client.list(f"projects/{PROJECT}/pipelineRuns")))
        own = [run["name"] for run in runs if run.get("trigger") not in (None, "TRIGGER_MANUAL")]
        return own[0] if own else ""

    def _end(self, name: str, *, may_roll_back: bool = False) -> JSON:
        """Return the run, once it has ended well; the stage follows it.

        `may_roll_back`: a rollout whose new engine is killed under traffic ends well when it rolls back.
        """

        def ended() -> JSON | None:
            run = retrying(lambda: self.client.get(name))
            working = [stage["id"] for stage in run["stages"] if stage.get("state") == "RUNNING"]
            self.stage = f"{name.rsplit('/', 1)[-1][:8]} {working[0] if working else run['state']}"
            return run if run["state"] in ENDED_WELL | ENDED_BADLY else None

        run = eventually(f"the end of {name}", ended)
        message = run.get("failure", {}).get("message", "")
        was_killed = run["state"] == "STATE_ROLLED_BACK" and KILLED_UNDER_TRAFFIC in message
        if run["state"] not in ENDED_WELL and not (may_roll_back and was_killed):
            raise GaveUp(f"{name} ended as {run['state']}: {message}")
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
        except (Unreachable, httpx.TransportError, ApiError) as error:
            lasting = isinstance(error, ApiError) and error.status not in NOT_NOW
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
