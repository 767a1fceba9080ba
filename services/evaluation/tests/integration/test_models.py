"""Models loaded as engines compute them: an adapter on a tied head changes nothing else."""

import json
import warnings

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from ratoon.storage.models import ModelFolder
from ratoon.tasks.compute import Accelerator, Compute, Dtype
from ratoon.testkit.models import tiny_adapter, tiny_llama
from ratoon_evaluation.worker.decoding import Decoding
from ratoon_evaluation.worker.generator import Generator, Prompt
from ratoon_evaluation.worker.models import AcceleratorMissing, LoadedModel, ModelNotFinite, check_device
from ratoon_evaluation.worker.scorer import Scorer
from ratoon_evaluation.worker.suites.likelihood import LikelihoodScorer


def test_an_adapter_on_a_tied_head_leaves_the_embeddings(tmp_path):
    base = tiny_llama(tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    model = AutoModelForCausalLM.from_pretrained(base)
    model.lm_head.weight = model.get_input_embeddings().weight
    model.save_pretrained(base)
    adapter = tiny_llama(tmp_path / "adapter")  # for its tokenizer
    ids = torch.arange(5, 35).unsqueeze(0)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # peft warns of what is tested
        adapted = get_peft_model(model, LoraConfig(r=4, target_modules=["lm_head"], task_type="CAUSAL_LM"))
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.1 * torch.randn_like(parameter))
        adapted.save_pretrained(adapter)
        plain = AutoModelForCausalLM.from_pretrained(base)
        active = PeftModel.from_pretrained(plain, adapter).eval()(ids).logits
        merged = LoadedModel(ModelFolder(adapter, base, "b" * 64), threads=1).model
        assert (merged(ids).logits - active).abs().max() <= 1e-5
    before = AutoModelForCausalLM.from_pretrained(base).get_input_embeddings().weight
    assert torch.equal(merged.get_input_embeddings().weight, before)


IDS = torch.arange(5, 35).unsqueeze(0)


@pytest.mark.parametrize("dtype", [Dtype.BFLOAT16, Dtype.FLOAT16])
def test_a_model_computes_in_the_requested_number_format_and_gives_float32_logits(tmp_path, dtype):
    folder = tiny_llama(tmp_path, seed=4)
    loaded = LoadedModel(ModelFolder(folder), threads=1, compute=Compute(dtype=dtype))
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype.lower())).eval()
    with torch.inference_mode():
        logits, expected = loaded.model(IDS).logits, plain(IDS).logits
    assert logits.dtype is torch.float32
    assert torch.equal(logits, expected.float())
    with torch.inference_mode():
        exact = LoadedModel(ModelFolder(folder), threads=1).model(IDS).logits
    assert torch.equal(exact, AutoModelForCausalLM.from_pretrained(folder).eval()(IDS).logits)
    assert not torch.equal(exact, logits)


def test_an_adapter_is_merged_before_its_weights_are_rounded(tmp_path):
    base = tiny_llama(tmp_path / "base", seed=1)
    adapter = tiny_adapter(tmp_path / "adapter", base, "b" * 64, seed=2)
    folder = ModelFolder(adapter, base, "b" * 64)
    rounded = LoadedModel(folder, threads=1, compute=Compute(dtype=Dtype.BFLOAT16)).model
    exact = dict(LoadedModel(folder, threads=1).model.named_parameters())
    for name, parameter in rounded.named_parameters():
        assert torch.equal(parameter, exact[name].to(torch.bfloat16)), name


def test_a_model_that_computes_no_numbers_gives_no_answer(tmp_path):
    """Its first label would win each time, and its first choice: a score that says nothing."""
    folder = tiny_llama(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.model.layers[0].mlp.down_proj.weight.data[3, 5] = float("nan")
    model.save_pretrained(folder)
    loaded = LoadedModel(ModelFolder(folder), 1)
    for score in (
        lambda: Scorer(ModelFolder(folder), ("ham", "spam"), 1).score(["Hello"], lambda done: None),
        lambda: Generator(loaded, Decoding(4)).answer([Prompt([1, 5, 9], [7])], lambda done: None),
        lambda: LikelihoodScorer(loaded).score([("Hello", " you")], lambda done: None),
    ):
        with pytest.raises(ModelNotFinite, match="values that are not numbers"):
            score()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an NVIDIA GPU here")
def test_a_missing_gpu_is_refused():
    with pytest.raises(AcceleratorMissing, match="no NVIDIA GPU"):
        check_device(Compute(Accelerator.CUDA))
    check_device(Compute(dtype=Dtype.BFLOAT16))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU here")
@pytest.mark.parametrize(("dtype", "tolerance"), [(Dtype.FLOAT32, 1e-3), (Dtype.BFLOAT16, 0.1)])
def test_a_gpu_answers_as_the_cpu_does(tmp_path, dtype, tolerance):
    folder = ModelFolder(tiny_llama(tmp_path, seed=4))
    texts = ["Hello", "You have won a prize, claim it now", "A"]
    cpu, gpu = (
        Scorer(folder, ("ham", "spam"), 1, Compute(accelerator, dtype)).score(texts, lambda done: None)
        for accelerator in (Accelerator.CPU, Accelerator.CUDA)
    )
    assert cpu.label_logprobs == pytest.approx(gpu.label_logprobs, abs=tolerance)
    assert cpu.tokens.tolist() == gpu.tokens.tolist()
    prompts = [Prompt([1, 5, 9, 4], [7, 8]), Prompt([1, 6, 4], [9])]
    decoding = Decoding(8, temperature=0.7, repetition_penalty=1.2, seed=1)
    written = Generator(LoadedModel(folder, 1, Compute(Accelerator.CUDA, dtype)), decoding)
    answers = written.answer(prompts, lambda done: None)
    assert answers.nll_tokens.tolist() == [2, 1]
    assert all(answers.tokens > 0)
