"""Models to train: a Llama from scratch, a base model to continue, and a base model with an adapter."""

import importlib.util
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from ratoon.operations.warm import hidden
from ratoon.storage.model_tree import ADAPTER_WEIGHTS
from ratoon.tasks.regress import Regress
from ratoon_training.domain.errors import BadBaseModel, BadRecipe
from ratoon_training.domain.initialisation import LINEAR_DEVIATION, refuse_constant
from ratoon_training.domain.optimization import Quantization
from ratoon_training.domain.recipes import Dtype, Method, Objective, Recipe

with hidden("sklearn", "scipy", "pandas", "torchvision", "kernels", "librosa", "soundfile"):
    from transformers.models.llama.modeling_llama import LlamaForCausalLM
    from transformers.pytorch_utils import Conv1D

    from ratoon_training.worker import decoders, forward, growth, layers, packing, reward_models
from ratoon_training.worker import text
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.vocabulary import added_tokens

_PACKS = "support_avx512bf16_for_cpu"
"""Attribute of a layer of bitsandbytes: True if it packs its weights for inference."""
_BASE_LAYER = ".base_layer."
"""Part of the names of weights that an adapted layer takes from its base."""
_SOME = 5
"""Names that a sentence lists."""


def build(recipe: Recipe, prepared: Path) -> Any:
    """The model that a recipe trains; its trainable parameters are float32, and marked as such."""
    torch.manual_seed(recipe.seed)
    is_new = recipe.method is Method.FROM_SCRATCH
    model = _from_scratch(recipe, prepared) if is_new else _from_base(recipe, prepared)
    if recipe.objective is Objective.REWARD_MODEL:
        model = reward_models.with_head(model, text.pad_token(text.of_base(prepared / "tokenizer")))
    if recipe.optimization.dropout is not None:
        set_dropout(model, recipe.optimization.dropout)
    if recipe.packed:
        _pack(model)
    if recipe.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    for name, weights in model.state_dict().items():
        refuse_constant(name, float(weights.min()), float(weights.max()), weights.shape)
    return _with_adapter(model, recipe, prepared / "adapter") if recipe.method.adapts else model


def _from_scratch(recipe: Recipe, prepared: Path) -> Any:
    """Return a new model."""
    model = decoders.from_scratch(recipe.architecture)
    if recipe.objective is Objective.DISTILLATION:
        _name_special(model, text.of_base(prepared / "tokenizer"))
    if recipe.label_prior:
        _begin_with_odds(model, Corpus(prepared / "train.npz"), recipe.label_prior)
    if isinstance(recipe.spec, Regress):
        _begin_in_order(model, Corpus(prepared / "train.npz"))
    return model


def _from_base(recipe: Recipe, prepared: Path) -> Any:
    """Return the base model, with an adapter merged, new tokens and new experts."""
    model = _of_base(prepared / "base", _held_in(recipe), _quantized(recipe))
    if recipe.method is Method.CONTINUE and (prepared / "adapter").exists():
        model = _merged(model, prepared / "adapter")
    if recipe.base_layers:
        layers.shorten(model, recipe.base_layers, loader(model.config.model_type))
    _extend(model, prepared)
    if recipe.expert_growth.experts:
        growth.grow(model, recipe.expert_growth, Corpus(prepared / "train.npz"))
    forward.check(model)
    return model


def _extend(model: Any, prepared: Path) -> None:
    """Give each new token the mean of the embeddings of the tokens that it was made of, also in the output layer.

    Spare rows are used first; a matrix is never made smaller, and tied matrices stay one.
    """
    new = added_tokens(prepared)
    if not new:
        return
    if max(new) >= model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(max(new) + 1, mean_resizing=False)
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    bias: torch.Tensor | None = getattr(head, "bias", None)
    known = [embeddings.weight, *([] if head.weight is embeddings.weight else [head.weight])]
    with torch.no_grad():
        for matrix in [*known, *([] if bias is None else [bias])]:
            for number, pieces in new.items():
                matrix[number] = matrix[pieces].mean(dim=0)


def _pack(model: Any) -> None:
    if _caps_attention(model):
        raise BadRecipe(
            f"recipe.packed does not go with {model.config.model_type}, which caps attention: leave it out.",
            "recipe.packed",
        )
    packing.allow(model)


def switch_dropout_off(model: nn.Module) -> None:
    """Switch all dropout off, whether it is a layer or a number that attention reads."""
    set_dropout(model, 0.0)


def set_dropout(model: nn.Module, share: float) -> None:
    """Let a step set this share of attention weights, and of the outputs of dropout layers, to 0."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        for name in ("attention_dropout", "dropout"):
            if isinstance(getattr(module, name, None), int | float):
                setattr(module, name, share)


def whole(folder: Path, base: Path | None) -> Any:
    """Return a published model, with an adapter merged into its base; BadBaseModel if it cannot be loaded."""
    model = _of_base(base or folder, torch.float32)
    if base is not None:
        model = _merged(model, folder)
    forward.check(model)
    return model


def core(model: Any) -> Any:
    """The language model itself, without the wrapping of an adapter."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def place(model: Any, device: torch.device) -> Any:
    """Move a model to a device and return it. What layers share stays shared, also on XLA."""
    devices = {next(model.parameters()).device.type, device.type}
    model.to(device)
    if "xla" in devices and len(devices) > 1:
        core(model).tie_weights()
    return model


def _name_special(model: Any, speech: text.Speech) -> None:
    """Let the configuration of a model name the special tokens of a tokenizer that it was given."""
    model.config.pad_token_id = text.pad_token(speech)
    model.config.bos_token_id = speech.tokenizer.token_to_id(speech.bos) if speech.bos else None
    model.config.eos_token_id = speech.end


def embeddings(model: Any) -> set[int]:
    """Return the ids of the parameters of embeddings and output layer."""
    ends = model.get_input_embeddings(), model.get_output_embeddings()
    return {id(parameter) for end in ends if end is not None for parameter in end.parameters()}


def _begin_with_odds(model: Any, train: Corpus, strength: float) -> None:
    """Add to each token's embedding its log-odds of the labels, each label along a random direction of its own.

    Attention begins uniform, so that a new model's last position sees the mean of the embeddings: the log-odds of a
    naive Bayes classifier (as NBSVM starts from, Wang and Manning 2012), where a random start sees noise.
    """
    weights = model.get_input_embeddings().weight
    odds = torch.from_numpy(train.label_odds(weights.shape[0]))
    directions = torch.randn(len(odds), weights.shape[1])
    with torch.no_grad():
        weights += strength * LINEAR_DEVIATION * (odds.T @ directions)


def _begin_in_order(model: Any, train: Corpus) -> None:
    """Place the embeddings of numbers that are one token each on a parabola: near numbers begin as near neighbours.

    Targets are shared by near numbers. From embeddings at random, their gradients cancel each other, and a model looks
    at no text for many steps.
    """
    if not train.has_numbers:
        return
    values = torch.from_numpy(train.number_values).float()
    scaled = (values - values.mean()) / values.std()
    shape = torch.stack([scaled, (scaled**2 - 1) / 2**0.5], dim=1)
    weights = model.get_input_embeddings().weight
    with torch.no_grad():
        weights[train.number_tokens] += LINEAR_DEVIATION * shape @ torch.randn(2, weights.shape[1])


def _held_in(recipe: Recipe) -> torch.dtype:
    """Return the number format of a base's weights: those that are trained are float32."""
    frozen = recipe.method.adapts
    return torch.bfloat16 if frozen and recipe.dtype is Dtype.BFLOAT16 else torch.float32


def _quantized(recipe: Recipe) -> dict[str, Any]:
    """Return how a base is loaded whose frozen linear layers have 4 bits a weight; BadRecipe without bitsandbytes."""
    if recipe.lora.quantization is Quantization.NONE:
        return {}
    if importlib.util.find_spec("bitsandbytes") is None:
        raise BadRecipe(
            "recipe.lora.quantization NF4 needs the package bitsandbytes, which the environment of the workers lacks: "
            "install it there, or leave quantization out.",
            "recipe.lora.quantization",
        )
    from transformers import BitsAndBytesConfig

    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=_held_in(recipe),
        )
    }


def _of_base(folder: Path, dtype: torch.dtype, quantized: dict[str, Any] | None = None) -> Any:
    """Return the base model; BadBaseModel unless each of its tensors has a place, and each place a tensor."""
    try:
        model, info = loader(config_kind(folder)).from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **(quantized or {}),
        )
    except Exception as error:
        kind = config_kind(folder)
        raise BadBaseModel(
            f"The base model ({kind}) could not be loaded: its weights and its config.json do not fit together, or "
            f"its architecture is not known here. Check that it loads with transformers, and upload it again."
        ) from error
    _refuse_partial(info)
    for module in model.modules():
        # Layers in 4 bits are packed in another way for inference on some processors: with other numbers, and not back.
        if hasattr(module, _PACKS):
            setattr(module, _PACKS, False)
    if _caps_attention(model):
        model.set_attn_implementation("eager")
    # Loading ends in evaluation mode; a run that resumes trains in the mode in which it was stopped.
    model.train()
    return model


def _caps_attention(model: Any) -> bool:
    """Return True for architectures that cap attention, as Gemma 2 does: torch's own attention leaves the cap out."""
    return bool(getattr(model.config.get_text_config(), "attn_logit_softcapping", None))


def _refuse_partial(info: dict[str, Any]) -> None:
    """BadBaseModel when transformers drew weights at random, or left some out, where it only warns."""
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if names := sorted(map(str, info.get(kind, ()))):
            raise BadBaseModel(
                f"The base model's weights are not those of its architecture: {kind.removesuffix('_keys')} are "
                f"{', '.join(names[:_SOME])}. Save the model again with transformers, and upload it.",
                "WEIGHTS_MISMATCH",
            )


def config_kind(folder: Path) -> str:
    """The model type that config.json states; "unknown": none."""
    try:
        return str(json.loads((folder / "config.json").read_text())["model_type"])
    except (OSError, ValueError, KeyError):
        return "unknown"


def loader(kind: str) -> Any:
    """Return the class that makes and loads models of this type."""
    if kind == "llama":
        return LlamaForCausalLM
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM


def _with_adapter(model: Any, recipe: Recipe, adapter: Path) -> Any:
    """Return the model with a new adapter, or with the one in `adapter` to continue.

    A new one is on every linear layer of the decoder, whatever their names, and on none of the head.
    """
    from peft import LoraConfig, get_peft_model

    of_rewards = recipe.objective is Objective.REWARD_MODEL
    if adapter.exists():
        return _trainable(_adapted_with_head(model, adapter) if of_rewards else _adapted(model, adapter))
    config = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora.alpha or 2 * recipe.lora_rank,
        lora_dropout=recipe.lora.dropout,
        use_rslora=recipe.lora.rank_stabilized,
        use_dora=recipe.lora.dora,
        target_modules=_targets(model, recipe.lora.targets),
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        task_type="SEQ_CLS" if of_rewards else "CAUSAL_LM",
        modules_to_save=[reward_models.HEAD] if of_rewards else None,
    )
    return _trainable(get_peft_model(model, config))


def _targets(model: Any, names: tuple[str, ...]) -> str | list[str]:
    """Return the layers that get an adapter; BadRecipe for a name that no linear layer of the decoder has."""
    if not names:
        return "all-linear"
    linear = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and module is not model.get_output_embeddings()
    }
    if unknown := sorted(set(names) - linear):
        raise BadRecipe(
            f"recipe.lora.targets names {', '.join(unknown[:_SOME])}, which {model.config.model_type} does not have: "
            f"choose of {', '.join(sorted(linear))}.",
            "recipe.lora.targets",
        )
    return sorted(names)


def _adapted(model: Any, adapter: Path) -> Any:
    """Return the model with the adapter in a directory, which trains; BadBaseModel if they do not fit together."""
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of keys without a place, which are refused here, and of adapted heads
        _extend_for(model, adapter)
        try:
            adapted = PeftModel.from_pretrained(model, adapter, is_trainable=True, local_files_only=True)
        except RuntimeError as error:
            if "size mismatch" not in str(error):
                raise
            raise BadBaseModel(
                "The adapter does not match its base model: its tensors have other sizes. Upload an adapter that was "
                "trained on this base.",
                "WEIGHTS_MISMATCH",
            ) from error
        _refuse_strange(adapted, adapter)
    return adapted


def _extend_for(model: Any, adapter: Path) -> None:
    """Give the model the rows of the copies of embeddings or output layer that an adapter with new tokens holds."""
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    names = {f"base_model.model.{name}.weight" for name, module in model.named_modules() if module in ends}
    with safe_open(adapter / ADAPTER_WEIGHTS, framework="pt") as tensors:
        copies = names & set(tensors.keys())
        rows = max((int(tensors.get_slice(name).get_shape()[0]) for name in copies), default=0)
    if rows > ends[0].weight.shape[0]:
        model.resize_token_embeddings(rows, mean_resizing=False)


def _adapted_with_head(model: Any, adapter: Path) -> Any:
    """Return a model with a head for rewards and the adapter of a language model: both train, and are one adapter."""
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    config = LoraConfig.from_pretrained(adapter)
    config.task_type, config.modules_to_save, config.inference_mode = "SEQ_CLS", [reward_models.HEAD], False
    config.base_model_name_or_path = None
    adapted = get_peft_model(model, config)
    weights = load_file(adapter / ADAPTER_WEIGHTS)
    places = {name for name in get_peft_model_state_dict(adapted) if f".{reward_models.HEAD}." not in name}
    _refuse_names(sorted(set(weights) ^ places))
    head = {name: each for name, each in get_peft_model_state_dict(adapted).items() if name not in places}
    set_peft_model_state_dict(adapted, {**weights, **head})
    return adapted


def _merged(model: Any, adapter: Path) -> Any:
    """Return the whole model that a base is with an adapter: all of its weights are trained."""
    whole = merged(_adapted(model, adapter))
    for parameter in whole.parameters():
        parameter.requires_grad_(True)
    return whole


def merged(adapted: Any) -> Any:
    """Return the whole model that an adapted one is."""
    _untie(adapted.get_base_model())
    with warnings.catch_warnings():
        # Of copies of tied ends, which peft unties in the configuration as well.
        warnings.simplefilter("ignore")
        return adapted.merge_and_unload()


def _untie(model: Any) -> None:
    """Give the output layer weights of its own if an adapter is on it or on the embeddings that it shares."""
    ends = model.get_output_embeddings(), model.get_input_embeddings()
    head, embeddings = (getattr(end, "base_layer", end) for end in ends)
    if (head, embeddings) != ends and head.weight is embeddings.weight:
        head.weight = nn.Parameter(head.weight.detach().clone())
        model.config.tie_word_embeddings = False


def _refuse_strange(model: Any, adapter: Path) -> None:
    """BadBaseModel when tensors of the adapter's file have no place in its base, which peft only warns of."""
    from peft import get_peft_model_state_dict

    with safe_open(adapter / ADAPTER_WEIGHTS, framework="pt") as tensors:
        written, places = set(tensors.keys()), set(get_peft_model_state_dict(model))
    # Of an adapted output layer peft writes the base's weights too by default: the base holds them.
    _refuse_names(sorted((written - places) | {each for each in places - written if _BASE_LAYER not in each}))


def _refuse_names(strange: list[str]) -> None:
    """BadBaseModel if there are tensors without a place, or places without a tensor."""
    if strange:
        raise BadBaseModel(
            f"The adapter does not match its base model: {', '.join(strange[:_SOME])}. Upload an adapter that was "
            "trained on this base.",
            "WEIGHTS_MISMATCH",
        )


def _trainable(model: Any) -> Any:
    """Return the model if it has weights to train; BadBaseModel otherwise."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise BadBaseModel(
            "The base model has no linear layer that an adapter can change: choose the method CONTINUE.",
            "NO_LINEAR_LAYER",
        )
    return model
