"""The sandbox: what programs may do, and attempts to escape from it."""

import os
import time

import pytest

from ratoon.process.sandbox import sandbox
from ratoon.process.sandbox.sandbox import Limits, Outcome, SandboxMissing, run_program

LIMITS = Limits(timeout_s=5.0, memory_bytes=512 << 20)


def ended(program, limits=LIMITS):
    try:
        return run_program(program, limits)
    except SandboxMissing as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    "program",
    [
        "x = 1",
        "import math, collections, hashlib, re\nassert math.gcd(4, 6) == 2",
        "open('/scratch', 'w').write('a')\nimport os\nassert os.listdir('/') == ['scratch']",
        "print('a' * 1000)",
        "def f():\n    return 1\nassert f() == 1",
    ],
)
def test_plain_programs_pass(program):
    assert ended(program).outcome is Outcome.PASSED, ended(program)


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("assert False, 'no'", "AssertionError: no"),
        ("def f(:", "SyntaxError"),
        ("import sys\nsys.exit(0)", "SystemExit"),
        ("import os\nos._exit(0)", ""),
        ("import numpy", "ModuleNotFoundError"),
    ],
)
def test_programs_that_fail_say_why(program, error):
    result = ended(program)
    assert result.outcome is Outcome.FAILED
    assert result.error.startswith(error)


SOCKET = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.socket(2, 1, 0) >= 0, ctypes.get_errno()"
CALL = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.{} == 0, ctypes.get_errno()"


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("open('/etc/passwd').read()", "FileNotFoundError"),
        ("open('{here}').read()", "FileNotFoundError"),
        ("import os\nassert os.listdir('/') != []", "AssertionError"),
        ("import os\nos.listdir('/proc')", "FileNotFoundError"),
        ("import os\nos.chroot('/')", "PermissionError"),
        (
            "open('../../outside', 'w').write('a')\nopen('/../../outside').read(); assert False",
            "AssertionError",
        ),
        (SOCKET, "AssertionError: 1"),
        ("import os\nwhile True:\n    os.fork()", "PermissionError"),
        ("import threading\nthreading.Thread(target=print).start()", "RuntimeError"),
        ("import os\nos.execv('/bin/sh', ['sh'])", "PermissionError"),
        ("import os\nos.kill(-1, 9)", "PermissionError"),
        ("import os\nos.kill(os.getppid(), 9)", "PermissionError"),
        (CALL.format("unshare(0x10000000)"), "AssertionError: 1"),
        (CALL.format("mount(b'proc', b'/', b'proc', 0, None)"), "AssertionError: 1"),
        (CALL.format("ptrace(0, 0, 0, 0)"), "AssertionError: 1"),
        ("x = bytearray(2 << 30)", "MemoryError"),
        ("open('big', 'wb').write(bytes(32 << 20))", "OSError"),
        ("for i in range(9):\n    open(str(i), 'wb').write(bytes(4 << 20))", "OSError"),
        ("for i in range(2000):\n    open(str(i), 'w').close()", "OSError"),
        ("files = [open(str(i), 'w') for i in range(200)]", "OSError"),
        (
            "import os\nfor each in range(64):\n    os.write(each, b'unavailable\\nx') if each > 2 else 0",
            "OSError",
        ),
    ],
)
def test_an_escape_fails(program, error, tmp_path):
    here = tmp_path / "file"
    here.write_text("secret")
    result = ended(program.replace("{here}", str(here)))
    assert result.outcome is Outcome.FAILED
    assert error in result.error
    assert not os.path.exists("/outside")


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ("while True: pass", Outcome.TIMED_OUT),
        ("import time\ntime.sleep(100)", Outcome.TIMED_OUT),
        ("while True: print('x' * 100000)", Outcome.TOO_MUCH_OUTPUT),
    ],
)
def test_a_program_without_end_is_stopped(program, outcome):
    started = time.monotonic()
    result = ended(program, Limits(timeout_s=1.0))
    assert result.outcome is outcome or (result.outcome is Outcome.FAILED and "while" in program)
    assert time.monotonic() - started < 40


def test_a_machine_without_namespaces_is_named(monkeypatch, tmp_path):
    child = tmp_path / "child.py"
    source = sandbox._CHILD.read_text()
    refusing = source.replace("_LIBC.unshare(_NEW_USERS | _NEW_NAMESPACES) == 0", "False").replace(
        "elif user or _LIBC.unshare(_NEW_NAMESPACES)", "elif True"
    )
    assert refusing != source
    child.write_text(refusing)
    monkeypatch.setattr(sandbox, "_CHILD", child)
    with pytest.raises(SandboxMissing, match="Run the worker as root, or allow user namespaces"):
        run_program("x = 1")


def test_what_a_program_writes_is_returned(program="print('a')\nprint('b')"):
    assert ended(program).output == "a\nb\n"
    hanging = ended(f"{program}\nimport sys\nsys.stdout.flush()\nwhile True: pass", Limits(timeout_s=1.0))
    assert (hanging.outcome, hanging.output) == (Outcome.TIMED_OUT, "a\nb\n")
