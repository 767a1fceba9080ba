"""A mock of an inference engine: the OpenAI routes and Ratoon's control routes over a socket, fast and scriptable.

Every token names the version that wrote it and its place (`v1.0:0 v1.0:1 …`), so that a reader of an answer can tell
who wrote it, and whether anything is missing or mixed. A version with a whole resource name also signs its answers, as
engines do. An adapter answers to its own name, in addition to the model. An engine with a `load_id` in its status
behaves as in a pod: what it loads is closed until it is opened by that id. It knows neither weights nor tokenizers.

    async with MockEngine("v1.0", secret="s3cret").serve(Path("engine.sock")) as engine:
        engine.faults = Faults(die_after_tokens=3)
"""

import asyncio
import hmac
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import httptools

from ratoon.engine import contract
from ratoon.testkit.engine_script import JSON, Adapter, Counts, Faults, Golden, Pace, Slots

__all__ = ["SECRET_HEADER", "Adapter", "Counts", "Faults", "Golden", "MockEngine", "Pace"]

SECRET_HEADER = contract.SECRET_HEADER.encode()
_CONTROL_HEADER = contract.CONTROL_HEADER.encode()

_BACKLOG = 2048
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

_PACE, _NO_GOLDEN = Pace(), Golden()


class MockEngine:
    """One engine of one version; `pace`, `faults`, `version` and `status` may be changed while it serves."""

    def __init__(
        self,
        version: str,
        *,
        secret: str = "",
        pace: Pace = _PACE,
        golden: Golden = _NO_GOLDEN,
        status: JSON | None = None,
    ) -> None:
        self.version = version
        self.secret = secret
        self.pace = pace
        self.golden = golden
        self.faults = Faults()
        self._slots = Slots(pace.slots) if pace.slots else None
        self.counts = Counts()
        self.last_request: JSON = {}
        """The body of the last completion."""
        self.accepting = True
        self.adapters: dict[str, Adapter] = {}
        self.traceparents: list[str] = []
        """Trace headers of the requests."""
        self.status: JSON = dict(status or {})
        self._ids = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serve(self, socket: Path) -> AsyncIterator["MockEngine"]:
        """Serve on a Unix socket for the length of the context."""
        socket.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(lambda: _Connection(self), str(socket), backlog=_BACKLOG)
        try:
            yield self
        finally:
            await self._close(server)
            socket.unlink(missing_ok=True)

    @asynccontextmanager
    async def serve_tcp(self, port: int = 0, address: str = "127.0.0.1") -> AsyncIterator[int]:
        """Serve on a port (0: any free one) of a loopback address for the length of the context; gives the port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), address, port, backlog=_BACKLOG)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            await self._close(server)

    def report(self) -> JSON:
        """Return the answer of `/ratoon/status`."""
        return {
            "version": self.version,
            "accepting": self.accepting,
            "in_flight": self.counts.open,
            "ready": not self.faults.unhealthy,
            "adapters": {name: vars(adapter) for name, adapter in self.adapters.items()},
            **self.status,
        }

    def writer(self, body: JSON) -> str:
        """The version that answers this request."""
        adapter = self.adapters.get(str(body.get("model", "")))
        return adapter.version if adapter else self.version

    def is_open(self, body: JSON) -> bool:
        """Return whether this request is let in."""
        adapter = self.adapters.get(str(body.get("model", "")))
        return adapter.accepting if adapter else self.accepting

    def start_answer(self, connection: "_Connection", body: JSON, chat: bool) -> None:
        """Begin to answer one completion on this connection."""
        self.counts.requests += 1
        self.last_request = body
        task = asyncio.get_running_loop().create_task(self._answer(connection, body, chat))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, connection: "_Connection", body: JSON, chat: bool) -> None:
        faults, adapter = self.faults, self.adapters.get(str(body.get("model", "")))
        connection.signature = self.writer(body)
        self.counts.open += 1
        if adapter:
            adapter.in_flight += 1
        try:
            if faults.hang:
                await connection.gone.wait()
            elif faults.refuse:
                connection.abort()
            elif faults.status and self.counts.requests % faults.fail_every == 0:
                connection.send_json(faults.status, _error(faults.status, faults.message))
            elif faults.garbage:
                connection.send(200, b"\x00 no json", b"text/plain")
            elif body.get("stream"):
                await self._stream(connection, body, chat, faults.die_after_tokens)
            else:
                await self._whole(connection, body, chat, faults.die_after_tokens)
        finally:
            self.counts.open -= 1
            if adapter:
                adapter.in_flight -= 1
            self._count(connection, faults)

    def _count(self, connection: "_Connection", faults: Faults) -> None:
        if connection.aborted or faults.status or faults.garbage:
            self.counts.failed += 1
        elif connection.gone.is_set():
            self.counts.disconnected += 1
        else:
            self.counts.finished += 1

    async def _whole(self, connection: "_Connection", body: JSON, chat: bool, die_after: int | None) -> None:
        pace, count = self.pace, self._token_count(body)
        if seconds := pace.first_s + pace.interval_s * (count - 1):
            choices = int(body.get("n", 1)) if self._slots else 1
            priority = int(body.get("priority", 0))
            await asyncio.gather(*(self._write(connection, seconds, priority) for _ in range(choices)))
        if connection.gone.is_set():
            return
        if die_after is not None and die_after < count:
            connection.abort()
            return
        answer = self._head(body, chat, False, connection.request_id)
        prompt = body.get("prompt")
        if isinstance(prompt, list) and tuple(prompt) in self.golden.tokens:
            answer["choices"] = [self._recorded(tuple(prompt))]
        else:
            text = "".join(_token(connection.signature, i) for i in range(count))
            answer["choices"] = [_choice(chat, text)]
        answer["usage"] = _usage(count)
        connection.send_json(200, answer)

    async def _write(self, connection: "_Connection", seconds: float, priority: int) -> None:
        """Write one answer, once there is a slot for it."""
        if self._slots is None:
            await connection.gone_within(seconds)
            return
        await self._slots.take(priority)
        try:
            await connection.gone_within(seconds)
        finally:
            self._slots.give_back()

    async def _stream(self, connection: "_Connection", body: JSON, chat: bool, die_after: int | None) -> None:
        pace, head = self.pace, self._head(body, chat, True, connection.request_id)
        connection.begin_stream()
        for i in range(count := self._token_count(body)):
            if i == die_after:
                connection.abort()
                return
            if seconds := pace.interval_s if i else pace.first_s:
                await asyncio.sleep(seconds)
            await connection.writable()
            if connection.gone.is_set():
                return
            token = _token(connection.signature, i)
            connection.send_event({**head, "choices": [_delta(chat, token, last=i == count - 1)]})
        if body.get("stream_options", {}).get("include_usage"):
            connection.send_event({**head, "choices": [], "usage": _usage(count)})
        connection.end_stream()

    def _token_count(self, body: JSON) -> int:
        return int(body.get("max_completion_tokens") or body.get("max_tokens") or self.pace.tokens)

    def _head(self, body: JSON, chat: bool, stream: bool, request_id: str) -> JSON:
        kind = ("chat.completion.chunk" if stream else "chat.completion") if chat else "text_completion"
        answer_id = f"{'chatcmpl' if chat else 'cmpl'}-{request_id or next(self._ids)}"
        return {"id": answer_id, "object": kind, "created": int(time.time()), "model": body.get("model", "")}

    def _recorded(self, prompt: tuple[int, ...]) -> JSON:
        """A choice as vLLM writes it with `logprobs` and `return_tokens_as_token_ids`."""
        tokens, logprobs = self.golden.tokens[prompt], self.golden.logprobs[prompt]
        names = [f"token_id:{token}" for token in tokens]
        top = [{name: value} for name, value in zip(names, logprobs, strict=True)]
        logged = {"tokens": names, "token_logprobs": list(logprobs), "top_logprobs": top, "text_offset": []}
        return {**_choice(False, " ".join(names)), "logprobs": logged}


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: parses requests, writes answers, one at a time."""

    def __init__(self, engine: MockEngine) -> None:
        self._engine = engine
        self.gone = asyncio.Event()
        self.aborted = False
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpRequestParser(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.gone.set()
        self._may_write.set()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_json(400, _error(400, "No HTTP request."))
            self._transport.close()

    def on_message_begin(self) -> None:
        self._url, self._secret, self._body = b"", b"", bytearray()
        self.request_id, self.signature, self.is_control = "", "", False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == SECRET_HEADER:
            self._secret = value
        elif name.lower() == b"x-request-id":
            self.request_id = value.decode()
        elif name.lower() == _CONTROL_HEADER:
            self.is_control = True
        elif name.lower() == b"traceparent":
            self._engine.traceparents.append(value.decode())

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        engine = self._engine
        if engine.secret and not hmac.compare_digest(self._secret, engine.secret.encode()):
            self.send_json(404, _error(404, "Not found."))
            return
        route = f"{self._parser.get_method().decode()} {self._url.decode().partition('?')[0]}"
        _ROUTES.get(route, _answer_404)(engine, self)

    def body(self) -> JSON:
        """The request's JSON."""
        value: JSON = json.loads(self._body or b"{}")
        return value

    async def gone_within(self, seconds: float) -> None:
        """Wait so long, or until the reader goes away."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.gone.wait()

    async def writable(self) -> None:
        """Wait until the reader keeps up."""
        if not self._may_write.is_set():
            await self._may_write.wait()

    def send(self, status: int, body: bytes, content_type: bytes = b"application/json") -> None:
        """Write a whole answer."""
        head = b"HTTP/1.1 %d %s\r\n%bcontent-type: %s\r\ncontent-length: %d\r\n\r\n"
        reason = _REASONS.get(status, "Status").encode()
        self._transport.write(head % (status, reason, self._signed(), content_type, len(body)) + body)

    def send_json(self, status: int, body: JSON) -> None:
        """Write a whole JSON answer."""
        self.send(status, json.dumps(body).encode())

    def begin_stream(self) -> None:
        """Write the head of a server-sent event stream."""
        kind = b"content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        self._transport.write(b"HTTP/1.1 200 OK\r\n" + self._signed() + kind)

    def send_event(self, event: JSON) -> None:
        """Write one event."""
        self._chunk(b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n")

    def end_stream(self) -> None:
        """Write the stream's end."""
        self._chunk(b"data: [DONE]\n\n")
        self._transport.write(b"0\r\n\r\n")

    def abort(self) -> None:
        """Close without another byte, as a killed engine does."""
        self.aborted = True
        self._transport.abort()

    def _signed(self) -> bytes:
        """The header that names the version, where it has a whole name."""
        signed = f"{contract.VERSION_HEADER}: {self.signature}\r\n"
        return signed.encode() if "/" in self.signature else b""

    def _chunk(self, data: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))


def _completion(engine: MockEngine, connection: _Connection, chat: bool) -> None:
    try:
        body = connection.body()
    except ValueError:
        connection.send_json(400, _error(400, "The body is no JSON."))
        return
    if not engine.is_open(body) and not connection.is_control:
        connection.send_json(503, _error(503, "The engine is closed to new requests."))
        return
    engine.start_answer(connection, body, chat)


def _models(engine: MockEngine, connection: _Connection) -> None:
    connection.send_json(200, {"object": "list", "data": [{"id": engine.version, "object": "model"}]})


def _health(engine: MockEngine, connection: _Connection) -> None:
    connection.send(503 if engine.faults.unhealthy else 200, b"", b"text/plain")


def _metrics(engine: MockEngine, connection: _Connection) -> None:
    connection.send(200, f"vllm:num_requests_running {engine.counts.open}\n".encode(), b"text/plain")


def _status(engine: MockEngine, connection: _Connection) -> None:
    connection.send_json(200, engine.report())


def _accept(engine: MockEngine, connection: _Connection, accepting: bool) -> None:
    name = str(connection.body().get("name") or "")
    gate: Adapter | MockEngine = engine.adapters[name] if name else engine
    load_id = gate.load_id if isinstance(gate, Adapter) else engine.status.get("load_id", "")
    if connection.body().get("load_id", load_id) != load_id:
        connection.send_json(409, _error(409, "These weights were reloaded."))
        return
    gate.accepting = accepting
    connection.send_json(200, engine.report())


def _reload(engine: MockEngine, connection: _Connection) -> None:
    if engine.accepting or engine.counts.open:
        connection.send_json(409, _error(409, "The engine is not closed and empty."))
        return
    body = connection.body()
    engine.version = str(body["version"])
    engine.status["artifact_digest"] = str(body["artifact_digest"])
    if "load_id" in engine.status:
        engine.status["load_id"] = uuid.uuid4().hex
    connection.send_json(200, engine.report())


def _load_adapter(engine: MockEngine, connection: _Connection) -> None:
    body = connection.body()
    loaded = Adapter(str(body["version"]), str(body["artifact_digest"]))
    if "load_id" in engine.status:
        loaded.accepting, loaded.load_id = False, uuid.uuid4().hex
    engine.adapters[str(body["name"])] = loaded
    connection.send_json(200, engine.report())


def _unload_adapter(engine: MockEngine, connection: _Connection) -> None:
    engine.adapters.pop(str(connection.body()["name"]), None)
    connection.send_json(200, engine.report())


def _answer_404(_engine: MockEngine, connection: _Connection) -> None:
    connection.send_json(404, _error(404, "Not found."))


_ROUTES: dict[str, Callable[[MockEngine, _Connection], None]] = {
    "POST /v1/chat/completions": lambda engine, connection: _completion(engine, connection, True),
    "POST /v1/completions": lambda engine, connection: _completion(engine, connection, False),
    "GET /v1/models": _models,
    "GET /health": _health,
    "GET /metrics": _metrics,
    f"GET {contract.ControlPath.STATUS}": _status,
    f"POST {contract.ControlPath.CLOSE}": lambda engine, connection: _accept(engine, connection, False),
    f"POST {contract.ControlPath.OPEN}": lambda engine, connection: _accept(engine, connection, True),
    f"POST {contract.ControlPath.RELOAD}": _reload,
    f"POST {contract.ControlPath.LOAD_ADAPTER}": _load_adapter,
    f"POST {contract.ControlPath.UNLOAD_ADAPTER}": _unload_adapter,
    f"POST {contract.ControlPath.RESET_PREFIX_CACHE}": _status,
}


def _token(version: str, place: int) -> str:
    return f"{version}:{place} "


def _choice(chat: bool, text: str) -> JSON:
    text_field = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {"index": 0, **text_field, "finish_reason": "length", "logprobs": None}


def _delta(chat: bool, text: str, last: bool) -> JSON:
    text_field = {"delta": {"content": text}} if chat else {"text": text}
    return {"index": 0, **text_field, "finish_reason": "length" if last else None, "logprobs": None}


def _usage(tokens: int) -> JSON:
    return {"prompt_tokens": 8, "completion_tokens": tokens, "total_tokens": 8 + tokens}


def _error(status: int, message: str) -> JSON:
    return {"error": {"message": message, "type": "mock_error", "param": None, "code": status}}
