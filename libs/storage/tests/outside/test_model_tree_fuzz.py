"""Model files with anything in them: the inspection names problems, and never fails itself."""

import io
import json
import random
import struct

import pytest

from ratoon.storage.model_tree import inspect_model_tree

ODD = [None, True, -1, 0, 1.5, 1e300, 10**30, "", "8", "\ud800", [], [None], {}, {"a": []}, [[]], "x" * 5000]
NAMES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
    "adapter_config.json",
    "recipe.json",
    "ratoon.json",
    "model.safetensors.index.json",
)


class Memory:
    def __init__(self, files):
        self._files = files

    def sizes(self):
        return {name: len(data) for name, data in self._files.items()}

    def open(self, path):
        return io.BytesIO(self._files[path])


SOUND = {
    "config.json": {
        "model_type": "llama",
        "vocab_size": 8,
        "num_hidden_layers": 1,
        "text_config": {"vocab_size": 8},
    },
    "tokenizer.json": {"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 1}]},
    "tokenizer_config.json": {"chat_template": "x", "auto_map": {}},
    "generation_config.json": {"do_sample": True},
    "adapter_config.json": {
        "peft_type": "LORA",
        "r": 2,
        "modules_to_save": [],
        "rank_pattern": {"a": 2},
        "task_type": "CAUSAL_LM",
        "bias": "none",
        "init_lora_weights": True,
    },
    "recipe.json": {"base_artifact_digest": "a"},
    "ratoon.json": {"max_prompt_characters": 1},
    "model.safetensors.index.json": {"weight_map": {"t": "model-00001-of-00001.safetensors"}},
}
HEADER = {"model.embed_tokens.weight": {"dtype": "F32", "shape": [8, 2], "data_offsets": [0, 64]}}


def changed(value, chance):
    """The value with one place of it replaced by something odd."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(list(value))
        return {**value, key: changed(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.5:
        return [changed(value[0], chance), *value[1:]]
    return chance.choice(ODD)


def weights(header):
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + b"\0" * 64


@pytest.mark.parametrize("seed", range(1500))
def test_no_file_of_others_makes_the_inspection_fail(seed):
    chance = random.Random(seed)
    files = {name: json.dumps(SOUND[name]).encode() for name in NAMES if chance.random() < 0.7}
    name = "adapter_model.safetensors" if "adapter_config.json" in files else "model.safetensors"
    files[name] = weights(changed(HEADER, chance) if chance.random() < 0.5 else HEADER)
    for _ in range(chance.randint(1, 3)):
        victim = chance.choice(list(files))
        if victim in SOUND:
            files[victim] = json.dumps(changed(SOUND[victim], chance)).encode()
        elif chance.random() < 0.5:
            files[victim] = files[victim][: chance.randint(0, len(files[victim]))]
    base = inspect_model_tree(Memory(files))
    again = inspect_model_tree(Memory(files), base)
    for problem in (*base.problems, *again.base_problems):
        assert problem.reason.isupper()
        assert problem.message.endswith(".")
        assert problem.message.encode()
