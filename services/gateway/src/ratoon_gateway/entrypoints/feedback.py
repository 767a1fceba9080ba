"""`POST /v1/feedback`: what a user said of an answer. 200 only after flywheel has committed it."""

from typing import Any

from ratoon.chassis.answers import AnswerIds
from ratoon.chassis.errors import RatoonError, Unavailable, described
from ratoon.chassis.identity import Role
from ratoon.chassis.server import Threads
from ratoon_gateway.application.admission import Admission
from ratoon_gateway.application.handlers import understand_feedback
from ratoon_gateway.application.ports import FeedbackSink
from ratoon_gateway.domain.json_text import read_object
from ratoon_gateway.entrypoints.asgi import (
    ClientGone,
    Receive,
    Scope,
    Send,
    bearer,
    problem_of,
    read_content,
    respond_json,
    respond_problem,
)

_MOST_BYTES = 1 << 20


class FeedbackRoute:
    """Takes feedback."""

    def __init__(
        self, admission: Admission, ids: AnswerIds, flywheel: FeedbackSink, threads: Threads
    ) -> None:
        self._admission, self._ids, self._flywheel, self._threads = admission, ids, flywheel, threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await respond_json(send, 200, await self._take(scope, receive))
        except ClientGone:
            return
        except Exception as error:
            await respond_problem(send, problem_of(described(error)))

    async def _take(self, scope: Scope, receive: Receive) -> dict[str, Any]:
        principal = self._admission.caller(bearer(scope), Role.CALLER)
        feedback = understand_feedback(
            read_object(await read_content(scope, receive, _MOST_BYTES)), principal, self._ids
        )
        try:
            stored = await self._threads(self._flywheel.give, feedback)
        except RatoonError as error:
            if error.code in ("INTERNAL", "UNAVAILABLE", "RESOURCE_EXHAUSTED"):
                raise Unavailable(
                    "The feedback could not be stored now; send it again in a moment.",
                    reason="FEEDBACK_NOT_STORED",
                ) from error
            raise
        return {"name": stored, "id": feedback.answer_id, "version": feedback.version}
