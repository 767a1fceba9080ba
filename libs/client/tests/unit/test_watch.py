"""Watches: states arrive, broken connections are resumed, and waits end with a result, a failure or a timeout."""

import asyncio
import json

import httpx
import pytest

from ratoon.client import (
    APIConnectionError,
    AuthenticationError,
    NotFoundError,
    OperationFailedError,
    OperationTimeoutError,
    types,
)
from ratoon.client._sse import EventDecoder

RUN = "projects/p/trainingRuns/r"


def event(revision: int, state: str = "STATE_RUNNING", **more) -> bytes:
    data = json.dumps({"name": RUN, "revision": str(revision), "state": state, **more})
    return f": still there\n\nid: {revision}\nevent: TrainingRun\ndata: {data}\n\n".encode()


class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Body that breaks off after its parts."""

    def __init__(self, *parts: bytes, error: Exception | None = None) -> None:
        self._parts, self._error = parts, error or httpx.RemoteProtocolError("incomplete")

    def __iter__(self):
        yield from self._parts
        raise self._error

    async def __aiter__(self):
        for part in self._parts:
            yield part
        raise self._error


def whole(*parts: bytes) -> httpx.Response:
    return httpx.Response(200, content=b"".join(parts))


def broken(*parts: bytes, error: Exception | None = None) -> httpx.Response:
    return httpx.Response(200, stream=Broken(*parts, error=error))


def test_states_arrive_in_order_until_the_stream_ends(server):
    server.answers = [whole(event(1), event(4, "STATE_SUCCEEDED"))]
    states = list(server.client().training_runs.watch(RUN))
    assert [(each.revision, each.state.name) for each in states] == [(1, "RUNNING"), (4, "SUCCEEDED")]
    assert isinstance(states[0], types.TrainingRun)
    assert server.requests[0].url.path == f"/v1/{RUN}:watch"
    assert server.requests[0].headers["accept"] == "text/event-stream"


def test_a_watch_begins_after_a_revision(server):
    server.answers = [whole()]
    list(server.client().training_runs.watch(RUN, revision=7))
    assert server.requests[0].url.params["revision"] == "7"


def test_a_broken_watch_is_resumed_after_the_last_state(server, pauses):
    server.answers = [
        broken(event(1), event(2)),
        httpx.ConnectError("away"),
        httpx.Response(502),
        broken(event(3), error=httpx.ReadTimeout("silent")),
        whole(event(4, "STATE_SUCCEEDED")),
    ]
    states = server.client().training_runs.watch(RUN)
    assert [each.revision for each in states] == [1, 2, 3, 4]
    resumed = [request.headers.get("last-event-id") for request in server.requests]
    assert resumed == [None, "2", "2", "2", "3"]
    assert len(pauses) == 4


def test_half_an_event_is_not_a_state(server):
    server.answers = [broken(event(1), event(2)[:-10]), whole(event(2, "STATE_SUCCEEDED"))]
    assert [each.state.name for each in server.client().training_runs.watch(RUN)] == ["RUNNING", "SUCCEEDED"]


def test_an_async_watch_is_resumed_too(server):
    server.answers = [broken(event(1)), whole(event(2, "STATE_SUCCEEDED"))]

    async def revisions() -> list[int]:
        async with server.async_client().training_runs.watch(RUN) as states:
            return [each.revision async for each in states]

    assert asyncio.run(revisions()) == [1, 2]
    assert server.requests[1].headers["last-event-id"] == "1"


def test_a_watch_that_never_began_fails_soon(server):
    server.answers = [httpx.ConnectError("refused")]
    with pytest.raises(APIConnectionError):
        list(server.client(max_retries=2).training_runs.watch(RUN))
    assert len(server.requests) == 3


def test_a_server_that_stays_away_ends_the_watch(server):
    server.answers = [broken(event(1)), httpx.ConnectError("refused")]
    states = server.client().training_runs.watch(RUN)
    assert next(states).revision == 1
    with pytest.raises(APIConnectionError):
        next(states)
    assert len(server.requests) == 31


def test_an_error_event_and_an_error_status_are_raised(server):
    ended = {
        "status": 401,
        "reason": "BAD_API_KEY",
        "detail": "The API key was revoked.",
        "title": "Unauthorized",
    }
    server.answers = [whole(event(1), f"event: error\ndata: {json.dumps(ended)}\n\n".encode())]
    with pytest.raises(AuthenticationError, match="revoked") as refused:
        list(server.client().training_runs.watch(RUN))
    assert refused.value.reason == "BAD_API_KEY"
    server.answers = [httpx.Response(404, json={"status": 404, "detail": "gone"})]
    with pytest.raises(NotFoundError, match="gone"):
        list(server.client().training_runs.watch(RUN))


def test_a_watch_waits_as_long_as_the_server_says(server, pauses):
    server.answers = [httpx.Response(429, headers={"retry-after": "9"}), whole(event(1, "STATE_SUCCEEDED"))]
    assert len(list(server.client().training_runs.watch(RUN))) == 1
    assert pauses == [9.0]


def test_a_wait_returns_the_final_state_and_reports_each(server):
    server.answers = [whole(event(1), event(2, "STATE_SUCCEEDED"))]
    seen: list[int] = []
    run = server.client().training_runs.wait(RUN, on_state=lambda each: seen.append(each.revision))
    assert (run.state, seen) == (types.TrainingRunState.SUCCEEDED, [1, 2])


@pytest.mark.parametrize("state", ["STATE_FAILED", "STATE_CANCELLED", "STATE_OF_A_NEWER_SERVER"])
def test_a_wait_for_what_has_no_result_fails_with_its_last_state(server, state):
    failure = {"reason": "OUT_OF_MEMORY", "message": "Take fewer workers."}
    server.answers = [whole(event(2, state, failure=failure))]
    with pytest.raises(OperationFailedError, match=f"^{RUN}: Take fewer workers") as failed:
        server.client().training_runs.wait(RUN)
    assert failed.value.resource.failure.reason == "OUT_OF_MEMORY"


def test_an_operation_without_a_reason_fails_with_its_state(server):
    server.answers = [whole(event(2, "STATE_CANCELLED"))]
    with pytest.raises(OperationFailedError, match=f"^{RUN}: cancelled$"):
        server.client().training_runs.wait(RUN)


def test_a_wait_ends_at_its_timeout(server):
    server.answers = [lambda _request: broken(event(1))]
    with pytest.raises(OperationTimeoutError, match=RUN):
        server.client().training_runs.wait(RUN, timeout=0.05)


def test_an_async_wait_ends_at_its_timeout(server):
    class Silent(httpx.AsyncByteStream):
        async def __aiter__(self):
            yield event(1)
            await asyncio.Event().wait()

    server.answers = [httpx.Response(200, stream=Silent())]
    with pytest.raises(OperationTimeoutError):
        asyncio.run(server.async_client().training_runs.wait(RUN, timeout=0.05))


def test_an_async_wait_returns_the_final_state(server):
    server.answers = [whole(event(2, "STATE_SUCCEEDED"))]
    assert asyncio.run(server.async_client().training_runs.wait(RUN, timeout=5)).revision == 2


def test_events_are_decoded_as_the_standard_says():
    decoder = EventDecoder()
    lines = [": comment", "id: 1", "event:a", "data: x", "data:  y", "", "data: z", "", "", "event: lost", ""]
    events = [event for line in lines if (event := decoder.feed(line))]
    assert [(each.id, each.name, each.data) for each in events] == [("1", "a", "x\n y"), ("1", "", "z")]
