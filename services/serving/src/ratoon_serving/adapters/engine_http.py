"""Talks to one engine over its Unix socket or its address: OpenAI's routes and ours. It knows no process."""

import http.client
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ratoon.chassis.errors import Unavailable
from ratoon_serving.domain.attestation import Continuation, GoldenPrompt
from ratoon_serving.domain.engine import Check, Engine, EngineState, EngineView

JSON = dict[str, Any]

_STATUS_S = 5.0
_ANSWER_S = 60.0
_PROBE_TEXT = "Is anybody there?"
_PROBE_TOKENS = 4


@dataclass(frozen=True)
class Answer:
    """An engine's answer: HTTP status, headers by lower-case name, parsed body (empty when it is no JSON)."""

    status: int
    headers: dict[str, str]
    body: JSON


class EngineClient:
    """Calls to engines; each call is a connection of its own."""

    def view(self, engine: Engine) -> EngineView | None:
        """The engine as it tells itself; None while nobody answers at its address."""
        try:
            answer = self._call(engine, "GET", "/ratoon/status", None, _STATUS_S)
        except (OSError, http.client.HTTPException):
            return None
        told = answer.body
        if answer.status != 200 or not told.get("ready"):
            broken = told.get("broken") or f"status {answer.status}"
            return EngineView(EngineState.GONE, message=f"the engine says that it is broken: {broken}")
        return EngineView(EngineState.READY, told["artifact_digest"], told["accepting"], told["in_flight"])

    def control(self, engine: Engine, route: str, body: JSON | None = None) -> JSON:
        """Call one of the control routes; Unavailable when the engine does not do it."""
        try:
            answer = self._call(engine, "POST", f"/ratoon/{route}", body or {}, _ANSWER_S)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"{engine.name} does not answer: {error}.", reason="ENGINE_UNREACHABLE"
            ) from error
        if answer.status != 200:
            raise Unavailable(f"{engine.name} refused {route}: {answer.body}.", reason="ENGINE_REFUSED")
        return answer.body

    def continue_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> list[Continuation]:
        """Greedy continuations of the prompts, as long as recorded; Unavailable when one is refused."""
        return [self._continue(engine, prompt) for prompt in prompts]

    def probe(self, engine: Engine) -> Check:
        """One short chat completion, checked for status, text and the version that signs it."""
        messages = [{"role": "user", "content": _PROBE_TEXT}]
        asked = {
            "model": engine.served_name,
            "messages": messages,
            "max_tokens": _PROBE_TOKENS,
            "temperature": 0,
        }
        try:
            answer = self._call(engine, "POST", "/v1/chat/completions", asked, _ANSWER_S)
        except (OSError, http.client.HTTPException) as error:
            return Check(False, f"a probe was not answered: {error}")
        if answer.status != 200 or not answer.body.get("choices"):
            return Check(False, f"a probe was answered with status {answer.status}")
        signed = answer.headers.get("x-ratoon-version", engine.version)
        if signed != engine.version:
            return Check(False, f"a probe was answered by {signed}, not by {engine.version}")
        return Check(True)

    def _continue(self, engine: Engine, golden: GoldenPrompt) -> Continuation:
        asked = {
            "model": engine.served_name,
            "prompt": list(golden.prompt),
            "max_tokens": len(golden.tokens),
            "temperature": 0,
            "logprobs": 1,
            "ignore_eos": True,
        }
        try:
            answer = self._call(engine, "POST", "/v1/completions", asked, _ANSWER_S)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"{engine.name} does not answer: {error}.", reason="ENGINE_UNREACHABLE"
            ) from error
        if answer.status != 200:
            raise Unavailable(
                f"{engine.name} refused a golden prompt: {answer.body}.", reason="ENGINE_REFUSED"
            )
        return _continuation(answer.body)

    def _call(self, engine: Engine, method: str, path: str, body: JSON | None, timeout: float) -> Answer:
        connection = _connection(engine.endpoint, timeout)
        headers = {"x-ratoon-engine-secret": engine.secret, "content-type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            data = response.read()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, _parsed(data))
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _connection(endpoint: str, timeout: float) -> http.client.HTTPConnection:
    if endpoint.startswith("unix://"):
        return _UnixConnection(endpoint.removeprefix("unix://"), timeout)
    return http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=timeout)


def _continuation(body: JSON) -> Continuation:
    """The tokens and log-probabilities in an answer; none where it holds no such thing, which matches nothing."""
    try:
        told = body["choices"][0]["logprobs"]
        tokens = tuple(int(token.removeprefix("token_id:")) for token in told["tokens"])
        return Continuation(tokens, tuple(told["token_logprobs"]))
    except (KeyError, IndexError, TypeError, ValueError):
        return Continuation((), ())


def _parsed(data: bytes) -> JSON:
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
