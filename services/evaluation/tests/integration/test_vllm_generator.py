"""Answers by vLLM: its requests, by a stand-in of its offline API, and the real one against transformers."""

import ast
import importlib.util
import os
from pathlib import Path

import pytest

from ratoon.storage.models import ModelFolder
from ratoon.tasks.kind import Record, Turn
from ratoon.testkit.models import tiny_adapter, tiny_llama
from ratoon_evaluation.worker.decoding import Decoding
from ratoon_evaluation.worker.generator import Generator, Prompt
from ratoon_evaluation.worker.models import LoadedModel
from ratoon_evaluation.worker.vllm_generator import EngineFailed, EngineMissing, VllmGenerator

STAND_IN = '''
"""vLLM's offline API over transformers, as far as evaluation uses it; greedy only."""
from types import SimpleNamespace as Of

import torch
from transformers import AutoModelForCausalLM

SamplingParams = lambda **settings: Of(**{"stop_token_ids": [], "prompt_logprobs": None, **settings})


class LLM:
    def __init__(self, model, dtype, **settings):
        assert dtype == "float32"
        self.model = AutoModelForCausalLM.from_pretrained(model)

    def generate(self, prompts, params, use_tqdm):
        each = params if isinstance(params, list) else [params] * len(prompts)
        return [self._one(prompt["prompt_token_ids"], how) for prompt, how in zip(prompts, each, strict=True)]

    def _one(self, ids, how):
        assert how.temperature == 0
        whole = self.model.generate(torch.tensor([ids]), max_new_tokens=how.max_tokens, do_sample=False)
        written = whole[0][len(ids):].tolist()
        ended = written[-1] in how.stop_token_ids
        output = Of(token_ids=written, finish_reason="stop" if ended else "length")
        logprobs = None
        if how.prompt_logprobs is not None:
            rows = self.model(torch.tensor([ids])).logits[0].log_softmax(-1)
            logprobs = [None] + [{t: Of(logprob=rows[i, t].item())} for i, t in enumerate(ids[1:])]
        return Of(outputs=[output], prompt_logprobs=logprobs)
'''
TEXTS = ["Hello", "The patch fixes the parser " * 5, "You have won", "¿Qué? 早上好"]


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    (tmp_path / "vllm.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_llama(tmp_path_factory.mktemp("written"), seed=3)


def prompts_for(generator):
    """Prompts with references, and two that are too long for an answer or for their reference."""
    prompts = generator.prompts()
    each = []
    for text in TEXTS:
        record = Record((Turn("user", text),))
        tokens = prompts.prompt(record)
        each.append(Prompt(tokens, prompts.answer(record, "A reference.", tokens)))
    return [*each, Prompt([5] * 2048), Prompt([5] * 2040, [6] * 20)]


def compare(folder, decoding):
    ours = Generator(LoadedModel(folder, 1), decoding)
    theirs = VllmGenerator(folder, decoding, 1)
    prompts = prompts_for(ours)
    done = []
    expected, answers = ours.answer(prompts, lambda done: None), theirs.answer(prompts, done.append)
    assert answers.texts == expected.texts
    assert answers.finish == expected.finish
    assert answers.nll == pytest.approx(expected.nll, rel=1e-4)
    assert answers.nll_tokens.tolist() == expected.nll_tokens.tolist()
    assert done[-1] == len(prompts)
    return answers


def test_answers_are_those_of_the_other_generator(folder, stand_in):
    answers = compare(ModelFolder(folder), Decoding(12))
    stop = answers.texts[1][3:6]
    assert compare(ModelFolder(folder), Decoding(12, stop=(stop,))).finish[1] == "stop"


def test_an_adapter_is_merged_first(folder, stand_in, tmp_path):
    adapter = tiny_adapter(tmp_path / "adapter", folder, "b" * 64, seed=2)
    compare(ModelFolder(adapter, folder, "b" * 64), Decoding(8))


def test_an_engine_that_fails_is_named(folder, tmp_path, monkeypatch):
    (tmp_path / "vllm.py").write_text("raise SystemExit(3)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    generator = VllmGenerator(ModelFolder(folder), Decoding(4), 1)
    with pytest.raises(EngineFailed, match="log"):
        generator.answer([Prompt([1, 5, 4])], lambda done: None)


def test_a_stop_request_ends_the_engine(folder, tmp_path, monkeypatch):
    (tmp_path / "vllm.py").write_text(
        f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path) + os.pathsep + os.environ.get("PYTHONPATH", ""))

    class Stop(Exception):
        pass

    def advance(done):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            raise Stop

    with pytest.raises(Stop):
        VllmGenerator(ModelFolder(folder), Decoding(4), 1).answer([Prompt([1, 5, 4])], advance)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


def test_a_machine_without_vllm_says_so(folder, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineMissing, match=r"generation\.engine"):
        VllmGenerator(ModelFolder(folder), Decoding(4))


def test_the_pinned_release_has_the_names_that_are_used():
    """vLLM promises no Python API. Its sources are read: to import it takes longer than all other tests."""
    (package,) = importlib.util.find_spec("vllm").submodule_search_locations
    sources = {
        name: ast.parse((Path(package) / name).read_text())
        for name in ("sampling_params.py", "entrypoints/llm.py")
    }
    fields = names_in(sources["sampling_params.py"], "SamplingParams")
    assert {
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "repetition_penalty",
        "max_tokens",
        "seed",
        "detokenize",
    } <= fields
    assert {"stop_token_ids", "prompt_logprobs"} <= fields
    arguments = names_in(sources["entrypoints/llm.py"], "LLM")
    assert {"model", "dtype", "enforce_eager", "seed"} <= arguments
    engine = names_in(ast.parse((Path(package) / "engine/arg_utils.py").read_text()), "EngineArgs")
    assert {"max_model_len", "enable_prefix_caching", "generation_config"} <= engine


def names_in(source, name):
    (node_of_class,) = [node for node in source.body if isinstance(node, ast.ClassDef) and node.name == name]
    fields = {node.target.id for node in node_of_class.body if isinstance(node, ast.AnnAssign)}
    functions = [
        node for node in node_of_class.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    ]
    return fields | {each.arg for node in functions for each in (*node.args.args, *node.args.kwonlyargs)}


@pytest.mark.engine
def test_vllm_answers_as_transformers_do(folder):
    compare(ModelFolder(folder), Decoding(12))
