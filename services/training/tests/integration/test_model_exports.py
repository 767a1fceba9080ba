"""Models as files for other programs: each format is written from a tiny model, read again, and compared with it."""

import json
import warnings
from pathlib import Path

import gguf
import pytest
import torch
from safetensors.torch import load_file, save_file

from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon_training.domain.errors import ExportDiffers, ExporterMissing, TrainingError
from ratoon_training.worker.exporting import hugging_face, job
from ratoon_training.worker.exporting.gguf_file import vocabulary_difference
from ratoon_training.worker.exporting.llama_cpp import Unsupported, split_name
from ratoon_training.worker.exporting.source import load_tokenizer

from .architectures import tiny

ROOT = Path(__file__).parents[4]
LLAMA_CPP = ROOT / ".tools" / "llama-cpp"
WITH_LLAMA_CPP = pytest.mark.skipif(
    not (LLAMA_CPP / "lock").exists(), reason="llama.cpp is not installed: scripts/llama-cpp"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))


def export(store: ArtifactStore, digest: str, folder: Path, format: str, **fields: object) -> dict:
    folder.mkdir(exist_ok=True)
    requested = {
        "name": "projects/p/modelExports/e",
        "source_digest": digest,
        "format": f"FORMAT_{format}",
        **fields,
    }
    spec = {"artifacts": store.url, "model_export": requested, "export": True, "llama_cpp": str(LLAMA_CPP)}
    return job.run(spec, JobFolder(folder))


def logits(folder: Path, ids: list[int]) -> torch.Tensor:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0]


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_a_directory_is_read_without_ratoon(store, tmp_path, kind):
    source = tiny(tmp_path / kind, kind, rows=512)
    result = export(store, store.put_tree(source), tmp_path / "job", "HUGGING_FACE")
    written = store.fetch_tree(result["artifact_digest"], tmp_path / "written")
    assert torch.equal(logits(written, [1, 5, 9, 7]), logits(source, [1, 5, 9, 7]))
    assert result["parity"]["verdict"] == "VERDICT_WITHIN"
    assert result["parity"]["comparison"]["max_difference"] < 1e-4
    assert json.loads((written / "generation_config.json").read_text())["eos_token_id"] is not None
    assert (written / "chat_template.jinja").read_text() == (source / "chat_template.jinja").read_text()
    assert not {"recipe.json", "training.json", "ratoon.json"} & {path.name for path in written.iterdir()}
    assert load_file(written / "model.safetensors")["model.embed_tokens.weight"].shape[0] == 512


def test_an_adapter_is_exported_alone_and_merged(store, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = tiny(tmp_path / "base", "llama")
    digest = store.put_tree(base)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=2, target_modules="all-linear")
    )
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    adapter = tmp_path / "adapter"
    model.save_pretrained(adapter)
    (adapter / "README.md").unlink(missing_ok=True)
    (adapter / "recipe.json").write_text(json.dumps({"base_artifact_digest": digest}))
    source = store.put_tree(adapter)
    alone = export(store, source, tmp_path / "a", "ADAPTER")
    assert digest in alone["notes"][0]
    assert alone["parity"]["runtime"].startswith("peft ")
    files = store.fetch_tree(alone["artifact_digest"], tmp_path / "files")
    assert load_tokenizer(files).chat_template == load_tokenizer(base).chat_template
    assert json.loads((files / "generation_config.json").read_text())["eos_token_id"] is not None
    merged = export(store, source, tmp_path / "b", "HUGGING_FACE")
    assert merged["parity"]["verdict"] == "VERDICT_WITHIN"
    whole = store.fetch_tree(merged["artifact_digest"], tmp_path / "whole")
    with torch.inference_mode():
        expected = model.eval()(input_ids=torch.tensor([[1, 5, 9, 7]])).logits[0]
    assert torch.allclose(logits(whole, [1, 5, 9, 7]), expected, atol=1e-5)


@pytest.mark.parametrize(
    "ends", [{"target_modules": ["q_proj", "lm_head"]}, {"modules_to_save": ["lm_head"]}]
)
def test_an_adapter_on_a_tied_output_layer_is_exported_alone_and_merged(store, tmp_path, ends):
    """Tied in the base, the output layer has a matrix of its own in the merged files; peft reads the adapter alone."""
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    base = tiny(tmp_path / "base", "llama")
    digest = store.put_tree(base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tied layer
        config = LoraConfig(r=2, task_type="CAUSAL_LM", **{"target_modules": ["q_proj"], **ends})
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
        for name, parameter in model.named_parameters():
            if "lora_B" in name or "lm_head.modules_to_save" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        adapter = tmp_path / "adapter"
        model.save_pretrained(adapter, save_embedding_layers=False)
        with torch.inference_mode():
            expected = model.eval()(input_ids=torch.tensor([[1, 5, 9, 7]])).logits[0]
    (adapter / "README.md").unlink(missing_ok=True)
    (adapter / "recipe.json").write_text(json.dumps({"base_artifact_digest": digest}))
    source = store.put_tree(adapter)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        alone = export(store, source, tmp_path / "a", "ADAPTER")
        merged = export(store, source, tmp_path / "b", "HUGGING_FACE")
    assert alone["parity"]["verdict"] == merged["parity"]["verdict"] == "VERDICT_WITHIN"
    whole = store.fetch_tree(merged["artifact_digest"], tmp_path / "whole")
    assert not json.loads((whole / "config.json").read_text())["tie_word_embeddings"]
    assert torch.allclose(logits(whole, [1, 5, 9, 7]), expected, atol=1e-5)
    written = store.fetch_tree(alone["artifact_digest"], tmp_path / "written")
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        read = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), written).eval()
        assert torch.equal(read(input_ids=torch.tensor([[1, 5, 9, 7]])).logits[0], expected)


def test_files_that_are_another_model_are_refused_with_the_cause(store, tmp_path, monkeypatch):
    write = hugging_face.write_directory

    def without_norms(source: object, folder: Path) -> None:
        write(source, folder)
        path = folder / "model.safetensors"
        tensors = load_file(path)
        tensors["model.norm.weight"] = torch.ones_like(tensors["model.norm.weight"])
        save_file(tensors, path, {"format": "pt"})

    monkeypatch.setattr(hugging_face, "write_directory", without_norms)
    digest = store.put_tree(tiny(tmp_path / "llama", "llama"))
    with pytest.raises(ExportDiffers, match=r"model\.norm"):
        export(store, digest, tmp_path / "job", "HUGGING_FACE")


@pytest.mark.parametrize(
    ("format", "package"), [("TENSORRT", "tensorrt"), ("CORE_ML", "coremltools"), ("TFLITE", "litert-torch")]
)
def test_a_format_without_its_package_names_it(store, tmp_path, format, package):
    digest = store.put_tree(tiny(tmp_path / "llama", "llama"))
    with pytest.raises(ExporterMissing, match=package):
        export(store, digest, tmp_path / "job", format)


def test_gguf_without_llama_cpp_says_how_to_get_it(store, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.LLAMA_CPP", tmp_path)
    digest = store.put_tree(tiny(tmp_path / "llama", "llama"))
    with pytest.raises(ExporterMissing, match="scripts/llama-cpp"):
        export(store, digest, tmp_path / "job", "GGUF", gguf_type="GGUF_TYPE_F16")


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_an_onnx_graph_decodes_with_its_cache(store, tmp_path, kind):
    """T34: of grouped heads, and of heads that are wider than the hidden size has them."""
    digest = store.put_tree(tiny(tmp_path / kind, kind))
    result = export(store, digest, tmp_path / "job", "ONNX")
    assert result["parity"]["verdict"] == "VERDICT_WITHIN"
    assert result["parity"]["runtime"].startswith("onnxruntime ")
    assert {"model.onnx", "model.onnx.data", "tokenizer.json", "config.json"} <= {
        file["path"] for file in result["files"]
    }


GGUF_TYPES = {"F16": {"F16", "F32"}, "Q8_0": {"Q8_0", "F32"}, "Q4_K_M": set()}


@WITH_LLAMA_CPP
@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["llama", "qwen3"])
@pytest.mark.parametrize("number_format", GGUF_TYPES)
def test_gguf_files_are_the_same_model_for_llama_cpp(store, tmp_path, kind, number_format):
    source = byte_level(tiny(tmp_path / kind, kind, rows=512))
    result = export(
        store, store.put_tree(source), tmp_path / "job", "GGUF", gguf_type=f"GGUF_TYPE_{number_format}"
    )
    assert result["parity"]["verdict"] == "VERDICT_WITHIN", result["parity"]
    assert result["parity"]["runtime"].startswith("llama.cpp ")
    expected = GGUF_TYPES[number_format]
    if expected:
        assert set(result["tensor_counts"]) == expected
    else:
        assert "no multiple of 256" in result["notes"][0]


def byte_level(folder: Path) -> Path:
    """Give a model a tokenizer with special tokens, an added word and spare rows, as chat models have."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "<|im_end|>", "<|im_start|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(
        ["the meeting moves to monday, the invoice of the customer does not"] * 4, trainer
    )
    tokenizer.add_tokens(["<think>", "invoiceXY"])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|im_end|>", pad_token="<pad>"
    )
    fast.chat_template = (
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    )
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"):
        (folder / name).unlink(missing_ok=True)
    fast.save_pretrained(folder)
    return folder


class SpokenSource:
    """A source of which only the vocabulary is read."""

    def __init__(self, folder: Path, rows: int, end_ids: list[int]) -> None:
        self.tokenizer, self.end_ids = load_tokenizer(folder), end_ids
        self.model = self
        self.weight = torch.zeros(rows, 1)

    def get_input_embeddings(self) -> "SpokenSource":
        return self


def vocabulary(path: Path, types: list[int], end: int, template: str | None) -> gguf.GGUFReader:
    """Return a GGUF file that holds a vocabulary alone."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_token_list([f"t{number}" for number in range(len(types))])
    writer.add_token_types(types)
    writer.add_eos_token_id(end)
    if template is not None:
        writer.add_chat_template(template)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return gguf.GGUFReader(path)


def test_faults_of_a_vocabulary_are_named(tmp_path):
    """T32: special tokens as ordinary ones, lost rows, another end token and another template."""
    folder = byte_level(tiny(tmp_path / "llama", "llama"))
    source = SpokenSource(folder, 512, [2])
    template = source.tokenizer.chat_template
    types = [1] * 512
    for number, token in source.tokenizer.added_tokens_decoder.items():
        types[number] = 3 if token.special else 4
    added = source.tokenizer.convert_tokens_to_ids("<think>")

    def reason(types: list[int] = types, end: int = 2, template: str | None = template) -> str:
        path = tmp_path / f"{len(list(tmp_path.glob('*.gguf')))}.gguf"
        finding = vocabulary_difference(source, vocabulary(path, types, end, template))
        return f"{finding.reason} {finding.message}" if finding else ""

    def changed(number: int, kind: int) -> list[int]:
        return [kind if place == number else each for place, each in enumerate(types)]

    assert reason() == ""
    for kind in (1, 4):
        assert "TOKENIZER_DIFFERS The special token '<|im_end|>'" in reason(changed(2, kind))
    assert "TOKENIZER_DIFFERS The added token '<think>'" in reason(changed(added, 1))
    assert "has 511 tokens, the embeddings have 512 rows" in reason(types[:-1])
    assert reason(end=1).startswith("STOP_TOKENS_DIFFER The file ends answers at token 1, the model at 2")
    assert reason(template="{{ messages }}").startswith("TEMPLATE_DIFFERS")
    assert reason(template=None).startswith("TEMPLATE_DIFFERS")


@pytest.mark.parametrize(
    ("tokenizer", "name"),
    [
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}}, "gpt-2"),
        (
            {
                "pre_tokenizer": {
                    "type": "Sequence",
                    "pretokenizers": [
                        {"type": "Digits", "individual_digits": True},
                        {"type": "ByteLevel", "use_regex": True},
                    ],
                }
            },
            "smollm",
        ),
    ],
)
def test_splits_of_texts_have_names_in_llama_cpp(tokenizer, name):
    assert split_name(tokenizer) == name


@pytest.mark.parametrize(
    "tokenizer",
    [
        {"normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "ByteLevel"}},
        {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}},
        {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "x"}}},
        {},
    ],
)
def test_other_splits_are_refused(tokenizer):
    with pytest.raises(Unsupported, match="Export"):
        split_name(tokenizer)


def test_a_full_disk_is_reported_as_one(store, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hugging_face, "write_directory", full)
    digest = store.put_tree(tiny(tmp_path / "llama", "llama"))
    with pytest.raises((OSError, TrainingError)) as failed:
        export(store, digest, tmp_path / "job", "HUGGING_FACE")
    assert isinstance(failed.value, OSError)
    assert failed.value.errno == 28
    assert not (tmp_path / "job" / "export").exists()
