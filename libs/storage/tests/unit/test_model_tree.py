"""Inspection of model files: each fault by its name and its file, and what other people's directories hold besides."""

import json
import struct

import pytest

from ratoon.storage.adapter_rules import fit_problems
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.model_tree import FolderFiles, inspect_model_tree, inspect_stored_model, weight_format
from ratoon.storage.safetensors_header import Tensor

WIDTH = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I64": 8}
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 4096\n"


def safetensors(tensors, dtype="F32"):
    """A file of zeros with these shapes."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors.items():
        size = WIDTH[dtype]
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + b"\0" * at


def weights(rows=32, layers=2):
    blocks = {f"model.layers.{n}.mlp.up_proj.weight": (4, 8) for n in range(layers)}
    return {"model.embed_tokens.weight": (rows, 8), **blocks}


def tokenizer(tokens=32):
    added = [{"id": tokens - 1, "content": "<x>"}]
    return {"model": {"type": "BPE", "vocab": {f"t{n}": n for n in range(tokens - 1)}}, "added_tokens": added}


CONFIG = {
    "model_type": "llama",
    "vocab_size": 32,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "max_position_embeddings": 512,
}


@pytest.fixture
def folder(tmp_path):
    directory = tmp_path / "model"
    directory.mkdir()
    write(directory, "config.json", CONFIG)
    write(directory, "tokenizer.json", tokenizer())
    write(directory, "tokenizer_config.json", {"chat_template": "{{ messages }}"})
    (directory / "model.safetensors").write_bytes(safetensors(weights()))
    return directory


def write(folder, name, value):
    (folder / name).write_text(value if isinstance(value, str) else json.dumps(value))


def inspected(folder, base=None):
    return inspect_model_tree(FolderFiles(folder), base)


def only(inspection):
    (problem,) = inspection.problems
    return problem


def test_a_sound_model_states_what_fits_it(folder):
    inspection = inspected(folder)
    assert (inspection.problems, inspection.left_out, inspection.base_problems) == ((), (), ())
    assert (inspection.positions, inspection.vocabulary, inspection.tokens) == (512, 32, 32)


def test_more_rows_than_tokens_are_padding(folder):
    write(folder, "tokenizer.json", tokenizer(20))
    assert inspected(folder).problems == ()


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused_with_both_sizes(folder):
    write(folder, "tokenizer.json", tokenizer(40))
    problem = only(inspected(folder))
    assert problem.reason == "TOKENIZER_MISMATCH"
    assert "40 tokens" in problem.message and "32 rows" in problem.message


def test_a_tokenizer_of_pieces_is_counted_as_well(folder):
    pieces = {"model": {"type": "Unigram", "vocab": [[f"▁{n}", -1.0] for n in range(50)]}}
    write(folder, "tokenizer.json", pieces)
    assert inspected(folder).tokens == 50


FAULTS = {
    "LFS_POINTER": lambda f: write(f, "model.safetensors", POINTER),
    "FILE_EMPTY": lambda f: write(f, "tokenizer.json", ""),
    "FILE_MISSING": lambda f: (f / "tokenizer_config.json").rename(f / "chat_template.jinja"),
    "WEIGHTS_MISSING": lambda f: (f / "model.safetensors").unlink(),
    "PICKLE_FOUND": lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
    "JSON_DAMAGED": lambda f: write(f, "config.json", "[" * 100_000),
    "CODE_FOUND": lambda f: write(f, "config.json", {**CONFIG, "auto_map": {"AutoModel": "own.Model"}}),
    "CONFIG_INCOMPLETE": lambda f: write(f, "config.json", {"vocab_size": 32}),
    "CONFIG_IMPLAUSIBLE": lambda f: write(f, "config.json", {**CONFIG, "max_position_embeddings": 10**9}),
    "CHAT_TEMPLATE_MISSING": lambda f: write(f, "tokenizer_config.json", {}),
    "NOT_CAUSAL_LM": lambda f: write(
        f, "config.json", {**CONFIG, "architectures": ["LlamaForSequenceClassification"]}
    ),
    "DTYPE_UNSUPPORTED": lambda f: (f / "model.safetensors").write_bytes(safetensors(weights(), "F8_E4M3")),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_each_fault_is_named_once_and_says_what_to_do(folder, reason):
    FAULTS[reason](folder)
    problem = only(inspected(folder))
    assert problem.reason == reason
    assert problem.message.endswith(".")
    assert str(folder) not in problem.message


def test_weights_of_whole_numbers_are_quantised_and_masks_are_not(folder):
    (folder / "model.safetensors").write_bytes(safetensors({**weights(), "attn.bias": (1, 1, 2, 2)}, "I64"))
    assert "of type I64" in only(inspected(folder)).message
    masks = {"model.layers.0.attn.bias": (1, 1, 2, 2)}
    shards(folder, weights(), masks)
    (folder / "model-00002-of-00002.safetensors").write_bytes(safetensors(masks, "I64"))
    assert inspected(folder).problems == ()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_file_in_another_encoding_than_libraries_read_is_named(folder, encoding):
    (folder / "config.json").write_bytes(json.dumps(CONFIG).encode(encoding))
    problem = only(inspected(folder))
    assert problem.reason == "JSON_DAMAGED" and "config.json" in problem.message


@pytest.mark.parametrize("text", ["{{ '…' }}".encode("utf-16"), b"x" * (1 << 21)])
def test_a_template_is_text_of_a_plausible_length(folder, text):
    (folder / "chat_template.jinja").write_bytes(text)
    assert only(inspected(folder)).reason == "CHAT_TEMPLATE_FAILS"


@pytest.mark.parametrize("value", [-1, 1.5, "many", None, True, [1]])
def test_limits_of_prompts_are_whole_numbers(folder, value):
    write(folder, "ratoon.json", {"max_prompt_characters": value, "max_prompt_tokens": 0})
    assert "max_prompt_characters" in only(inspected(folder)).message


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:4],
        lambda data: struct.pack("<Q", 1 << 62) + data[8:],
        lambda data: data[:8] + b"[" + data[9:],
        lambda data: b"PK\x03\x04" + data,
    ],
)
def test_weights_that_are_no_whole_file_are_named(folder, spoil):
    file = folder / "model.safetensors"
    file.write_bytes(spoil(file.read_bytes()))
    problem = only(inspected(folder))
    assert problem.reason == "WEIGHTS_DAMAGED"
    assert problem.message.startswith("model.safetensors ")


def test_a_configuration_of_another_model_is_refused_before_it_is_built(folder):
    write(folder, "config.json", {**CONFIG, "num_hidden_layers": 1 << 20, "vocab_size": 64})
    messages = [problem.message for problem in inspected(folder).problems]
    assert any("1,048,576 layers, the weights have 2" in message for message in messages)
    assert any("vocabulary of 64, the embeddings have 32 rows" in message for message in messages)


@pytest.mark.parametrize("width", ["hidden_size", "intermediate_size"])
def test_a_width_that_the_weights_do_not_have_is_refused_before_it_is_built(folder, width):
    write(folder, "config.json", {**CONFIG, "intermediate_size": 4, width: 10**7})
    problem = only(inspected(folder))
    assert problem.reason == "WEIGHTS_MISMATCH"
    assert f"{width} of 10,000,000" in problem.message


def shards(folder, *parts):
    (folder / "model.safetensors").unlink()
    named = {}
    for number, part in enumerate(parts, 1):
        name = f"model-0000{number}-of-0000{len(parts)}.safetensors"
        (folder / name).write_bytes(safetensors(part))
        named |= dict.fromkeys(part, name)
    write(folder, "model.safetensors.index.json", {"weight_map": named})


def split(tensors):
    rows = list(tensors.items())
    return dict(rows[:1]), dict(rows[1:])


def test_weights_in_parts_are_read_as_one(folder):
    shards(folder, *split(weights()))
    assert inspected(folder).problems == ()


def test_a_missing_part_is_named(folder):
    shards(folder, *split(weights()))
    (folder / "model-00002-of-00002.safetensors").unlink()
    problem = only(inspected(folder))
    assert problem.reason == "WEIGHTS_MISSING"
    assert "model-00002-of-00002.safetensors is missing" in problem.message


def test_parts_without_an_index_are_refused(folder):
    shards(folder, *split(weights()))
    (folder / "model.safetensors.index.json").unlink()
    assert "model.safetensors.index.json is missing" in only(inspected(folder)).message


def test_what_hubs_and_trainers_leave_is_left_out_and_reported(folder):
    strange = ["optimizer.pt", "onnx/model.onnx", "pytorch_model.bin", "modeling.py"]
    for name in [*strange, "LICENSE", ".gitattributes", "images/a.png"]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    inspection = inspected(folder)
    assert inspection.problems == ()
    assert set(strange) < set(inspection.left_out)
    problem = only(type(inspection)(inspection.base_problems))
    assert problem.reason == "UNKNOWN_FILE"
    assert all(name in problem.message for name in strange)
    assert "LICENSE" not in problem.message


LORA = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["up_proj"], "task_type": "CAUSAL_LM"}


def adapter(folder, config, more=(), rank=4):
    folder.mkdir()
    name = "base_model.model.model.layers.0.mlp.up_proj"
    tensors = {f"{name}.lora_A.weight": (rank, 8), f"{name}.lora_B.weight": (4, rank)}
    (folder / "adapter_model.safetensors").write_bytes(safetensors({**tensors, **dict(more)}))
    write(folder, "adapter_config.json", config)
    return folder


def test_a_plain_lora_is_sound_beside_its_base(folder, tmp_path):
    inspection = inspected(adapter(tmp_path / "a", LORA), inspected(folder))
    assert (inspection.problems, inspection.rank, inspection.is_adapter, inspection.positions) == (
        (),
        4,
        True,
        512,
    )


HEAD = {"base_model.model.lm_head.weight": (32, 8)}


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        ({"modules_to_save": ["lm_head"]}, HEAD, "lm_head"),
        ({}, HEAD, "lm_head"),
        ({"use_dora": True}, {}, "DoRA"),
        ({"peft_type": "IA3"}, {}, "IA3"),
        ({"bias": "all"}, {}, "bias"),
        ({"init_lora_weights": "pissa"}, {}, "pissa"),
        ({"r": 1024}, {}, "1024"),
        ({"rank_pattern": {"q_proj": 1024}}, {}, "1024"),
        ({"r": True}, {}, "rank"),
        ({"task_type": "SEQ_CLS"}, {}, "SEQ_CLS"),
        ({"layer_replication": [[0, 1]]}, {}, "replicates"),
    ],
)
def test_an_adapter_that_no_engine_loads_is_refused_with_the_cause(tmp_path, change, more, message):
    problem = only(inspected(adapter(tmp_path / "a", {**LORA, **change}, more)))
    assert problem.reason == "ADAPTER_UNSUPPORTED"
    assert message in problem.message


def test_an_adapter_of_another_rank_than_it_states_is_refused(tmp_path):
    problem = only(inspected(adapter(tmp_path / "a", LORA, rank=8)))
    assert problem.reason == "WEIGHTS_MISMATCH"
    assert "rank 4" in problem.message and "rank 8" in problem.message


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"transformer.h.0.attn.c_attn.weight": (8, 24)}, "has no layer model.layers.0.self_attn.q_proj"),
        (
            {"model.layers.0.self_attn.q_proj.weight": (16, 8)},
            "from 8 to 8 numbers; in the base model it has 8 and 16",
        ),
        ({"model.layers.0.self_attn.q_proj.weight": (8, 8)}, ""),
        ({"language_model.layers.0.self_attn.q_proj.weight": (8, 8)}, ""),
        ({"model.layers.0.self_attn.q_proj.weight_packed": (8, 1)}, ""),
    ],
)
def test_an_adapter_of_another_base_is_refused(layers, message):
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    adapter = {
        f"{layer}.lora_A.weight": Tensor("F32", (4, 8)),
        f"{layer}.lora_B.weight": Tensor("F32", (8, 4)),
    }
    problems = fit_problems(adapter, {name: Tensor("F32", shape) for name, shape in layers.items()})
    assert [problem.reason for problem in problems] == (["WEIGHTS_MISMATCH"] if message else [])
    assert all(message in problem.message for problem in problems)


def test_a_stored_adapter_tells_what_is_wrong_with_its_base(folder, tmp_path):
    store = ArtifactStore(str(tmp_path / "store"))
    (folder / "model.safetensors").unlink()
    directory = adapter(tmp_path / "a", LORA)
    write(directory, "recipe.json", {"base_artifact_digest": store.put_tree(folder)})
    problem = only(inspect_stored_model(store, store.put_tree(directory)))
    assert problem.message.startswith("Its base model: model.safetensors is missing")


def test_a_classical_model_needs_no_tokenizer_and_is_no_base(tmp_path):
    (tmp_path / "classical.json").write_text("{}")
    (tmp_path / "estimator.skops").write_bytes(b"PK")
    (tmp_path / "notes.pkl").write_bytes(b"x")
    inspection = inspected(tmp_path)
    assert inspection.is_classical and not inspection.problems and inspection.left_out == ("notes.pkl",)
    assert [problem.reason for problem in inspection.base_problems] == ["CLASSICAL_MODEL"]
    (tmp_path / "estimator.skops").unlink()
    (tmp_path / "classical.json").write_text("[")
    assert [problem.reason for problem in inspected(tmp_path).problems] == ["FILE_MISSING", "JSON_DAMAGED"]


def test_a_small_neural_model_has_three_files_and_is_no_base_of_a_language_model(tmp_path):
    (tmp_path / "neural.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"x")
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "optimizer.pt").write_bytes(b"x")
    inspection = inspected(tmp_path)
    assert inspection.is_neural and not inspection.problems and inspection.left_out == ("optimizer.pt",)
    assert [problem.reason for problem in inspection.base_problems] == ["NEURAL_MODEL"]
    (tmp_path / "tokenizer.json").unlink()
    assert [problem.reason for problem in inspected(tmp_path).problems] == ["FILE_MISSING"]


def compressed(bits, input_bits, method="compressed-tensors"):
    """A `quantization_config` as compressed-tensors writes it."""
    inputs = {"num_bits": input_bits, "type": "int", "dynamic": True} if input_bits else None
    scheme = {
        "weights": {"num_bits": bits, "type": "int"},
        "input_activations": inputs,
        "targets": ["Linear"],
    }
    return {"quant_method": method, "config_groups": {"group_0": scheme}}


@pytest.mark.parametrize(("bits", "input_bits", "name"), [(8, 8, "int8"), (4, 0, "int4")])
def test_weights_of_compressed_tensors_are_a_model_and_no_base(folder, bits, input_bits, name):
    config = {**CONFIG, "quantization_config": compressed(bits, input_bits)}
    write(folder, "config.json", config)
    inspection = inspect_model_tree(FolderFiles(folder))
    assert (inspection.problems, weight_format(inspection.config)) == ((), name)
    (problem,) = inspection.base_problems
    assert (problem.reason, name in problem.message) == ("DTYPE_UNSUPPORTED", True)


@pytest.mark.parametrize(
    "stated",
    [
        compressed(8, 8, "gptq"),
        compressed(3, 0),
        {"quant_method": "compressed-tensors"},
        {"quant_method": "compressed-tensors", "config_groups": {"a": "W8A8"}},
        "int8",
    ],
)
def test_other_quantised_weights_are_no_model(folder, stated):
    write(folder, "config.json", {**CONFIG, "quantization_config": stated})
    assert "DTYPE_UNSUPPORTED" in [each.reason for each in inspect_model_tree(FolderFiles(folder)).problems]
