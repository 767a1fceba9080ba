"""The driver with a real Ray: runs that are killed at every level end with the bytes of one that was not.

One Ray is shared by the tests of this module, until a test kills it.
"""

import os
import signal
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ratoon.operations.jobs import JobState, JobStatus, LocalJobs
from ratoon.testkit.waiting import until
from ratoon_training.worker.cluster import started

from .conftest import RECIPE, Task

pytestmark = pytest.mark.ray
LONG = replace(RECIPE, epochs=6.0)
WORKER = "ratoon_training.worker"
TIMEOUT_S = 180


class Driver:
    """Jobs for one driver, whose folder names it in the process list."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.jobs = LocalJobs(task.folder / "driver-jobs")
        self.warm = task.folder / "warm"

    def start(self, name: str, **options: Any) -> None:
        recipe, work = options.pop("recipe", LONG), options.pop("work", name)
        spec = self.task.spec(work, recipe, **{"checkpoint_every_s": 0.0, **options})
        self.jobs.start(name, WORKER, {**spec, "warm": str(self.warm), "warm_idle_s": 60})

    def until(self, name: str, enough: Callable[[JobStatus], bool]) -> JobStatus:
        def reached() -> JobStatus | None:
            status = self.jobs.observe(name)
            return status if enough(status) else None

        status = until(reached, TIMEOUT_S, lambda: self.jobs.observe(name))
        assert status is not None
        return status

    def steps(self, name: str, count: int) -> JobStatus:
        status = self.until(name, lambda s: s.progress.done >= count or s.state is not JobState.RUNNING)
        assert status.state is JobState.RUNNING, status
        return status

    def end(self, name: str) -> JobStatus:
        return self.until(name, lambda s: s.state is not JobState.RUNNING)

    def digest(self, name: str) -> str:
        status = self.end(name)
        assert status.state is JobState.SUCCEEDED, (status.reason, status.message)
        return status.result["artifact_digest"]

    def processes(self) -> dict[int, str]:
        """The driver and all that descend from it, by pid: their command lines."""
        family = {
            pid: line for pid, line in command_lines() if "operations.warm" in line and str(self.warm) in line
        }
        parents = {pid: parent_of(pid) for pid, _ in command_lines()}
        while more := [pid for pid, parent in parents.items() if parent in family and pid not in family]:
            family |= {pid: line for pid, line in command_lines() if pid in more}
            if not any(pid in family for pid in more):
                break
        return family

    def close(self) -> None:
        """Kill the driver's own process; the rest goes with it."""
        for pid in self.pids("operations.warm"):
            os.kill(pid, signal.SIGKILL)

    def kill(self, what: str) -> None:
        """kill -9 one process of the driver's whose command line holds these words."""
        os.kill(self.pids(what)[0], signal.SIGKILL)

    def pids(self, what: str) -> list[int]:
        """The driver's processes whose command lines hold these words."""
        return [pid for pid, line in self.processes().items() if what in line]

    def checkpoints(self, name: str, pattern: str) -> set[str]:
        """Files of a run's checkpoint folder."""
        return {path.name for path in (self.task.folder / "work" / name / "checkpoints").glob(pattern)}


def command_lines() -> list[tuple[int, str]]:
    lines = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            lines.append((int(folder.name), line))
    return lines


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@pytest.fixture(scope="module")
def driver(task: Task) -> Iterator[Driver]:
    driver = Driver(task)
    yield driver
    driver.close()


@pytest.fixture(scope="module")
def undisturbed(driver: Driver) -> str:
    """The digest of a run that was not killed."""
    driver.start("undisturbed")
    return driver.digest("undisturbed")


def test_a_run_reports_its_loss_its_speed_and_its_time_left(driver, undisturbed):
    progress = driver.jobs.observe("undisturbed").progress
    assert progress.metrics.keys() >= {"loss", "tokens_per_second", "validation_loss", "learning_rate"}
    assert (progress.done, progress.unit) == (progress.total, "steps")
    assert (driver.jobs.folder("undisturbed") / "curve.jsonl").read_text().count(
        "gradient_norm"
    ) == progress.total


def test_ray_listens_on_loopback_alone_with_a_token_that_only_we_can_read(driver, undisturbed):
    token = driver.warm / "ray-token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text()) == 64
    ours = driver.processes()
    assert not [line for line in ours.values() if "dashboard/dashboard.py" in line or "monitor.py" in line]
    assert {address for pid in ours for address in listening(pid)} <= {"127.0.0.1", "::1"}
    assert not started(), "the test's own process has no Ray"


def listening(pid: int) -> set[str]:
    """The addresses that a process listens on."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            sockets.add(os.readlink(descriptor))
        except OSError:
            continue
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                addresses.add(_address(fields[1].partition(":")[0]))
    return addresses


def _address(hexadecimal: str) -> str:
    last = bytes.fromhex(hexadecimal[-8:])[::-1]
    mapped = len(hexadecimal) == 8 or hexadecimal[:24] == "0000000000000000FFFF0000"
    return ".".join(map(str, last)) if mapped else {"01000000": "::1"}.get(hexadecimal[-8:], hexadecimal)


def test_no_other_user_of_the_machine_enters_rays_session(driver, undisturbed):
    private = Path((driver.warm / "ray-session").read_text())
    assert list(private.glob("s/session_latest/sockets/*")), "Ray is somewhere else"
    assert private.stat().st_mode & 0o077 == 0


def test_the_next_run_finds_its_workers_warm(driver, undisturbed):
    before = set(driver.processes())
    driver.start("next")
    assert driver.digest("next") == undisturbed
    assert set(driver.processes()) == before


@pytest.mark.thorough
def test_a_worker_killed_in_the_middle_resumes_to_the_same_bytes(driver, undisturbed):
    driver.start("worker-killed")
    driver.steps("worker-killed", 40)
    driver.kill("ray::RayTrainWorker")
    assert driver.digest("worker-killed") == undisturbed


def test_a_driver_killed_in_the_middle_leaves_no_ray_and_its_run_resumes_to_the_same_bytes(
    driver, undisturbed
):
    driver.start("driver-killed")
    driver.steps("driver-killed", 40)
    family = driver.processes()
    driver.kill("operations.warm")
    assert driver.end("driver-killed").state is JobState.LOST
    until(
        lambda: not [line for pid, line in command_lines() if family.get(pid) == line],
        30,
        "all processes end",
    )
    assert not Path((driver.warm / "ray-session").read_text()).exists()
    driver.start("driver-killed-2", work="driver-killed", fence=2)
    assert driver.digest("driver-killed-2") == undisturbed


def test_a_cancelled_run_ends_within_a_step_and_its_driver_stays(driver, undisturbed):
    driver.start("cancelled", recipe=replace(RECIPE, epochs=500))
    driver.steps("cancelled", 5)
    before = set(driver.processes())
    driver.jobs.stop("cancelled")
    status = driver.end("cancelled")
    assert (status.state, status.reason) == (JobState.FAILED, "STOPPED")
    assert set(driver.processes()) <= before
    assert any("RayTrainWorker" in line for line in driver.processes().values())


@pytest.mark.thorough  # the quick chaos tier kills two workers at two moments
def test_two_workers_train_and_one_that_is_killed_does_not_change_a_bit(driver):
    driver.start("two", workers=2)
    whole = driver.digest("two")
    driver.start("two-killed", workers=2)
    driver.steps("two-killed", 40)
    driver.kill("ray::RayTrainWorker")
    assert driver.digest("two-killed") == whole
    result = driver.jobs.observe("two").result
    assert result["metrics"]["validation_macro_f1"] > 0.95
