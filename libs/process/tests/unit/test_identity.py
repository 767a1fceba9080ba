"""Identities of processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace

import pytest

from ratoon.process.identity import ProcessIdentity


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that leads a group of its own."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(command, start_new_session=True) as process:
        yield process
        process.kill()


def test_this_process_is_alive():
    assert ProcessIdentity.current().pid == os.getpid()
    assert ProcessIdentity.current().alive()


def test_another_process_of_the_same_pid_is_not_it(sleeper):
    identity = ProcessIdentity.of(sleeper.pid)
    assert not replace(identity, start_ticks=identity.start_ticks + 1).alive()


def test_an_ended_process_and_a_zombie_are_not_alive(sleeper):
    identity = ProcessIdentity.of(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not identity.alive()
    sleeper.wait()
    assert not identity.alive()
    assert ProcessIdentity.of(sleeper.pid).start_ticks == 0
    assert not ProcessIdentity.of(sleeper.pid).alive()


def test_the_identity_in_a_directory_is_read_as_releases_wrote_it(tmp_path):
    assert ProcessIdentity.read(tmp_path) is None
    (tmp_path / "process.json").write_text('{"pid": 7, "start_ticks": 123}')
    assert ProcessIdentity.read(tmp_path) == ProcessIdentity(7, 123)
    assert json.loads(json.dumps(asdict(ProcessIdentity(7, 123)))) == {"pid": 7, "start_ticks": 123}


def test_a_signal_reaches_the_group(sleeper):
    ProcessIdentity.of(sleeper.pid).signal_group(signal.SIGTERM)
    assert sleeper.wait(10) == -signal.SIGTERM


def test_a_signal_never_reaches_another_process_of_the_same_pid(sleeper):
    identity = ProcessIdentity.of(sleeper.pid)
    replace(identity, start_ticks=identity.start_ticks - 1).signal_group(signal.SIGKILL)
    assert identity.alive()


def test_a_signal_to_a_group_that_has_ended_does_nothing(sleeper):
    identity = ProcessIdentity.of(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    identity.signal_group(signal.SIGKILL)
