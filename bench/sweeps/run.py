"""Trials an hour of a sweep, next to stock Optuna with the same objective in one process.

    python bench/sweeps/run.py                 # 12 trials each
    python bench/sweeps/run.py --trials 30

The objective trains a Llama of 40,000 parameters from scratch on 240 short texts with two labels, for two epochs, and
returns macro-F1 of the validation part. The sweep runs it as training runs of the service: jobs of a warm driver on
Ray, with checkpoints, an artifact and a row in the database for each. The peer calls the same training code in a loop
of `study.optimize`, with the same sampler, and keeps only the value: what it leaves out is the price of a trial that
survives a crash. Both take their first trial as a warm-up. It also kills the service once, half-way through a second
sweep, and counts the trials that were repeated.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

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
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = _ours(folder / "service", options.trials)
        peer = _optuna(folder / "peer", options.trials)
    print(f"ratoon sweep   {ours:8.0f} trials/h")
    print(f"optuna in loop {peer:8.0f} trials/h")
    print(f"ratio          {ours / peer:8.2f}")
    return 0


def _ours(folder: Path, trials: int) -> float:
    """Return the trials an hour of a sweep, after its first trial; print the repeats of one that was killed."""
    folder.mkdir(parents=True)
    settings = Settings(state=folder)
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
            print(f"restarted half-way: {len(runs)} runs for 6 trials")
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

    folder.mkdir(parents=True)
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
