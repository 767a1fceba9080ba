"""One compression job: fetch, compress, store, and measure beside the source.

Reads a `CompressionSpec` and writes a `CompressionResult`.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.training_jobs_pb2 import CompressionResult
from ratoon.jobs.v1.training_jobs_pb2 import CompressionSpec as JobSpec
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.model_tree import FolderFiles, model_positions
from ratoon.storage.models import ModelFolder, fetch_model
from ratoon.storage.safetensors_header import Tensor, read_header
from ratoon.tasks.compute import Dtype
from ratoon.tasks.kind import Record
from ratoon.tasks.records import template_messages
from ratoon_training import compression_messages
from ratoon_training.domain.compressions import (
    CompressionSpec,
    Difference,
    Measurement,
    Method,
    Rounding,
)
from ratoon_training.domain.errors import Stopped, TrainingError
from ratoon_training.domain.kinds.table import KINDS
from ratoon_training.worker import models
from ratoon_training.worker.compression import rounding
from ratoon_training.worker.compression.answering import ANSWERED, SPEED_TOKENS, STREAMS
from ratoon_training.worker.compression.quality import Quality, drawn_records
from ratoon_training.worker.text import Speech, of_base

JSON = dict[str, Any]

MAX_ANSWER_TOKENS = 128
"""Tokens of an answer that a measurement reads at most."""
_MAX_POSITIONS = 2_048
"""Tokens of a prompt with its answer that a measurement holds at most."""
_PROMPT_SHARE = 0.75
"""Share of the positions that a prompt may take."""
_CALIBRATION_TOKENS = 512
_POLL_S = 0.5
_SPEED_TEXTS = (
    "The meeting moves to Monday at ten; please bring the notes of the last review.",
    "Dear customer, we could not process the payment for your subscription.",
)
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "TORCHDYNAMO_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
_COPIED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "vocab.json",
    "chat_template.jinja",
    "generation_config.json",
    "ratoon.json",
)
_DTYPES = {Dtype.FLOAT32: torch.float32, Dtype.BFLOAT16: torch.bfloat16, Dtype.FLOAT16: torch.float16}
_HELD = {
    Method.BFLOAT16: Dtype.BFLOAT16,
    Method.FLOAT16: Dtype.FLOAT16,
    Method.PRUNED: Dtype.FLOAT32,
}
"""Number format of the stored weights of each method without integers."""


@dataclass(frozen=True)
class _Phase:
    """Part of the work whose steps are reported: its share of the progress, and what a step is."""

    start: float
    end: float
    message: str
    unit: str


_CALIBRATING = _Phase(0.1, 0.2, "Calibrating", "texts")
_ROUNDING = _Phase(0.2, 0.3, "Rounding the weights", "layers")
_SOURCE = _Phase(0.3, 0.65, "Measuring the source", "answers")
_COMPRESSED = _Phase(0.65, 0.98, "Measuring the compressed model", "answers")


class MeasurementFailed(TrainingError):
    """No program on this machine computes the model."""

    reason = "MEASUREMENT_FAILED"


def run(raw_spec: JSON, job: JobFolder) -> JSON:
    """Do the job; raises Stopped, BadBaseModel, BadCompression, DataEmpty, MeasurementFailed or a store's error."""
    spec = compression_messages.spec_of(from_json(JobSpec, raw_spec).compression).checked()
    store = ArtifactStore(from_json(JobEnvironment, raw_spec).artifacts)
    work = job.path / "models"
    try:
        return to_json(_Compression(spec, store, job, work).result())
    finally:
        shutil.rmtree(work, ignore_errors=True)


class _Compression:
    """One compression in a directory of its own."""

    def __init__(self, spec: CompressionSpec, store: ArtifactStore, job: JobFolder, work: Path) -> None:
        self._spec, self._store, self._job, self._work = spec, store, job, work

    def result(self) -> CompressionResult:
        """Compress, store and measure."""
        self._report(0.05, "Fetching the model")
        source = fetch_model(self._store, self._spec.source_digest, self._work)
        speech = of_base(source.path if (source.path / "tokenizer.json").exists() else source.whole)
        records = self._records()
        self._report(0.1, "Compressing the weights")
        whole = self._whole(source)
        folder = self._compressed(whole, speech)
        measured = [
            self._measured(_SOURCE, whole, Dtype.FLOAT32, speech, records),
            self._measured(_COMPRESSED, folder, self._spec.dtype, speech, records),
        ]
        return self._stored(folder, measured, records)

    def _stored(
        self, folder: Path, measured: list[tuple[Measurement, list[str]]], records: Sequence[Record]
    ) -> CompressionResult:
        """Store the compressed model with its measurements in `recipe.json`, from which its model card is made."""
        (source, answers_of_source), (compressed, answers) = measured
        difference = None
        if records and self._spec.task is not None:
            quality = Quality(self._spec.task, records)
            difference = quality.difference(answers, answers_of_source, self._spec.seed)
        recipe = folder / "recipe.json"
        known = json.loads(recipe.read_text(encoding="utf-8")) if recipe.exists() else {}
        known["compression"] = _card(self._spec, source, compressed, difference)
        recipe.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        message = CompressionResult(
            artifact_digest=self._store.put_tree(folder),
            source=compression_messages.measurement_message(source),
            compressed=compression_messages.measurement_message(compressed),
        )
        if difference is not None:
            message.difference.metric = difference.metric
            for name in ("value", "low", "high", "same_answers"):
                setattr(message.difference, name, getattr(difference, name))
        return message

    def _records(self) -> list[Record]:
        spec = self._spec
        if not spec.validation_digest or spec.task is None:
            return []
        return drawn_records(
            self._store, spec.validation_digest, "validation", spec.quality_records, spec.seed
        )

    def _whole(self, source: ModelFolder) -> Path:
        """Return a directory with all weights of the source: an adapter is merged into its base in float32."""
        if source.base is None:
            return source.path
        merged = self._work / "merged"
        models.whole(source.path, source.base).save_pretrained(merged, safe_serialization=True)
        _copy((source.base, source.path), merged)
        return merged

    @torch.no_grad()
    def _compressed(self, whole: Path, speech: Speech) -> Path:
        """Write the compressed model, and return its directory."""
        spec, folder = self._spec, self._work / "compressed"
        model = models.whole(whole, None).eval()
        compressor = None
        if spec.method.is_integer:
            hessians = self._hessians(model, speech) if self._calibrates else {}
            dtype = _DTYPES[spec.dtype]
            compressor = rounding.quantize(model, spec, hessians, dtype, self._steps(_ROUNDING))
            model.config.dtype = dtype
        else:
            if spec.method is Method.PRUNED:
                rounding.prune(rounding.linear_layers(model), spec.sparsity)
            model.to(_DTYPES[_HELD[spec.method]])
        rounding.save(model, folder, compressor)
        _copy((whole,), folder)
        return folder

    def _hessians(self, model: Any, speech: Speech) -> dict[str, torch.Tensor]:
        samples = self._calibration(speech)
        inputs: dict[str, torch.Tensor] = rounding.hessians(model, samples, self._steps(_CALIBRATING))
        return inputs

    def _steps(self, phase: _Phase) -> rounding.OnStep:
        """Return what reports the steps of a phase, and ends it if the compression is cancelled."""

        def report(done: int, count: int) -> None:
            fraction = phase.start + (phase.end - phase.start) * done / max(1, count)
            self._report(fraction, f"{phase.message}: {done} of {count} {phase.unit}")

        return report

    @property
    def _calibrates(self) -> bool:
        return self._spec.rounding is Rounding.GPTQ

    def _calibration(self, speech: Speech) -> list[list[int]]:
        spec = self._spec
        records = drawn_records(
            self._store, spec.train_digest, "training", spec.calibration_records, spec.seed
        )
        rows = [_prompt(speech, record) + speech.answer(record.answers[0]) for record in records]
        return [row[:_CALIBRATION_TOKENS] for row in rows]

    def _measured(
        self,
        phase: _Phase,
        folder: Path,
        dtype: Dtype,
        speech: Speech,
        records: Sequence[Record],
    ) -> tuple[Measurement, list[str]]:
        """Return the measurements of a model with its answers to the records."""
        self._report(phase.start, phase.message)
        size, memory = _sizes(folder, dtype)
        request = self._request(folder, dtype, speech, records)
        answered, note = self._answered(request, phase)
        answers = [_text(speech, tokens, request["ends"]) for tokens in answered["answers"]]
        metrics = Quality(self._spec.task, records).metrics(answers) if records and self._spec.task else {}
        measurement = Measurement(
            size,
            memory,
            answered["tokens_per_second"],
            answered["batch_tokens_per_second"],
            dtype,
            answered["runtime"],
            metrics,
            len(records),
            note,
        )
        return measurement, answers

    def _request(self, folder: Path, dtype: Dtype, speech: Speech, records: Sequence[Record]) -> JSON:
        positions = min(model_positions(FolderFiles(folder)) or _MAX_POSITIONS, _MAX_POSITIONS)
        longest = int(positions * _PROMPT_SHARE)
        prompts = [_prompt(speech, record)[-longest:] for record in records]
        written = [speech.prompts([text])[0][-longest:] for text in _SPEED_TEXTS]
        speed = (prompts or written) * STREAMS
        return {
            "model": str(folder),
            "dtype": dtype.lower(),
            "max_positions": positions,
            "ends": _ends(folder, speech),
            "prompts": prompts,
            "max_tokens": min(self._answer_tokens(speech), max(1, positions - longest)),
            "speed_prompts": speed[:STREAMS],
            "speed_tokens": min(SPEED_TOKENS, positions - longest),
        }

    def _answer_tokens(self, speech: Speech) -> int:
        task = self._spec.task
        kind = KINDS[task.kind] if task is not None else None
        if task is None or kind is None:
            return 1
        longest = max((len(speech.answer(label)) for label in kind.labels(task)), default=0)
        return min(MAX_ANSWER_TOKENS, int(kind.generation(task, longest)["max_new_tokens"]))

    def _answered(self, request: JSON, phase: _Phase) -> tuple[JSON, str]:
        """Return the answers by vLLM, or by transformers with the reason."""
        if find_spec("vllm") is not None:
            answered, cause = self._process({**request, "runtime": "vllm"}, phase)
            if answered is not None:
                return answered, ""
            note = f"vLLM cannot run it here: {cause}"
        else:
            note = "vLLM is not installed where training jobs run."
        answered, cause = self._process({**request, "runtime": "transformers"}, phase)
        if answered is None:
            raise MeasurementFailed(f"Neither vLLM nor transformers computes the model: {cause}")
        return answered, note

    def _process(self, request: JSON, phase: _Phase) -> tuple[JSON | None, str]:
        """Return what a process of its own answers, or None and the last line of its log."""
        folder = self._work / f"answers-{len(list(self._work.glob('answers-*')))}"
        folder.mkdir()
        (folder / "requests.json").write_text(json.dumps(request), encoding="utf-8")
        command = [sys.executable, "-m", "ratoon_training.worker.compression.answering", str(folder)]
        log, reported = folder / "log.txt", 0
        with log.open("wb") as sink:
            process = subprocess.Popen(
                command, env={**os.environ, **_ENVIRONMENT}, stdout=sink, stderr=subprocess.STDOUT
            )
            try:
                while process.poll() is None:
                    self._check_stop()
                    if (done := _number(folder / ANSWERED)) > reported:
                        self._steps(phase)(done, len(request["prompts"]))
                        reported = done
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(_POLL_S)
            finally:
                process.kill()
                process.wait()
        answers = folder / "answers.json"
        if process.returncode == 0 and answers.exists():
            return json.loads(answers.read_text(encoding="utf-8")), ""
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        return None, (lines[-1] if lines else f"exit status {process.returncode}")[:300]

    def _report(self, fraction: float, message: str) -> None:
        self._check_stop()
        self._job.progress(fraction, message)

    def _check_stop(self) -> None:
        if self._job.stop_requested():
            raise Stopped("The compression was cancelled.")


def _number(path: Path) -> int:
    """Return the number in a file; 0 while there is none."""
    text = path.read_text() if path.exists() else ""
    return int(text) if text.isdecimal() else 0


def _prompt(speech: Speech, record: Record) -> list[int]:
    tools = json.loads(record.tools) if record.tools else []
    rendered = speech.rendered(template_messages(record.turns), tools, add_generation_prompt=True)
    return speech.encode(rendered)


def _text(speech: Speech, tokens: Sequence[int], ends: Sequence[int]) -> str:
    written = [token for token in tokens if token not in ends]
    return speech.tokenizer.decode(written, skip_special_tokens=True).strip()


def _ends(folder: Path, speech: Speech) -> list[int]:
    """Return the tokens that end an answer."""
    path = folder / "generation_config.json"
    stated = json.loads(path.read_text()).get("eos_token_id") if path.exists() else None
    own = [] if stated is None else stated if isinstance(stated, list) else [stated]
    return list(dict.fromkeys([*own, speech.end]))


def _copy(sources: Sequence[Path], folder: Path) -> None:
    """Copy tokenizer, template, defaults and recipe; a later directory comes first where both have a file."""
    for source in sources:
        for name in (*_COPIED, "recipe.json"):
            if (source / name).exists():
                shutil.copyfile(source / name, folder / name)


def _sizes(folder: Path, dtype: Dtype) -> tuple[int, int]:
    """Return the bytes of the weights on disk, and in an engine of a number format."""
    files = sorted(folder.glob("*.safetensors"))
    tensors: dict[str, Tensor] = {}
    for file in files:
        with file.open("rb") as source:
            tensors |= read_header(source, file.stat().st_size)
    width = 4 if dtype is Dtype.FLOAT32 else 2
    widths = {"I8": 1, "U8": 1, "I32": 4, "I64": 8}
    memory = sum(widths.get(each.dtype, width) * torch.Size(each.shape).numel() for each in tensors.values())
    return sum(file.stat().st_size for file in files), memory


def _card(
    spec: CompressionSpec, source: Measurement, compressed: Measurement, difference: Difference | None
) -> JSON:
    """Return the table of a compression for people: this model beside its source."""

    def column(value: Measurement) -> JSON:
        shown = vars(replace(value, metrics={}, note="")) | {"metrics": value.metrics}
        return {key: each for key, each in shown.items() if each not in ("", {})}

    return {
        "method": spec.method,
        "rounding": spec.rounding,
        "serving_dtype": spec.dtype,
        "source_digest": spec.source_digest,
        "source": column(source),
        "compressed": column(compressed),
        **({"difference": vars(difference)} if difference else {}),
    }
