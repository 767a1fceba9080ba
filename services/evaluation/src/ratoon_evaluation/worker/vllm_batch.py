"""Offline batches of vLLM: `python -m ratoon_evaluation.worker.vllm_batch <folder>`.

Reads `requests.json` and writes `answers.json`, one answer a request: tokens, why it ended, and the negative
log-likelihood of the reference.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

JSON = dict[str, Any]


def answers(spec: JSON) -> list[JSON]:
    """Return the answers to the requests of a spec."""
    from vllm import LLM, SamplingParams

    llm = LLM(
        model=spec["model"],
        dtype=spec["dtype"],
        max_model_len=spec["max_positions"],
        enforce_eager=True,
        enable_prefix_caching=False,
        generation_config="vllm",
        seed=0,
    )
    requests = spec["requests"]
    written = llm.generate(
        [{"prompt_token_ids": each["tokens"]} for each in requests],
        [
            SamplingParams(
                **spec["sampling"],
                max_tokens=each["max_tokens"],
                seed=each["seed"],
                stop_token_ids=spec["ends"],
                detokenize=False,
            )
            for each in requests
        ],
        use_tqdm=False,
    )
    known = [each for each in requests if each["reference"]]
    read = llm.generate(
        [{"prompt_token_ids": each["tokens"] + each["reference"]} for each in known],
        SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0),
        use_tqdm=False,
    )
    losses = iter(read)
    return [
        _answer(result.outputs[0], each, next(losses) if each["reference"] else None)
        for result, each in zip(written, requests, strict=True)
    ]


def _answer(output: Any, request: JSON, read: Any) -> JSON:
    reference = request["reference"]
    start = len(request["tokens"])
    nll = 0.0
    for place, token in enumerate(reference, start):
        nll -= read.prompt_logprobs[place][token].logprob
    return {
        "tokens": list(output.token_ids),
        "finish": output.finish_reason,
        "nll": nll,
        "nll_tokens": len(reference),
    }


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    result = answers(json.loads((directory / "requests.json").read_text(encoding="utf-8")))
    (directory / "answers.json").write_text(json.dumps(result), encoding="utf-8")
