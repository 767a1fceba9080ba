"""Start of an installation whose processes end meanwhile."""

from pathlib import Path

import pytest

from ratoon.local.installation import Installation
from ratoon.local.processes import Process, Processes


class Dying(Processes):
    """A process that still counts as running at first, and then turns out to have been killed."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.started: list[str] = []
        self.polls = 0

    def lost(self) -> list[str]:
        self.polls += 1
        return ["gateway"] if self.polls > 2 and not self.started else []

    def start(self, process, environment):
        self.started.append(process.name)
        return


def test_a_process_that_was_just_killed_is_detected_and_not_waited_for(tmp_path, monkeypatch):
    installation = Installation(tmp_path)
    processes = installation.processes = Dying(tmp_path)
    monkeypatch.setattr(installation, "ready", lambda service: bool(processes.started))
    assert not installation._await(Process("gateway", ("labeling",)), None, print)
    processes.start(Process("gateway", ("labeling",)), {})
    assert installation._await(Process("gateway", ("labeling",)), None, print)


def test_a_child_that_ends_at_once_is_reported_with_its_log(tmp_path, monkeypatch):
    class Child:
        def poll(self):
            return 1

    installation = Installation(tmp_path)
    monkeypatch.setattr(installation, "ready", lambda service: False)
    with pytest.raises(Exception, match="exited immediately"):
        installation._await(Process("control", ("labeling",)), Child(), print)
