"""Command line of vLLM for an engine: bounds of grammars, answers and sequences."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ratoon.engine.launch import ENVIRONMENT, vllm_arguments
from ratoon.engine.settings import EngineSettings

SETTINGS = EngineSettings("e", "v", "a" * 64, "model", ("m",), "e.sock", "s", "key.pub", max_model_len=512)


def value_of(option: str, settings: EngineSettings) -> str:
    arguments = vllm_arguments(settings)
    return arguments[arguments.index(option) + 1]


@pytest.mark.parametrize(
    ("config", "positions"),
    [
        ({"max_position_embeddings": 128}, "128"),
        ({"max_position_embeddings": 4096}, "512"),
        ({"n_positions": 256}, "256"),
        ({"text_config": {"max_position_embeddings": 64}}, "64"),
        ({}, "512"),
    ],
)
def test_a_sequence_has_at_most_the_positions_of_the_model_and_of_the_setting(tmp_path, config, positions):
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert value_of("--max-model-len", replace(SETTINGS, model=str(tmp_path))) == positions


def test_answers_are_text_and_grammars_are_bounded():
    assert "--return-tokens-as-token-ids" not in vllm_arguments(SETTINGS)
    outputs = json.loads(value_of("--structured-outputs-config", SETTINGS))
    assert outputs == {"backend": "guidance", "disable_any_whitespace": True}
    assert int(ENVIRONMENT["VLLM_MAX_N_SEQUENCES"]) <= 128
    assert value_of("--generation-config", SETTINGS) == "vllm"


def test_classes_that_vllm_imports_by_name_exist():
    """vLLM gets them as strings: a rename would be found by a running engine only."""
    for option in ("--middleware", "--worker-extension-cls"):
        module, _, name = value_of(option, SETTINGS).rpartition(".")
        source = Path(__file__).parents[2] / "src" / Path(*module.split(".")).with_suffix(".py")
        assert f"\nclass {name}" in source.read_text()
