"""Generation defaults and prompt limits, from the files that models of other people bring."""

import json

import pytest

from ratoon.storage.models import ModelFolder
from ratoon_registry.domain.generation import Generation, PromptLimits
from ratoon_registry.worker.generation import generation, prompt_limits
from ratoon_registry.worker.inspection import UnfitArtifact


def folder(path, **files):
    path.mkdir()
    for name, value in files.items():
        file = path / name.replace("__", ".")
        file.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


STATED = [
    ({"do_sample": False, "max_new_tokens": 8}, Generation(temperature=0.0, max_tokens=8)),
    ({"do_sample": False, "temperature": 0.7, "top_p": 0.8}, Generation(temperature=0.0)),
    ({"_from_model_config": True, "eos_token_id": 2}, Generation(temperature=0.0)),
    (
        {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05},
        Generation(temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.05),
    ),
    ({"temperature": 0.6, "min_p": 0.1}, Generation(temperature=0.6, min_p=0.1)),
    ({"do_sample": True}, Generation()),
    ({"do_sample": True, "top_k": 0, "top_p": 1.0, "max_new_tokens": True}, Generation(top_p=1.0)),
    ({"do_sample": True, "temperature": float("nan"), "top_k": "many", "top_p": 7}, Generation()),
]


@pytest.mark.parametrize(("stated", "read"), STATED)
def test_defaults_are_read_as_transformers_reads_them(tmp_path, stated, read):
    assert generation(ModelFolder(folder(tmp_path / "m", generation_config__json=stated))) == read


def test_a_model_without_the_file_has_no_defaults(tmp_path):
    assert generation(ModelFolder(folder(tmp_path / "m"))) == Generation()


def test_an_adapter_has_its_own_defaults_or_inherits_its_bases(tmp_path):
    base = folder(tmp_path / "base", generation_config__json={"do_sample": False}, ratoon__json={})
    own = {"do_sample": True, "temperature": 0.5}
    assert generation(ModelFolder(folder(tmp_path / "plain"), base)).temperature == 0.0
    adapter = folder(tmp_path / "adapter", generation_config__json=own)
    assert generation(ModelFolder(adapter, base)).temperature == 0.5


def test_a_damaged_file_is_refused_by_name(tmp_path):
    with pytest.raises(UnfitArtifact, match=r"generation_config\.json"):
        generation(ModelFolder(folder(tmp_path / "m", generation_config__json="{")))


def test_prompt_limits_are_what_training_states(tmp_path):
    stated = {"max_prompt_characters": 410, "max_prompt_tokens": 96}
    model_folder = ModelFolder(folder(tmp_path / "m", ratoon__json=stated))
    assert prompt_limits(model_folder, 512) == PromptLimits(410, 96, 512)


@pytest.mark.parametrize(
    "template",
    [
        "{{ '<|user|>' + message['content'][:130] }}",
        "{%- set cut.messages = cut.messages + [{'content': message['content'][:130]}] -%}",
    ],
)
def test_the_cut_of_older_templates_is_detected(tmp_path, template):
    model_folder = ModelFolder(folder(tmp_path / "m", chat_template__jinja=template))
    assert prompt_limits(model_folder, 2048) == PromptLimits(130, 0, 2048)


def test_a_template_without_a_cut_has_no_limit_but_the_positions(tmp_path):
    model_folder = ModelFolder(folder(tmp_path / "m", chat_template__jinja="{{ message['content'] }}"))
    assert prompt_limits(model_folder, 2048) == PromptLimits(0, 0, 2048)
