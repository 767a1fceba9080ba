"""Speed of curation's filters on one core, next to datatrove and Data-Juicer, and what a second process brings.

    python bench/curation/run.py [--quick] [--peers datatrove,data-juicer] [--rounds N] [--texts FILE] [--json FILE]

All peers get the same texts, each on one core, in interleaved rounds; the fastest round counts. The table has MB of
text per second of CPU time, the ratio to each peer, and the share of texts on which the verdicts agree. The last rows
are the time of a whole curation with one process and with two (preset `web`): the first, which starts the second
process, and the next one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from environments import environment
from texts import read, write

_STEPS = ("gopher_repetition", "gopher_quality", "c4", "fineweb")
_GOPHER = _STEPS[:2]
_FOLDER = Path(__file__).parent
_PEERS = {
    "datatrove": ("datatrove_filters.py", _STEPS),
    "data-juicer": ("data_juicer_operators.py", _GOPHER),
}
_THREADS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_QUIET = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}

Result = dict[str, Any]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one text in 16, one round (2 minutes)")
    parser.add_argument("--peers", default=",".join(_PEERS), help="peers, separated by commas; empty: none")
    parser.add_argument("--rounds", type=int, default=0, help="rounds [3; with --quick 1]")
    parser.add_argument("--texts", type=Path, help='texts of your own, one {"text": …} a line')
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    peers = [name for name in options.peers.split(",") if name]
    pythons = {name: environment(name) / "bin/python" for name in peers}
    with tempfile.TemporaryDirectory() as scratch:
        path = options.texts or Path(scratch) / "texts.jsonl"
        if options.texts is None:
            write(path, 16 if options.quick else 2)
        rounds = options.rounds or (1 if options.quick else 3)
        results: dict[tuple[str, tuple[str, ...]], list[Result]] = {}
        curations: dict[int, list[Result]] = {1: [], 2: []}
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            for names in dict.fromkeys(_PEERS[peer][1] for peer in peers) or (_STEPS,):
                run = json.loads(measured([sys.executable, str(_FOLDER / "ours.py"), str(path), *names]))
                results.setdefault(("ours", names), []).append(run)
            for peer in peers:
                script, names = _PEERS[peer]
                run = json.loads(measured([str(pythons[peer]), str(_FOLDER / script), str(path), *names]))
                results.setdefault((peer, names), []).append(run)
            for processes, runs in curations.items():
                runs.append(curated(path, processes, options.quick))
        report(read(path), results, peers)
    report_processes(curations)
    if options.json:
        rows = {f"{name} {' '.join(names)}": runs for (name, names), runs in results.items()}
        options.json.write_text(json.dumps({"runs": rows, "processes": curations}))


def curated(path: Path, processes: int, is_quick: bool) -> Result:
    """Return seconds and CPU seconds of a whole curation, and of a second one in the same processes."""
    script = str(_FOLDER / "processes.py")
    printed = output([sys.executable, script, str(path), str(processes), "5" if is_quick else "20"])
    result: Result = json.loads(printed)
    return result


def report_processes(curations: dict[int, list[Result]]) -> None:
    """Print what a second process brings, in seconds, and in CPU seconds of the busiest process."""
    for name in ("first", "second"):
        times = {
            (processes, kind): min(run[name][kind] for run in runs)
            for processes, runs in curations.items()
            for kind in ("seconds", "cpu", "busiest", "idle")
        }
        print(f"\nThe {name} curation: with 1 process, with 2, ratio")
        for kind, label in (("seconds", "seconds"), ("busiest", "CPU seconds of the busiest process")):
            one, two = times[1, kind], times[2, kind]
            print(f"{label}: {one:.1f}, {two:.1f}, {one / two:.2f} ×")
        print(f"CPU seconds of all processes: {times[1, 'cpu']:.1f}, {times[2, 'cpu']:.1f}")
        print(f"seconds in which one of two processes had nothing to do: {times[2, 'idle']:.1f}")


def measured(command: list[str]) -> str:
    """Run a command on one core and return what it prints."""
    return output(["taskset", "-c", str(max(os.sched_getaffinity(0))), *command])


def output(command: list[str]) -> str:
    """Run a command and return the last line that it prints; SystemExit with the end of its log if it fails."""
    env = {**os.environ, **_QUIET, **dict.fromkeys(_THREADS, "1")}
    child = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)[:200]} failed: {child.stderr[-2000:]}")
    return child.stdout.splitlines()[-1]


def report(
    texts: list[str], results: dict[tuple[str, tuple[str, ...]], list[Result]], peers: list[str]
) -> None:
    """Print a row for each peer and step."""
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} texts, {size:.1f} MB; load {os.getloadavg()[0]:.1f}\n")
    print("| peer | step | MB/s | MB/s of the peer | ratio | same verdict | passed | passed by the peer |")
    print("|---|---|---|---|---|---|---|---|")
    for peer in peers:
        names = _PEERS[peer][1]
        for step in (*names, "all"):
            ours, theirs = (
                min(each[step]["seconds"] for each in results[key, names]) for key in ("ours", peer)
            )
            verdicts, others = (results[key, names][0][step]["passed"] for key in ("ours", peer))
            same = sum(a == b for a, b in zip(verdicts, others, strict=True)) / len(texts)
            print(
                f"| {peer} | {step} | {size / ours:.1f} | {size / theirs:.2f} | {theirs / ours:.1f} × | {same:.3f} "
                f"| {sum(verdicts):,} | {sum(others):,} |"
            )


if __name__ == "__main__":
    main()
