"""A deployment of tiny versions, without training: each version has its own answer.

Every version is a Llama of about 120,000 weights, or an adapter beside one, that answers every prompt with its
one label. It is uploaded, registered, verified and signed as any other.
"""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ratoon.client.states import has_ended
from ratoon.client.types import Rollout, RolloutBake, RolloutStrategy
from ratoon.process.identity import ProcessIdentity
from ratoon.testkit.models import tiny_adapter, tiny_llama
from ratoon.testkit.waiting import until

from .loop import retrying
from .stack import Stack
from .victims import Victim

JSON = dict[str, Any]
PROJECT = "mail"
SAYS = {"v1.0": "ham", "v1.1": "spam"}
"""Answer of each version."""
_UNSAID = "unsure"
"""Answer of the base of adapters, which no version gives."""
_ROLLOUT_S = 240.0

Build = Callable[[Stack, Path, str], Path]
"""Makes the folder of a version that answers with a label."""


def whole_model(stack: Stack, folder: Path, says: str) -> Path:
    """A version with all weights of its own; with this seed it repeats its label to the end of a long answer."""
    return tiny_llama(folder / says, answer=says, seed=5)


def adapter(stack: Stack, folder: Path, says: str) -> Path:
    """A version that is an adapter; both are of one base, which is made and uploaded with the first."""
    base = folder / "base"
    if not base.exists():
        tiny_llama(base, (*SAYS.values(), _UNSAID), answer=_UNSAID)
    return tiny_adapter(folder / says, base, stack.client.blobs.upload_tree(base), answer=says)


class Served:
    """A deployment with two versions; `roll_out` takes it from version to version.

    Its model and itself are called as the project is.
    """

    def __init__(self, stack: Stack, project: str = PROJECT) -> None:
        self.stack, self.project = stack, project
        self.model = f"projects/{project}/models/{project}"
        self.deployment = f"projects/{project}/deployments/{project}"
        self.versions = [f"{self.model}/versions/{version}" for version in SAYS]

    def set_up(self, folder: Path, build: Build = whole_model) -> None:
        """Create project, model, both versions and deployment; roll out the first version."""
        self.stack.project(self.project)
        client, parent, name = self.stack.client, f"projects/{self.project}", self.project
        client.models.create(parent, model_id=name, display_name=name, request_id="model")
        for version, says in SAYS.items():
            digest = client.blobs.upload_tree(build(self.stack, folder, says))
            created = client.model_versions.create(
                self.model, model_version_id=version, artifact_digest=digest, request_id=version
            )
            client.model_versions.wait(created.name)
        client.deployments.create(parent, deployment_id=name, model=self.model, request_id="deployment")
        self.end(self.roll_out(self.versions[0]))

    def roll_out(self, version: str, strategy: str = "SECOND_ENGINE", bake_s: float = 2.0) -> str:
        """Begin a rollout; its name."""
        return self.stack.client.rollouts.create(
            self.deployment,
            to_version=version,
            strategy=RolloutStrategy[strategy],
            bake=RolloutBake(seconds=bake_s),
        ).name

    def rollout(self, name: str) -> Rollout:
        """A rollout as it is now."""
        return retrying(lambda: self.stack.client.rollouts.get(name))

    def end(self, name: str) -> Rollout:
        """Wait until a rollout has ended, in any state, and return it."""

        def ended() -> Rollout | None:
            rollout = self.rollout(name)
            return rollout if has_ended(rollout) else None

        return until(ended, _ROLLOUT_S)

    def reached(self, name: str, step: str) -> None:
        """Wait until a rollout has come to this step, or has ended."""

        def reached() -> bool:
            rollout = self.rollout(name)
            return has_ended(rollout) or any(each.state == step for each in rollout.steps)

        until(reached, _ROLLOUT_S)

    def serving(self) -> str:
        """The version that `production` names."""
        return retrying(lambda: self.stack.client.aliases.get(f"{self.model}/aliases/production")).version

    def other(self) -> str:
        """The version that does not serve."""
        return next(version for version in self.versions if version != self.serving())

    def kill_engine(self, old: bool) -> None:
        """kill -9 the engine of the version that `production` names (old), or the other one (new)."""
        serving = self.serving()
        for path in self.stack.state.glob("serving/engines/*/engine.json"):
            written = json.loads(path.read_text())
            mark = ProcessIdentity.read(path.parent)
            if (written["version"] == serving) is old and mark is not None and mark.alive():
                os.kill(mark.pid, signal.SIGKILL)

    def kill(self, victim: Victim) -> None:
        """kill -9 all of a kind, then start what is not restarted automatically."""
        self.stack.census.kill(victim)
        self.stack.up()


@dataclass
class Stream:
    """A long answer on its way: who writes it, what came, and how it ended (`length`, or what went wrong)."""

    version: str = ""
    text: str = ""
    chunks: int = 0
    ended: str = ""


@dataclass
class Traffic:
    """Callers that send requests continuously, each once: their answers, and their open streams."""

    served: Served
    callers: int = 4
    answered: Counter[str] = field(default_factory=Counter)
    """Answers by version."""
    failed: list[str] = field(default_factory=list)
    """Requests that were answered with an error."""
    turned_away: list[str] = field(default_factory=list)
    """Requests that waited for an engine until the limit, and were refused."""
    unheard: list[str] = field(default_factory=list)
    """Requests without an answer: the connection ended."""
    mixed: list[str] = field(default_factory=list)
    """Answers that another version wrote than their header says."""
    streams: list[Stream] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Start to send requests."""
        for _ in range(self.callers):
            self._run(self._ask_on)

    def open_streams(self, count: int, tokens: int) -> None:
        """Open `count` long answers, and return when all have begun."""
        opened = [Stream() for _ in range(count)]
        self.streams += opened
        for stream in opened:
            self._run(self._receive, stream, tokens)
        until(lambda: all(stream.chunks or stream.ended for stream in opened), 90)

    def stop(self) -> None:
        """Send no more requests, and wait for open ones."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(180)
        self._threads.clear()
        self._stopping.clear()

    def cut(self) -> list[Stream]:
        """Streams that did not come to their end."""
        return [stream for stream in self.streams if stream.ended not in ("length", "stop")]

    def _run(self, function: Any, *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _ask_on(self) -> None:
        with self._http() as http:
            while not self._stopping.is_set():
                self._ask(http)
                time.sleep(0.05)

    def _ask(self, http: httpx.Client) -> None:
        body = {**self._request(), "max_tokens": 1}
        try:
            answer = http.post("/v1/chat/completions", json=body)
        except httpx.HTTPError as error:
            self.unheard.append(f"{type(error).__name__}: {error}")
            return
        if answer.is_error:
            waited = answer.status_code == 503 and '"no_engine"' in answer.text
            (self.turned_away if waited else self.failed).append(f"{answer.status_code}: {answer.text[:200]}")
            return
        version = answer.headers["x-ratoon-model"].replace("@", "/versions/")
        self.answered[version.rsplit("/", 1)[-1]] += 1
        self._check(version, answer.json()["choices"][0]["message"]["content"])

    def _receive(self, stream: Stream, tokens: int) -> None:
        body = {**self._request(), "max_tokens": tokens, "ignore_eos": True, "stream": True}
        try:
            with self._http() as http, http.stream("POST", "/v1/chat/completions", json=body) as answer:
                stream.version = answer.headers.get("x-ratoon-model", "").replace("@", "/versions/")
                for line in answer.iter_lines():
                    _take(stream, line)
        except httpx.HTTPError as error:
            stream.ended = stream.ended or f"{type(error).__name__}: {error}"
        stream.ended = stream.ended or "cut: the connection ended before the answer did"
        if stream.chunks:
            self._check(stream.version, stream.text)

    def _check(self, version: str, text: str) -> None:
        says = SAYS[version.rsplit("/", 1)[-1]]
        others = set(SAYS.values()) - {says}
        if not text.startswith(says) or any(other in text for other in others):
            self.mixed.append(f"{version} seems to have written {text[:20]!r}")

    def _request(self) -> JSON:
        message = {"role": "user", "content": "What is this mail?"}
        return {
            "model": f"{self.served.project}/{self.served.project}",
            "messages": [message],
            "temperature": 0,
        }

    def _http(self) -> httpx.Client:
        client = self.served.stack.client
        headers = {"authorization": f"Bearer {client.api_key}"}
        return httpx.Client(base_url=client.base_url, headers=headers, timeout=120.0)


def _take(stream: Stream, line: str) -> None:
    """One line of a server-sent event stream."""
    data = line.removeprefix("data:").strip()
    if not line.startswith("data:") or data == "[DONE]":
        return
    event = json.loads(data)
    if "error" in event:
        stream.ended = f"error {event['error'].get('code')}: {event['error'].get('message')}"
        return
    for choice in event.get("choices", []):
        stream.text += choice.get("delta", {}).get("content") or ""
        stream.chunks += 1
        stream.ended = choice.get("finish_reason") or stream.ended


def excused(stream: Stream, killed: Victim | None) -> bool:
    """Return True if a stream had to end: its engine died, which the error names, or the gateway did."""
    if killed is Victim.ENGINE:
        return stream.ended.startswith("error engine_lost")
    return killed is Victim.GATEWAY and not stream.ended.startswith("error")


def unexpected(traffic: Traffic, killed: Victim | None) -> Sequence[str]:
    """Return unexpected failures: only what the death of an engine or of the gateway must end is excused."""
    unheard = [] if killed is Victim.GATEWAY else traffic.unheard
    turned_away = [] if killed is Victim.ENGINE else traffic.turned_away
    cut = [stream for stream in traffic.cut() if not excused(stream, killed)]
    return [
        *traffic.failed,
        *unheard,
        *turned_away,
        *traffic.mixed,
        *(f"stream of {stream.version}: {stream.ended}" for stream in cut),
    ]
