"""What a demo needs of the machine."""

import shutil
from pathlib import Path

from ratoon.client import RatoonError

_DISK_BYTES = 3 << 30
_MEMORY_BYTES = 8 << 30


def check_machine(state: Path) -> None:
    """Check disk space and memory before the demo starts."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    free = shutil.disk_usage(state).free
    if free < _DISK_BYTES:
        raise RatoonError(
            f"The disk of {state} has {free / 2**30:.1f} GiB free; the demo needs 3 GiB. "
            "Free disk space, or use --state."
        )
    available = _available_memory()
    if available < _MEMORY_BYTES:
        raise RatoonError(
            f"{available / 2**30:.1f} GiB of memory are available; the demo needs 8 GiB (two engines, training). "
            "Close other programs and try again."
        )


def _available_memory() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
