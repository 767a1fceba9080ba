"""Endpoints that judge. It knows prompts and replies, and no verdict.

Only endpoints that the operator listed are connected to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ratoon.jobs.v1.evaluation_jobs_pb2 import JudgeSpec
from ratoon.service.chat_endpoints import BACKOFF, ChatEndpoint, NoReply

__all__ = ["BACKOFF", "Endpoint", "NoReply"]


class Endpoint:
    """An endpoint with its model and its key."""

    def __init__(
        self, spec: JudgeSpec, environment: Mapping[str, str], pause: Callable[[float], None] = time.sleep
    ) -> None:
        """`environment` holds the API key under the name of the spec; `pause` waits before another attempt."""
        self._spec, self._pause = spec, pause
        self._key = environment.get(spec.key_variable, "") if spec.key_variable else ""

    def reply(self, prompt: str) -> str:
        """Return the reply to a prompt at temperature 0; raises NoReply."""
        spec = self._spec
        if not spec.listed:
            raise NoReply("The operator has not listed the endpoint in RATOON_EVALUATION_JUDGE_ENDPOINTS.")
        if spec.key_variable and not self._key:
            raise NoReply(f"The variable {spec.key_variable} is not set where evaluations are scored.")
        endpoint = ChatEndpoint(
            spec.base_url, spec.model, self._key, spec.max_tokens, backoff=BACKOFF, pause=self._pause
        )
        return endpoint.reply([{"role": "user", "content": prompt}]).text
