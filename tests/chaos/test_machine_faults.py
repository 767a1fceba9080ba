"""A clock that is set back, a port that somebody else has, and processes that die while somebody watches."""

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ratoon.chassis.errors import described
from ratoon.chassis.services import service_names
from ratoon.testkit.waiting import until

from .house import House
from .victims import Victim

pytestmark = pytest.mark.timeout(300)
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


def test_a_clock_that_jumps_back(house, tmp_path, monkeypatch):
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
    house.up()
    house.project("before")
    token = token_of(house)
    source = house.source("before")
    building = house.dataset("before", source["name"])
    offset.write_text("-3600")
    house.project("after")
    assert asked_with(house, token) == 200, "a token from before is still good"
    assert asked_with(house, token_of(house)) == 200
    assert house.end(building)["state"] == "STATE_READY"
    again = house.dataset("after", house.source("after")["name"])
    assert house.end(again)["state"] == "STATE_READY"
    listed = [each["name"] for each in house.client.list("projects")]
    assert listed == ["projects/before", "projects/after"], "what came later is listed later"
    until(lambda: not any(waiting(house)), 30)
    house.down()
    house.up()
    restarted = house.project("restarted")
    assert restarted["createTime"] < house.client.get("projects/before")["createTime"], (
        "the clock was set back"
    )
    assert len(list(house.client.list("projects"))) == 3
    house.down()


def token_of(house: House) -> str:
    """A token for the operator's key."""
    asked = {"apiKey": house.client.api_key}
    answer = httpx.post(f"{house.client.url}/v1/token", json=asked, timeout=30)
    return str(answer.raise_for_status().json()["accessToken"])


def asked_with(house: House, token: str) -> int:
    """The status of a request that shows this token."""
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(f"{house.client.url}/v1/projects", headers=headers, timeout=30).status_code


def waiting(house: House) -> list[int]:
    """How many events each room has not published yet."""
    rooms = ("ingestion", "flywheel", "serving")
    return [house.databases().rows(room, "SELECT count(*) FROM outbox")[0][0] for room in rooms]


def free(port: int) -> socket.socket | None:
    """Return a server on a port, or None while another has it."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return None


def test_a_port_that_is_taken(house):
    with socket.create_server(("127.0.0.1", house.port)):
        with pytest.raises(Exception, match=f"Port {house.port} on 127.0.0.1 is taken") as told:
            house.up()
        assert described(told.value).reason == "PORT_TAKEN"
        assert "--port" in str(told.value)
        assert not house.census.take()
    house.up()
    house.project("p")
    house.census.kill(Victim.GATEWAY)
    with until(lambda: free(house.port), 10):
        with pytest.raises(Exception, match="is taken"):
            house.up()
    house.up()
    assert [each["name"] for each in house.client.list("projects")] == ["projects/p"]
    house.down()


def test_what_dies_under_watch_is_started_again_until_it_is_taken_down(house, tmp_path):
    ratoon = Path(sys.executable).parent / "ratoon"
    command = [ratoon, "up", "--watch", "--port", str(house.port), "--state", house.state]
    said = tmp_path / "said"
    with said.open("w") as sink, subprocess.Popen(command, stderr=sink) as watcher:
        try:
            until(lambda: "Watching" in said.read_text(), 90)
            for victim in (Victim.GATEWAY, Victim.CONTROL):
                [killed] = until(lambda victim=victim: house.census.of(victim), 60)
                house.census.kill(victim)
                until(lambda victim=victim, killed=killed: set(house.census.of(victim)) - {killed}, 90)
            until(lambda: all(house.installation.ready(service) for service in service_names()), 90)
            house.down()
            assert watcher.wait(90) == 0
        finally:
            watcher.kill()
    assert not house.installation.processes.running()
    assert "Restarting after an unexpected exit: gateway" in said.read_text()
    assert "Ratoon was stopped" in said.read_text()
