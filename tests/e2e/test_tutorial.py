"""The tutorial, word for word: its commands run in one shell, and what it shows is what they print."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.testkit.ports import free_ports

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
MARK = "=== block"
_BLOCKS = re.compile(r"^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
pytestmark = [pytest.mark.engine, pytest.mark.ray, pytest.mark.thorough, pytest.mark.timeout(900)]


def blocks() -> list[tuple[str, list[str]]]:
    """Each block's commands, and the lines that the tutorial shows under it."""
    matches = _BLOCKS.findall(TUTORIAL.read_text(encoding="utf-8"))
    return [(commands, shown.splitlines()) for commands, shown in matches]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An empty folder with the mails in it, and the environment of a user who follows the tutorial."""
    if not (ROOT / ".data" / "spam-assassin").exists():
        pytest.skip("the mails are not here; run: make data")
    (tmp_path / ".data").symlink_to(ROOT / ".data")
    environment = {**os.environ, "RATOON_PORT": str(free_ports(2)[0])}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    yield environment
    subprocess.run(["ratoon", "down"], cwd=tmp_path, env=environment, check=False)


def test_every_command_prints_what_the_tutorial_shows(shell, tmp_path):
    script = "".join(f"echo '{MARK}'\n{commands}" for commands, _ in blocks())
    ran = subprocess.run(
        ["bash", "-eu", "-c", script],
        cwd=tmp_path,
        env=shell,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    printed = ran.stdout.split(f"{MARK}\n")[1:]
    for (commands, shown), output in zip(blocks(), printed, strict=True):
        for line in shown:
            assert pattern(line).search(output), f"{line!r} is not in what was printed:\n{commands}\n{output}"


def pattern(line: str) -> re.Pattern[str]:
    """A shown line as a whole line of output, spaces stretching and `…` standing for anything."""
    parts = [r"[ ]+".join(map(re.escape, part.split())) for part in line.split("…")]
    return re.compile(r"^[ ]*" + ".*".join(rf"[ ]*{part}[ ]*" for part in parts) + "$", re.MULTILINE)
