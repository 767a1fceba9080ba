"""A run that fits a classical model: one process, without Ray and without torch.

Every byte of the artifact is a function of the split, the recipe and the seed. A run that is lost begins again.
"""

import json
import os
import resource
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ratoon.classical.analysis import association_rules, clusters, items_of
from ratoon.classical.columns import row_of
from ratoon.classical.errors import ClassicalError
from ratoon.classical.estimators import Estimator
from ratoon.classical.fitting import Choice, Examples, fit_table, fit_texts
from ratoon.classical.model import Answers, ClassicalModel, Task, title
from ratoon.classical.tables import FittedTable, Preparation, frame
from ratoon.classical.words import Terms
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.training_jobs_pb2 import TrainingResult
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks import regress
from ratoon.tasks.classify import Classify
from ratoon.tasks.regress import Regress
from ratoon_training.domain.classical import Classical
from ratoon_training.domain.errors import Stopped, TrainingError
from ratoon_training.domain.recipes import Recipe
from ratoon_training.worker.labelled import check_disjoint, read_part
from ratoon_training.worker.task_queue import TrainingTask
from ratoon_training.worker.unread import unread_attachments

_ANALYSED_ROWS = 5_000


class NotFitted(TrainingError):
    """The training part gives no classical model."""

    def __init__(self, error: ClassicalError) -> None:
        super().__init__(str(error))
        self.reason = error.reason


def run(spec: dict[str, Any], job: JobFolder) -> dict[str, Any]:
    """Fit a model; the result, or an error with its reason."""
    begun = time.monotonic()
    task = TrainingTask.of_spec(spec, job.path)
    store = ArtifactStore(from_json(JobEnvironment, spec).artifacts)
    recipe = task.recipe
    kind = recipe.spec
    assert isinstance(kind, Classify | Regress) and recipe.classical is not None
    report = _reporter(job)
    report("Reading the split.")
    part = read_part(store, str(spec["train"]), "training")
    validation = read_part(store, str(spec["validation"]), "validation")
    check_disjoint(part, validation)
    train = Examples(part.texts, part.answers, part.groups)
    try:
        model = _fitted(kind, recipe, recipe.classical, train, report)
        report("Answering the validation part.")
        started = time.process_time()
        answers = model.answer(validation.texts)
        answering = time.process_time() - started
    except ClassicalError as error:
        raise NotFitted(error) from error
    metrics = _metrics(kind, validation.answers, answers)
    analysed = _analysis(model, train) if recipe.classical.is_table else {}
    report("Storing the model.")
    digests = _published(store, job, recipe, model, {"validation": metrics, **analysed})
    measured = {
        **metrics,
        **unread_attachments(store, str(spec["train"])),
        "records": float(len(train.texts)),
        "columns": float(model.about.columns),
        "core_seconds_per_million_answers": 1e6 * answering / len(validation.texts),
        "seconds": time.monotonic() - begun,
        "peak_memory_bytes": float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024,
    }
    result = {
        **digests,
        "parameter_count": model.parameters,
        "diagnosis": _diagnosis(model),
        "metrics": measured,
    }
    return to_json(from_json(TrainingResult, result))


def _reporter(job: JobFolder) -> Any:
    steps = iter(range(1, 100))

    def report(message: str) -> None:
        if job.stop_requested():
            raise Stopped("Stopped on request.")
        job.progress(min(0.95, next(steps) / 20), message)

    return report


def _fitted(task: Task, recipe: Recipe, classical: Classical, train: Examples, report: Any) -> ClassicalModel:
    estimators = tuple(Estimator(each.lower()) for each in classical.estimators) or tuple(Estimator)
    if classical.is_table:
        preparation = Preparation.of_json(asdict(classical.table) if classical.table else {})
        return fit_table(task, train, preparation, Choice(estimators=estimators, seed=recipe.seed), report)
    terms = tuple(Terms(each.lower()) for each in classical.features) or tuple(Terms)
    return fit_texts(task, train, Choice(terms, estimators, recipe.seed), report)


def _metrics(task: Task, right: Sequence[str], answers: Answers) -> dict[str, float]:
    """Return the metrics of the validation part."""
    from sklearn.metrics import f1_score

    if isinstance(task, Regress):
        pairs = [
            (regress.number(task, a), regress.number(task, b))
            for a, b in zip(right, answers.texts, strict=True)
        ]
        errors = [abs(a - b) for a, b in pairs if a is not None and b is not None]
        return {"validation_mae": float(np.mean(errors))} if errors else {}
    if task.multi_label:
        same = [set(a.split("\n")) == set(b.split("\n")) for a, b in zip(right, answers.texts, strict=True)]
        return {"validation_accuracy": float(np.mean(same))}
    return {
        "validation_accuracy": float(np.mean([a == b for a, b in zip(right, answers.texts, strict=True)])),
        "validation_macro_f1": float(
            f1_score(right, list(answers.texts), labels=sorted(set(right)), average="macro", zero_division=0)
        ),
    }


def _diagnosis(model: ClassicalModel) -> dict[str, str]:
    about = model.about
    chosen = title(about.features, about.estimator, about.task)
    if not about.trials or about.trials[0].fault:
        return {"verdict": "healthy", "remedy": f"Fitted: {chosen}."}
    best = about.trials[0]
    return {
        "verdict": "healthy",
        "remedy": f"Chosen by cross-validation: {chosen}, {about.metric} {best.score:.3f} ± {best.deviation:.3f}.",
    }


def _analysis(model: ClassicalModel, train: Examples) -> dict[str, Any]:
    """Return association rules and clusters of the training rows; of many rows, of every n-th."""
    table: FittedTable = model.features
    every = -(-len(train.texts) // _ANALYSED_ROWS)
    texts, answers = train.texts[::every], list(train.answers[::every])
    data = frame(list(map(row_of, texts)), table.columns, table.settings)
    is_number = isinstance(model.about.task, Regress)
    rules = association_rules(items_of(data, table.columns, [] if is_number else answers))
    numbers = {name: data[name].fill_null(float("nan")).to_numpy() for name in table.numbers}
    groups = clusters(table.matrix(data), numbers, [""] * len(texts) if is_number else answers)
    return {"rules": [asdict(rule) for rule in rules], "clusters": [asdict(group) for group in groups]}


def _published(
    store: ArtifactStore, job: JobFolder, recipe: Recipe, model: ClassicalModel, analysed: dict[str, Any]
) -> dict[str, str]:
    folder = job.path / "model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    about = model.about
    stated = {"method": recipe.method.value, "seed": recipe.seed, "task": asdict(about.task)}
    curves = {
        "trials": [asdict(trial) for trial in about.trials],
        "metric": about.metric,
        **analysed,
        "diagnosis": _diagnosis(model)["remedy"],
    }
    try:
        model.save(folder)
        (folder / "recipe.json").write_text(
            _json({**stated, "classical": asdict(recipe.classical or Classical())})
        )
        (folder / "training.json").write_text(_json(curves))
        digest = store.put_tree(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"artifact_digest": digest, "curves_digest": store.put_bytes(_json(curves).encode())}


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + os.linesep
