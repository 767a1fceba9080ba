"""Evaluation of a chat model next to lm-evaluation-harness, on its own kind of tasks, in the same run.

    python bench/evaluation/run.py                    # 999 instructions and 100 questions of HellaSwag by SmolLM2
    python bench/evaluation/run.py --answers 64 --choices 16 --peers hf

Each is one command from the start of its process to its scores, on all processors of the machine. Goals: at least five
times the rate of lm-eval's `hf` with its default batch of one prompt, the same scores, and a second run with the stored
answers at least 100 times as fast as lm-eval. `hf, 16` is the same with batches of 16 prompts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from environments import environment
from tasks import TASKS, write_tasks

from ratoon.storage.artifacts import ArtifactStore

_ROOT = Path(__file__).resolve().parents[2]
_MODEL = _ROOT / ".data/smollm2-135m-instruct"
_METRICS = {"answers": "exact_match,letter", "choices": "acc_norm,none"}
_PEERS = {
    "hf": ("hf", "", "1"),
    "hf, 16": ("hf", "", "16"),
    "vllm": ("vllm", ",max_model_len=2048,enforce_eager=True", "auto"),
}
"""Backend of lm-eval, its arguments, its batch size."""
JSON = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """Seconds from start to scores, and the scores by task."""

    seconds: float
    scores: dict[str, float]


def main() -> int:
    """Measure, and print the table; 0 when all scores agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--answers", type=int, default=1000, help="instructions at most [%(default)s]")
    parser.add_argument("--choices", type=int, default=100, help="questions at most [%(default)s]")
    parser.add_argument("--peers", nargs="*", choices=list(_PEERS), default=list(_PEERS))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    agree = True
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-evaluation-") as name:
        folder = Path(name)
        prompts = write_tasks(folder, options.answers, options.choices)
        for task in options.tasks:
            rows = measured(folder, task, options.peers, options.threads)
            print(f"\n{task}: {prompts[task]} prompts\n{table(rows, prompts[task])}", flush=True)
            agree = agree and len({str(each.scores) for each in rows.values()}) == 1
    return 0 if agree else 1


def measured(folder: Path, task: str, peers: list[str], threads: int) -> dict[str, Measured]:
    """Return what each took for one task: Ratoon, Ratoon again with its stored answers, and the peers."""
    store = ArtifactStore(str(folder / "artifacts"))
    model = store.put_tree(_MODEL)
    first, result = ours(folder, store, task, threads, {"candidate": model})
    known = {"candidate": model, **stored_answers(result, model)}
    again, _ = ours(folder, store, task, threads, known)
    rows = {"ratoon": first, "ratoon, again": again}
    return {**rows, **{peer: theirs(folder, task, peer, threads) for peer in peers}}


def ours(folder: Path, store: ArtifactStore, task: str, threads: int, known: JSON) -> tuple[Measured, JSON]:
    """Run an evaluation job on one task; `known` names the model, and answers that are stored."""
    records = store.put_file(folder / f"{task}.jsonl")
    test = {
        "name": task,
        "harness": {"yaml": TASKS[task], "files": [{"name": f"{task}.jsonl", "digest": records}]},
    }
    spec = {
        "artifacts": store.url,
        "task_spec": {"generate": {}},
        "suites": [{"name": "bench", "tests": [test]}],
        "threads": threads,
        **known,
    }
    job = Path(tempfile.mkdtemp(dir=folder))
    (job / "spec.json").write_text(json.dumps(spec))
    seconds = timed(
        [sys.executable, str(Path(__file__).with_name("scoring_job.py")), str(job)], folder, threads
    )
    result: JSON = json.loads((job / "result.json").read_text())
    scores = test_of(result)["candidate"]
    return Measured(seconds, {task: scores[_METRICS[task].removesuffix(",none")]["value"]}), result


def test_of(result: JSON) -> JSON:
    """Return the scores of the only test of a job."""
    ((test,),) = [suite["tests"] for suite in result["evaluation"]["measured"]["suites"]]
    scores: JSON = test
    return scores


def stored_answers(result: JSON, model: str) -> JSON:
    """Return what a job is told of the answers that an earlier one stored."""
    test = test_of(result)
    answers = {
        "model": model,
        "test": "suites",
        "predictions": test["answers"],
        "answer_settings": test["answer_settings"],
    }
    return {"stored_answers": [answers]}


def theirs(folder: Path, task: str, peer: str, threads: int) -> Measured:
    """Run lm-eval on one task."""
    backend, extra, batch = _PEERS[peer]
    output = Path(tempfile.mkdtemp(dir=folder))
    arguments = f"pretrained={_MODEL},dtype=float32{extra}"
    command = [str(environment("lm-eval") / "bin/lm_eval"), "run", "--model", backend]
    command += ["--model_args", arguments, "--batch_size", batch, "--include_path", str(folder)]
    command += ["--device", "cpu", "--tasks", task, "--output_path", str(output)]
    seconds = timed(command, folder, threads)
    [report] = output.rglob("results_*.json")
    results = json.loads(report.read_text())["results"][task]
    return Measured(seconds, {task: results[_METRICS[task]]})


def timed(command: list[str], folder: Path, threads: int) -> float:
    """Run a command to its end and return its seconds; SystemExit with the end of its log if it fails."""
    log = folder / "log.txt"
    quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "datasets"), "VLLM_NO_USAGE_STATS": "1"}
    limits = {"OMP_NUM_THREADS": str(threads), "VLLM_CPU_KVCACHE_SPACE": "2"}
    begun = time.monotonic()
    with log.open("wb") as sink:
        child = subprocess.run(
            command, stdout=sink, stderr=sink, cwd=folder, env={**os.environ, **quiet, **limits}, check=False
        )
    seconds = time.monotonic() - begun
    if child.returncode:
        raise SystemExit(f"{command[0]} failed: {log.read_text()[-2000:]}")
    return seconds


def table(rows: dict[str, Measured], prompts: int) -> str:
    """Return the seconds, the rates, the ratio to Ratoon's first run and the scores as text."""
    base = rows["ratoon"].seconds
    head = f"{'':16}{'s':>9}{'prompts/s':>11}{'seconds / ratoon':>18}  score"
    lines = [
        f"{name:16}{each.seconds:9.1f}{prompts / each.seconds:11.1f}{each.seconds / base:18.2f}  {each.scores}"
        for name, each in rows.items()
    ]
    return "\n".join([head, *lines])


if __name__ == "__main__":
    sys.exit(main())
