"""The OpenAPI 3.1 document: FastAPI's of the API's routes, and of the completion routes, which are served beside it."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Body
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from ratoon_gateway.domain.completions import CHAT, TEXT
from ratoon_gateway.entrypoints import examples
from ratoon_gateway.entrypoints.api import BEARER, refusals
from ratoon_gateway.entrypoints.comments import comment
from ratoon_gateway.entrypoints.schemas import unset

JSON = dict[str, Any]
_SCHEMAS = "#/components/schemas/{model}"
_TAGS = {
    "inference": "Completions, models and feedback. Clients of OpenAI's API use them as they are.",
    "events": "Events of other systems, by signed webhooks.",
    "blobs": "Files by their digest, resumable.",
}
_PROBLEM: JsonDict = {
    "type": "urn:ratoon:error:bad-request",
    "title": "Bad Request",
    "status": 400,
    "detail": 'labels must be a list, not "spam".',
    "code": "INVALID_ARGUMENT",
    "reason": "BAD_REQUEST",
    "violations": [{"field": "labels", "description": 'labels must be a list, not "spam".'}],
}


class Violation(BaseModel):
    """Field at fault."""

    field: str = Field(description="Path of the field in the JSON body, or the parameter.")
    description: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description="`urn:ratoon:error:` and the reason.")
    title: str
    status: int
    detail: str = Field(description="What failed, on which resource, why, and what to do.")
    code: str = Field(description="Code of the error in gRPC, such as FAILED_PRECONDITION.")
    reason: str = Field(description="Stable reason in UPPER_SNAKE, as in `google.rpc.ErrorInfo`.")
    violations: list[Violation] = Field(default_factory=unset, description="Fields at fault.")
    metadata: dict[str, str] = Field(default_factory=unset, description="Further details by name.")

    model_config = ConfigDict(json_schema_extra={"examples": [_PROBLEM]})


class OpenAIErrorDetails(BaseModel):
    """Details of an error."""

    message: str
    type: str
    param: str | None = Field(description="Field at fault.")
    code: str | None = Field(description="Stable reason in lower_snake.")


class OpenAIError(BaseModel):
    """Error as clients of OpenAI's API read it."""

    error: OpenAIErrorDetails


class ChatMessage(BaseModel):
    """Message of a conversation."""

    role: str = Field(description="`system`, `user`, `assistant` or `tool`.")
    content: str | list[JSON] | None = Field(description="Text, or parts of the message.")

    model_config = ConfigDict(extra="allow")


class _Completion(BaseModel):
    model: str = Field(description="Deployment, or `deployment@version`.")
    stream: bool = Field(default_factory=unset, description="True: answer by server-sent events.")
    max_tokens: int = Field(default_factory=unset, description="Maximum number of tokens of the answer.")
    temperature: float = Field(
        default_factory=unset, description="Sampling temperature; 0 selects greedy decoding."
    )
    user: str = Field(
        default_factory=unset, description="End user. A traffic split keeps a user at one version."
    )

    model_config = ConfigDict(extra="allow")


class ChatCompletionRequest(_Completion):
    """Conversation to answer, as in OpenAI's API."""

    messages: list[ChatMessage]


class CompletionRequest(_Completion):
    """Prompt to complete, as in OpenAI's API."""

    prompt: str | list[str] | list[int] | list[list[int]]


def document(routes: Iterable[BaseRoute], services: Iterable[str], version: str) -> JSON:
    """Return the document of the API's routes; `services` are the full names of services, whose comments name tags."""
    tags = {name.split(".")[1]: comment(name) for name in services} | _TAGS
    openapi = get_openapi(
        title="Ratoon",
        version=version,
        description="Keeps a language model fit for its job. Send an API key as `Authorization: Bearer rtn_…`.",
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/"}],
        routes=[*routes, *_completion_routes()],
        tags=[{"name": name, "description": text} for name, text in sorted(tags.items())],
        separate_input_output_schemas=False,
    )
    _, errors = models_json_schema(
        [(Problem, "validation"), (OpenAIError, "validation")], ref_template=_SCHEMAS
    )
    openapi["components"]["schemas"] |= errors["$defs"]
    openapi["paths"] = dict(sorted(openapi["paths"].items()))
    _tidy(openapi)
    return openapi


def _completion_routes() -> list[BaseRoute]:
    """Return routes for the document alone."""
    router = APIRouter(tags=["inference"], dependencies=[BEARER])
    answers = refusals("application/json", "OpenAIError", has_body=True)
    body = Body(openapi_examples=examples.CHAT)

    @router.post(CHAT, operation_id="gateway.ChatCompletions", responses=answers)
    def answer_a_conversation(body: ChatCompletionRequest = body) -> JSON:
        """As OpenAI's API. Fields are an allow-list; a wrong one is named.

        With `stream` the answer is a stream of server-sent events. Role: caller.
        """
        raise NotImplementedError

    body = Body(openapi_examples=examples.TEXT)

    @router.post(TEXT, operation_id="gateway.Completions", responses=answers)
    def complete_a_prompt(body: CompletionRequest = body) -> JSON:
        """As OpenAI's API. Fields are an allow-list; a wrong one is named.

        With `stream` the answer is a stream of server-sent events. Role: caller.
        """
        raise NotImplementedError

    return router.routes


def _tidy(node: Any) -> None:
    """Remove the titles that pydantic derives from names: they repeat them. Examples keep theirs."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str) and ("type" in node or "$ref" in node or "anyOf" in node):
            del node["title"]
        for name, each in node.items():
            if name != "examples":
                _tidy(each)
    elif isinstance(node, list):
        for each in node:
            _tidy(each)
