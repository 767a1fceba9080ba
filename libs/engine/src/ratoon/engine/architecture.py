"""Check of a model directory against its architecture: every tensor that transformers would load, by name and shape.

The model is built on torch's meta device, so that no weight is read and a large model takes as long as a small one.
`python -m ratoon.engine.architecture FOLDER` prints a JSON array of problems, `[]` for a sound model. It runs no code
of the model, and expects files that `ratoon.storage.model_tree` found sound.
"""

import json
import os
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ratoon.storage.model_problem import Problem

_SOME = 3
"""Tensors that a sentence names."""
_SAVE_AGAIN = "Save the model again with `model.save_pretrained(folder)`, or download it again."
_MAX_CHARS = 200


def architecture_problems(folder: Path) -> list[Problem]:
    """Return every reason why transformers would not load this directory as a causal language model."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(_config_problems(folder)) or [*_tensor_problems(folder), *_tokenizer_problems(folder)]


def _config_problems(folder: Path) -> Iterator[Problem]:
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

    stated = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind = str(stated.get("model_type"))[:40]
    if kind not in CONFIG_MAPPING:
        yield Problem(
            "ARCHITECTURE_UNKNOWN",
            f"config.json names the model type {kind}, which transformers {version('transformers')} does not know: "
            "choose an architecture that it has.",
        )
        return
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        yield Problem(
            "CONFIG_INCOMPLETE", f"transformers cannot read config.json: {_first_line(error)}. {_SAVE_AGAIN}"
        )
        return
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        yield Problem(
            "NOT_CAUSAL_LM",
            f"The model type {kind} is no causal language model: choose a model that writes text (…ForCausalLM).",
        )


def _tensor_problems(folder: Path) -> Iterator[Problem]:
    from transformers import AutoModelForCausalLM

    try:
        _, info = AutoModelForCausalLM.from_pretrained(
            folder,
            device_map="meta",
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except Exception as error:
        yield Problem(
            "NOT_LOADABLE", f"transformers cannot load the model: {_first_line(error)}. {_SAVE_AGAIN}"
        )
        return
    for kind, sentence in _SENTENCES.items():
        if rows := sorted(info.get(kind, ()), key=str):
            more = f" and {len(rows) - _SOME} more" if len(rows) > _SOME else ""
            listed = ", ".join(map(_named, rows[:_SOME]))
            yield Problem("WEIGHTS_MISMATCH", f"{sentence.format(listed + more)} {_SAVE_AGAIN}")


_SENTENCES = {
    "missing_keys": "The weights lack tensors of the architecture: {}.",
    "unexpected_keys": "The weights have tensors that the architecture does not have: {}.",
    "mismatched_keys": "The weights have other shapes than config.json states: {}.",
}


def _named(row: Any) -> str:
    """Return the name of a tensor, with its two shapes if they differ."""
    if isinstance(row, str):
        return row
    name, stored, expected = row
    return f"{name} has {_shape(stored)} in place of {_shape(expected)}"


def _shape(shape: Any) -> str:
    return " x ".join(map(str, shape))


def _tokenizer_problems(folder: Path) -> Iterator[Problem]:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        yield Problem(
            "TOKENIZER_DAMAGED",
            f"transformers cannot load the tokenizer: {_first_line(error)}. Write it again with "
            "`AutoTokenizer.from_pretrained(name).save_pretrained(folder)`.",
        )
        return
    if not tokenizer.chat_template:
        return
    try:
        chat = [{"role": "user", "content": "Hello"}]
        tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    except Exception as error:
        yield Problem(
            "CHAT_TEMPLATE_FAILS",
            f"The chat template does not render a message of a user: {_first_line(error)}. Correct it.",
        )


def _first_line(error: Exception) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text.rstrip(".:")[:_MAX_CHARS]


if __name__ == "__main__":
    # transformers writes progress to both streams: only the answer may reach the reader of ours.
    answer, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps([vars(problem) for problem in architecture_problems(Path(sys.argv[1]))]), file=answer)
