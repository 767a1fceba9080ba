"""Import time of the typed client, and the time to its first resource, beside the OpenAI client.

    python bench/client.py [--runs 9]

Each step of each run is a new process, and the steps take turns. The table shows medians. Takes about 2 s a run.
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
TIMED = """
import time
began, cpu = time.perf_counter(), time.process_time()
{step}
print(time.perf_counter() - began, time.process_time() - cpu)
"""


def main() -> None:
    """Print the times of each step as a table in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="number of runs [5]")
    runs = [{name: times(step) for name, step in STEPS.items()} for _ in range(parser.parse_args().runs)]
    print("| step | ms | CPU ms |\n|---|---|---|")
    for name in STEPS:
        wall, cpu = (statistics.median(run[name][column] for run in runs) * 1000 for column in (0, 1))
        print(f"| {name} | {wall:.0f} | {cpu:.0f} |")


def times(step: str) -> tuple[float, float]:
    """Return the seconds that a step takes in a new process, and those of its CPU, without the start of Python."""
    command = [sys.executable, "-c", TIMED.format(step=step)]
    wall, cpu = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(wall), float(cpu)


if __name__ == "__main__":
    main()
