"""Runs one program in a sandbox: a process without network, files and other processes, with limits.

A program that ends the process, for example by `os._exit`, has not passed. The sandbox protects the machine. It does
not hide the judge from the program, since both share one interpreter.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_CHILD = Path(__file__).with_name("child.py")
_READY = "ready\n"
_START_S = 20.0
"""Seconds that the process itself may take to start, on a busy machine."""
_CHUNK = 1 << 16


class SandboxMissing(Exception):
    """The machine allows no sandbox."""


class Outcome(StrEnum):
    """How a program ended."""

    PASSED = "passed"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    TOO_MUCH_OUTPUT = "too much output"


@dataclass(frozen=True)
class Limits:
    """Limits of a program. It has one process, and `scratch_bytes` of files, which are in memory."""

    timeout_s: float = 10.0
    memory_bytes: int = 1 << 30
    scratch_bytes: int = 16 << 20
    output_bytes: int = 1 << 20


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Ended:
    """How a program ended, its error, and what it wrote to its output until then."""

    outcome: Outcome
    error: str = ""
    output: str = ""


def run_program(program: str, limits: Limits = DEFAULT_LIMITS) -> Ended:
    """Run a program to its end; raises SandboxMissing if the machine allows no sandbox."""
    secret = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="ratoon-sandbox-") as scratch:
        request = {
            "program": program,
            "secret": secret,
            "scratch": scratch,
            "scratch_bytes": limits.scratch_bytes,
            "memory_bytes": limits.memory_bytes,
            "timeout_s": limits.timeout_s,
        }
        outcome, message, output = _watched(json.dumps(request).encode(), limits)
    unavailable = f"unavailable\n{secret}\n"
    if message.startswith(unavailable):
        raise SandboxMissing(
            f"Programs cannot be run here: {message.removeprefix(unavailable)}. Run the worker as root, or allow user "
            "namespaces on its machine."
        )
    if outcome is not None:
        return Ended(outcome, output=output)
    if message == f"{_READY}passed\n{secret}":
        return Ended(Outcome.PASSED, output=output)
    return Ended(Outcome.FAILED, message.removeprefix(_READY), output)


def _watched(request: bytes, limits: Limits) -> tuple[Outcome | None, str, str]:
    """Return the limit that was hit, or None, and what the process wrote as its result and as its output."""
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(_CHILD), str(writer)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(writer,),
            env={},
            start_new_session=True,
        )
    finally:
        os.close(writer)
    try:
        assert process.stdin and process.stdout
        with suppress(BrokenPipeError), process.stdin as stdin:
            stdin.write(request)
        return _read(reader, process.stdout.fileno(), limits)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
        os.close(reader)


def _read(result: int, output: int, limits: Limits) -> tuple[Outcome | None, str, str]:
    deadline = time.monotonic() + _START_S
    written, message = bytearray(), b""
    with selectors.DefaultSelector() as selector:
        for each in (result, output):
            selector.register(each, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                return Outcome.TIMED_OUT, "", written.decode(errors="replace")
            for key, _ in ready:
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fd)
                elif key.fd == output:
                    written += data
                else:
                    if not message:
                        deadline = time.monotonic() + limits.timeout_s
                    message = (message + data)[:_CHUNK]
            if len(written) > limits.output_bytes:
                return Outcome.TOO_MUCH_OUTPUT, "", written.decode(errors="replace")
    return None, message.decode(errors="replace"), written.decode(errors="replace")
