"""Completions of deployments, as chat or as text, feedback on them, and the models that are served.

The gateway serves OpenAI's API, so OpenAI's own client works too.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import Any, Literal, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict

from ratoon.client._errors import error_of_event
from ratoon.client._models import present
from ratoon.client._sse import EventDecoder, ServerSentEvent
from ratoon.client._transport import AsyncTransport, Call, SyncTransport, read

MODEL_HEADER = "x-ratoon-model"
ANSWER_HEADER = "x-ratoon-answer-id"
_DONE = "[DONE]"


class _OpenAIModel(BaseModel):
    model_config = ConfigDict(extra="allow", protected_namespaces=())


class ChatMessage(_OpenAIModel):
    """Message of a conversation."""

    role: str = ""
    content: str | None = None


class ChatChoice(_OpenAIModel):
    """One answer of a completion."""

    index: int = 0
    message: ChatMessage
    finish_reason: str | None = None


class Usage(_OpenAIModel):
    """Number of tokens of a completion."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class ChatCompletion(_OpenAIModel):
    """Answer of a deployment. `version` (`name@version`) wrote it; `answer_id` is the ID for feedback."""

    id: str
    model: str = ""
    created: int = 0
    choices: list[ChatChoice] = []
    usage: Usage | None = None
    version: str = ""
    answer_id: str = ""

    @property
    def text(self) -> str:
        """Text of the first choice."""
        return (self.choices[0].message.content or "") if self.choices else ""


class ChatDelta(_OpenAIModel):
    """New part of a streamed message."""

    role: str | None = None
    content: str | None = None


class ChatChunkChoice(_OpenAIModel):
    """New part of one answer."""

    index: int = 0
    delta: ChatDelta = ChatDelta()
    finish_reason: str | None = None


class ChatCompletionChunk(_OpenAIModel):
    """Event of a streamed completion."""

    id: str
    model: str = ""
    created: int = 0
    choices: list[ChatChunkChoice] = []
    usage: Usage | None = None

    @property
    def text(self) -> str:
        """New text of the first choice."""
        return (self.choices[0].delta.content or "") if self.choices else ""


class TextChoice(_OpenAIModel):
    """One continuation of a prompt."""

    index: int = 0
    text: str = ""
    finish_reason: str | None = None


class TextCompletion(_OpenAIModel):
    """Continuation of a prompt. `version` and `answer_id` are those of `ChatCompletion`."""

    id: str
    model: str = ""
    created: int = 0
    choices: list[TextChoice] = []
    usage: Usage | None = None
    version: str = ""
    answer_id: str = ""

    @property
    def text(self) -> str:
        """Text of the first choice."""
        return self.choices[0].text if self.choices else ""


class ServedModel(_OpenAIModel):
    """Deployment or version that answers (`name`, `name@version`); `id` is the `model` of a completion."""

    id: str
    created: int = 0
    owned_by: str = ""


class _ServedModels(_OpenAIModel):
    data: list[ServedModel] = []


class Feedback(_OpenAIModel):
    """Stored feedback: its resource name, the ID of the answer, and the version that wrote it."""

    name: str
    id: str = ""
    version: str = ""


Correction = str | float | Sequence[str] | Mapping[str, Any]
"""Right answer: a text, a number, several labels, or a JSON document."""
Implicit = Literal["copied", "regenerated", "abandoned"]
Consent = Literal["training", "evaluation", "none"]

C = TypeVar("C", ChatCompletion, TextCompletion)


class ChatStream:
    """Iterator over the events of a streamed completion. `version` and `answer_id` are those of `ChatCompletion`."""

    def __init__(self, response: httpx.Response) -> None:
        self.version, self.answer_id = _origin(response)
        self._response = response

    def __iter__(self) -> Iterator[ChatCompletionChunk]:
        decoder = EventDecoder()
        for line in self._response.iter_lines():
            if event := decoder.feed(line):
                if event.data == _DONE:
                    return
                yield _chunk(event, self._response)


class AsyncChatStream:
    """Asynchronous iterator over the events of a streamed completion."""

    def __init__(self, response: httpx.Response) -> None:
        self.version, self.answer_id = _origin(response)
        self._response = response

    async def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        decoder = EventDecoder()
        async for line in self._response.aiter_lines():
            if event := decoder.feed(line):
                if event.data == _DONE:
                    return
                yield _chunk(event, self._response)


class ChatCompletions:
    """Chat completions of deployments."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def create(
        self,
        model: str,
        messages: str | Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> ChatCompletion:
        """Return the answer of a deployment (`name`, or `name@version` for one version).

        `messages` is the conversation in OpenAI's form, or the text of one user message. Further `options`
        (`temperature`, `max_tokens`, `response_format`, …) are passed to the engine. `timeout` is in seconds.
        """
        return _completion(
            ChatCompletion, self._transport.send(_chat_call(model, messages, options), timeout)
        )

    def stream(
        self,
        model: str,
        messages: str | Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> AbstractContextManager[ChatStream]:
        """Stream the answer of a deployment: `with …stream(…) as chunks: for chunk in chunks: …`."""
        return self._open(_chat_call(model, messages, {**options, "stream": True}), timeout)

    @contextmanager
    def _open(self, call: Call, timeout: float | None) -> Iterator[ChatStream]:
        with self._transport.stream(call, timeout) as response:
            yield ChatStream(response)


class Chat:
    """Chat with deployments, and feedback on their answers."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport
        self.completions = ChatCompletions(transport)

    def complete_text(
        self, model: str, prompt: str, *, timeout: float | None = None, **options: Any
    ) -> TextCompletion:
        """Return the continuation of a prompt by a deployment, without a chat template.

        Further `options` are passed to the engine. `timeout` is in seconds.
        """
        return _completion(TextCompletion, self._transport.send(_text_call(model, prompt, options), timeout))

    def served_models(self, *, timeout: float | None = None) -> list[ServedModel]:
        """Return the deployments, and the versions of them, that the API key may use."""
        return read(_ServedModels, self._transport.send(Call("GET", "/v1/models"), timeout).content).data

    def feedback(
        self,
        answer_id: str,
        *,
        thumb: Literal["up", "down"] | None = None,
        rating: int | None = None,
        correction: Correction | None = None,
        comment: str | None = None,
        outcomes: Mapping[str, float] | None = None,
        implicit: Implicit | None = None,
        consent: Consent | None = None,
        user: str | None = None,
    ) -> Feedback:
        """Give feedback on an answer: a thumb, a rating from 1 to 5, the right answer, a comment, outcomes.

        `correction` is a label, a number, several labels, or the rewritten text or JSON document. `outcomes` are
        numbers by name that may come days later and again; of each name the latest counts. `implicit` is behaviour of
        the user, which is no vote. `consent` is the permitted use as data, by default that of the project. `user` is
        who gives the feedback, by default the `user` of the request.

        It is stored when this returns. The same feedback on the same answer is stored once.
        """
        given = _given(thumb, rating, correction, comment, outcomes, implicit, consent, user)
        return _stored(self._transport.send(_feedback_call({"id": answer_id, **given})))

    def prefer(
        self,
        preferred_answer_id: str,
        rejected_answer_id: str,
        *,
        comment: str | None = None,
        consent: Consent | None = None,
        user: str | None = None,
    ) -> Feedback:
        """Say which of two answers to the same prompt is better; see `feedback`."""
        return _stored(
            self._transport.send(
                _preference_call(preferred_answer_id, rejected_answer_id, comment, consent, user)
            )
        )

    def session_feedback(
        self,
        session_id: str,
        *,
        thumb: Literal["up", "down"] | None = None,
        rating: int | None = None,
        comment: str | None = None,
        consent: Consent | None = None,
        user: str | None = None,
        project: str | None = None,
    ) -> Feedback:
        """Give feedback on all answers of a session, which requests name by `metadata={"session_id": …}`.

        It counts for its answers up to now that have no feedback of their own. `project` is required by keys of the
        whole installation.
        """
        given = _given(thumb, rating, None, comment, None, None, consent, user)
        body = {"session_id": session_id, **given, **present({"project": project})}
        return _stored(self._transport.send(_feedback_call(body)))


class AsyncChatCompletions:
    """Chat completions of deployments."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        model: str,
        messages: str | Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> ChatCompletion:
        """Return the answer of a deployment; see `ChatCompletions.create`."""
        return _completion(
            ChatCompletion, await self._transport.send(_chat_call(model, messages, options), timeout)
        )

    def stream(
        self,
        model: str,
        messages: str | Sequence[Mapping[str, Any]],
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> AbstractAsyncContextManager[AsyncChatStream]:
        """Stream the answer of a deployment: `async with …stream(…) as chunks: async for chunk in chunks: …`."""
        return self._open(_chat_call(model, messages, {**options, "stream": True}), timeout)

    @asynccontextmanager
    async def _open(self, call: Call, timeout: float | None) -> AsyncIterator[AsyncChatStream]:
        async with self._transport.stream(call, timeout) as response:
            yield AsyncChatStream(response)


class AsyncChat:
    """Chat with deployments, and feedback on their answers."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self.completions = AsyncChatCompletions(transport)

    async def complete_text(
        self, model: str, prompt: str, *, timeout: float | None = None, **options: Any
    ) -> TextCompletion:
        """Return the continuation of a prompt by a deployment; see `Chat.complete_text`."""
        return _completion(
            TextCompletion, await self._transport.send(_text_call(model, prompt, options), timeout)
        )

    async def served_models(self, *, timeout: float | None = None) -> list[ServedModel]:
        """Return the deployments, and the versions of them, that the API key may use."""
        response = await self._transport.send(Call("GET", "/v1/models"), timeout)
        return read(_ServedModels, response.content).data

    async def feedback(
        self,
        answer_id: str,
        *,
        thumb: Literal["up", "down"] | None = None,
        rating: int | None = None,
        correction: Correction | None = None,
        comment: str | None = None,
        outcomes: Mapping[str, float] | None = None,
        implicit: Implicit | None = None,
        consent: Consent | None = None,
        user: str | None = None,
    ) -> Feedback:
        """Give feedback on an answer; see `Chat.feedback`."""
        given = _given(thumb, rating, correction, comment, outcomes, implicit, consent, user)
        return _stored(await self._transport.send(_feedback_call({"id": answer_id, **given})))

    async def prefer(
        self,
        preferred_answer_id: str,
        rejected_answer_id: str,
        *,
        comment: str | None = None,
        consent: Consent | None = None,
        user: str | None = None,
    ) -> Feedback:
        """Say which of two answers to the same prompt is better; see `Chat.prefer`."""
        return _stored(
            await self._transport.send(
                _preference_call(preferred_answer_id, rejected_answer_id, comment, consent, user)
            )
        )

    async def session_feedback(
        self,
        session_id: str,
        *,
        thumb: Literal["up", "down"] | None = None,
        rating: int | None = None,
        comment: str | None = None,
        consent: Consent | None = None,
        user: str | None = None,
        project: str | None = None,
    ) -> Feedback:
        """Give feedback on all answers of a session; see `Chat.session_feedback`."""
        given = _given(thumb, rating, None, comment, None, None, consent, user)
        body = {"session_id": session_id, **given, **present({"project": project})}
        return _stored(await self._transport.send(_feedback_call(body)))


def _chat_call(model: str, messages: str | Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> Call:
    conversation = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    return Call("POST", "/v1/chat/completions", body={"model": model, "messages": conversation, **options})


def _text_call(model: str, prompt: str, options: Mapping[str, Any]) -> Call:
    return Call("POST", "/v1/completions", body={"model": model, "prompt": prompt, **options})


def _given(
    thumb: str | None,
    rating: int | None,
    correction: Correction | None,
    comment: str | None,
    outcomes: Mapping[str, float] | None,
    implicit: str | None,
    consent: str | None,
    user: str | None,
) -> dict[str, Any]:
    """Return the fields of feedback that are given."""
    verdict = {"thumb": thumb, "rating": rating, "correction": correction, "comment": comment}
    return present({**verdict, "outcomes": outcomes, "implicit": implicit, "consent": consent, "user": user})


def _preference_call(
    preferred: str, rejected: str, comment: str | None, consent: str | None, user: str | None
) -> Call:
    pair = {"preferred_answer_id": preferred, "rejected_answer_id": rejected}
    return _feedback_call({**pair, **_given(None, None, None, comment, None, None, consent, user)})


def _feedback_call(body: Mapping[str, Any]) -> Call:
    return Call("POST", "/v1/feedback", body=dict(body), repeatable=True)


def _stored(response: httpx.Response) -> Feedback:
    return Feedback.model_validate_json(response.content)


def _completion(kind: type[C], response: httpx.Response) -> C:
    completion = read(kind, response.content)
    completion.version, completion.answer_id = _origin(response)
    return completion


def _origin(response: httpx.Response) -> tuple[str, str]:
    """Return the version that answers, and the ID of its answer."""
    return response.headers.get(MODEL_HEADER, ""), response.headers.get(ANSWER_HEADER, "")


def _chunk(event: ServerSentEvent, response: httpx.Response) -> ChatCompletionChunk:
    if event.name == "error" or event.data.startswith('{"error"'):
        raise error_of_event(event.data, response.headers)
    return read(ChatCompletionChunk, event.data)
