"""Ratoon's own packages as an image has them: installed, compiled, with their migrations, in a folder beside the venv.

They lie apart from what the lock installs, so that a change of ours makes one small layer; a .pth file in the venv
names the folder.
"""

import compileall
import py_compile
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main(sources: Path, venv: Path, target: Path) -> None:
    """Install all that `sources` has into `target`, for the interpreter of `venv`."""
    projects = sorted(path.parent for path in sources.glob("*/*/pyproject.toml"))
    with tempfile.TemporaryDirectory() as wheels:
        for project in projects:
            run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels], project)
        files = [str(path) for path in sorted(Path(wheels).glob("*.whl"))]
        uv = str(Path(sys.executable).parent / "uv")
        python = str(venv / "bin" / "python")
        options = ["--no-deps", "--no-index", "--offline", "--target", str(target)]
        run([uv, "pip", "install", "--quiet", "--python", python, *options, *files], sources)
    for migrations in sorted(sources.glob("services/*/migrations")):
        shutil.copytree(migrations, target / f"ratoon_{migrations.parent.name}" / "migrations")
    run([python, __file__, "compile", str(target)], sources)


def compile_all(target: Path) -> None:
    """Compile what was installed; a file that does not compile ends the build."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(target, quiet=1, invalidation_mode=mode):
        raise SystemExit(1)


def run(command: list[str], folder: Path) -> None:
    """Run a command there, and end the build when it fails."""
    subprocess.run(command, cwd=folder, check=True)


if __name__ == "__main__":
    if sys.argv[1] == "compile":
        compile_all(Path(sys.argv[2]))
    else:
        main(*(Path(argument) for argument in sys.argv[1:4]))
