"""Client of one engine, over its Unix socket or its address: OpenAI's routes and ours. It knows no process."""

import http.client
import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from ratoon.engine.contract import (
    CONTROL_HEADER,
    PERMANENT_REFUSALS,
    SECRET_HEADER,
    VERSION_HEADER,
    ControlPath,
)
from ratoon.process.errors import FailedPrecondition, RatoonError, Unavailable
from ratoon_serving.adapters.engine_log import explain
from ratoon_serving.domain.attestation import Continuation, GoldenPrompt
from ratoon_serving.domain.engine import Check, Engine, EngineState, EngineView

JSON = dict[str, Any]

_STATUS_S = 5.0
_BUSY_S = 300.0
_ANSWER_S = 60.0
_ALTERNATIVES = 5
"""Likeliest tokens that an engine names at each position; more than 20 are refused."""
_PROBE_TEXT = "Is anybody there?"
_PROBE_TOKENS = 4
_PRIORITY = -1
"""Priority of our own requests; that of callers is 0, and a lower one goes first."""
_WAITING = "vllm:num_requests_waiting"
_CACHE_USED = "vllm:kv_cache_usage_perc"


@dataclass(frozen=True)
class Answer:
    """An engine's answer: HTTP status, headers by lower-case name, parsed body (empty when it is no JSON)."""

    status: int
    headers: dict[str, str]
    body: JSON
    text: str = ""


class EngineClient:
    """Client of engines; each call opens a connection of its own."""

    def __init__(self, hang_s: float = 60.0) -> None:
        """`hang_s`: seconds without an answer after which an engine counts as hung."""
        self._hang_s = hang_s

    def view(self, engine: Engine) -> EngineView | None:
        """Return the engine as its process reports it; None while its address does not answer."""
        status = self.status(engine)
        return None if status is None else view_of(status, engine)

    def status(self, engine: Engine) -> JSON | None:
        """Return the status of the engine's process; None while its address does not answer."""
        try:
            answer = self._call(engine, "GET", ControlPath.STATUS, None, _STATUS_S)
        except (OSError, http.client.HTTPException):
            return None
        return answer.body if answer.status == 200 else {"broken": _cause(answer)}

    def is_hung(self, engine: Engine, silent_s: float) -> bool:
        """Return whether an engine has hung, whose status has been missing for `silent_s` seconds.

        An engine whose server still reports that it is ready may be in one step of a long computation.
        """
        if silent_s <= self._hang_s:
            return False
        return silent_s > _BUSY_S or not self._is_well(engine)

    def _is_well(self, engine: Engine) -> bool:
        try:
            return self._call(engine, "GET", ControlPath.READY, None, _STATUS_S).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def refuses(self, engine: Engine) -> bool:
        """Return whether its address refuses connections; a busy process still accepts them."""
        connection = _connection(engine.endpoint, _STATUS_S)
        try:
            connection.connect()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        finally:
            connection.close()
        return False

    def load(self, engine: Engine) -> tuple[int, float] | None:
        """Return the requests in its queue and the used share of its key-value cache; None while it does not answer."""
        try:
            answer = self._call(engine, "GET", "/metrics", None, _STATUS_S)
        except (OSError, http.client.HTTPException):
            return None
        metrics = {sample.name: sample.value for sample in _samples(answer.text)}
        return int(metrics.get(_WAITING, 0)), float(metrics.get(_CACHE_USED, 0.0))

    def control(
        self, engine: Engine, path: ControlPath, body: JSON | None = None, timeout: float = _ANSWER_S
    ) -> JSON:
        """Call the control API; Unavailable when the engine refuses now, FailedPrecondition when for good."""
        try:
            answer = self._call(engine, "POST", path, body or {}, timeout)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"{engine.name} does not answer: {error}.", reason="ENGINE_UNREACHABLE"
            ) from error
        if answer.status != 200:
            raise _refusal(engine, answer)
        return answer.body

    def close(self, engine: Engine) -> None:
        """Refuse new requests to the engine; an adapter is closed without the others of its process."""
        self.control(engine, ControlPath.CLOSE, _gate(engine))

    def open(self, engine: Engine, load_id: str = "") -> None:
        """Accept requests to the engine if it still serves this load of its weights; empty: any load."""
        self.control(engine, ControlPath.OPEN, _gate(engine) | ({"load_id": load_id} if load_id else {}))

    def continue_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> list[Continuation]:
        """Return greedy continuations of the prompts, as long as recorded; Unavailable if one is refused."""
        return [self._continue(engine, prompt) for prompt in prompts]

    def score_prompts(self, engine: Engine, prompts: Sequence[GoldenPrompt]) -> list[Continuation]:
        """Return the choices at each recorded token, given those before it, and its log-probabilities.

        vLLM's `prompt_logprobs` would do, but end an engine with adapters.
        """
        return [self._score(engine, prompt) for prompt in prompts]

    def probe(self, engine: Engine) -> Check:
        """Request one short chat completion; check its status, text and signing version."""
        messages = [{"role": "user", "content": _PROBE_TEXT}]
        request = {
            "model": engine.served_name,
            "messages": messages,
            "max_tokens": _PROBE_TOKENS,
            "temperature": 0,
        }
        try:
            answer = self._ask(engine, "/v1/chat/completions", request)
        except (OSError, http.client.HTTPException) as error:
            return Check(False, f"a probe was not answered: {error}")
        if answer.status != 200 or not answer.body.get("choices"):
            return Check(False, f"a probe was answered with status {answer.status}")
        signed = answer.headers.get(VERSION_HEADER, engine.version)
        if signed != engine.version:
            return Check(False, f"a probe was answered by {signed}, not by {engine.version}")
        return Check(True)

    def _continue(self, engine: Engine, golden: GoldenPrompt) -> Continuation:
        return _continuation(self._generated(engine, golden.prompt, len(golden.tokens), 1))

    def _score(self, engine: Engine, golden: GoldenPrompt) -> Continuation:
        """Continue the prompt, again after each recorded token that the engine does not choose."""
        chosen: list[int] = []
        logprobs: list[float] = []
        while rest := golden.tokens[len(chosen) :]:
            prompt = (*golden.prompt, *golden.tokens[: len(chosen)])
            score = _scores(self._generated(engine, prompt, len(rest), _ALTERNATIVES), rest)
            if not score.tokens:
                break
            chosen += score.tokens
            logprobs += score.logprobs
        return Continuation(tuple(chosen), tuple(logprobs))

    def _generated(self, engine: Engine, prompt: Sequence[int], count: int, alternatives: int) -> JSON:
        """Return the greedy continuation of a prompt by this many tokens, each with the likeliest ones."""
        request = {
            "model": engine.served_name,
            "prompt": list(prompt),
            "max_tokens": count,
            "temperature": 0,
            "logprobs": alternatives,
            "return_tokens_as_token_ids": True,
            "ignore_eos": True,
        }
        answer = self._complete(engine, request)
        if answer.status != 200:
            raise Unavailable(
                f"{engine.name} refused a golden prompt: {answer.body}.", reason="ENGINE_REFUSED"
            )
        return answer.body

    def _complete(self, engine: Engine, request: JSON) -> Answer:
        """Request a completion; Unavailable if the engine does not answer."""
        try:
            return self._ask(engine, "/v1/completions", request)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"{engine.name} does not answer: {error}.", reason="ENGINE_UNREACHABLE"
            ) from error

    def _ask(self, engine: Engine, path: str, request: JSON) -> Answer:
        """Request ahead of callers, so that a full engine can be replaced; older engines reject a priority."""
        answer = self._call(engine, "POST", path, {**request, "priority": _PRIORITY}, _ANSWER_S)
        return self._call(engine, "POST", path, request, _ANSWER_S) if answer.status == 400 else answer

    def _call(self, engine: Engine, method: str, path: str, body: JSON | None, timeout: float) -> Answer:
        connection = _connection(engine.endpoint, timeout)
        headers = {
            SECRET_HEADER: engine.secret,
            CONTROL_HEADER: "1",
            "content-type": "application/json",
        }
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            data = response.read()
            answer_headers = {k.lower(): v for k, v in response.getheaders()}
            return Answer(response.status, answer_headers, _parsed(data), data.decode(errors="replace"))
        finally:
            connection.close()


def view_of(status: JSON, engine: Engine) -> EngineView:
    """Return the engine in the status of its process; ABSENT if the process holds another version."""
    if not status.get("ready"):
        broken = status.get("broken") or "it gives no cause"
        return EngineView(EngineState.GONE, message=f"the engine reports that it is broken: {broken}")
    own = status["adapters"].get(engine.served_name, {}) if engine.is_adapter else status
    if own.get("version") != engine.version:
        return EngineView(EngineState.ABSENT, message="its process serves another version")
    values = own["artifact_digest"], own["accepting"], own["in_flight"]
    dtype, runtime = (str(status.get(name, "")) for name in ("dtype", "runtime"))
    return EngineView(
        EngineState.READY, *values, load_id=own.get("load_id", ""), dtype=dtype, runtime=runtime
    )


def _gate(engine: Engine) -> JSON:
    """Name the engine's own admission gate in a control request; without a name it is the process's."""
    return {"name": engine.served_name} if engine.is_adapter else {}


def _refusal(engine: Engine, answer: Answer) -> RatoonError:
    """Return the error of a refusal; FailedPrecondition if the engine reports it as permanent."""
    message = f"The engine of {engine.version} refused: {explain(_cause(answer))}."
    if _detail(answer).get("code") in PERMANENT_REFUSALS:
        return FailedPrecondition(message, reason="ENGINE_REFUSED")
    return Unavailable(message, reason="ENGINE_REFUSED")


def _cause(answer: Answer) -> str:
    """Return the message of an error answer, or its status where it has none."""
    return str(_detail(answer).get("message") or f"it answered with status {answer.status}")


def _detail(answer: Answer) -> JSON:
    error = answer.body.get("error")
    return error if isinstance(error, dict) else {}


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
    """Return the tokens and log-probabilities of an answer; none if it has none, which matches no recording."""
    try:
        logprobs = body["choices"][0]["logprobs"]
        tokens = tuple(int(token.removeprefix("token_id:")) for token in logprobs["tokens"])
        return Continuation(tokens, tuple(logprobs["token_logprobs"]))
    except (KeyError, IndexError, TypeError, ValueError):
        return Continuation((), ())


def _scores(body: JSON, recorded: Sequence[int]) -> Continuation:
    """Return the choices up to the first that differs from the recorded ones, with the log-probabilities of those.

    A recorded token that is not among the likeliest ones has an infinite one; an answer without tokens has no score.
    """
    answer = _continuation(body)
    chosen: list[int] = []
    logprobs: list[float] = []
    for token, own, likeliest, choice in zip(
        recorded, answer.logprobs, _likeliest(body), answer.tokens, strict=False
    ):
        chosen.append(choice)
        logprobs.append(own if choice == token else likeliest.get(f"token_id:{token}", -inf))
        if choice != token:
            break
    return Continuation(tuple(chosen), tuple(logprobs))


def _likeliest(body: JSON) -> list[dict[str, float]]:
    return list(body["choices"][0]["logprobs"]["top_logprobs"]) if _continuation(body).tokens else []


def _samples(text: str) -> Iterator[Sample]:
    try:
        for family in text_string_to_metric_families(text):
            yield from family.samples
    except ValueError:
        return


def _parsed(data: bytes) -> JSON:
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
