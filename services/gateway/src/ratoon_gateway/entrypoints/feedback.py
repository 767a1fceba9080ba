"""`POST /v1/feedback`: a user's feedback on an answer or a session. 200 only after flywheel has committed it."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from ratoon.process.errors import RatoonError, Unavailable
from ratoon.runtime.server import Threads
from ratoon.security.answers import AnswerIds
from ratoon.security.identity import Role
from ratoon_gateway.application.authenticator import Authenticator
from ratoon_gateway.application.handlers import understand_feedback
from ratoon_gateway.application.ports import FeedbackSink
from ratoon_gateway.domain.json_text import read_object
from ratoon_gateway.entrypoints.api import BEARER, EdgeRoute, refusals
from ratoon_gateway.entrypoints.asgi import bearer, read_content
from ratoon_gateway.entrypoints.examples import FEEDBACK
from ratoon_gateway.entrypoints.schemas import unset

_MAX_BYTES = 1 << 20


class FeedbackBody(BaseModel):
    """Feedback on an answer, on the better one of two answers, or on the answers of a session."""

    id: str = Field(
        default_factory=unset,
        description="ID of the answer: its `id`, or the header `x-ratoon-answer-id`. Required without `session_id`.",
    )
    thumb: Literal["up", "down"] = Field(default_factory=unset, description="Verdict on the answer.")
    rating: int = Field(default_factory=unset, ge=1, le=5, description="From 1 (bad) to 5 (good).")
    correction: str | float | list[str] | dict[str, Any] = Field(
        default_factory=unset,
        description="Right answer: a label, a number, several labels, or the rewritten text or JSON document of at "
        "most 65,536 characters.",
    )
    comment: str = Field(default_factory=unset, description="Remark in words.")
    preferred_answer_id: str = Field(
        default_factory=unset, description="ID of the better one of two answers, in place of `id`."
    )
    rejected_answer_id: str = Field(
        default_factory=unset, description="ID of the worse one of two answers to the same prompt."
    )
    outcomes: dict[str, float] = Field(
        default_factory=unset,
        description="Numeric outcomes by name, at most 16. They may come days later and again; of each name the "
        "latest value counts.",
    )
    implicit: Literal["copied", "regenerated", "abandoned"] = Field(
        default_factory=unset, description="Behaviour of the user. It is counted and is no vote."
    )
    consent: Literal["training", "evaluation", "none"] = Field(
        default_factory=unset,
        description="Permitted use of feedback and answer as data. Default: that of the project.",
    )
    session_id: str = Field(
        default_factory=unset,
        description="Session (`metadata.session_id` of the requests) in place of `id`. A thumb or a rating of it is a "
        "vote on each of its answers up to now that has no feedback of its own.",
    )
    user: str = Field(
        default_factory=unset,
        description="User who gives the feedback. Default: the `user` of the request. Stored as a hash.",
    )
    project: str = Field(
        default_factory=unset,
        description="Project of the session. Only for keys of the whole installation.",
    )


class StoredFeedback(BaseModel):
    """Feedback that was stored."""

    name: str = Field(description="Resource name of the feedback.")
    id: str = Field(description="ID of the answer; empty for a session.")
    version: str = Field(description="Model version that wrote the answer; empty for a session.")


class FeedbackRoute:
    """Accepts feedback."""

    def __init__(
        self, authenticator: Authenticator, ids: AnswerIds, flywheel: FeedbackSink, threads: Threads
    ) -> None:
        self._authenticator, self._ids, self._flywheel, self._threads = authenticator, ids, flywheel, threads

    def router(self) -> APIRouter:
        """Return the route."""
        router = APIRouter(route_class=EdgeRoute, tags=["inference"], dependencies=[BEARER])
        schema, content = FeedbackBody.model_json_schema(), "application/json"
        router.post(
            "/v1/feedback",
            operation_id="gateway.Feedback",
            response_model=StoredFeedback,
            response_description="The feedback is stored.",
            responses=refusals(has_body=True),
            openapi_extra={
                "requestBody": {
                    "required": True,
                    "content": {content: {"schema": schema, "examples": FEEDBACK}},
                }
            },
        )(self.submit_feedback)
        return router

    async def submit_feedback(self, request: Request) -> JSONResponse:
        """Submit feedback on an answer, on the better one of two answers, or on a session.

        Which corrections are valid depends on the task of the project. Role: caller.
        """
        principal = self._authenticator.caller(bearer(request.scope), Role.CALLER)
        body = read_object(await read_content(request.scope, request.receive, _MAX_BYTES))
        feedback = understand_feedback(body, principal, self._ids)
        try:
            stored = await self._threads(self._flywheel.give, feedback)
        except RatoonError as error:
            if error.code in ("INTERNAL", "UNAVAILABLE", "RESOURCE_EXHAUSTED"):
                raise Unavailable(
                    "The feedback could not be stored now; send it again in a moment.",
                    reason="FEEDBACK_NOT_STORED",
                ) from error
            raise
        return JSONResponse({"name": stored, "id": feedback.answer_id, "version": feedback.version})
