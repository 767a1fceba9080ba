"""A Hugging Face directory, or the adapter alone, read again by transformers and peft."""

import shutil
import warnings
from importlib.metadata import version
from pathlib import Path

import torch

from ratoon.neural.parity.forms import load
from ratoon.neural.parity.links import first_finding
from ratoon.neural.parity.numbers import score
from ratoon.storage.model_tree import ADAPTER_WEIGHTS, TEMPLATE
from ratoon.storage.models import ADAPTER_CONFIG, ModelFolder
from ratoon_training.domain.errors import BadModelExport
from ratoon_training.worker.exporting.exporter import Written, safetensors_counts
from ratoon_training.worker.exporting.source import Source, load_tokenizer, write_defaults, write_directory

_SPOKEN = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


class HuggingFaceExporter:
    """Writes a directory that transformers, peft and vLLM read, and the converter of llama.cpp."""

    def export(self, source: Source, folder: Path) -> Written:
        """Write the directory and load it as a user does."""
        write_directory(source, folder)
        loaded = load(ModelFolder(folder))
        loaded.model.set_attn_implementation(source.model.config._attn_implementation)
        notes = [] if not source.is_adapter else ["The adapter is merged into its base model, in float32."]
        if not (folder / TEMPLATE).exists() and not load_tokenizer(folder).chat_template:
            notes.append("The model has no chat template: prompts are plain texts.")
        return Written(
            "float32",
            f"transformers {version('transformers')}",
            score(loaded.model, source.reference),
            first_finding(source.form, loaded, "float32"),
            safetensors_counts(folder),
            notes,
            same_program=True,
        )


class AdapterExporter:
    """Writes the adapter alone."""

    def export(self, source: Source, folder: Path) -> Written:
        """Copy the adapter's files and load them on the base model by peft."""
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        base = source.folder.base
        if base is None:
            raise BadModelExport(
                "It is a whole model, which has no adapter: choose another format.", "format"
            )
        for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            shutil.copyfile(source.folder.path / name, folder / name)
        for name in _SPOKEN:
            if (source.spoken / name).exists():
                shutil.copyfile(source.spoken / name, folder / name)
        write_defaults(source, folder)
        model = AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
        model.set_attn_implementation(source.model.config._attn_implementation)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an output layer that the base ties to its embeddings
            loaded = PeftModel.from_pretrained(model, folder, local_files_only=True).eval()
        return Written(
            "float32",
            f"peft {version('peft')}",
            score(loaded, source.reference),
            None,
            safetensors_counts(folder),
            [
                f"The adapter goes with the base model of digest {source.folder.base_digest}: export that one too."
            ],
            same_program=True,
        )
