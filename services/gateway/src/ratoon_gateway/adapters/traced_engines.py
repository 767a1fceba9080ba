"""Client of engines with a span for each attempt; its id is sent to the engine, whose spans follow it."""

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, get_current_span

from ratoon.runtime import tracing
from ratoon_gateway.adapters.engines import EngineClient
from ratoon_gateway.application.ports import Reply
from ratoon_gateway.domain.routes import Target


class TracedEngines:
    """Connections to all engines, traced."""

    def __init__(self, client: EngineClient, tracer: Tracer) -> None:
        self._client, self._tracer = client, tracer

    async def send(self, target: Target, path: str, answer_id: str, body: bytes) -> Reply:
        """Send a request and wait for the head of its answer."""
        if not get_current_span().is_recording():
            return await self._client.send(target, path, answer_id, body, tracing.current())
        attributes = {
            "ratoon.engine": target.engine,
            "ratoon.version": target.version,
            "ratoon.answer": answer_id,
        }
        span = self._tracer.start_span("ask engine", kind=SpanKind.CLIENT, attributes=attributes)
        try:
            reply = await self._client.send(target, path, answer_id, body, tracing.of(span))
        except BaseException as error:
            span.record_exception(error)
            span.set_status(StatusCode.ERROR, type(error).__name__)
            span.end()
            raise
        return _TracedReply(reply, span)


class _TracedReply:
    """One answer on its way in; its end is the span's."""

    def __init__(self, reply: Reply, span: Span) -> None:
        self._reply, self._span = reply, span
        self.status, self.header, self.next = reply.status, reply.header, reply.next

    def close(self) -> None:
        """End the span, and release the answer."""
        self._reply.close()
        if self._span.is_recording():
            self._span.set_attribute("http.response.status_code", self.status)
            if self.status >= 500:
                self._span.set_status(StatusCode.ERROR)
            self._span.end()
