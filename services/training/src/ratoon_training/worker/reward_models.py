"""Reward models: a causal language model whose output layer is one number, read at the last token of a conversation.

Such a model is a `…ForSequenceClassification` of transformers with one label, so that other tools load it. A new head
is on the hidden states of the base; an adapter holds its head with it. It does not know how rewards are learned.
"""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ratoon.storage.models import base_digest
from ratoon_training.domain.errors import BadBaseModel
from ratoon_training.domain.initialisation import LINEAR_DEVIATION
from ratoon_training.worker.corpus import Batch
from ratoon_training.worker.text import Speech, of_base

HEAD = "score"
"""Name of the output layer of a reward model, as transformers names it."""


def with_head(causal: Any, pad: int | None) -> Any:
    """Return a language model with a new head for rewards in the place of its output layer.

    `pad` is the token that other tools fill rows with; None: they read one row at a time.
    """
    from transformers import AutoModelForSequenceClassification

    config = causal.config
    config.num_labels, config.pad_token_id = 1, pad
    try:
        with torch.device("meta"):
            model = AutoModelForSequenceClassification.from_config(config)
        head, prefix = getattr(model, HEAD), model.base_model_prefix
        decoder = getattr(causal, prefix)
        known = isinstance(decoder, type(getattr(model, prefix))) and isinstance(head, nn.Linear)
    except (ValueError, AttributeError):
        known = False
    if not known:
        raise BadBaseModel(
            f"The architecture {config.model_type} has no head for rewards in transformers: choose a base model of "
            "another architecture, for example llama, qwen2 or qwen3.",
            "ARCHITECTURE_UNKNOWN",
        )
    setattr(model, prefix, decoder)
    setattr(model, HEAD, nn.Linear(head.in_features, 1, bias=False))
    nn.init.normal_(getattr(model, HEAD).weight, std=LINEAR_DEVIATION)
    model.train()
    return model


def fetched(folder: Path, digest: str) -> tuple[Speech, Any]:
    """Return tokenizer and model of an artifact that `fetch_model` has put into `folder`."""
    path = folder / digest
    base = base_digest(path)
    return of_base(path), load(path, folder / base if base else None)


def load(folder: Path, base: Path | None = None) -> Any:
    """Return a published reward model; of an adapter, with its base. BadBaseModel if it is another model."""
    from transformers import AutoModelForSequenceClassification

    if base is not None:
        return _adapted(folder, base)
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder,
            dtype=torch.float32,
            num_labels=1,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:
        raise _no_reward_model() from error
    if any(info.get(kind) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")):
        raise _no_reward_model()
    return model.eval()


def _adapted(folder: Path, base: Path) -> Any:
    from peft import LoraConfig, PeftModel
    from transformers import AutoConfig, AutoModelForSequenceClassification

    if HEAD not in (LoraConfig.from_pretrained(folder).modules_to_save or ()):
        raise _no_reward_model()
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the base's output layer, which has no place, and of the new head
        whole = AutoModelForSequenceClassification.from_pretrained(
            base, config=config, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
        return PeftModel.from_pretrained(whole, folder, local_files_only=True).get_base_model().eval()


def rewards(model: Any, batch: Batch) -> Tensor:
    """Return the reward of each sample in a batch: (samples,)."""
    states = model.get_decoder()(input_ids=batch.ids, use_cache=False).last_hidden_state
    rows = torch.arange(batch.rows, device=states.device)
    values: Tensor = getattr(model, HEAD)(states[rows, batch.lengths - 1])
    return values.float().squeeze(1)


def _no_reward_model() -> BadBaseModel:
    return BadBaseModel(
        "The artifact is no reward model: name the artifact of a run with the objective REWARD_MODEL.",
        "NOT_A_REWARD_MODEL",
    )
