"""An engine that hangs, and one that does not speak HTTP: callers get a named error, and the engine is replaced.

The deployment has one engine, so no other engine can answer meanwhile; what was captured stays, and the next rollout
goes through.
"""

import json
import os
import signal
import socketserver
import threading
import time
from pathlib import Path

import pytest

from ratoon.client import APIStatusError
from ratoon.process.identity import ProcessIdentity
from ratoon.testkit.waiting import until

from .served import PROJECT, Served, Traffic
from .victims import Victim

IDLE_S = 6.0
"""After so long the gateway's connections to the engine itself are closed."""
pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def answer_of(served: Served) -> str:
    """Return the deployment's answer, or the reason of the refusal."""
    try:
        completions = served.stack.client.chat.completions
        return completions.create(f"{PROJECT}/{PROJECT}", "What is this?", max_tokens=1, temperature=0).text
    except APIStatusError as error:
        return f"{error.status_code} {error.reason}"


def engine(served: Served) -> tuple[int, Path]:
    """Return pid and directory of the running engine."""
    for path in served.stack.state.glob("serving/engines/*/process.json"):
        mark = ProcessIdentity.read(path.parent)
        if mark is not None and mark.alive():
            return mark.pid, path.parent
    raise AssertionError("no engine runs")


def test_an_engine_that_hangs(served):
    assert answer_of(served) == "ham"
    pid, _ = engine(served)
    os.killpg(pid, signal.SIGSTOP)
    answer = answer_of(served)
    assert answer in ("504 ENGINE_TIMEOUT", "503 NO_ENGINE"), answer
    until(lambda: answer_of(served) == "ham", 240)
    assert engine(served)[0] != pid, "the one that hung was replaced"
    assert served.stack.census.of(Victim.ENGINE) == [engine(served)[0]]


class NoHttp(socketserver.StreamRequestHandler):
    """Answers every request with bytes that are not HTTP."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"\x00\xff\xfenonsense\r\n\r\n" * 10)


@pytest.mark.thorough  # a minute until it counts as hung, as above
def test_an_engine_that_does_not_speak_http(served):
    assert answer_of(served) == "ham"
    pid, folder = engine(served)
    socket = Path(json.loads((folder / "engine.json").read_text())["socket"])
    socket.unlink()
    with socketserver.ThreadingUnixStreamServer(str(socket), NoHttp) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        time.sleep(IDLE_S)
        answer = answer_of(served)
        assert answer.startswith(("502", "503", "504")), answer
        until(lambda: answer_of(served) == "ham", 240)
        server.shutdown()
    assert engine(served)[0] != pid, "the one that did not speak HTTP was replaced"
    traffic = Traffic(served)
    traffic.start()
    ended = served.end(served.roll_out(served.other()))
    traffic.stop()
    assert (ended.state, traffic.failed, traffic.mixed) == ("STATE_SUCCEEDED", [], []), ended.reason
    assert answer_of(served) == "spam"
