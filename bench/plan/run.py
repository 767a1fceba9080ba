"""Forecasts of training runs next to what was measured, and admission of many runs under a memory limit.

    python bench/plan/run.py                         # 60 runs; p90 of the errors of memory and time
    python bench/plan/run.py --runs 0:20             # a part of them, appended to --out by others
    python bench/plan/run.py --admit 40 --limit 6000 # 40 runs at once in a control group of 6,000 MiB

The texts are the help topics of Python's own documentation (`pydoc_data`), which every Python has. Each run is a
process of its own, forked from one that has imported torch. The forecast is the one that the worker makes by a dry run
before the first step; small neural models are forecast by their first steps. The second form admits runs by the plan of
the service, with its reservations, and counts the runs that the kernel killed.
"""

import argparse
import ctypes
import json
import mmap
import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from pydoc_data.topics import topics
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from ratoon.operations.jobs import JobFolder
from ratoon.process.files import write_json
from ratoon.tasks.generate import Generate, Sampling
from ratoon.tasks.kind import Record
from ratoon_training.adapters.machine import FAMILIES_FILE, headroom
from ratoon_training.application.planning import Reservations, planned
from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.machines import MachineFamily, parse_families
from ratoon_training.domain.neural import Network, Neural
from ratoon_training.domain.optimization import Optimization, Optimizer
from ratoon_training.domain.plan import Change, ResourcePlan
from ratoon_training.domain.predictions import Accuracy, accuracy_of, p90
from ratoon_training.domain.recipes import Architecture, Method, Objective, Recipe, Resources
from ratoon_training.domain.runs import Progress, State, Trained, TrainingRun
from ratoon_training.worker import forecast, neural_job, neural_training, peaks, reporting

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from training_runs import Runs, question

_LABELS = ("code", "prose")
_TRAIN, _HELD = 96, 32
_MEBI = 2**20
_GROUPS = Path("/sys/fs/cgroup/memory")
_POPULATE_WRITE = 23
"""Advice to the kernel to give a process pages of its own (Linux 5.14)."""
_REPORT_EVERY_S = 20.0


@dataclass(frozen=True)
class Case:
    """One run: its name, recipe, kind of data and base."""

    name: str
    recipe: Recipe
    data: str = "labels"
    base: str = ""


@dataclass
class Bench:
    """Runs with their parts and bases."""

    runs: Runs
    parts: dict[str, tuple[str, str]]
    bases: dict[str, str]

    def outcome(self, case: Case, number: int) -> dict[str, Any]:
        """Train a case in this process; the result of the run."""
        train, held = self.parts[case.data]
        name = f"{case.name}-{number}"
        if case.recipe.neural is not None:
            return self._neural(name, case.recipe, train, held)
        return self.runs.train(name, case.recipe, train, held, self.bases.get(case.base, ""))

    def _neural(self, name: str, recipe: Recipe, train: str, held: str) -> dict[str, Any]:
        job = self.runs.folder / name
        spec = self.runs.spec(name, recipe, train, held)
        job.mkdir()
        write_json(job / "spec.json", spec)
        return neural_job.run(spec, JobFolder(job))


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Forecasts of training runs next to measurements.")
    parser.add_argument("--runs", default="0:60", help="Part of the runs, as FIRST:LAST.")
    parser.add_argument("--out", type=Path, help="JSON lines to append the measurements to.")
    parser.add_argument("--summary", action="store_true", help="Only summarize the file --out.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="Forecast and measure processor time instead of wall time, on a machine with other load.",
    )
    parser.add_argument("--epochs", type=float, default=3.0, help="Factor on the epochs of each run.")
    parser.add_argument("--admit", type=int, default=0, help="Number of runs to admit at once; 0: none.")
    parser.add_argument("--seconds", type=float, default=3600.0, help="Time limit of the admissions.")
    parser.add_argument("--limit", type=int, default=4000, help="Memory limit of these runs, in MiB.")
    options = parser.parse_args()
    if options.summary:
        _summarize([json.loads(line) for line in options.out.read_text().splitlines()])
        return 0
    torch.set_num_threads(options.threads)
    if options.processor_time:
        _count_processor_time()
    with tempfile.TemporaryDirectory() as folder:
        bench = _bench(Path(folder), options.threads)
        if options.admit:
            admitted = _admitted_cases(options.admit, options.epochs)
            return _admit(bench, admitted, options.limit * _MEBI, options.seconds)
        first, last = map(int, options.runs.split(":"))
        rows = []
        for number, case in list(enumerate(cases(options.epochs)))[first:last]:
            row = _row(case, number, _forked(lambda: bench.outcome(case, number)))  # noqa: B023  called at once
            rows.append(row)
            print(_line(row), flush=True)
            if options.out:
                with options.out.open("a") as out:
                    out.write(json.dumps(row) + "\n")
        _summarize(rows)
    return 0


def _count_processor_time() -> None:
    """Let forecasts and measurements of the runs count the time in which they compute."""
    clock = SimpleNamespace(monotonic=time.process_time, process_time=time.process_time)
    for module in (forecast, reporting, neural_job, neural_training):
        vars(module)["time"] = clock


# Runs


def cases(epochs: float = 1.0) -> list[Case]:
    """Return the 60 runs: each recipe twice, with another size or batch; `epochs` multiplies those of each."""
    both = [*_of_size(0), *_of_size(1)]
    return [replace(each, recipe=replace(each.recipe, epochs=epochs * each.recipe.epochs)) for each in both]


def _of_size(size: int) -> Iterator[Case]:
    shape = Architecture(
        vocab_size=(600, 2000)[size],
        hidden_size=(64, 128)[size],
        layers=(2, 3)[size],
        heads=4,
        max_positions=256,
    )
    plain = Recipe(
        labels=_LABELS,
        architecture=shape,
        batch_size=(8, 16)[size],
        epochs=(2.0, 4.0)[size],
        patience=0,
        max_chars=400,
    )
    texts = replace(
        plain,
        labels=(),
        max_chars=0,
        task=Generate(defaults=Sampling(max_tokens=16)),
        max_tokens=(96, 160)[size],
    )
    yield Case("scratch", plain)
    yield Case("wide", replace(plain, architecture=replace(shape, hidden_size=192)))
    yield Case("deep", replace(plain, architecture=replace(shape, layers=6)))
    yield Case("vocabulary", replace(plain, architecture=replace(shape, vocab_size=6000)))
    yield Case("short", replace(plain, max_chars=80))
    yield Case("long", replace(plain, max_chars=900, batch_size=8))
    yield Case("batch", replace(plain, batch_size=32, epochs=6.0))
    yield Case("parts", replace(plain, gradient_accumulation=4))
    yield Case("recomputed", replace(plain, gradient_checkpointing=True))
    yield Case("packed", replace(plain, packed=True))
    for optimizer in (Optimizer.SGD, Optimizer.ADAGRAD, Optimizer.MUON):
        yield Case(optimizer.lower(), replace(plain, optimization=Optimization(optimizer)))
    yield Case("experts", replace(plain, architecture=replace(shape, experts=4, experts_per_token=2)))
    yield Case("answers alone", replace(plain, language_model_weight=0.0))
    yield Case("texts", texts, "texts")
    yield Case("texts packed", replace(texts, packed=True), "texts")
    yield Case(
        "pretraining", replace(texts, objective=Objective.PRETRAIN, language_model_weight=0.0), "documents"
    )
    going_on = replace(texts, method=Method.CONTINUE, learning_rate=3e-4, language_model_weight=0.0)
    adapter = replace(going_on, method=Method.LORA)
    yield Case("continued", going_on, "texts", f"base{size}")
    yield Case("adapter", adapter, "texts", f"base{size}")
    yield Case("adapter of rank 32", replace(adapter, lora_rank=32), "texts", f"base{size}")
    yield Case("dpo", replace(going_on, objective=Objective.DPO), "pairs", f"base{size}")
    yield Case("kto", replace(going_on, objective=Objective.KTO), "thumbs", f"base{size}")
    yield Case("reward", replace(going_on, objective=Objective.REWARD_MODEL), "pairs", f"base{size}")
    for network in (Network.CNN, Network.LSTM, Network.GRU, Network.RNN, Network.MLP, Network.ENCODER):
        neural = Neural(network=network, vocab_size=2000, max_tokens=(64, 128)[size]).complete()
        recipe = Recipe(
            method=Method.NEURAL,
            labels=_LABELS,
            batch_size=16,
            epochs=8.0,
            learning_rate=1e-3,
            patience=0,
            neural=neural,
        )
        yield Case(network.lower(), recipe)


def _bench(folder: Path, threads: int) -> Bench:
    runs = Runs(folder, threads)
    paragraphs = list(_paragraphs())
    labelled = [question(text[:900], _LABELS[not _is_code(text)]) for _, text in paragraphs]
    texts = [question(text[:300], topic) for topic, text in paragraphs]
    pairs = [question(text[:200], topic, rejected=f"not {topic}") for topic, text in paragraphs]
    thumbs = [
        question(text[:200], topic, is_good=bool(at % 2)) for at, (topic, text) in enumerate(paragraphs)
    ]
    documents = [Record((), (text[:900],)) for _, text in paragraphs]
    parts = {
        name: (runs.part(rows[:_TRAIN]), runs.part(rows[_TRAIN : _TRAIN + _HELD], "held-"))
        for name, rows in (
            ("labels", labelled),
            ("texts", texts),
            ("pairs", pairs),
            ("thumbs", thumbs),
            ("documents", documents),
        )
    }
    bench = Bench(runs, parts, {})
    for size in (0, 1):
        case = next(each for each in _of_size(size) if each.name == "texts")
        result = _forked(lambda: bench.outcome(case, 100 + size))  # noqa: B023  called at once
        bench.bases[f"base{size}"] = result["artifact_digest"]
    return bench


def _paragraphs() -> Iterator[tuple[str, str]]:
    """Yield paragraphs of help topics, of both kinds in turn."""
    kinds: dict[bool, list[tuple[str, str]]] = {True: [], False: []}
    known: set[str] = set()
    for topic, text in sorted(topics.items()):
        for paragraph in re.split(r"\n\s*\n", text):
            if len(paragraph) > 60 and paragraph not in known:
                known.add(paragraph)
                kinds[_is_code(paragraph)].append((topic, paragraph))
    for pair in zip(*kinds.values(), strict=False):
        yield from pair


def _is_code(paragraph: str) -> bool:
    return ">>>" in paragraph or "::=" in paragraph or paragraph.startswith("      ")


def _forked(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of work in a process of its own; the script ends if it fails."""
    reading, child = _start(work)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if status or not answer:
        sys.exit(f"a run ended with the status {status}")
    result: dict[str, Any] = json.loads(answer)
    return result


def _start(work: Callable[[], dict[str, Any]]) -> tuple[int, int]:
    """Start work in a process; return the pipe of its result and the process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return reading, child
    status = 1
    try:
        os.close(reading)
        log = os.open("/dev/null", os.O_WRONLY)
        os.dup2(log, 1)
        answer = json.dumps(work())
        with os.fdopen(writing, "w") as pipe:
            pipe.write(answer)
        status = 0
    except BaseException:  # the parent sees the status
        traceback.print_exc()
    os._exit(status)


# Forecasts


def _row(case: Case, number: int, result: dict[str, Any]) -> dict[str, Any]:
    return {"name": case.name, "number": number, "metrics": result["metrics"]}


def _line(row: dict[str, Any]) -> str:
    accuracy = accuracy_of(row["metrics"])
    name = f"{row['number']:3} {row['name']:22}"
    if accuracy is None:
        return f"{name} no forecast"
    return (
        f"{name} memory {accuracy.predicted_peak_memory_bytes / _MEBI:7.0f} of "
        f"{accuracy.measured_peak_memory_bytes / _MEBI:7.0f} MiB {accuracy.memory_error:+6.1%}   "
        f"time {accuracy.predicted_seconds:6.2f} of {accuracy.measured_seconds:6.2f} s {accuracy.time_error:+6.1%}"
    )


def _summarize(rows: Sequence[dict[str, Any]]) -> None:
    compared = [each for row in rows if (each := accuracy_of(row["metrics"])) is not None]
    own = [_beyond(each, row) for row in rows if (each := accuracy_of(row["metrics"])) is not None]
    print(
        f"{len(rows)} runs, {len(compared)} with a forecast; 9 of 10 have an error of memory up to "
        f"{p90([each.memory_error for each in compared]):.1%} ({p90(own):.1%} of what a run takes beyond its process), "
        f"of time up to {p90([each.time_error for each in compared]):.1%}"
    )


def _beyond(accuracy: Accuracy, row: dict[str, Any]) -> float:
    """Return the error of memory as a share of what the run took beyond the process without a model."""
    taken = accuracy.measured_peak_memory_bytes - row["metrics"].get("process_bytes", 0.0)
    return (accuracy.predicted_peak_memory_bytes - accuracy.measured_peak_memory_bytes) / max(1.0, taken)


# Admission


class _Group:
    """Machine of a control group with a memory limit."""

    def __init__(self, limit: int) -> None:
        self.folder = _GROUPS / f"ratoon-bench-{os.getpid()}"
        self.folder.mkdir()
        (self.folder / "memory.limit_in_bytes").write_text(str(limit))
        self._families = parse_families(FAMILIES_FILE.read_text())

    def available_bytes(self, resources: Resources) -> int:
        """Return what the group leaves."""
        with tempfile.NamedTemporaryFile("w+") as own:
            own.write(f"9:memory:/{self.folder.name}\n")
            own.flush()
            return min(headroom(Path(own.name), _GROUPS.parent))

    def families(self) -> tuple[MachineFamily, ...]:
        """Return the families that come with Ratoon."""
        return self._families

    def enter(self) -> None:
        """Move this process into the group, with memory of its own."""
        (self.folder / "tasks").write_text(str(os.getpid()))
        _copy_memory()

    def kills(self) -> int:
        """Return how many processes of the group the kernel killed."""
        stated = dict(line.split() for line in (self.folder / "memory.oom_control").read_text().splitlines())
        return int(stated.get("oom_kill", 0))

    def highest_bytes(self) -> int:
        """Return the highest memory of the group so far."""
        return int((self.folder / "memory.max_usage_in_bytes").read_text())


def _copy_memory() -> None:
    """Copy what this process shares with its parent, so that its group counts it as that of any other process."""
    libc, page = ctypes.CDLL(None, use_errno=True), mmap.PAGESIZE
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        for line in Path("/proc/self/maps").read_text().splitlines():
            addresses, mode = line.split()[:2]
            if mode != "rw-p":
                continue
            first, last = (int(each, 16) // page for each in addresses.split("-"))
            pagemap.seek(8 * first)
            entries = np.frombuffer(pagemap.read(8 * (last - first)), dtype=np.uint64)
            present = np.concatenate(([False], entries >> np.uint64(63) == 1, [False]))
            edges = np.flatnonzero(present[1:] != present[:-1])
            for begin, end in zip(edges[::2], edges[1::2], strict=True):
                at, size = (first + int(begin)) * page, int(end - begin) * page
                if libc.madvise(at, size, _POPULATE_WRITE):
                    raise OSError(ctypes.get_errno(), "the memory of a run could not be copied")


@dataclass
class _Counts:
    """Runs of an admission by what became of them."""

    admitted: int = 0
    ended: int = 0
    killed: int = 0
    failed: int = 0
    refused: int = 0
    changed: int = 0
    """Refused runs that were admitted with the change that their refusal names first."""
    max_at_once: int = 0


class _Admission:
    """Runs that are admitted by the plan of the service as memory allows."""

    def __init__(self, bench: Bench, group: _Group, cases: Sequence[Case]) -> None:
        self._bench, self._group = bench, group
        self._waiting = list(enumerate(cases))
        self._live: dict[str, tuple[TrainingRun, int, int]] = {}
        self._earlier: list[TrainingRun] = []
        self._reservations = Reservations(lambda: [run for run, _, _ in self._live.values()])
        self.counts = _Counts()

    @property
    def is_done(self) -> bool:
        """Return True if no run waits or goes on."""
        return not self._waiting and not self._live

    def stop(self) -> None:
        """Admit no more runs."""
        self._waiting.clear()

    def collect(self) -> None:
        """Take the results of the runs that have ended: they correct the plans of later ones."""
        for name, (run, child, reading) in list(self._live.items()):
            done, status = os.waitpid(child, os.WNOHANG)
            if not done:
                progress = Progress(metrics={"memory_bytes": float(_resident_bytes(child))})
                self._live[name] = replace(run, progress=progress), child, reading
                continue
            del self._live[name]
            with os.fdopen(reading) as pipe:
                answer = pipe.read()
            self.counts.ended += 1
            self.counts.killed += os.WIFSIGNALED(status)
            self.counts.failed += bool(status) and not os.WIFSIGNALED(status)
            nothing: dict[str, Any] = {"metrics": {}, "highest_bytes": 0}
            result = json.loads(answer) if answer else nothing
            metrics = result["metrics"]
            print(
                f"{name} {run.recipe.method} status {status} plan {run.plan.measured_bytes / _MEBI:.0f} MiB, "
                f"took {metrics.get('peak_memory_bytes', 0.0) / _MEBI:.0f} MiB, "
                f"with its publication {result['highest_bytes'] / _MEBI:.0f} MiB; free when admitted "
                f"{run.plan.available_bytes / _MEBI:.0f} MiB",
                flush=True,
            )
            if answer:
                trained = Trained("", "", 0, Diagnosis("", ""), metrics=metrics)
                self._earlier.insert(0, replace(run, state=State.SUCCEEDED, trained=trained))

    def admit(self) -> None:
        """Start as many waiting runs as fit."""
        while self._waiting:
            number, case = self._waiting[0]
            now = datetime.now(UTC)
            run = TrainingRun(f"projects/p/trainingRuns/r{number}", now, now, "", "", case.recipe)
            plan = self._reservations.admit(run, lambda held: self._planned(case.recipe, held))  # noqa: B023
            if plan.waits:
                return
            self._waiting.pop(0)
            if plan.admitted:
                self._start(number, case, replace(run, state=State.RUNNING, plan=plan))
            else:
                self._refused(number, case, plan)

    def _planned(self, recipe: Recipe, held: int) -> ResourcePlan:
        return planned(recipe, Resources(), None, self._group, self._earlier, held)

    def _refused(self, number: int, case: Case, plan: ResourcePlan) -> None:
        """Count a run that does not fit, and let it try with the change that its refusal names first."""
        self.counts.refused += 1
        if plan.changes:
            print(f"refused: {plan.reason}", flush=True)
            self.counts.changed += 1
            self._waiting.insert(0, (number, replace(case, recipe=_changed(case.recipe, plan.changes[0]))))

    def _start(self, number: int, case: Case, run: TrainingRun) -> None:
        ready, entered = os.pipe()

        def work() -> dict[str, Any]:
            self._group.enter()
            os.close(entered)
            metrics = self._bench.outcome(case, number)["metrics"]
            return {"metrics": metrics, "highest_bytes": peaks.peak_bytes()}

        reading, child = _start(work)
        os.close(entered)
        with os.fdopen(ready) as pipe:
            # Until the pipe ends, the memory of the process counts as that of this one.
            pipe.read()
        self._live[run.name] = run, child, reading
        self.counts.admitted += 1
        self.counts.max_at_once = max(self.counts.max_at_once, len(self._live))


def _resident_bytes(process: int) -> int:
    """Return the resident memory of a process, as a worker reports it; 0: it has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * mmap.PAGESIZE


def _changed(recipe: Recipe, change: Change) -> Recipe:
    """Return a recipe with the settings of a change."""
    for setting in change.settings:
        name, _, value = setting.removeprefix("recipe.").partition("=")
        old = getattr(recipe, name)
        new = value == "true" if isinstance(old, bool) else type(old)(value.removeprefix("DTYPE_"))
        changed: dict[str, Any] = {name: new}
        recipe = replace(recipe, **changed)
    return recipe


def _admitted_cases(count: int, epochs: float) -> list[Case]:
    """Return the runs of an admission: of ten, one does not fit until it is changed."""
    usual = cases(epochs)
    large = Architecture(vocab_size=600, hidden_size=64, layers=32, heads=4, max_positions=1024)
    too_large = Case(
        "large", replace(usual[0].recipe, architecture=large, batch_size=96, epochs=1.0, max_chars=300)
    )
    return [too_large if number % 10 == 9 else usual[number % len(usual)] for number in range(count)]


def _admit(bench: Bench, cases: Sequence[Case], limit: int, seconds: float) -> int:
    """Admit runs by the plan of the service as memory allows, and count those that were killed."""
    group = _Group(limit)
    admission = _Admission(bench, group, cases)
    begun = reported = time.monotonic()
    while not admission.is_done:
        if time.monotonic() > begun + seconds:
            admission.stop()
        admission.collect()
        admission.admit()
        if time.monotonic() > reported + _REPORT_EVERY_S:
            reported = time.monotonic()
            print(f"{reported - begun:5.0f} s {admission.counts}", flush=True)
        time.sleep(0.05)
    kills, highest, counts = group.kills(), group.highest_bytes() / _MEBI, admission.counts
    group.folder.rmdir()
    print(
        f"{counts.admitted} runs admitted under {limit / _MEBI:.0f} MiB in {time.monotonic() - begun:.0f} s, at most "
        f"{counts.max_at_once} at once; {counts.refused} refused, {counts.changed} of them admitted with the "
        f"change that the refusal names; {kills} killed for memory, {counts.killed} ended by a signal, "
        f"{counts.failed} failed; highest use {highest:.0f} MiB"
    )
    return 1 if kills or counts.killed or counts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
