"""Client of OpenAI-compatible chat endpoints that an operator listed. It knows prompts and replies, and no meaning.

Requests say `store: false`: they are no traffic of users, and a gateway of Ratoon does not capture them as such.
Redirects are not followed, so that a key and texts reach the listed endpoint alone.
"""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import exp, fsum
from typing import Any
from urllib.parse import urlsplit

from ratoon.process.backoff import Backoff

BACKOFF = Backoff(1.0, 30.0, jitter=0.25)
Message = Mapping[str, str]
"""Message with `role` and `content`."""
_ATTEMPTS = 5
_TIMEOUT_S = 120.0
_MAX_RETRY_AFTER_S = 60.0
MAX_REPLY_BYTES = 1 << 20
_VERSION_HEADER = "x-ratoon-model"
"""Header in which a gateway of Ratoon names the version that answered."""
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
_INVALID = frozenset((400, 422))
_NOT_STORED = {"store": False}
_PARALLEL = 8
"""Requests to an endpoint at a time."""
_MAX_FAILURES = 10
"""Requests in a row without a reply, after which an endpoint gets no more of them."""


class NoReply(Exception):
    """The endpoint gave no reply; another attempt would not help, or has not helped."""


class _Refused(NoReply):
    """The endpoint takes the request for invalid."""


class _Passing(Exception):
    """A failure after which another attempt may help; `after_s` is what the endpoint asks to wait."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


@dataclass(frozen=True)
class Reply:
    """Reply of a model: its text, the model, and the probability of the text if it is known.

    The model is the one that the endpoint names; a gateway of Ratoon names the version, such as `mail@v1.0`.
    """

    text: str
    model: str = ""
    probability: float | None = None


def normalized_url(url: str) -> str:
    """Return a base URL without white space around it and without a slash at its end."""
    return url.strip().rstrip("/")


@dataclass(frozen=True)
class ChatEndpoint:
    """Model behind an endpoint. `pause` waits before another attempt."""

    base_url: str
    model: str
    key: str = ""
    max_tokens: int = 256
    log_probabilities: bool = False
    """Request the probability of each token."""
    temperature: float = 0.0
    backoff: Backoff = BACKOFF
    pause: Callable[[float], None] = time.sleep

    def reply(self, messages: Sequence[Message]) -> Reply:
        """Return the reply to messages; raises NoReply."""
        failures = 0
        while True:
            try:
                try:
                    return self._attempt(messages, _NOT_STORED)
                except _Refused:
                    # Some endpoints refuse fields that they do not know.
                    return self._attempt(messages, {})
            except _Passing as failure:
                failures += 1
                if failures >= _ATTEMPTS or failure.after_s > _MAX_RETRY_AFTER_S:
                    raise NoReply(str(failure)) from failure
                self.pause(max(failure.after_s, self.backoff.delay_s(failures)))

    def _attempt(self, messages: Sequence[Message], more: Mapping[str, Any]) -> Reply:
        body = {
            "model": self.model,
            "messages": [dict(each) for each in messages],
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            **({"logprobs": True} if self.log_probabilities else {}),
            **more,
        }
        parts = urlsplit(self.base_url)
        connection = _connection(parts.scheme, parts.hostname or "", parts.port)
        try:
            connection.request(
                "POST", f"{parts.path}/chat/completions", json.dumps(body).encode(), self._headers()
            )
            answer = connection.getresponse()
            content = answer.read(MAX_REPLY_BYTES + 1)
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise _Passing(f"The endpoint does not answer: {type(error).__name__}.") from error
        finally:
            connection.close()
        if answer.status in _PASSING:
            raise _Passing(f"The endpoint answers with status {answer.status}.", _retry_after_s(answer))
        if answer.status in _INVALID:
            raise _Refused(f"The endpoint answers with status {answer.status}.")
        if answer.status != 200:
            raise NoReply(f"The endpoint answers with status {answer.status}.")
        return _read(content, answer.getheader(_VERSION_HEADER) or "")

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        return headers | ({"Authorization": f"Bearer {self.key}"} if self.key else {})


class Replies:
    """Replies to many prompts, several at a time. `failure` says why a prompt got none."""

    def __init__(self, endpoint: ChatEndpoint, advance: Callable[[int], None]) -> None:
        """`advance` gets the number of finished prompts, and may raise to stop."""
        self._endpoint, self._advance = endpoint, advance
        self._in_a_row = 0
        self.failure = ""

    def to(self, prompts: Sequence[Sequence[Message]]) -> list[Reply | None]:
        """Return the reply to each prompt, None without one; an endpoint that fails repeatedly gets no more prompts."""
        replies: list[Reply | None] = []
        pool = ThreadPoolExecutor(_PARALLEL, "endpoint")
        try:
            for reply in pool.map(self._reply, prompts):
                replies.append(reply)
                self._advance(len(replies))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return replies

    def _reply(self, messages: Sequence[Message]) -> Reply | None:
        if self._in_a_row >= _MAX_FAILURES:
            return None
        try:
            reply = self._endpoint.reply(messages)
        except NoReply as error:
            self.failure, self._in_a_row = str(error), self._in_a_row + 1
            return None
        self._in_a_row = 0
        return reply


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        tls = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port or 443, timeout=_TIMEOUT_S, context=tls)
    return http.client.HTTPConnection(host, port or 80, timeout=_TIMEOUT_S)


def _read(content: bytes, version: str) -> Reply:
    """Return the reply of a chat completion of a version; an empty text if the model wrote none.

    An empty version: the completion names its model. NoReply if it is no completion.
    """
    if len(content) > MAX_REPLY_BYTES:
        raise NoReply(f"The endpoint answers with more than {MAX_REPLY_BYTES:,} bytes.")
    try:
        completion = json.loads(content)
        choice = completion["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise NoReply("The endpoint answers with no chat completion.") from error
    if not isinstance(text, str | None):
        raise NoReply("The endpoint answers with no chat completion.")
    model = version or completion.get("model")
    return Reply(text or "", model if isinstance(model, str) else "", _probability(choice))


def _probability(choice: Mapping[str, Any]) -> float | None:
    """Return the probability of the text, the product of those of its tokens; None if the endpoint gives none."""
    try:
        tokens = [float(token["logprob"]) for token in choice["logprobs"]["content"]]
    except (KeyError, TypeError, ValueError):
        return None
    return min(1.0, exp(fsum(tokens))) if tokens else None


def _retry_after_s(answer: http.client.HTTPResponse) -> float:
    """Return the seconds of `Retry-After`; 0 without a valid one."""
    value = answer.getheader("Retry-After") or ""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
