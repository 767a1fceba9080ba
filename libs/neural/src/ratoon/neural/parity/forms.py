"""Forms of a model: a loaded torch module with its tokenizer and the directory that it came from."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from ratoon.storage.models import ModelFolder

_TIED = "tie_word_embeddings"


@dataclass(frozen=True)
class Form:
    """A loaded form of a model; an adapter is merged into its base."""

    folder: ModelFolder
    model: Any
    """Torch module with the interface of a causal language model of transformers, in evaluation mode."""
    tokenizer: Any
    missing: tuple[str, ...] = ()
    """Parameters that the files lack; loading made them up."""

    @property
    def is_adapter(self) -> bool:
        """Return whether it is an adapter with its base."""
        return self.folder.base is not None

    @property
    def tied(self) -> bool:
        """Return whether one matrix is both embeddings and output layer."""
        head, embeddings = self.model.get_output_embeddings(), self.model.get_input_embeddings()
        return head is not None and head.weight.data_ptr() == embeddings.weight.data_ptr()

    def tensors(self) -> dict[str, Any]:
        """Return the parameters and the stored buffers by name; the output layer also where it is tied."""
        return dict(self.model.state_dict())

    def base_tensor(self, name: str) -> Any | None:
        """Return a tensor of the base model of an adapter, as it was before the merge; None: it has none."""
        return _stored_tensor(self.folder.base, name)


def load(folder: ModelFolder, dtype: str = "float32") -> Form:
    """Load a directory with transformers, an adapter merged with peft; the libraries' errors if they cannot."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    spoken = folder.path if (folder.path / "tokenizer.json").exists() else folder.whole
    tokenizer = AutoTokenizer.from_pretrained(spoken, local_files_only=True)
    model, info = AutoModelForCausalLM.from_pretrained(
        folder.whole,
        dtype=getattr(torch, dtype),
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
        **dense(folder.whole),
    )
    if folder.base is not None:
        model = _merged(model, folder.path)
    return Form(folder, model.eval(), tokenizer, tuple(sorted(map(str, info.get("missing_keys", ())))))


def dense(folder: Path) -> dict[str, Any]:
    """Return the arguments with which transformers loads compressed weights as numbers; none for other models."""
    stated = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("quantization_config")
    if not isinstance(stated, dict) or stated.get("quant_method") != "compressed-tensors":
        return {}
    from transformers import AutoConfig

    config: Any = AutoConfig.from_pretrained(folder, local_files_only=True)
    config.quantization_config = {**stated, "dequantize": True}
    return {"config": config}


def _merged(base: Any, adapter: Path) -> Any:
    """Merge an adapter; an adapted output layer gets a matrix of its own, as the embeddings keep theirs."""
    import torch
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tied layers
        model = PeftModel.from_pretrained(base, adapter, local_files_only=True)
    whole = model.get_base_model()
    ends = whole.get_output_embeddings(), whole.get_input_embeddings()
    head, embeddings = (getattr(end, "base_layer", end) for end in ends)
    if (head, embeddings) != ends and head.weight is embeddings.weight:
        head.weight = torch.nn.Parameter(head.weight.detach().clone())
        setattr(whole.config, _TIED, False)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of copies of tied ends, which peft unties in the configuration as well
        return model.merge_and_unload()


def _stored_tensor(folder: Path | None, name: str) -> Any | None:
    """Return one tensor of the safetensors files of a directory."""
    if folder is None:
        return None
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as tensors:
            if name in tensors.keys():  # noqa: SIM118
                return tensors.get_tensor(name)
    return None
