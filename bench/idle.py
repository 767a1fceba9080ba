"""Cost of an idle platform: seconds until every service is ready, resident memory, processor time.

    python bench/idle.py [--isolated] [--seconds 30]

Starts a new installation in a temporary folder on a free port, measures, stops it. Ray and engines start on demand,
so none runs. Goals: ready within 10 s, under 600 MiB resident, under 5 % of one core, all together.
"""

import argparse
import json
import os
import socket
import tempfile
import time
from pathlib import Path

from ratoon.local.installation import Installation
from ratoon.local.processes import Running


def main() -> None:
    """Measure once and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--isolated", action="store_true", help="each service in its own process")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to watch it idle")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder) / "state")
        try:
            metrics = measure(installation, options.isolated, options.seconds)
        finally:
            installation.down(keep_workers=False, say=lambda _line: None)
    for name, value in metrics.items():
        print(f"{name:<28} {value}")
    print(json.dumps(metrics))


def measure(installation: Installation, isolated: bool, seconds: float) -> dict[str, object]:
    """Start, wait, measure."""
    began = time.monotonic()
    installation.up(isolated, "127.0.0.1", _free_port(), say=lambda _line: None)
    ready = time.monotonic() - began
    time.sleep(3)
    running = installation.processes.running()
    before, at = _cpu_seconds(running), time.monotonic()
    time.sleep(seconds)
    used = (_cpu_seconds(running) - before) / (time.monotonic() - at)
    resident = sum(each.resident_bytes for each in installation.processes.running())
    return {
        "processes": len(running),
        "ready after, s": round(ready, 1),
        "resident, MiB": round(resident / 2**20),
        "processor, % of one core": round(100 * used, 1),
        "workers running": len(installation.workers()),
        **{f"resident {each.name}, MiB": round(each.resident_bytes / 2**20) for each in running},
    }


def _cpu_seconds(running: list[Running]) -> float:
    ticks = 0
    for each in running:
        fields = Path(f"/proc/{each.mark.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    main()
