"""A run that trains a small neural model: one process, without Ray.

Every byte of the artifact is a function of the split, the recipe, the base and the number of threads. A killed run
goes on from its last checkpoint to the same bytes.
"""

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.training_jobs_pb2 import TrainingResult
from ratoon.neural.model import NeuralModel
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.scratch import ScratchStore
from ratoon.tasks import regress
from ratoon.tasks.classify import Classify
from ratoon.tasks.regress import Regress
from ratoon_training.domain.errors import AcceleratorRefused, DataMalformed
from ratoon_training.domain.places import scratch_name
from ratoon_training.domain.recipes import Accelerator, Recipe
from ratoon_training.worker.checkpoints import Checkpoints
from ratoon_training.worker.curves import CurveFile
from ratoon_training.worker.labelled import Part, check_disjoint, read_part
from ratoon_training.worker.neural_networks import continued, from_scratch
from ratoon_training.worker.neural_training import Data, NeuralTraining, Reports
from ratoon_training.worker.peaks import Energy, PeakMemory, distinct_bytes, resident_bytes
from ratoon_training.worker.reporting import FinishRequest
from ratoon_training.worker.task_queue import TrainingTask
from ratoon_training.worker.unread import unread_attachments

_EVERY_S = 0.5
_FORECAST_STEPS = 6
"""Minimum number of steps by which time and memory of the run are forecast."""
_FORECAST_SHARE = 8
"""Steps of a run for each of them by which it is forecast, at least."""
_PREPARED, _TRAINED = 0.05, 0.97


def run(spec: dict[str, Any], job: JobFolder) -> dict[str, Any]:
    """Train a model; the result, or an error with its reason."""
    begun = time.monotonic()
    task = TrainingTask.of_spec(spec, job.path)
    store = ArtifactStore(from_json(JobEnvironment, spec).artifacts)
    device = _device(task)
    peak, energy, process_bytes = PeakMemory(device), Energy(device), float(resident_bytes())
    job.progress(0.01, "Reading the split.")
    train = read_part(store, str(spec["train"]), "training")
    held = read_part(store, str(spec["validation"]), "validation")
    check_disjoint(train, held)
    checkpoints = Checkpoints(Path(task.work) / "checkpoints", task.fence)
    curve = CurveFile(job.path / "curve.jsonl")
    try:
        checkpoints.claim()
        job.progress(0.02, "Preparing texts and network.")
        model, origin = _model(task, train, held, store, job.path)
        model.module.to(device)
        training = NeuralTraining(
            task.recipe,
            model,
            Data.of(model, train.ids, train.texts, train.answers),
            Data.of(model, held.ids, held.texts, held.answers),
            curve,
        )
        reports = _JobReports(job, task, peak)
        training.run(checkpoints, task.checkpoint_every_s, reports)
    finally:
        checkpoints.close()
        curve.close()
    training_seconds, (watt_hours, source) = training.seconds, energy.read()
    memory = float(peak.read())
    job.progress(_TRAINED, "Storing the model.")
    model.module.cpu()
    saved = _saved(model, len(train.ids))
    digests = _published(store, job, task, saved, training, origin)
    started = time.process_time()
    answers = saved.answer(held.texts).texts
    answering = time.process_time() - started
    if task.record_scores and isinstance(saved.task, Classify) and not saved.task.multi_label:
        scores = _answers_by_record(saved.task, held.answers, answers)
        digests["scores_digest"] = store.put_bytes(json.dumps(scores).encode())
    measured = {
        **_validation(training),
        **unread_attachments(store, str(spec["train"])),
        "records": float(len(train.texts)),
        "epochs": float(len(training.curves.epochs)),
        "published_epoch": float(training.best_epoch),
        "tokens_per_second": training.tokens / max(1e-9, training_seconds),
        "training_seconds": training_seconds,
        "core_seconds_per_million_answers": 1e6 * answering / len(held.texts),
        "seconds": time.monotonic() - begun,
        "peak_memory_bytes": memory,
        "process_bytes": process_bytes,
        "energy_wh": watt_hours,
        "energy_source": float(source),
        **reports.forecast(training),
    }
    result = {
        **digests,
        "parameter_count": saved.parameters,
        "diagnosis": _diagnosis(training, origin),
        "metrics": measured,
    }
    return to_json(from_json(TrainingResult, result))


class _JobReports(Reports):
    """Reports of a training in the job's folder."""

    def __init__(self, job: JobFolder, task: TrainingTask, peak: PeakMemory) -> None:
        self._job, self._reported = job, 0.0
        self._peak = peak
        self._last: tuple[float, float] | None = None
        self._durations: list[float] = []
        self._predicted: tuple[float, float] | None = None
        scratch = ScratchStore(task.artifacts, scratch_name(Path(task.work).name))
        self._request = FinishRequest(scratch, task.fence)
        self._validations = 0

    def stop_requested(self) -> bool:
        """Return True if the platform asked the run to stop."""
        return self._job.stop_requested()

    def finish_requested(self) -> bool:
        """Return True if the platform asked the run to end early, with its best weights so far."""
        return self._request.is_set()

    def forecast(self, training: NeuralTraining) -> dict[str, float]:
        """Return the forecast by the first steps as measurements of the run; empty: it had too few, or resumed."""
        if self._predicted is None:
            return {}
        memory, seconds_a_step = self._predicted
        seconds = seconds_a_step * training.step
        longest, batch = training.longest_batch()
        return {
            "predicted_memory_bytes": memory,
            "predicted_training_seconds": seconds,
            "predicted_tokens_per_second": training.tokens / seconds if seconds else 0.0,
            "longest_batch_samples": float(batch),
            "longest_batch_tokens": float(longest),
        }

    def _predict(self, training: NeuralTraining) -> None:
        """Forecast the run by its steps from the second one on: the first one allocates."""
        if training.step == 1:
            self._last = time.monotonic(), training.validating_s
            return
        if self._last is None or self._predicted or training.step > self._forecast_step(training):
            return
        (last, validated), now = self._last, time.monotonic()
        self._last = now, training.validating_s
        self._durations.append(now - last - (training.validating_s - validated))
        if training.step == self._forecast_step(training):
            each, validating = fmean(self._durations), training.validating_s
            counted = len(training.curves.epochs)
            validation = validating / counted if counted else training.validation_share * each
            # The best weights, a copy of weights and moments for a checkpoint, and the bytes of its file.
            weights = distinct_bytes(training.model.module.parameters())
            self._predicted = float(self._peak.read() + 2 * weights), each + validation / training.per_epoch

    @staticmethod
    def _forecast_step(training: NeuralTraining) -> int:
        """Return the number of the step after which the run is forecast; 0: it is too short.

        An epoch has batches of all lengths, and a validation, if it is no large part of the run.
        """
        epoch = min(training.per_epoch + 1, training.steps // _FORECAST_SHARE)
        return max(_FORECAST_STEPS, epoch) if training.steps >= 2 * _FORECAST_STEPS else 0

    def step(self, training: NeuralTraining) -> None:
        """Report each validation, and a step at most twice a second."""
        self._predict(training)
        validations = len(training.curves.epochs)
        if validations == self._validations and time.monotonic() - self._reported < _EVERY_S:
            return
        self._reported, self._validations = time.monotonic(), validations
        last, done = training.curves.steps[-1], training.step / training.steps
        rate = training.tokens / max(1e-9, training.seconds)
        self._job.progress(
            _PREPARED + (_TRAINED - _PREPARED) * done,
            f"step {training.step} of {training.steps}, loss {last[1]:.2f}, {rate:,.0f} tokens/s",
            done=training.step,
            total=training.steps,
            unit="steps",
            remaining_s=training.remaining_s,
            metrics={
                "loss": last[1],
                "answer_loss": last[2],
                "gradient_norm": last[4],
                "learning_rate": last[5],
                "tokens_per_second": rate,
                "memory_bytes": _resident_bytes(),
                "epoch": training.step / training.per_epoch,
                **training.curves.validation,
            },
        )


def _resident_bytes() -> float:
    """Return the resident memory of this process."""
    return float(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _device(task: TrainingTask) -> torch.device:
    """Return the device, with computations that give the same bits each time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    if task.resources.threads:
        torch.set_num_threads(task.resources.threads)
    if task.resources.workers > 1:
        raise AcceleratorRefused("A small neural model is trained by one worker: set resources.workers to 1.")
    if task.resources.accelerator is not Accelerator.CUDA:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise AcceleratorRefused(
            "No CUDA device is available: choose the accelerator CPU, or another machine."
        )
    return torch.device("cuda")


def _model(
    task: TrainingTask, train: Part, held: Part, store: ArtifactStore, folder: Path
) -> tuple[NeuralModel, str]:
    """Return the model before its first step, and what it begins with, for people."""
    recipe = task.recipe
    kind, neural = recipe.spec, recipe.neural
    assert isinstance(kind, Classify | Regress) and neural is not None
    numbers: list[float] = []
    if isinstance(kind, Classify):
        _check_labels(kind, train, held)
    else:
        numbers = _checked_numbers(kind, train)
        _checked_numbers(kind, held)
    if task.base:
        base = store.fetch_tree(task.base, folder / "base")
        model = continued(base, neural, kind, numbers, recipe.seed, recipe.optimization.dropout)
        shutil.rmtree(folder / "base", ignore_errors=True)
        if model is not None:
            return model, f"Trained on from {task.base[:12]}."
    model = from_scratch(neural, kind, train.texts, numbers, recipe.seed, recipe.optimization.dropout)
    if task.base:
        return model, f"From scratch: {task.base[:12]} is no small neural model."
    return model, ""


def _checked_numbers(task: Regress, part: Part) -> list[float]:
    """Return the right numbers of a part; DataMalformed if one is none."""
    numbers = [regress.number(task, answer) for answer in part.answers]
    wrong = [answer for answer, number in zip(part.answers, numbers, strict=True) if number is None]
    if wrong:
        raise DataMalformed(f"{wrong[0][:40]!r} is not a number: correct the answers of the dataset.")
    return [number for number in numbers if number is not None]


def _check_labels(task: Classify, train: Part, held: Part) -> None:
    """Raise DataMalformed unless the labels of the parts are the task's, and the training part has at least two."""
    counts = Counter(label for answer in train.answers for label in answer.split("\n"))
    labels = {*counts, *(label for answer in held.answers for label in answer.split("\n"))}
    if strange := sorted(labels - set(task.labels)):
        raise DataMalformed(
            f"Records have the label {strange[0][:64]!r}, which is none of recipe.labels: add it to the labels, or "
            "correct the records."
        )
    if len(counts) < 2 and not task.multi_label:
        raise DataMalformed(
            f"All {len(train.answers):,} records of the training part have the label {next(iter(counts))!r}: there is "
            "nothing to distinguish. Add records of another label."
        )


def _saved(model: NeuralModel, records: int) -> NeuralModel:
    """Return the model as it is read from its files, on which all that follows is measured."""
    about = replace(model.about, records=records)
    return NeuralModel.of_files(NeuralModel(about, model.module, model.tokenizer).files())


def _validation(training: NeuralTraining) -> dict[str, float]:
    """Return the scores of the epoch that is published."""
    row = training.curves.epochs[training.best_epoch - 1][2:]
    return {f"validation_{name}": value for name, value in zip(training.curves.scores, row, strict=True)}


def _diagnosis(training: NeuralTraining, origin: str) -> dict[str, str]:
    diagnosis = training.curves.diagnosis()
    return {"verdict": diagnosis.verdict, "remedy": f"{diagnosis.remedy} {origin}".strip()}


def _published(
    store: ArtifactStore,
    job: JobFolder,
    task: TrainingTask,
    model: NeuralModel,
    training: NeuralTraining,
    origin: str,
) -> dict[str, str]:
    folder = job.path / "model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    curves = {"curves": training.curves.as_json(), "diagnosis": _diagnosis(training, origin)["remedy"]}
    try:
        model.save(folder)
        (folder / "recipe.json").write_text(_json(_stated(task.recipe, task.base, model)))
        (folder / "training.json").write_text(_json(curves))
        digest = store.put_tree(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"artifact_digest": digest, "curves_digest": store.put_bytes(_json(curves).encode())}


def _answers_by_record(task: Classify, right: Sequence[str], predicted: Sequence[str]) -> dict[str, Any]:
    """Return the right and the predicted label of each validation record, as `record_scores` has them."""
    place = {label: number for number, label in enumerate(task.labels)}
    return {
        "labels": len(place),
        "right": [place[each] for each in right],
        "predicted": [place[each] for each in predicted],
    }


def _stated(recipe: Recipe, base: str, model: NeuralModel) -> dict[str, Any]:
    """Return the recipe as the artifact states it."""
    assert recipe.neural is not None
    return {
        "method": recipe.method.value,
        "seed": recipe.seed,
        "task": asdict(model.task),
        "base_artifact_digest": base,
        "learning_rate": recipe.learning_rate,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "optimization": {
            **recipe.optimization.as_json(),
            "warmup": recipe.warmup,
            "weight_decay": recipe.weight_decay,
            "clip_norm": recipe.clip_norm,
            "patience": recipe.patience,
        },
        "neural": asdict(recipe.neural),
    }


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + os.linesep
