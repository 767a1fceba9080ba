"""Traces and templates in the settings of an engine, from those of serving to vLLM's command line."""

import json
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ratoon.engine.launch import vllm_arguments
from ratoon.engine.settings import EngineSettings
from ratoon.tasks.compute import Compute, Dtype
from ratoon_serving.adapters.engine_file import engine_file
from ratoon_serving.adapters.pod_file import pod_file
from ratoon_serving.domain.engine import Engine
from ratoon_serving.domain.generation import ENGINE_SLOTS

NOW = datetime(2026, 6, 1, tzinfo=UTC)
VERSION = "projects/p/models/m/versions/v1.0"


@dataclass(frozen=True)
class Defaults:
    otlp: str = ""
    public_key: Path = Path("key.pub")
    kv_cache_mib: int = 64
    max_model_len: int = 512
    shared_adapters: int = 1


ENGINE = Engine("projects/p/deployments/d/engines/e", NOW, NOW, 1, VERSION, "a" * 64, "b" * 64, "c" * 64, "m")


@pytest.mark.parametrize(
    ("otlp", "expected"),
    [("", []), ("http://127.0.0.1:4318", ["--otlp-traces-endpoint", "http://127.0.0.1:4318/v1/traces"])],
)
def test_an_engine_sends_its_spans_where_serving_does(otlp, expected):
    values = engine_file(ENGINE, Path("model"), Path("e.sock"), Defaults(otlp)).values
    arguments = vllm_arguments(EngineSettings(**values))
    place = arguments.index("--disable-fastapi-docs") + 1
    assert arguments[place:] == expected


def test_adapters_use_their_own_chat_template(tmp_path):
    adapter = replace(ENGINE, base_digest="d" * 64, max_rank=8)
    paths = Path("base"), Path("e.sock"), Defaults(), tmp_path
    assert engine_file(adapter, *paths).values["chat_template"] == ""
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    arguments = vllm_arguments(EngineSettings(**engine_file(adapter, *paths).values))
    assert arguments[arguments.index("--chat-template") + 1] == str(tmp_path / "chat_template.jinja")
    assert arguments[arguments.index("--model") + 1] == "base"


def test_a_requested_number_format_comes_before_that_of_the_pool(tmp_path):
    for engine, pool, expected in (
        (ENGINE, "", "float32"),
        (ENGINE, "float16", "float16"),
        (replace(ENGINE, compute=Compute(dtype=Dtype.BFLOAT16)), "float16", "bfloat16"),
        (replace(ENGINE, compute=Compute()), "float16", "float32"),
    ):
        engine_file(engine, Path("model"), Path("e.sock"), Defaults()).write(tmp_path / "engine.json")
        settings = EngineSettings.read(tmp_path / "engine.json", {"RATOON_ENGINE_DTYPE": pool})
        arguments = vllm_arguments(settings)
        assert arguments[arguments.index("--dtype") + 1] == expected
        assert json.loads(pod_file(engine, ())).get("dtype", "") == (expected if engine.compute else "")


def test_routes_state_the_slots_that_engines_have():
    defaults = {field.name: field.default for field in fields(EngineSettings)}
    assert defaults["max_num_seqs"] == ENGINE_SLOTS
