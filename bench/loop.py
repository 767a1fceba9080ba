"""The loop on real mail, stage by stage: seconds, peak memory, and the overhead: what is neither training nor tokens.

    python bench/loop.py [--data .data/spam-assassin] [--port 8180]

Runs the demo once in a new installation in a temporary folder, environment and data in place. Goal: steps 1 to 9 (mail
to the switch to v1.1, without the control) within 5 minutes on 2 cores. There is no peer that closes this loop.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from ratoon_examples.demo.main import run_demo

JSON = dict[str, Any]
CONTROLS = ("control: the same traffic as before", "refuse a bad candidate", "roll a bad version back")
"""Stages that are not part of the sum."""


def main() -> int:
    """Run the demo and print its stages with their overhead; the demo's exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(".data/spam-assassin"))
    parser.add_argument("--port", type=int, default=8180)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        status = run_demo(state, options.data, "mail-triage", options.port, 1.0, stop=True)
        report = json.loads((state / "demo" / "report.json").read_text())
    rows = [row(stage) for stage in report["stages"]]
    counted = [each for each in rows if each["stage"] not in CONTROLS]
    rows.append(
        {"stage": "steps 1 to 9", **{key: total(counted, key) for key in ("seconds", "work_s", "overhead_s")}}
    )
    print(f"{'stage':<40} {'seconds':>8} {'work':>8} {'overhead':>9} {'peak MiB':>9}")
    for each in rows:
        peak = f"{each['peak_mib']:>9}" if "peak_mib" in each else ""
        print(
            f"{each['stage']:<40} {each['seconds']:>8.1f} {each['work_s']:>8.1f} {each['overhead_s']:>9.1f} {peak}"
        )
    print(json.dumps(rows))
    return status


def row(stage: JSON) -> JSON:
    """One stage: its work is training steps and the time in which answers were being written."""
    return {
        "stage": stage["name"],
        "seconds": round(stage["seconds"], 1),
        "work_s": round(stage["work_seconds"], 1),
        "overhead_s": round(stage["seconds"] - stage["work_seconds"], 1),
        "peak_mib": round(stage["peak_bytes"] / 2**20),
    }


def total(rows: list[JSON], key: str) -> float:
    """The sum of a column."""
    return round(sum(each[key] for each in rows), 1)


if __name__ == "__main__":
    sys.exit(main())
