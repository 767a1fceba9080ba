"""What only the embedded log has: a file, a lease that ends with its process, pipes that wake."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ratoon.events.embedded import EmbeddedLog
from ratoon.events.embedded.wake import Bell, wake
from ratoon.events.ports import LogUnavailable, Record, Topic
from ratoon.testkit.clock import FakeClock
from ratoon.testkit.events import CLOCK
from ratoon.testkit.waiting import until

TOPIC = Topic("things", partitions=1)


def record(value: bytes) -> Record:
    return Record("things", b"key", value)


def values(log: EmbeddedLog) -> list[bytes]:
    return [each.record.value for each in log.scan("things")]


def test_retention_by_bytes_keeps_the_newest(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path, CLOCK, expire_every_s=0.0)
    log.create_topics([Topic("things", partitions=1, retention_bytes=5_000)])
    for number in range(20):
        log.append([record(b"%d" % number + bytes(1_000))])
    retained = values(log)
    assert 3 <= len(retained) <= 5
    assert retained[-1].startswith(b"19")


def test_retention_by_time_follows_the_clock(tmp_path: Path) -> None:
    clock = FakeClock()
    log = EmbeddedLog(tmp_path, clock, expire_every_s=0.0)
    log.create_topics([Topic("things", partitions=1, retention_s=100.0)])
    log.append([record(b"old")])
    clock.advance(60)
    log.append([record(b"new")])
    assert values(log) == [b"old", b"new"]
    clock.advance(60)
    log.append([record(b"newest")])
    assert values(log) == [b"new", b"newest"]


def test_polls_end_when_they_are_to_on_any_thread(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path, CLOCK)
    log.create_topics([TOPIC])
    subscription = log.subscribe("g", ["things"])
    polled: list[int] = []

    def consume() -> None:
        polled.append(len(subscription.poll(3600.0)))
        subscription.close()

    thread = threading.Thread(target=consume, daemon=True)
    thread.start()
    until(lambda: any((tmp_path / "wake").rglob("*/*")), message="a consumer that waits")
    subscription.end_polls()
    thread.join(60)
    assert polled == [0]


def test_a_killed_consumer_is_followed_at_once(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path, CLOCK, lease_s=3600.0)
    log.create_topics([TOPIC])
    log.append([record(b"1")])
    code = (
        "import sys, pathlib, time; from ratoon.events.embedded import EmbeddedLog;"
        "from ratoon.process.clock import SystemClock;"
        "s = EmbeddedLog(pathlib.Path(sys.argv[1]), SystemClock(), lease_s=3600.0).subscribe('g', ['things']);"
        "print(len(s.poll(10)), flush=True); time.sleep(600)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdout is not None and child.stdout.readline() == b"1\n"
        successor = log.subscribe("g", ["things"])
        assert successor.poll(0.1) == []
        child.kill()
    assert len(successor.poll(0.0)) == 1
    successor.close()


def test_a_lease_from_before_a_restart_of_the_machine_is_void(tmp_path: Path) -> None:
    before, after = FakeClock(), FakeClock()
    before.advance(1_000_000)
    log = EmbeddedLog(tmp_path, before)
    log.create_topics([TOPIC])
    log.append([record(b"1")])
    assert len(log.subscribe("g", ["things"]).poll(0.0)) == 1
    assert len(EmbeddedLog(tmp_path, after).subscribe("g", ["things"]).poll(0.0)) == 1


def test_a_silent_consumer_of_a_living_process_is_followed_after_its_lease(tmp_path: Path) -> None:
    clock = FakeClock()
    log = EmbeddedLog(tmp_path, clock, lease_s=10.0)
    log.create_topics([TOPIC])
    log.append([record(b"1")])
    silent, successor = log.subscribe("g", ["things"]), log.subscribe("g", ["things"])
    assert len(silent.poll(0.0)) == 1
    clock.advance(9)
    assert successor.poll(0.0) == []
    clock.advance(2)
    assert len(successor.poll(0.0)) == 1
    assert silent.poll(0.0) == []


def test_a_sleeping_consumer_is_woken_by_an_append(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path, CLOCK)
    log.create_topics([TOPIC])
    subscription = log.subscribe("g", ["things"])
    assert subscription.poll(0.0) == []
    counts: list[int] = []
    thread = threading.Thread(target=lambda: counts.append(len(subscription.poll(600.0))))
    thread.start()
    until(lambda: log.append([record(b"1")]) or not thread.is_alive(), message="the sleeper wakes")
    thread.join()
    assert counts[0] >= 1


def test_a_pipe_whose_reader_was_killed_is_removed(tmp_path: Path) -> None:
    bell = Bell(tmp_path, ["things"])
    os.mkfifo(tmp_path / "things" / "left-by-a-dead-one")
    wake(tmp_path, ["things", "unknown"])
    assert len(list((tmp_path / "things").iterdir())) == 1
    bell.wait(600.0)
    bell.close()
    assert list((tmp_path / "things").iterdir()) == []


def test_a_damaged_file_is_said_and_loses_no_event(tmp_path: Path) -> None:
    (tmp_path / "events.sqlite").write_bytes(b"this is no database" * 1000)
    log = EmbeddedLog(tmp_path, CLOCK)
    with pytest.raises(LogUnavailable, match=r"events\.sqlite"):
        log.create_topics([TOPIC])
    with pytest.raises(LogUnavailable):
        log.append([record(b"1")])


def test_many_processes_append_and_none_is_lost(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path, CLOCK)
    log.create_topics([Topic("things", partitions=3)])
    code = (
        "import sys, pathlib; from ratoon.events.embedded import EmbeddedLog; from ratoon.events.ports import Record;"
        "from ratoon.process.clock import SystemClock; log = EmbeddedLog(pathlib.Path(sys.argv[1]), SystemClock());"
        "[log.append([Record('things', sys.argv[2].encode(), b'%d' % i)]) for i in range(100)]"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), f"key-{n}"], env=environment)
        for n in range(4)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0, 0]
    for n in range(4):
        ours = [int(each.record.value) for each in log.scan("things") if each.record.key == b"key-%d" % n]
        assert ours == list(range(100))
