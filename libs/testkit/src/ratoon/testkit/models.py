"""Tiny language models for tests, made in about a second and never committed as weights.

Owns how a model directory that transformers and vLLM both load is put together: a byte-level BPE with one token a
label, a chat template that carries the preprocessing, and a Llama of about 120,000 parameters. It does not
know training: the weights are random, or set by hand so that the answer is known beforehand.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

PAD, BOS, EOS, USER, ASSISTANT = "<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>"
"""Special tokens, with ids 0 to 4 in this order; the label tokens follow."""

CHAT_TEMPLATE = (
    "{{ '" + BOS + "' }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ '" + ASSISTANT + "' + message['content'] + '" + EOS + "' }}"
    "{% else %}{{ '" + USER + "' + message['content'][:MAX_CHARS] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '" + ASSISTANT + "' }}{% endif %}"
)
"""Cuts the user's text to MAX_CHARS (replaced by a number) characters and frames it by the special tokens."""

CORPUS = (
    "Hello, the meeting is moved to Monday at ten, please bring the notes of the last review.",
    "You have won a free prize, click here now and claim your money before midnight!",
    "The patch fixes the memory leak in the parser; tests pass on all three branches.",
    "Cheap loans, no credit check, act now, limited offer, call today.",
    "Can you send me the agenda and the slides for the workshop in October?",
)
"""Default text that the tokenizer is trained on."""


def tiny_llama(
    folder: Path,
    labels: Sequence[str] = ("ham", "spam"),
    *,
    seed: int = 0,
    answer: str | None = None,
    corpus: Sequence[str] = CORPUS,
    hidden: int = 64,
    layers: int = 2,
    vocabulary: int = 320,
    max_chars: int = 400,
) -> Path:
    """Write a loadable Hugging Face directory into `folder` (made if absent) and return it.

    Without `answer` the weights are random, a function of `seed`, so two seeds give two different greedy answers.
    With `answer` (one of `labels`) the model says that label and `</s>` to every prompt; the perplexity is high.
    `hidden` is a multiple of 32, the width of one attention head (the least that vLLM takes on a CPU).

    Raises ValueError when `answer` is not a label.
    """
    if answer is not None and answer not in labels:
        raise ValueError(f"answer {answer!r} is not one of the labels {list(labels)}")
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(labels, corpus, vocabulary, max_chars)
    tokenizer.save_pretrained(folder)
    model = _model(len(tokenizer), hidden, layers, seed)
    if answer is not None:
        _always(model, tokenizer, answer)
    model.save_pretrained(folder)
    generation = {
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "do_sample": False,
        "max_new_tokens": 4,
    }
    _write_json(folder / "generation_config.json", generation)
    _write_json(
        folder / "recipe.json", {"kind": "tiny", "seed": seed, "labels": list(labels), "max_chars": max_chars}
    )
    _write_json(folder / "training.json", {"curves": {}, "diagnosis": "not trained"})
    return folder


def tiny_adapter(
    folder: Path, base: Path, base_digest: str, *, seed: int = 0, rank: int = 4, answer: str | None = None
) -> Path:
    """Write a LoRA adapter for the model directory `base` into `folder` and return it.

    With random weights it changes the base's answers, by another amount for each `seed`. With `answer` (a label of the
    base, which was itself made to answer another one) it begins its answer to every prompt with that label.
    `recipe.json` names the base by `base_digest`.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.2)
        if answer is not None:
            _steer(model, base, answer)
    model.peft_config["default"].base_model_name_or_path = ""
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(base / name, folder / name)
    shutil.copyfile(base / "chat_template.jinja", folder / "chat_template.jinja")
    recipe = json.loads((base / "recipe.json").read_text())
    _write_json(folder / "recipe.json", {**recipe, "method": "LORA", "base_artifact_digest": base_digest})
    _write_json(folder / "training.json", {"curves": {}, "diagnosis": "not trained"})
    return folder


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer of tiny models with its chat template."""
    return _tokenizer(("ham", "spam"), CORPUS, 320, 400)


def _tokenizer(
    labels: Sequence[str], corpus: Sequence[str], vocabulary: int, max_chars: int
) -> PreTrainedTokenizerFast:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    specials = [PAD, BOS, EOS, USER, ASSISTANT]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[*specials, *labels],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(corpus, trainer)
    # A label is an answer, so it must not vanish with the special tokens when an answer is decoded.
    bpe.add_tokens([AddedToken(label, single_word=True, normalized=False, special=False) for label in labels])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE.replace("MAX_CHARS", str(max_chars)),
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )


def _model(vocabulary: int, hidden: int, layers: int, seed: int) -> LlamaForCausalLM:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 32,
        num_key_value_heads=hidden // 32,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
        initializer_range=0.2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


def _always(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, answer: str) -> None:
    """Silence the layers, so that the last token alone decides: assistant → answer, answer → end."""
    import torch

    embedding = model.get_input_embeddings().weight
    head = model.get_output_embeddings().weight
    chain = tokenizer.convert_tokens_to_ids([ASSISTANT, answer, EOS])
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        for before, after in itertools.pairwise(chain):
            head[after] = 10 * embedding[before] / embedding[before].norm()


def _steer(model: Any, base: Path, answer: str) -> None:
    """Let the last layer alone act, and on the assistant's token alone: it turns the state towards the answer.

    The base's layers are silent, so that token's state is its embedding whatever stands before it.
    """
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    assistant, target = tokenizer.convert_tokens_to_ids([ASSISTANT, answer])
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.zero_()
    llama = model.base_model.model
    state, layer = llama.get_input_embeddings().weight[assistant], llama.model.layers[-1]
    inner = layer.post_attention_layernorm(state)
    inner = torch.nn.functional.silu(layer.mlp.gate_proj(inner)) * layer.mlp.up_proj(inner)
    towards = llama.lm_head.weight[target].clone()
    towards -= state * (towards @ state) / state.norm() ** 2
    down = layer.mlp.down_proj
    reads, writes = down.lora_A["default"].weight, down.lora_B["default"].weight
    reads.zero_()
    reads[0] = inner / inner.norm() ** 2
    writes[:, 0] = (20 * towards / towards.norm() - state) / down.scaling["default"]


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
