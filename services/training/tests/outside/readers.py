"""`python -I readers.py READER DIRECTORY`: greedy answers of one program to chats, from exported files alone.

The chats are JSON on standard input, the answers a JSON list in the line of standard output that begins with MARK.
Nothing of Ratoon is imported: each reader does what its own documentation says. Readers are `transformers`, `peft`,
`vllm`, `onnxruntime` and `llama.cpp`.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MARK = "answers: "
TOKENS = 24
"""Tokens of an answer at most."""


def transformers(folder: Path, chats: list[str]) -> list[str]:
    """Generate with the class that the files name, and their generation defaults."""
    from transformers import AutoModelForCausalLM

    return _generated(AutoModelForCausalLM.from_pretrained(folder, dtype="float32"), folder, chats)


def peft(folder: Path, chats: list[str]) -> list[str]:
    """Generate with an adapter on the base model in the directory `base` beside it."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(folder.parent / "base", dtype="float32")
    return _generated(PeftModel.from_pretrained(base, folder), folder, chats)


def vllm(folder: Path, chats: list[str]) -> list[str]:
    """Answer with an engine on a directory; then, if there is a directory `adapter` beside it, with that adapter."""
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    adapter = folder.parent / "adapter"
    engine = LLM(
        str(folder),
        dtype="float32",
        enforce_eager=True,
        max_model_len=256,
        enable_lora=adapter.exists(),
        max_lora_rank=8,
        seed=0,
    )
    messages = [[{"role": "user", "content": chat}] for chat in chats]
    params = SamplingParams(temperature=0.0, max_tokens=TOKENS)
    answers = engine.chat(messages, params, use_tqdm=False)
    if adapter.exists():
        request = LoRARequest("adapter", 1, str(adapter))
        answers += engine.chat(messages, params, use_tqdm=False, lora_request=request)
    return [each.outputs[0].text for each in answers]


def onnxruntime(folder: Path, chats: list[str]) -> list[str]:
    """Decode token by token with the cache that the graph takes and returns."""
    import numpy as np
    import onnxruntime as ort

    session = ort.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    past_names = [name for name in names if name.startswith("past_key_values.")]
    shapes = {each.name: each.shape for each in session.get_inputs()}
    ends = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    ends = ends if isinstance(ends, list) else [ends]

    def tokens(prompt: list[int]) -> Iterator[int]:
        feed: dict[str, Any] = {
            name: np.zeros((1, shapes[name][1], 0, shapes[name][3]), np.float32) for name in past_names
        }
        ids, length = np.array([prompt]), len(prompt)
        for _ in range(TOKENS):
            feed |= {"input_ids": ids, "attention_mask": np.ones((1, length), np.int64)}
            logits, *present = session.run(None, {name: feed[name] for name in names})
            token = int(logits[0, -1].argmax())
            if token in ends:
                return
            yield token
            feed = dict(zip(past_names, present, strict=True))
            ids, length = np.array([[token]]), length + 1

    tokenizer, prompts = _prompts(folder, chats)
    return [tokenizer.decode(list(tokens(prompt)), skip_special_tokens=True) for prompt in prompts]


def llama_cpp(folder: Path, chats: list[str]) -> list[str]:
    """Chat by the template in the file; `LLAMA_CPP` names the directory of the library."""
    sys.path.insert(0, os.environ["LLAMA_CPP"])
    from cyllama import LLM, GenerationConfig

    config = GenerationConfig(max_tokens=TOKENS, temperature=0.0, repeat_penalty=1.0, n_gpu_layers=0)
    with LLM(str(folder / "model.gguf"), config=config) as model:
        return [str(model.chat([{"role": "user", "content": chat}])) for chat in chats]


def _prompts(folder: Path, chats: list[str]) -> tuple[Any, list[list[int]]]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": chat}], add_generation_prompt=True, return_dict=False
        )
        for chat in chats
    ]
    return tokenizer, prompts


def _generated(model: Any, folder: Path, chats: list[str]) -> list[str]:
    import torch

    tokenizer, prompts = _prompts(folder, chats)
    answers = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        with torch.inference_mode():
            row = model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKENS
            )[0]
        answers.append(tokenizer.decode(row[len(prompt) :], skip_special_tokens=True))
    return answers


READERS = {
    "transformers": transformers,
    "peft": peft,
    "vllm": vllm,
    "onnxruntime": onnxruntime,
    "llama.cpp": llama_cpp,
}

if __name__ == "__main__":
    result = READERS[sys.argv[1]](Path(sys.argv[2]), json.load(sys.stdin))
    if any(name.partition(".")[0] == "ratoon" for name in sys.modules):
        raise SystemExit("A module of Ratoon was imported.")
    print(f"\n{MARK}{json.dumps(result)}", flush=True)
