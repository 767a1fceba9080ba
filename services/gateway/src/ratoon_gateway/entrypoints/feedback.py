"""`POST /v1/feedback`: a user's feedback on an answer. 200 only after flywheel has committed it."""

from typing import Literal

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
    """Feedback on an answer; at least one field besides `id` is set."""

    id: str = Field(description="ID of the answer: its `id`, or the header `x-ratoon-answer-id`.")
    thumb: Literal["up", "down"] = Field(default_factory=unset, description="Verdict on the answer.")
    rating: int = Field(default_factory=unset, ge=1, le=5, description="From 1 (bad) to 5 (good).")
    correction: str = Field(default_factory=unset, description="Answer that would have been right.")
    comment: str = Field(default_factory=unset, description="Remark in words.")


class StoredFeedback(BaseModel):
    """Feedback that was stored."""

    name: str = Field(description="Resource name of the feedback.")
    id: str = Field(description="ID of the answer.")
    version: str = Field(description="Model version that wrote the answer.")


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
        """Submit feedback on an answer.

        Role: caller.
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
