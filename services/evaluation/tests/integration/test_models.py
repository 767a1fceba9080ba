"""Models loaded as engines compute them: an adapter on a tied head changes nothing else."""

import json
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from ratoon.storage.models import ModelFolder
from ratoon.testkit.models import tiny_llama
from ratoon_evaluation.worker.models import LoadedModel


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
