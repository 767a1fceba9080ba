"""Log files stay bounded, and no line is lost when a process rotates its own."""

import logging
import os
import subprocess
import sys

from ratoon.runtime.log_files import ChildFiles, lines
from ratoon.runtime.logs import Repeats

WRITER = """
import logging, os, sys, threading
from ratoon.runtime import log_files, logs
log_files.FILE_BYTES = 20_000
log_files.OwnFile.__init__.__defaults__ = (20_000, 40)
logs.configure("test")
def write(name):
    for number in range(300):
        logging.getLogger("ratoon_test").info("%s-%d", name, number)
threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("the end, by another way", flush=True)
assert "RATOON_LOG_FILE" not in os.environ
"""


def test_a_process_rotates_its_own_file_and_loses_no_line(tmp_path):
    path = tmp_path / "control.log"
    with path.open("ab") as log:
        subprocess.run(
            [sys.executable, "-c", WRITER],
            stdout=log,
            stderr=log,
            env={**os.environ, "RATOON_LOG_FILE": str(path)},
            check=True,
            timeout=60,
        )
    assert len(list(tmp_path.iterdir())) > 3
    assert max(each.stat().st_size for each in tmp_path.iterdir()) < 21_000
    logged = list(lines(path, follow=False))
    assert len(logged) == 901
    assert logged[-1] == "the end, by another way"
    for name in "abc":
        numbers = [line.split(f'"{name}-')[1].split('"')[0] for line in logged if f'"{name}-' in line]
        assert numbers == [str(number) for number in range(300)]


def test_a_childs_file_is_copied_and_emptied_while_it_writes(tmp_path):
    path = tmp_path / "engines" / "a" / "log.txt"
    path.parent.mkdir(parents=True)
    files = ChildFiles([tmp_path], file_bytes=1000)
    with path.open("ab", buffering=0) as child:
        child.write(b"x" * 999)
        files.rotate()
        assert path.stat().st_size == 999
        child.write(b"\nfirst of the rest\n")
        files.rotate()
        assert path.stat().st_size == 0
        child.write(b"later\n")
    assert path.read_text() == "later\n"
    assert path.with_name("log.txt.1").read_text().endswith("first of the rest\n")
    path.write_bytes(b"y" * 2000)
    files.rotate()
    assert sorted(each.name for each in path.parent.iterdir()) == ["log.txt", "log.txt.1"]


def test_a_log_is_followed_over_a_rotation(tmp_path):
    path = tmp_path / "gateway.log"
    path.with_name("gateway.log.2").write_text("one\n")
    path.with_name("gateway.log.1").write_text("two\n")
    path.write_text("three\n")
    followed = lines(path, follow=True, pause_s=0.001)
    assert [next(followed) for _ in range(3)] == ["one", "two", "three"]
    with path.open("a") as log:
        log.write("four\n")
    path.rename(path.with_name("gateway.log.1"))
    path.write_text("five\n")
    assert [next(followed) for _ in range(2)] == ["four", "five"]
    path.write_text("6\n")
    assert next(followed) == "6"
    followed.close()


def test_lines_that_callers_cause_in_libraries_are_bounded():
    now = 0.0
    repeats = Repeats(lambda: now, max_count=3)

    def passes(name: str = "grpc._cython.cygrpc", message: str = "Unexpected %s") -> str:
        record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, ("x",), None)
        return record.getMessage() if repeats.filter(record) else ""

    passed = [passes() for _ in range(100)]
    assert passed[:3] == [
        "Unexpected x",
        "Unexpected x",
        "Unexpected x (further lines like this are left out for a minute)",
    ]
    assert not any(passed[3:])
    assert passes(message="Another %s")
    assert all(passes("ratoon_gateway.adapters.routes") for _ in range(10))
    now = 61.0
    assert passes()
