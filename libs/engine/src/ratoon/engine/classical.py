"""Engine of small models, classical and neural: the HTTP surface of vLLM in one small process.

It stands behind the same middleware and control API as vLLM. Files are hashed against the signed manifest as they are
read. It does not import vLLM, and torch for neural models alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ratoon.classical.model import SmallModel
from ratoon.classical.records import text_of
from ratoon.classical.tokens import FIRST_LABEL, Token, answers, decode, encode, label_texts
from ratoon.engine.manifest import SignedManifest, files_of, tree_digest
from ratoon.engine.middleware import EngineMiddleware
from ratoon.engine.settings import EngineSettings
from ratoon.neural import small
from ratoon.storage.artifacts import TreeFile
from ratoon.tasks.kind import Turn

JSON = dict[str, Any]

_MAX_BATCH = 256
"""Texts that are answered at once."""
_MAX_CHOICES = 128
_MAX_ALTERNATIVES = 20


@dataclass(frozen=True)
class Loaded:
    """Source of the model in this process."""

    artifact_digest: str
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Served:
    """A name by which requests ask for the model."""

    name: str


class Names:
    """Names of the model, as the control API changes them."""

    def __init__(self, names: Sequence[str]) -> None:
        self.base_model_paths = [Served(name) for name in names]
        self.registry = self


class BadRequest(ValueError):
    """A request that this engine cannot answer; the sentence is for the caller."""


class Model:
    """The model in memory, with the calls of vLLM's engine client that the control API makes."""

    errored = False

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(1)
        self._waiting: list[tuple[str, asyncio.Future[list[Token]]]] = []
        self._busy = False
        self.requests = 0
        self._model, self._loaded = self._read(Path(settings.model))

    @property
    def waiting(self) -> int:
        """Return the number of texts that wait."""
        return len(self._waiting)

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the labels that it answers with."""
        return label_texts(self._model)

    async def collective_rpc(
        self, method: str, timeout: float | None = None, kwargs: JSON | None = None
    ) -> list[JSON]:
        """Report the source of the model, or load another one."""
        if method == "reload_weights":
            self._model, self._loaded = await asyncio.to_thread(
                self._read, Path((kwargs or {})["weights_path"])
            )
        return [asdict(self._loaded)]

    async def reset_prefix_cache(self) -> None:
        """Do nothing: there is no cache."""

    async def answer(self, text: str) -> list[Token]:
        """Return the tokens of the answer to a text, computed together with those of other requests."""
        self.requests += 1
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Token]] = loop.create_future()
        self._waiting.append((text, future))
        if not self._busy:
            self._busy = True
            loop.create_task(self._work())  # noqa: RUF006 - the futures of its requests hold it
        return await future

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting[:_MAX_BATCH], self._waiting[_MAX_BATCH:]
            try:
                answered = await loop.run_in_executor(
                    self._pool, answers, self._model, [text for text, _ in batch]
                )
                for (_, future), tokens in zip(batch, answered, strict=True):
                    if not future.done():
                        future.set_result(tokens)
            except Exception as error:  # whatever the library raises, the requests of this batch fail
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
        self._busy = False

    def _read(self, folder: Path) -> tuple[SmallModel, Loaded]:
        """Load a directory; each byte that becomes a model was hashed before."""
        started = time.perf_counter()
        manifest = SignedManifest.next_to(folder, Path(self._settings.public_key))
        files = files_of(folder)
        manifest.check_complete(set(files))
        contents, rows = {}, []
        for path, file in files.items():
            data = file.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            manifest.check(path, digest)
            contents[path] = data
            rows.append(TreeFile(path, digest, len(data)))
        model = small.of_files(contents)
        size = sum(row.size for row in rows)
        return model, Loaded(tree_digest(rows), size, time.perf_counter() - started)


def serve(settings: EngineSettings) -> None:
    """Serve until the process is terminated."""
    place: JSON = (
        {"uds": settings.socket} if settings.socket else {"host": settings.host, "port": settings.port}
    )
    config = uvicorn.Config(
        application(settings), log_level="warning", timeout_graceful_shutdown=settings.drain_s, **place
    )
    if settings.socket:
        Path(settings.socket).unlink(missing_ok=True)
    uvicorn.Server(config).run()


def application(settings: EngineSettings) -> Starlette:
    """Return the ASGI application of an engine; AttestationError or BadArtifact if its model is not loaded."""
    app = Starlette(
        routes=[
            Route("/v1/models", _models, methods=["GET"]),
            Route("/health", _health, methods=["GET"]),
            Route("/metrics", _metrics, methods=["GET"]),
            Route("/tokenize", _tokenize, methods=["POST"]),
            Route("/v1/chat/completions", _chat, methods=["POST"]),
            Route("/v1/completions", _completions, methods=["POST"]),
        ],
        middleware=[Middleware(EngineMiddleware)],
        exception_handlers={BadRequest: _refused},
    )
    app.state.engine_client = Model(settings)
    app.state.openai_serving_models = Names(settings.served_names)
    app.state.max_model_len = settings.max_model_len
    return app


async def _refused(_request: Request, error: Exception) -> Response:
    detail = {"message": str(error), "type": "BadRequestError", "param": None, "code": 400}
    return JSONResponse({"error": detail}, 400)


async def _health(_request: Request) -> Response:
    return Response()


async def _models(request: Request) -> Response:
    names = request.app.state.openai_serving_models.base_model_paths
    own = [{"id": each.name, "object": "model", "created": 0, "owned_by": "ratoon"} for each in names]
    return JSONResponse({"object": "list", "data": own})


async def _metrics(request: Request) -> Response:
    """Report the load under vLLM's names, by which engines are scaled."""
    model: Model = request.app.state.engine_client
    lines = [
        "# TYPE vllm:num_requests_waiting gauge",
        f"vllm:num_requests_waiting {model.waiting}",
        "# TYPE vllm:kv_cache_usage_perc gauge",
        "vllm:kv_cache_usage_perc 0",
        "# TYPE vllm:request_success_total counter",
        f"vllm:request_success_total {model.requests}",
    ]
    return PlainTextResponse("\n".join(lines) + "\n")


async def _tokenize(request: Request) -> Response:
    body = await _json(request)
    text = _conversation(body["messages"]) if "messages" in body else str(body.get("prompt", ""))
    tokens = encode(text)
    return JSONResponse(
        {"count": len(tokens), "max_model_len": request.app.state.max_model_len, "tokens": tokens}
    )


async def _chat(request: Request) -> Response:
    body = await _json(request)
    model: Model = request.app.state.engine_client
    text = _conversation(body.get("messages"))
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    answered = _limited(_checked(await model.answer(text), text), limit)
    alternatives = int(body.get("top_logprobs") or 0) if body.get("logprobs") else -1
    logprobs = (
        None
        if alternatives < 0
        else {"content": [_chat_logprob(each, model.labels, alternatives) for each in answered.tokens]}
    )
    whole = _Answer(
        "chatcmpl-", "chat.completion", str(body.get("model", "")), len(encode(text)), _count(body), body
    )
    message = {"role": "assistant", "content": answered.text}
    choice = {"message": message, "logprobs": logprobs, "finish_reason": answered.finish}
    if not body.get("stream"):
        return JSONResponse(whole.of([choice] * whole.count, answered))
    pieces: list[JSON] = [
        {"delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None},
        {"delta": {"content": answered.text}, "logprobs": logprobs, "finish_reason": None},
        {"delta": {}, "logprobs": None, "finish_reason": answered.finish},
    ]
    return whole.streamed(pieces, answered, "chat.completion.chunk")


async def _completions(request: Request) -> Response:
    body = await _json(request)
    model: Model = request.app.state.engine_client
    prompts = _prompts(body.get("prompt"))
    answered = []
    for text, continued in prompts:
        tokens = _checked(await model.answer(text), text)
        if body.get("ignore_eos"):
            end = FIRST_LABEL + len(model.labels)
            tokens = [
                *tokens,
                *[Token(end, "", 0.0)] * max(0, continued + int(body.get("max_tokens") or 0) - len(tokens)),
            ]
        answered.append(_limited(tokens[continued:], body.get("max_tokens", 16)))
    size = sum(len(encode(text)) for text, _ in prompts)
    whole = _Answer("cmpl-", "text_completion", str(body.get("model", "")), size, _count(body), body)
    choices = [
        {"text": each.text, "logprobs": _logprobs(each.tokens, body), "finish_reason": each.finish}
        for each in answered
        for _ in range(whole.count)
    ]
    together = _Limited([token for each in answered for token in each.tokens], "", "stop")
    if not body.get("stream"):
        return JSONResponse(whole.of(choices, together))
    return whole.streamed(choices, together, "text_completion", by_choice=True)


@dataclass(frozen=True)
class _Limited:
    """An answer within the requested number of tokens."""

    tokens: list[Token]
    text: str
    finish: str


@dataclass(frozen=True)
class _Answer:
    """What all choices of an answer share."""

    prefix: str
    kind: str
    model: str
    prompt_tokens: int
    count: int
    body: JSON

    def of(self, choices: Sequence[JSON], answered: _Limited) -> JSON:
        """Return the whole answer."""
        numbered = [{"index": number, **choice} for number, choice in enumerate(choices)]
        return {**self._head(self.kind), "choices": numbered, "usage": self._usage(answered)}

    def streamed(
        self, pieces: Sequence[JSON], answered: _Limited, kind: str, by_choice: bool = False
    ) -> StreamingResponse:
        """Return the answer as events: each piece for every choice, or each piece a choice of its own."""
        head = self._head(kind)

        async def events() -> AsyncIterator[bytes]:
            for number, piece in enumerate(pieces):
                for index in [number] if by_choice else range(self.count):
                    yield _event({**head, "choices": [{"index": index, **piece}]})
            if (self.body.get("stream_options") or {}).get("include_usage"):
                yield _event({**head, "choices": [], "usage": self._usage(answered)})
            yield b"data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    def _head(self, kind: str) -> JSON:
        return {
            "id": f"{self.prefix}{uuid.uuid4().hex}",
            "object": kind,
            "created": int(time.time()),
            "model": self.model,
        }

    def _usage(self, answered: _Limited) -> JSON:
        written = len(answered.tokens) * self.count
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": written,
            "total_tokens": self.prompt_tokens + written,
        }


def _event(value: JSON) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


async def _json(request: Request) -> JSON:
    try:
        body = await request.json()
    except ValueError:
        raise BadRequest("The request is no JSON.") from None
    if not isinstance(body, dict):
        raise BadRequest("The request is no JSON object.")
    kind = (body.get("response_format") or {}).get("type", "text")
    if kind != "text" or body.get("structured_outputs"):
        raise BadRequest(
            "This model answers with labels or numbers and follows no schema: leave the response format out."
        )
    names = {each.name for each in request.app.state.openai_serving_models.base_model_paths}
    if names and body.get("model") and body["model"] not in names:
        raise BadRequest(f"This engine does not serve the model {str(body['model'])[:100]!r}.")
    return body


def _conversation(messages: Any) -> str:
    """Return the text that the model reads of a chat."""
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        raise BadRequest("messages must be a list of messages.")
    return text_of([Turn(str(each.get("role", "")), _content(each.get("content"))) for each in messages])


def _content(value: Any) -> str:
    if isinstance(value, list):
        parts = [each for each in value if isinstance(each, dict)]
        if any(each.get("type") != "text" for each in parts):
            raise BadRequest("This model reads texts alone: leave images and audio out.")
        return "\n".join(str(each.get("text", "")) for each in parts)
    return "" if value is None else str(value)


def _prompts(prompt: Any) -> list[tuple[str, int]]:
    """Return the text of each prompt, and how many tokens of its answer it has already."""
    if isinstance(prompt, str):
        return [(prompt, 0)]
    if isinstance(prompt, list) and prompt and all(isinstance(each, int) for each in prompt):
        return [decode(prompt)]
    if isinstance(prompt, list) and prompt:
        return [one for each in prompt for one in _prompts(each)]
    raise BadRequest("prompt must be a text, a list of tokens, or a list of these.")


def _checked(tokens: list[Token], text: str) -> list[Token]:
    if not tokens:
        raise BadRequest(
            f"{text[:40]!r} is no row of the table that the model reads: send a JSON object of its fields as the "
            "message."
        )
    return tokens


def _limited(tokens: list[Token], limit: Any) -> _Limited:
    """Return as many tokens of an answer as were requested."""
    taken = tokens if limit is None else tokens[: max(0, int(limit))]
    labels = bool(taken) and taken[0].id >= FIRST_LABEL
    text = ("\n" if labels else "").join(token.text for token in taken if token.text)
    return _Limited(taken, text, "stop" if len(taken) == len(tokens) else "length")


def _count(body: JSON) -> int:
    count = int(body.get("n") or 1)
    if not 1 <= count <= _MAX_CHOICES:
        raise BadRequest(f"n must be 1 to {_MAX_CHOICES}.")
    return count


def _chat_logprob(token: Token, labels: Sequence[str], count: int) -> JSON:
    def one(text: str, logprob: float) -> JSON:
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    best = [one(labels[number - FIRST_LABEL], value) for number, value in token.others[:count]]
    return {**one(token.text, token.logprob), "top_logprobs": best}


def _logprobs(tokens: Sequence[Token], body: JSON) -> JSON | None:
    if body.get("logprobs") is None:
        return None
    count = min(int(body["logprobs"]), _MAX_ALTERNATIVES)
    as_ids = bool(body.get("return_tokens_as_token_ids"))
    named = [f"token_id:{token.id}" if as_ids else token.text for token in tokens]
    others = [
        {
            **{
                (f"token_id:{number}" if as_ids else str(number)): value
                for number, value in token.others[:count]
            },
            name: token.logprob,
        }
        for name, token in zip(named, tokens, strict=True)
    ]
    offsets, at = [], 0
    for token in tokens:
        offsets.append(at)
        at += len(token.text)
    return {
        "tokens": named,
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": others,
        "text_offset": offsets,
    }
