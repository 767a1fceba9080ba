"""Answers in free text by offline batches of vLLM, in a process of its own.

The process is `python -m ratoon_evaluation.worker.vllm_batch <folder>`. Tokens become texts here, and stop texts are
cut, by the rules of the other generator: vLLM's own texts lack a character that is not complete.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ratoon.storage.models import ModelFolder
from ratoon.tasks.compute import Accelerator, Compute
from ratoon.tasks.kind import Record
from ratoon_evaluation.worker.decoding import Decoding, draws_of
from ratoon_evaluation.worker.generator import Completions, Prompt, first_stop
from ratoon_evaluation.worker.models import LoadedModel
from ratoon_evaluation.worker.prompts import Prompts

_CPU = Compute()
_POLL_S = 0.5
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


class EngineMissing(RuntimeError):
    """The machine has no vLLM."""

    reason = "ENGINE_NOT_INSTALLED"


class EngineFailed(RuntimeError):
    """The process with vLLM ended badly."""

    reason = "ENGINE_FAILED"


class VllmGenerator:
    """Answers prompts by vLLM. An adapter is merged into its base first, in float32."""

    def __init__(
        self, folder: ModelFolder, decoding: Decoding, threads: int = 0, compute: Compute = _CPU
    ) -> None:
        if importlib.util.find_spec("vllm") is None:
            raise EngineMissing(
                "vLLM is not installed where evaluations are scored. Install it there, or leave "
                "generation.engine out to use transformers."
            )
        if compute.accelerator is not Accelerator.CPU and not list(metadata.distributions(name="vllm")):
            raise EngineMissing(
                "The vLLM that is installed where evaluations are scored computes on the CPU. Install the one for "
                "GPUs there, or leave generation.engine out to use transformers."
            )
        self._dtype = compute.dtype.lower()
        loaded = LoadedModel(folder, threads)
        self._tokenizer, self._ends = loaded.tokenizer, loaded.ends.tolist()
        self._max_positions = loaded.max_positions
        self._decoding, self._threads = decoding, threads
        self._model = folder.path if folder.base is None else _saved(loaded, folder)

    def prompts(self, shots: Sequence[Record] = ()) -> Prompts:
        """Return what renders prompts for this model."""
        return Prompts(self._tokenizer, self._ends, shots)

    def answer(self, prompts: Sequence[Prompt], advance: Callable[[int], None]) -> Completions:
        """Answer every prompt; `advance` is called while vLLM works, and may raise to stop."""
        limits = [
            min(self._decoding.max_tokens, self._max_positions - len(prompt.tokens)) for prompt in prompts
        ]
        fitting = [row for row, limit in enumerate(limits) if limit > 0]
        answers = self._written([self._request(prompts[row], limits[row]) for row in fitting], advance)
        advance(len(prompts))
        texts, finish = [""] * len(prompts), ["unfit"] * len(prompts)
        tokens, nll, nll_tokens = ([0] * len(prompts), [0.0] * len(prompts), [0] * len(prompts))
        for row, answer in zip(fitting, answers, strict=True):
            texts[row], finish[row] = self._cut(answer)
            tokens[row] = len(answer["tokens"])
            nll[row], nll_tokens[row] = answer["nll"], answer["nll_tokens"]
        return Completions(
            tuple(texts),
            np.array(tokens, dtype=np.int64),
            tuple(finish),
            np.array(nll, dtype=np.float64),
            np.array(nll_tokens, dtype=np.int64),
        )

    def _request(self, prompt: Prompt, limit: int) -> dict[str, Any]:
        fits = len(prompt.tokens) + len(prompt.reference) < self._max_positions
        seed = int(draws_of(self._decoding.seed, prompt.tokens).integers(2**31))
        return {
            "tokens": prompt.tokens,
            "reference": prompt.reference if fits else [],
            "max_tokens": limit,
            "seed": seed,
        }

    def _cut(self, answer: dict[str, Any]) -> tuple[str, str]:
        tokens = answer["tokens"]
        written = tokens[:-1] if tokens and tokens[-1] in self._ends else tokens
        text = str(self._tokenizer.decode(written, skip_special_tokens=True))
        cut = first_stop(text, self._decoding.stop)
        return (text.strip(), answer["finish"]) if cut is None else (cut.strip(), "stop")

    def _written(
        self, requests: list[dict[str, Any]], advance: Callable[[int], None]
    ) -> Sequence[dict[str, Any]]:
        if not requests:
            return []
        used = self._decoding
        with tempfile.TemporaryDirectory(prefix="ratoon-vllm-") as name:
            folder = Path(name)
            spec = {
                "model": str(self._model),
                "max_positions": self._max_positions,
                "dtype": self._dtype,
                "ends": self._ends,
                "sampling": {
                    "temperature": used.temperature,
                    "top_p": used.top_p,
                    "top_k": used.top_k,
                    "min_p": used.min_p,
                    "repetition_penalty": used.repetition_penalty,
                },
                "requests": requests,
            }
            (folder / "requests.json").write_text(json.dumps(spec), encoding="utf-8")
            self._run(folder, advance)
            answers: Sequence[dict[str, Any]] = json.loads(
                (folder / "answers.json").read_text(encoding="utf-8")
            )
        return answers

    def _run(self, folder: Path, advance: Callable[[int], None]) -> None:
        cores = {"OMP_NUM_THREADS": str(self._threads)} if self._threads else {}
        command = [sys.executable, "-m", "ratoon_evaluation.worker.vllm_batch", str(folder)]
        process = subprocess.Popen(command, env={**os.environ, **_ENVIRONMENT, **cores})
        try:
            while process.poll() is None:
                advance(0)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL_S)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            raise EngineFailed("vLLM could not answer the prompts; see the job's log for the cause.")


def _saved(loaded: LoadedModel, folder: ModelFolder) -> Path:
    """Write a merged model next to its adapter."""
    merged = folder.path.with_name(f"{folder.path.name}-merged")
    loaded.model.save_pretrained(merged)
    loaded.tokenizer.save_pretrained(merged)
    return merged
