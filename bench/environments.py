"""Environments of the peers whose pins do not fit beside ours, each made from its lock `requirements/<name>.txt`."""

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def environment(name: str) -> Path:
    """Return the directory of an environment; it is made when it is not there, or not of this lock."""
    lock, folder = _ROOT / f"requirements/{name}.txt", _ROOT / ".tools" / name
    uv, stamp = _ROOT / ".tools/uv/bin/uv", folder / "lock-stamp"
    if not stamp.exists() or stamp.read_text() != lock.read_text():
        print(f"making the environment of {name}", flush=True)
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        install = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", folder / "bin/python", lock]
        subprocess.run(install, check=True, env={**os.environ, "UV_COMPILE_BYTECODE": "1"})
        stamp.write_text(lock.read_text())
    return folder
