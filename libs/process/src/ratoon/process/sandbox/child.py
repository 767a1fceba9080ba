"""The process that runs one program: `python -I -S -B child.py <result descriptor>`, Linux, the standard library alone.

It leaves all namespaces of the machine, has an empty file system in memory as its root, gives up all capabilities and
the system calls that start processes or open sockets, and runs the program then. What a program may import is loaded
before. It writes three lines to the descriptor: `ready`, how the program ended, and the secret of its input, which no
program is given. `unavailable`, the secret and the reason say that the machine allows no such process.
"""

import contextlib
import ctypes
import importlib
import json
import os
import platform
import resource
import signal
import struct
import sys
from dataclasses import dataclass
from typing import Any

_MODULES = (
    "abc",
    "array",
    "ast",
    "base64",
    "bisect",
    "calendar",
    "cmath",
    "collections",
    "collections.abc",
    "contextlib",
    "copy",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "inspect",
    "io",
    "itertools",
    "json",
    "keyword",
    "math",
    "numbers",
    "operator",
    "queue",
    "random",
    "re",
    "statistics",
    "string",
    "struct",
    "textwrap",
    "time",
    "traceback",
    "types",
    "typing",
    "unicodedata",
    "unittest",
    "uuid",
    "warnings",
    "weakref",
    "zlib",
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "encodings.utf_8",
    "encodings.utf_16",
    "encodings.cp437",
)
"""Modules that programs may import, and those that Python itself loads late."""

_NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
"""Mounts, control groups, names of the host, shared memory, processes, network."""
_NEW_USERS = 0x10000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x4000, 1 << 18
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 22, 24, 38
_CAPABILITY_VERSION = 0x20080522
_CAPABILITIES = 64
_MAX_ERROR_CHARS = 500


@dataclass(frozen=True)
class _Calls:
    """Numbers of system calls of a processor."""

    arch: int
    pivot_root: int
    capset: int
    denied: tuple[int, ...]
    """Those that start or reach processes, open sockets, mount, or change the machine."""


# fmt: off
_CALLS = {
    "x86_64": _Calls(0xC000003E, 155, 126, (
        29, 41, 42, 43, 44, 46, 49, 50, 53, 56, 57, 58, 59, 62, 64, 68, 101, 109, 112, 129, 135, 155, 161,
        163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 175, 176, 179, 200, 227, 234, 240, 246, 248,
        249, 250, 272, 288, 297, 298, 304, 308, 310, 311, 313, 319, 320, 321, 322, 323, 424, 425, 426, 427,
        428, 429, 430, 432, 434, 435, 438, 440, 442,
    )),
    "aarch64": _Calls(0xC00000B7, 41, 91, (
        39, 40, 41, 51, 60, 89, 92, 97, 104, 105, 106, 112, 117, 129, 130, 131, 138, 142, 154, 157, 161,
        162, 170, 180, 186, 190, 194, 198, 199, 200, 201, 202, 203, 206, 211, 217, 218, 219, 220, 221, 224,
        225, 240, 241, 242, 265, 268, 270, 271, 273, 279, 280, 281, 282, 294, 424, 425, 426, 427, 428, 429,
        430, 432, 434, 435, 438, 440, 442,
    )),
}
# fmt: on

_LIBC = ctypes.CDLL(None, use_errno=True)


class _Unavailable(Exception):
    """The machine allows no such process."""


def main() -> None:
    """Run the program of the input."""
    result = int(sys.argv[1])
    request = json.loads(sys.stdin.buffer.read())
    for name in _MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    try:
        _leave(request["scratch"], request["scratch_bytes"])
        process = os.fork()
    except (_Unavailable, OSError) as error:
        os.write(result, f"unavailable\n{request['secret']}\n{error}".encode())
        return
    if process:
        _, status = os.waitpid(process, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    _run(request, result)


def _leave(scratch: str, scratch_bytes: int) -> None:
    """Leave the namespaces, and make the scratch directory the root."""
    calls = _CALLS.get(platform.machine())
    if sys.platform != "linux" or calls is None:
        raise _Unavailable(f"programs are run on Linux on {' and '.join(_CALLS)} alone")
    user, group = os.getuid(), os.getgid()
    if _LIBC.unshare(_NEW_USERS | _NEW_NAMESPACES) == 0:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {user} 1")
        _write("/proc/self/gid_map", f"0 {group} 1")
    elif user or _LIBC.unshare(_NEW_NAMESPACES):
        raise _Unavailable(f"namespaces of its own are refused ({os.strerror(ctypes.get_errno())})")
    _mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _mount(b"tmpfs", scratch.encode(), b"tmpfs", flags, f"size={scratch_bytes},nr_inodes=1000".encode())
    os.chdir(scratch)
    if _LIBC.syscall(calls.pivot_root, b".", b".") or _LIBC.umount2(b".", _MNT_DETACH):
        raise _Unavailable(f"a root of its own is refused ({os.strerror(ctypes.get_errno())})")
    os.chdir("/")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _mount(source: bytes, target: bytes, kind: bytes | None, flags: int, data: bytes | None) -> None:
    if _LIBC.mount(source, target, kind, ctypes.c_ulong(flags), data):
        raise _Unavailable(f"mounts of its own are refused ({os.strerror(ctypes.get_errno())})")


def _run(request: dict[str, Any], result: int) -> None:
    """Give up what a program does not need, run it, and write the secret."""
    code = 1
    try:
        _limit(request)
        _confine()
        os.write(result, b"ready\n")
        exec(compile(request["program"], "<program>", "exec"), {"__name__": "__program__"})
        sys.stdout.flush()
        os.write(result, f"passed\n{request['secret']}".encode())
        code = 0
    except BaseException as error:
        with contextlib.suppress(BaseException):
            os.write(result, f"{type(error).__name__}: {error}"[:_MAX_ERROR_CHARS].encode(errors="replace"))
    os._exit(code)


def _limit(request: dict[str, Any]) -> None:
    seconds = int(request["timeout_s"]) + 1
    for limit, value in (
        (resource.RLIMIT_AS, request["memory_bytes"]),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, request["scratch_bytes"]),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, 1),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def _confine() -> None:
    """Give up all capabilities and system calls that a program does not need, for ever."""
    calls = _CALLS[platform.machine()]
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for capability in range(_CAPABILITIES):
        _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = struct.pack("=II", _CAPABILITY_VERSION, 0)
    _checked(_LIBC.syscall(calls.capset, header, bytes(24)))
    _checked(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    program = _filter(calls.arch, calls.denied)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    _checked(_LIBC.prctl(_PR_SET_SECCOMP, 2, header, 0, 0))


def _checked(status: int) -> None:
    if status:
        raise _Unavailable(os.strerror(ctypes.get_errno()))


def _filter(arch: int, denied: tuple[int, ...]) -> bytes:
    """Return the filter of system calls: denied ones fail with EPERM, those of another processor end the process."""
    load, equal, minimum, leave = 0x20, 0x15, 0x35, 0x06
    allow, fail, kill = 0x7FFF0000, 0x00050000 | 1, 0x80000000
    steps = [(load, 0, 0, 4), (equal, 1, 0, arch), (leave, 0, 0, kill), (load, 0, 0, 0)]
    steps += [(minimum, 0, 1, 0x40000000), (leave, 0, 0, fail)]
    for number in denied:
        steps += [(equal, 0, 1, number), (leave, 0, 0, fail)]
    return b"".join(struct.pack("=HBBI", *step) for step in [*steps, (leave, 0, 0, allow)])


if __name__ == "__main__":
    main()
