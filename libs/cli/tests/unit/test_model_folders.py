"""`models upload`: the directory is looked at before a byte is sent."""

import json
import struct

import pytest
from typer.testing import CliRunner

from ratoon.cli import app, model_folders
from ratoon.cli.model_folders import (
    UnfitModel,
    as_safetensors,
    check_architecture,
    checked_model,
    with_template,
)

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 4096\n"


def tensors(name, *shape):
    size = 4
    for length in shape:
        size *= length
    header = json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0" * size


@pytest.fixture
def folder(tmp_path):
    directory = tmp_path / "model"
    directory.mkdir()
    config = {"model_type": "llama", "vocab_size": 4, "max_position_embeddings": 64}
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0, "b": 1}}}))
    (directory / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    (directory / "model.safetensors").write_bytes(tensors("model.embed_tokens.weight", 4, 2))
    return directory


def test_a_sound_folder_is_taken_without_what_is_no_models(folder):
    (folder / "optimizer.pt").write_bytes(b"x")
    (folder / ".gitattributes").write_text("*")
    checked = checked_model(folder)
    assert checked.left_out == (".gitattributes", "optimizer.pt")
    assert set(checked.model) == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_a_folder_of_something_else_is_refused_with_what_it_lacks(tmp_path):
    (tmp_path / "data.tar.gz").write_bytes(b"x")
    with pytest.raises(UnfitModel, match=r"config\.json is missing") as refused:
        checked_model(tmp_path)
    assert "model.safetensors is missing" in str(refused.value)


def test_a_pointer_of_git_lfs_is_named_as_such(folder):
    (folder / "model.safetensors").write_text(POINTER)
    with pytest.raises(UnfitModel, match="git lfs pull"):
        checked_model(folder)


def test_an_adapter_must_say_which_base_it_goes_with(tmp_path):
    config = {"peft_type": "LORA", "r": 2, "task_type": "CAUSAL_LM"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    (tmp_path / "adapter_model.safetensors").write_bytes(tensors(name, 2, 4))
    with pytest.raises(UnfitModel, match="base_artifact_digest"):
        checked_model(tmp_path)
    (tmp_path / "recipe.json").write_text(json.dumps({"base_artifact_digest": "a" * 64}))
    assert "adapter_config.json" in checked_model(tmp_path).model


def test_nothing_is_sent_of_a_file_or_of_a_folder_that_is_no_model(server, tmp_path):
    file = tmp_path / "tickets.csv"
    file.write_text("a,b\n")
    result = CliRunner().invoke(app, ["-p", "p", "models", "upload", str(file)])
    assert result.exit_code == 2
    assert "is a file" in result.output.replace("\n", " ")
    assert isinstance(
        CliRunner().invoke(app, ["-p", "p", "models", "upload", str(tmp_path)]).exception, UnfitModel
    )
    assert not server.requests


def test_a_model_without_a_chat_template_names_the_default_and_takes_it(folder):
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>"}))
    with pytest.raises(UnfitModel, match="--chat-template plain"):
        checked_model(folder)
    with with_template(folder, "plain") as source:
        assert "chat_template.jinja" in checked_model(source).model
        assert source.name == folder.name
    assert not (folder / "chat_template.jinja").exists(), "the directory of the user stays as it was"
    with with_template(folder, "") as source:
        assert source == folder


def test_the_plain_template_frames_turns_by_words_and_ends_answers_by_the_end_token(folder):
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    with with_template(folder, "plain") as source:
        text = (source / "chat_template.jinja").read_text()
    template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(text)
    turns = [("system", "Be short."), ("user", "Hello"), ("assistant", "Hi"), ("user", "Bye")]
    chat = [{"role": role, "content": content} for role, content in turns]
    rendered = template.render(messages=chat, add_generation_prompt=True, eos_token="</s>")
    assert rendered == (
        "### System:\nBe short.\n\n### User:\nHello\n\n### Assistant:\nHi</s>\n\n### User:\nBye\n\n### Assistant:\n"
    )


def test_a_template_of_a_file_replaces_the_models_own(folder, tmp_path):
    (folder / "chat_template.jinja").write_text("{{ 'own' }}")
    (tmp_path / "other.jinja").write_text("{{ 'other' }}")
    with with_template(folder, str(tmp_path / "other.jinja")) as source:
        assert (source / "chat_template.jinja").read_text() == "{{ 'other' }}"
    assert (folder / "chat_template.jinja").read_text() == "{{ 'own' }}"
    with pytest.raises(UnfitModel, match="no text file"), with_template(folder, str(tmp_path / "none.jinja")):
        pass


def test_tensors_of_another_architecture_are_named_before_the_upload(server, folder):
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 4, "hidden_size": 2}
    config |= {"num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4}
    (folder / "config.json").write_text(json.dumps(config))
    result = CliRunner().invoke(app, ["-p", "p", "models", "upload", str(folder)])
    assert isinstance(result.exception, UnfitModel)
    assert "lack tensors of the architecture: lm_head.weight, model.layers.0." in str(result.exception)
    assert not server.requests


def test_without_transformers_the_tensors_are_left_to_the_training_run(folder, monkeypatch):
    monkeypatch.setattr("ratoon.cli.model_folders.find_spec", lambda name: None)
    assert not check_architecture(folder)


def test_one_command_checks_and_uploads_a_model_of_any_architecture(server, tmp_path):
    from transformers import AutoConfig, AutoModelForCausalLM

    from ratoon.testkit.models import tiny_llama

    folder = tiny_llama(tmp_path / "pythia")
    for name in ("model.safetensors", "recipe.json", "chat_template.jinja"):
        (folder / name).unlink()
    rows = json.loads((folder / "config.json").read_text())["vocab_size"]
    widths = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = AutoConfig.for_model("gpt_neox", vocab_size=rows, **widths)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    command = ["-p", "p", "-o", "json", "models", "upload", str(folder)]
    assert "--chat-template plain" in str(CliRunner().invoke(app, command).exception)
    assert not server.requests
    result = CliRunner().invoke(app, [*command, "--chat-template", "plain"])
    assert result.exit_code == 0, result.output
    digest = json.loads(result.stdout)["digest"]
    assert server.requests[-1].url.path.endswith(digest)


def test_a_model_that_takes_too_long_to_convert_is_refused(tmp_path, monkeypatch):
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    monkeypatch.setattr(model_folders, "_TIMEOUT_S", 0.0)
    with pytest.raises(UnfitModel, match="was not read within"), as_safetensors(tmp_path):
        pass


@pytest.mark.parametrize("kind", ["bert", "distilbert", "modernbert"])
def test_an_encoder_is_a_base_without_a_chat_template(folder, kind):
    config = {"model_type": kind, "architectures": ["EncoderModel"], "vocab_size": 4}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text("{}")
    assert checked_model(folder).is_encoder
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "t5"}))
    with pytest.raises(UnfitModel, match="no causal language model"):
        checked_model(folder)
