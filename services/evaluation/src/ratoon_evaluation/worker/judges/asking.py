"""Verdicts of one judge: prompts are asked once, and what an earlier job stored is not asked again."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.jobs.v1.evaluation_jobs_pb2 import JudgeSpec
from ratoon.process.errors import NotFound
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import fetch_model
from ratoon.tasks.judges import JudgeKind
from ratoon.tasks.kind import Record, Role, Turn
from ratoon_evaluation.domain.judges import JudgeSpec as JudgeOfDomain
from ratoon_evaluation.domain.judging import read_choice, read_score
from ratoon_evaluation.worker.judges.endpoint import Endpoint, NoReply
from ratoon_evaluation.worker.parts import write_table

Advance = Callable[[int], None]

_PARALLEL = 8
"""Requests to an endpoint at a time."""
_MAX_FAILURES = 10
"""Prompts in a row without a reply, after which an endpoint is not asked any more."""
_IDENTITY = b"ratoon.judge"
_READERS: Mapping[str, Callable[[str], str | None]] = {
    JudgeKind.PAIRWISE: read_choice,
    JudgeKind.RUBRIC: lambda reply: None if (score := read_score(reply)) is None else repr(score),
}


@dataclass(frozen=True)
class Replies:
    """What a judge replied to prompts. A prompt that is in neither field got no reply."""

    read: Mapping[str, str]
    """A `Choice`, or a score."""
    unparsable: frozenset[str]
    failure: str = ""
    """Why a prompt got no reply; empty: each got one."""


class Respondent(Protocol):
    """What replies to prompts."""

    def replies(self, prompts: Sequence[str], advance: Advance) -> Iterable[tuple[str, str | None]]:
        """Yield each prompt with its reply, None without one; `advance` gets the number of finished prompts."""
        ...

    @property
    def failure(self) -> str:
        """Why a prompt got no reply."""
        ...


def identity_of(spec: JudgeSpec) -> str:
    """Return the digest of all that verdicts depend on beside prompts and answers."""
    return JudgeOfDomain(
        JudgeKind(spec.kind), spec.base_url, spec.model, spec.model_digest, spec.criteria, spec.max_tokens
    ).identity


class Asker:
    """Asks one judge, and stores what it replies."""

    def __init__(self, spec: JudgeSpec, store: ArtifactStore, folder: Path) -> None:
        """`folder` is a directory for the files of a model."""
        self._spec, self._store, self._folder = spec, store, folder
        self.identity = identity_of(spec)
        self._known = self._stored()
        self._used: dict[str, str] = {}

    def missing(self, prompts: Iterable[str]) -> list[str]:
        """Return the prompts that must be asked, each once."""
        return [each for each in dict.fromkeys(prompts) if self._key(each) not in self._known]

    def ask(self, prompts: Sequence[str], advance: Advance) -> Replies:
        """Return the verdicts on prompts; `advance` gets the number of asked prompts, and may raise to stop."""
        failure = ""
        if missing := self.missing(prompts):
            respondent = self._respondent()
            reader = _READERS[self._spec.kind]
            for prompt, reply in respondent.replies(missing, advance):
                if reply is not None:
                    self._known[self._key(prompt)] = reader(reply) or ""
            failure = respondent.failure
        replied = {each: self._known[key] for each in prompts if (key := self._key(each)) in self._known}
        self._used |= {self._key(each): verdict for each, verdict in replied.items()}
        unparsable = frozenset(each for each, verdict in replied.items() if not verdict)
        read = {each: verdict for each, verdict in replied.items() if verdict}
        return Replies(read, unparsable, failure if len(replied) < len(set(prompts)) else "")

    def write(self) -> str:
        """Store the verdicts that were used; returns the digest of the table, which holds no texts.

        Columns: key (a digest of judge and prompt), verdict (empty: the reply could not be read).
        """
        keys = sorted(self._used)
        verdicts = pa.array([self._used[key] for key in keys], pa.string())
        columns = {"key": pa.array(keys, pa.string()), "verdict": verdicts}
        return write_table(self._store, columns, {_IDENTITY: self.identity.encode()})

    def _stored(self) -> dict[str, str]:
        known: dict[str, str] = {}
        for digest in self._spec.stored_verdicts:
            try:
                table = pq.read_table(BytesIO(self._store.read(digest)))
            except (NotFound, pa.ArrowInvalid):
                continue
            if (table.schema.metadata or {}).get(_IDENTITY) == self.identity.encode():
                known |= dict(zip(*(table[name].to_pylist() for name in ("key", "verdict")), strict=True))
        return known

    def _key(self, prompt: str) -> str:
        return hashlib.sha256(f"{self.identity}\0{prompt}".encode("utf-8", "surrogatepass")).hexdigest()

    def _respondent(self) -> Respondent:
        if self._spec.model_digest:
            return OwnModel(self._spec, self._store, self._folder)
        return Remote(Endpoint(self._spec, os.environ))


class Remote:
    """Asks an endpoint, several prompts at a time."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.failure = ""
        self._in_a_row = 0

    def replies(self, prompts: Sequence[str], advance: Advance) -> Iterable[tuple[str, str | None]]:
        """Yield each prompt with its reply; once an endpoint fails again and again, it is not asked any more."""
        pool = ThreadPoolExecutor(_PARALLEL, "judge")
        try:
            for done, (prompt, reply) in enumerate(
                zip(prompts, pool.map(self._reply, prompts), strict=True), 1
            ):
                yield prompt, reply
                advance(done)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _reply(self, prompt: str) -> str | None:
        if self._in_a_row >= _MAX_FAILURES:
            return None
        try:
            reply = self._endpoint.reply(prompt)
        except NoReply as error:
            self.failure, self._in_a_row = str(error), self._in_a_row + 1
            return None
        self._in_a_row = 0
        return reply


class OwnModel:
    """Asks a model artifact, by transformers."""

    failure = "The prompt is too long for the judge."

    def __init__(self, spec: JudgeSpec, store: ArtifactStore, folder: Path) -> None:
        self._spec, self._store, self._folder = spec, store, folder

    def replies(self, prompts: Sequence[str], advance: Advance) -> Iterable[tuple[str, str | None]]:
        """Yield each prompt with its reply; a prompt that is too long for the model gets none."""
        from ratoon_evaluation.worker.decoding import Decoding
        from ratoon_evaluation.worker.generator import Generator, Prompt
        from ratoon_evaluation.worker.models import LoadedModel

        try:
            fetched = fetch_model(self._store, self._spec.model_digest, self._folder)
            model = Generator(LoadedModel(fetched), Decoding(self._spec.max_tokens))
            rendered = model.prompts()
            requests = [Prompt(rendered.prompt(Record((Turn(Role.USER, each),)))) for each in prompts]
            answers = model.answer(requests, advance)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        for prompt, reply, is_unfit in zip(prompts, answers.texts, answers.unfit, strict=True):
            yield prompt, None if is_unfit else reply
