"""A clock that is set back, a port that another process has, and watched processes that die."""

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ratoon.process.errors import described
from ratoon.runtime.services import service_names
from ratoon.testkit.waiting import until

from .stack import Stack
from .victims import Victim

pytestmark = pytest.mark.timeout(300)
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@pytest.mark.thorough  # under libfaketime the services take a whole core: 66 to 294 s
def test_a_clock_that_jumps_back(stack, tmp_path, monkeypatch):
    if not FAKETIME.exists():
        pytest.skip("libfaketime moves the clock: apt-get install libfaketime")
    offset = tmp_path / "offset"
    offset.write_text("+0")
    for name, value in {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }.items():
        monkeypatch.setenv(name, value)
    stack.up()
    stack.project("before")
    token = token_of(stack)
    source = stack.source("before")
    building = stack.dataset("before", source.name)
    offset.write_text("-3600")
    stack.project("after")
    assert status_with(stack, token) == 200, "a token from before is still good"
    assert status_with(stack, token_of(stack)) == 200
    assert stack.end(building).state == "STATE_READY"
    again = stack.dataset("after", stack.source("after").name)
    assert stack.end(again).state == "STATE_READY"
    listed = [each.name for each in stack.client.projects.list()]
    assert listed == ["projects/before", "projects/after"], "what came later is listed later"
    until(lambda: not any(waiting(stack)), 30)
    stack.down()
    stack.up()
    restarted = stack.project("restarted")
    assert restarted.create_time < stack.client.projects.get("projects/before").create_time, (
        "the clock was set back"
    )
    assert len(stack.client.projects.list().items) == 3
    stack.down()


def token_of(stack: Stack) -> str:
    """A token for the operator's key."""
    body = {"apiKey": stack.client.api_key}
    answer = httpx.post(f"{stack.client.base_url}/v1/token", json=body, timeout=30)
    return str(answer.raise_for_status().json()["accessToken"])


def status_with(stack: Stack, token: str) -> int:
    """The status of a request that shows this token."""
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(f"{stack.client.base_url}/v1/projects", headers=headers, timeout=30).status_code


def waiting(stack: Stack) -> list[int]:
    """Return how many events each service has not published yet."""
    services = ("ingestion", "flywheel", "serving")
    return [stack.databases().rows(service, "SELECT count(*) FROM outbox")[0][0] for service in services]


def free(port: int) -> socket.socket | None:
    """Return a server on a port, or None while another has it."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return None


def test_a_port_that_is_taken(stack):
    with socket.create_server(("127.0.0.1", stack.port)):
        with pytest.raises(Exception, match=f"Port {stack.port} on 127.0.0.1 is taken") as error:
            stack.up()
        assert described(error.value).reason == "PORT_TAKEN"
        assert "--port" in str(error.value)
        assert not stack.census.take()
    stack.up()
    stack.project("p")
    stack.census.kill(Victim.GATEWAY)
    with until(lambda: free(stack.port), 10):
        with pytest.raises(Exception, match="is taken"):
            stack.up()
    stack.up()
    assert [each.name for each in stack.client.projects.list()] == ["projects/p"]
    stack.down()


def test_what_dies_under_watch_is_started_again_until_it_is_taken_down(stack, tmp_path):
    ratoon = Path(sys.executable).parent / "ratoon"
    command = [ratoon, "up", "--watch", "--port", str(stack.port), "--state", stack.state]
    log = tmp_path / "log"
    with log.open("w") as sink, subprocess.Popen(command, stderr=sink) as watcher:
        try:
            until(lambda: "Watching" in log.read_text(), 90)
            for victim in (Victim.GATEWAY, Victim.CONTROL):
                [killed] = until(lambda victim=victim: stack.census.of(victim), 60)
                stack.census.kill(victim)
                until(lambda victim=victim, killed=killed: set(stack.census.of(victim)) - {killed}, 90)
            until(lambda: all(stack.installation.ready(service) for service in service_names()), 90)
            stack.down()
            assert watcher.wait(90) == 0
        finally:
            watcher.kill()
    assert not stack.installation.processes.running()
    assert "Restarting after an unexpected exit: gateway" in log.read_text()
    assert "Ratoon was stopped" in log.read_text()
