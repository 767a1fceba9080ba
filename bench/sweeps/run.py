"""Trials an hour of a sweep, next to stock Ray Tune and to stock Optuna with the same objective.

    python bench/sweeps/run.py                 # 12 trials each
    python bench/sweeps/run.py --trials 30 --only ray-tune ratoon
    python bench/sweeps/run.py --samplers 5    # samplers on known functions and on a small model, five seeds

The objective trains a Llama of 40,000 parameters from scratch on 240 short texts with two labels, for two epochs, and
returns macro-F1 of the validation part. The sweep runs it as training runs of the service: jobs of a warm driver on
Ray, with checkpoints, an artifact and a row in the database for each. The peers call the same training code with the
same sampler, one trial at a time, and keep only the value: Ray Tune (`Tuner.fit` with `OptunaSearch`) once as it comes,
with a new process for each trial, once with `reuse_actors`; Optuna in a loop of `study.optimize` in one process. What
they leave out is the price of a trial that survives a crash. All take their first trial as a warm-up. It also kills the
service once, half-way through a second sweep, and counts the trials that were repeated.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.operations.ray import cluster
from ratoon.operations.ray.cluster import NodeSize
from ratoon.runtime.lifecycle import App
from ratoon.security.identity import Role
from ratoon.service.app import Platform
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.migrations import migrate
from ratoon.testkit.services import State, serving
from ratoon.testkit.waiting import until
from ratoon.training.v1 import sweep_pb2, training_run_pb2
from ratoon.training.v1 import training_service_pb2 as pb
from ratoon.training.v1.training_service_pb2_grpc import TrainingServiceStub
from ratoon_training import bootstrap, mapping
from ratoon_training.application.commands import recipe_of
from ratoon_training.settings import Settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import samplers
from training_runs import Runs

_LABELS = ("ham", "spam")
_WORDS = {
    "ham": [
        "agenda",
        "meeting",
        "patch",
        "review",
        "branch",
        "release",
        "notes",
        "compile",
        "tests",
        "merge",
    ],
    "spam": ["prize", "winner", "cheap", "loan", "click", "offer", "credit", "money", "free", "limited"],
}
_LOW, _HIGH = 0.0005, 0.05
_SHAPE: dict[str, Any] = {"vocab_size": 400, "hidden_size": 32, "layers": 1, "heads": 1, "max_positions": 256}
_PARENT = "projects/bench"


def main() -> int:
    """Measure each, and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--only", nargs="+", choices=_MEASURED, default=_MEASURED)
    parser.add_argument(
        "--samplers", type=int, default=0, metavar="SEEDS", help="compare samplers in place of systems"
    )
    names = [objective.name for objective in samplers.OBJECTIVES]
    parser.add_argument("--objectives", nargs="+", choices=names, default=names)
    options = parser.parse_args()
    if options.samplers:
        return samplers.compare(options.samplers, options.objectives)
    rates = {}
    for name in options.only:
        with tempfile.TemporaryDirectory() as scratch:
            rates[name] = _MEASURED[name](Path(scratch), options.trials)
        print(f"{name:<16}{rates[name]:8.0f} trials/h", flush=True)
    for name, rate in rates.items():
        if "ratoon" in rates and name != "ratoon":
            print(f"ratoon / {name:<12}{rates['ratoon'] / rate:8.2f}")
    return 0


def _ours(folder: Path, trials: int) -> float:
    """Return the trials an hour of a sweep, after its first trial; print the repeats of one that was killed."""
    settings = Settings(state=folder, idle_s=30.0)
    migrate("training", settings.database_url)
    parts = [_part(ArtifactStore(settings.artifacts_url), folder, *each) for each in ((240, 1), (40, 2))]
    with State(folder) as state:
        training = TrainingServiceStub(state.as_role(Role.ENGINEER, "training"))
        with serving([_app(settings)]):
            _create(training, "measured", parts, trials)
            until(lambda: _trials(training, "measured") and _value(training, "measured", 0), 300.0)
            began = time.monotonic()
            _end(training, "measured")
            rate = (trials - 1) / (time.monotonic() - began) * 3600
        with serving([_app(settings)]):
            _create(training, "killed", parts, 6)
            until(lambda: len(_trials(training, "killed")) >= 3, 300.0)
        with serving([_app(settings)]):
            _end(training, "killed")
            listed = training.ListTrainingRuns(pb.ListTrainingRunsRequest(parent=_PARENT, page_size=1000))
            runs = [run for run in listed.training_runs if run.sweep.endswith("/killed")]
            print(f"restarted half-way: {len(runs)} runs for 6 trials, {len(runs) - 6} repeated")
    return rate


def _recipe(**fields: Any) -> training_run_pb2.Recipe:
    kind = training_run_pb2.Recipe
    shape = kind.Architecture(**_SHAPE)
    return kind(
        labels=_LABELS, epochs=2.0, batch_size=8, max_chars=80, prompt_tokens=32, architecture=shape, **fields
    )


def _app(settings: Settings) -> App:
    return bootstrap.build(settings, Platform.of_process())


def _create(training: TrainingServiceStub, name: str, parts: Sequence[str], trials: int) -> None:
    kind = sweep_pb2.Sweep
    sweep = kind(
        train_digest=parts[0],
        validation_digest=parts[1],
        recipe=_recipe(),
        parameters=[kind.Parameter(name="learning_rate", min=_LOW, max=_HIGH, log=True)],
        budget=kind.Budget(max_trials=trials),
    )
    training.CreateSweep(pb.CreateSweepRequest(parent=_PARENT, sweep_id=name, sweep=sweep))


def _trials(training: TrainingServiceStub, name: str) -> Sequence[sweep_pb2.Sweep.Trial]:
    return list(training.GetSweep(pb.GetSweepRequest(name=f"{_PARENT}/sweeps/{name}")).trials)


def _value(training: TrainingServiceStub, name: str, at: int) -> bool:
    trial = _trials(training, name)[at]
    if trial.state == trial.STATE_FAILED:
        raise SystemExit(f"trial {trial.number}: {trial.reason} {trial.message}")
    return trial.state == trial.STATE_COMPLETED


def _end(training: TrainingServiceStub, name: str) -> None:
    request = pb.WatchSweepRequest(name=f"{_PARENT}/sweeps/{name}")
    *_, last = training.WatchSweep(request, timeout=3600)
    if last.state != last.STATE_SUCCEEDED:
        raise SystemExit(f"{last.name}: {last.failure.message}")


def _optuna(folder: Path, trials: int) -> float:
    """Return the trials an hour of `study.optimize`, after its first trial."""
    import optuna

    runs = Runs(folder, 1)
    train, validation = (_part(runs.store, folder, *each) for each in ((240, 1), (40, 2)))

    def objective(trial: Any) -> float:
        rate = trial.suggest_float("learning_rate", _LOW, _HIGH, log=True)
        spec = mapping.run_spec(training_run_pb2.TrainingRun(recipe=_recipe(learning_rate=rate)))
        recipe = recipe_of(spec.recipe, None)
        result = runs.train(f"trial-{trial.number}", recipe, train, validation)
        return float(result["metrics"]["validation_macro_f1"])

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=1)
    began = time.monotonic()
    study.optimize(objective, n_trials=trials - 1)
    return (trials - 1) / (time.monotonic() - began) * 3600


def _ray_tune(folder: Path, trials: int, *, reuses: bool) -> float:
    """Return the trials an hour of `Tuner.fit`, from the end of its first trial to that of its last."""
    runs, ends = Runs(folder, 1), folder / "ends"
    train, validation = (_part(runs.store, folder, *each) for each in ((240, 1), (40, 2)))
    recipe = _recipe().SerializeToString()

    def objective(config: dict[str, float]) -> dict[str, float]:
        requested = training_run_pb2.Recipe.FromString(recipe)
        requested.learning_rate = config["learning_rate"]
        spec = mapping.run_spec(training_run_pb2.TrainingRun(recipe=requested))
        name = f"trial-{config['learning_rate']!r}"
        result = Runs(folder, 1).train(name, recipe_of(spec.recipe, None), train, validation)
        with ends.open("a") as file:
            file.write(f"{time.time()}\n")
        return {"score": float(result["metrics"]["validation_macro_f1"])}

    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(Path(__file__).resolve().parents[1]), *sys.path])
    )
    cluster.start(folder, NodeSize(cpus=1))  # on loopback alone, as a driver's own
    import ray
    from ray import tune
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    try:
        tuner = tune.Tuner(
            objective,
            param_space={"learning_rate": tune.loguniform(_LOW, _HIGH)},
            tune_config=tune.TuneConfig(
                metric="score",
                mode="max",
                num_samples=trials,
                search_alg=ConcurrencyLimiter(OptunaSearch(seed=0), max_concurrent=1),
                reuse_actors=reuses,
            ),
            run_config=tune.RunConfig(storage_path=str(folder / "results"), verbose=0),
        )
        tuner.fit()
    finally:
        ray.shutdown()
    times = [float(line) for line in ends.read_text().split()]
    if len(times) != trials:
        raise SystemExit(f"Ray Tune ended {len(times)} of {trials} trials.")
    return (trials - 1) / (times[-1] - times[0]) * 3600


_MEASURED: dict[str, Callable[[Path, int], float]] = {
    "optuna": _optuna,
    "ray-tune": partial(_ray_tune, reuses=False),
    "ray-tune-reused": partial(_ray_tune, reuses=True),
    "ratoon": _ours,
}
"""What is measured, by name."""


def _part(store: ArtifactStore, folder: Path, count: int, seed: int) -> str:
    """Store a part of toy mails; the digest."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        label = _LABELS[number % 2]
        text = f"mail {seed}-{number}: " + " ".join(rng.choices(_WORDS[label], k=rng.randint(4, 9)))
        rows.append((f"{seed}-{number:05d}", text, label))
    columns = dict(zip(("record_id", "text", "label"), map(list, zip(*rows, strict=True)), strict=True))
    path = folder / f"part-{seed}.parquet"
    pq.write_table(pa.table(columns), path)
    return store.put_file(path)


if __name__ == "__main__":
    sys.exit(main())
