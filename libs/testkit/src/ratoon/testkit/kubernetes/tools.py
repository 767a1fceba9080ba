"""The programs of a Kubernetes for tests, built from Go modules once and kept outside the repository.

Owns where they lie and when they are built again. Knows nothing of how they are started. One file holds the cluster's
own programs and is named by links; the small ones next to it are each a file of their own.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[4] / "kubernetes"
"""The Go module of the one binary."""
VERSION = "1.36.3"
"""Version of Kubernetes that its programs report, and kubectl and helm compare."""
PROGRAMS = (
    "etcd",
    "helm",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)
_GO_TIMEOUT_S = 3600.0
_COMPILER = {"GOGC": "off", "GOMEMLIMIT": "2GiB"}
"""Its processes live for seconds: without collecting their garbage they take a third less of the processor."""
_QUICKLY = ("-trimpath", "-gcflags=all=-dwarf=false -l")
"""Without debug information and inlining the compiler takes a quarter less of the processor."""


def missing() -> str:
    """Return what this machine lacks to build them, as a sentence; empty when nothing, or when they are built."""
    if (_home(_programs_key()) / "kubectl").exists() or shutil.which("go"):
        return ""
    return "Kubernetes is built with Go: install Go 1.26 or newer"


def programs() -> Path:
    """The directory with `PROGRAMS`, built when it is not there yet: ten minutes on two cores."""
    return _built(_programs_key(), _build_programs)


def tools() -> Path:
    """The directory with what `tools.txt` names, built when it is not there yet: four minutes on two cores."""
    return _built(_digest_key("tools", "tools.txt"), lambda folder: _install("tools.txt", folder))


def companions() -> Path:
    """Directory with what runs next to a node: CoreDNS, and what `companions.txt` names; built as the others are."""
    return _built(_companions_key(), _build_companions)


def module(path: str) -> Path:
    """The source of a Go module, `path@version`, for the manifests that come with it."""
    return Path(json.loads(_go("mod", "download", "-json", path))["Dir"])


def tool(name: str) -> Path | None:
    """One of those, where it is built already."""
    path = _home(_digest_key("tools", "tools.txt")) / name
    return path if path.exists() else None


def _build_programs(folder: Path) -> None:
    major, minor, _ = VERSION.split(".")
    variables = {"gitVersion": f"v{VERSION}", "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    named = [f"-X {package}.{name}={value}" for package in packages for name, value in variables.items()]
    _go("build", *_QUICKLY, "-ldflags", " ".join(["-s -w", *named]), "-o", str(folder / "kubernetes"), ".")
    _go("build", *_QUICKLY, "-ldflags", "-s -w", "-o", str(folder / "pause"), "./pause")
    for name in PROGRAMS:
        (folder / name).symlink_to("kubernetes")


def _build_companions(folder: Path) -> None:
    _go("-C", "dns", "build", *_QUICKLY, "-ldflags", "-s -w", "-o", str(folder / "coredns"), ".")
    _install("companions.txt", folder)


def _install(listed: str, folder: Path) -> None:
    """Each program that a file lists, as `module/package@version`."""
    for line in lines_of(listed):
        _go("install", *_QUICKLY, "-ldflags", "-s -w", line, GOBIN=str(folder))


def lines_of(listed: str) -> list[str]:
    """Return what a file next to the Go module lists."""
    lines = (SOURCE / listed).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _go(*arguments: str, **variables: str) -> str:
    """Return what Go prints, run in the module; RuntimeError with the end of its output."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", **_COMPILER, **variables}
    done = subprocess.run(
        ["go", *arguments],
        cwd=SOURCE,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_GO_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"go {arguments[0]} failed:\n{done.stdout[-3000:]}")
    return done.stdout


def _built(key: str, build: Callable[[Path], None]) -> Path:
    """The cached directory `key`; a build that fails or is interrupted leaves nothing of that name."""
    home = _home(key)
    if home.exists():
        return home
    with _alone(home):
        if home.exists():
            return home
        sys.stderr.write(f"Building {key} from Go modules, once; some minutes …\n")
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"{key}.", dir=home.parent) as unfinished:
            build(Path(unfinished))
            Path(unfinished).rename(home)
        sys.stderr.write(f"  done in {time.monotonic() - started:.0f} s\n")
    return home


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Wait until no other process builds this directory."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{home}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _home(key: str) -> Path:
    return Path(os.environ.get("RATOON_CACHE") or Path.home() / ".cache" / "ratoon") / key


def _digest_key(name: str, *files: str) -> str:
    return f"{name}-{_digest(*(SOURCE / each for each in files))}"


def _companions_key() -> str:
    return _digest_key("companions", "companions.txt", "dns/go.sum", "dns/main.go")


def _programs_key() -> str:
    return _digest_key("kubernetes", "go.sum", "main.go")


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:16]


def main(parts: Sequence[str] = ()) -> int:
    """Build what is missing and print the directories; exit status 3 where this machine cannot.

    `node` among the words: what runs next to a node too, and the sources that its manifests come from.
    """
    if reason := missing():
        sys.stderr.write(f"{reason}\n")
        return 3
    if "node" in parts:
        companions()
        for line in lines_of("companions.txt"):
            module(line)
    sys.stdout.write(f"{programs()}\n{tools()}\n")
    return 0
