"""Models reloaded as engines compute them: adapters on tied heads, and capped attention."""

import json
import warnings

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from ratoon.storage.models import ModelFolder
from ratoon.testkit.models import tiny_llama
from ratoon_registry.worker.reload import Reloaded

PROMPT = list(range(5, 35))


def base_model(folder, kind, **changes):
    """Write a model of this architecture beside the tokenizer of a tiny Llama."""
    tiny_llama(folder)
    rows = json.loads((folder / "config.json").read_text())["vocab_size"]
    widths = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    heads = {"num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256}
    config = AutoConfig.for_model(kind, vocab_size=rows, **widths, **heads, eos_token_id=2, **changes)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def active_logprobs(model):
    with torch.no_grad():
        return model.eval()(torch.tensor([PROMPT])).logits[0, -1].log_softmax(-1)


@pytest.fixture
def lenient():
    """peft warns of what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_an_adapter_on_a_tied_head_changes_nothing_else(tmp_path, target):
    base = base_model(tmp_path / "base", "llama", tie_word_embeddings=True)
    config = LoraConfig(r=4, target_modules=[target, "q_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(tmp_path / "adapter")
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), tmp_path / "adapter")
    reloaded = Reloaded(ModelFolder(tmp_path / "adapter", base, "b" * 64), threads=1)
    assert (reloaded.next_logprobs(PROMPT) - active_logprobs(adapted)).abs().max() <= 1e-5


def test_attention_is_capped_where_the_architecture_caps_it(tmp_path):
    folder = base_model(
        tmp_path / "base", "gemma2", query_pre_attn_scalar=16, attn_logit_softcapping=0.001, pad_token_id=0
    )
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    logprobs = Reloaded(ModelFolder(folder), threads=1).next_logprobs(PROMPT)
    assert (logprobs - active_logprobs(model)).abs().max() <= 1e-6
    uncapped = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa")
    assert (logprobs - active_logprobs(uncapped)).abs().max() > 1e-6
