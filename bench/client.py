"""Import time of the typed client, and the time to its first resource, beside the OpenAI client.

    python bench/client.py [--runs 9]

Each run is a new process; the median counts. Takes less than 1 s a run.
"""

import argparse
import statistics
import subprocess
import sys

STEPS = {
    "import ratoon.client": "import ratoon.client",
    "… and a client": "from ratoon.client import Ratoon; client = Ratoon(base_url='http://server')",
    "… and its first resource": (
        "from ratoon.client import Ratoon; client = Ratoon(base_url='http://server'); client.training_runs"
    ),
    "import ratoon.client.types": "import ratoon.client.types",
    "import openai": "import openai",
    "import openai and a client": "import openai; client = openai.OpenAI(base_url='http://server', api_key='key')",
}
TIMED = "import time; began = time.perf_counter(); {step}; print(time.perf_counter() - began)"


def main() -> None:
    """Print a Markdown table of the median times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=9, help="number of processes for each step [9]")
    runs = parser.parse_args().runs
    print("| step | ms (median) |\n|---|---|")
    for name, step in STEPS.items():
        print(f"| {name} | {statistics.median(seconds(step) for _ in range(runs)) * 1000:.0f} |", flush=True)


def seconds(step: str) -> float:
    """Return the seconds that a step takes in a new process, without the start of Python."""
    command = [sys.executable, "-c", TIMED.format(step=step)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
