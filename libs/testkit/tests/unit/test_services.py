"""Services in a test's process leave no loop and no channel behind, and hide no failure."""

import asyncio
from collections.abc import Callable

import grpc
import pytest

from ratoon.runtime import lifecycle
from ratoon.testkit.services import State, answering, serving


def living(monkeypatch: pytest.MonkeyPatch, fails_before: bool = False, fails_after: bool = False):
    """Run services as scripted, and return the loops that they get."""
    loops = []

    async def live(_process: str, _apps: object, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        loops.append(asyncio.get_running_loop())
        if fails_before:
            raise OSError("the address is taken")
        ready()
        await stop.wait()
        if fails_after:
            raise OSError("the database is locked")

    monkeypatch.setattr(lifecycle, "live", live)
    return loops


def test_the_loop_is_closed(monkeypatch):
    loops = living(monkeypatch)
    with serving([]):
        assert not loops[0].is_closed()
    assert loops[0].is_closed()


def test_services_that_cannot_start_report_the_reason(monkeypatch):
    loops = living(monkeypatch, fails_before=True)
    with pytest.raises(OSError, match="taken"), serving([]):
        raise AssertionError("they were served")
    assert loops[0].is_closed()


def test_services_that_fail_as_they_drain_report_the_reason(monkeypatch):
    living(monkeypatch, fails_after=True)
    with pytest.raises(OSError, match="locked"), serving([]):
        pass


def test_a_failure_of_the_test_goes_before_one_of_the_services(monkeypatch):
    living(monkeypatch, fails_after=True)
    with pytest.raises(AssertionError, match="of the test"), serving([]):
        raise AssertionError("of the test")


def test_channels_are_closed_with_their_state(tmp_path):
    with State(tmp_path) as state:
        channel = state.as_service("gateway", "registry")
        call = channel.unary_stream("/ratoon.Registry/Nothing")
    with pytest.raises(ValueError, match="Channel closed"):
        list(call(b""))


def test_a_fake_answers_until_its_block_ends():
    servers: list[grpc.Server] = []
    with (
        answering("127.0.0.1:0", servers.append) as port,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/ratoon.Missing/Nothing")(b"")
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert servers[0].wait_for_termination(5) is False
