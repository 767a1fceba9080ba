"""Ports of an installation on one machine: remembered, and where one is taken a free one is named."""

import os
import re
import socket
from pathlib import Path

import pytest

from ratoon.local import installation as local
from ratoon.local.installation import Installation
from ratoon.process.errors import RatoonError


def test_the_port_of_the_last_start_is_remembered(tmp_path: Path):
    installation = Installation(tmp_path)
    assert installation.port() == 8080
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "gateway.url").write_text("http://127.0.0.1:8180\n")
    assert installation.port() == 8180
    (tmp_path / "run" / "gateway.url").write_text("")
    assert installation.port() == 8080


def test_a_taken_port_names_one_that_is_free_with_all_that_goes_with_it(monkeypatch: pytest.MonkeyPatch):
    taken = {8080, 8100, 8121, 8150}
    monkeypatch.setattr(local, "_is_free", lambda _host, port: port not in taken)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(RatoonError) as raised:
            local._check_port("127.0.0.1", port)
    assert re.search(
        rf"Port {port} on 127.0.0.1 is taken \(.+\); .*: ratoon up --port \d+$", str(raised.value)
    )
    assert local._free_base("127.0.0.1", 8080) == 8160


def test_an_address_of_no_interface_is_not_called_taken():
    with pytest.raises(RatoonError, match=r"Cannot listen on port 8080 of 256.1.1.1 \(.+\)"):
        local._check_port("256.1.1.1", 8080)


def test_a_new_installation_is_its_owners_alone(tmp_path: Path):
    state = tmp_path / ".ratoon"
    state.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        Installation(state)._prepare(lambda _line: None)
        (state / "later").write_text("")
    finally:
        os.umask(before)
    open_to_others = [path for path in (state, *state.rglob("*")) if path.stat().st_mode & 0o077]
    assert not [path for path in open_to_others if not path.is_socket()]
