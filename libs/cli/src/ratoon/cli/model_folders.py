"""Checks of local model directories before the upload: files, weights, tokenizer and chat template of a base model."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ratoon.client import RatoonError
from ratoon.storage.model_tree import TEMPLATE, FolderFiles, inspect_model_tree, is_encoder, partition_files
from ratoon.storage.models import ADAPTER_CONFIG

_RECIPE = "recipe.json"
PLAIN = "plain"
"""Name of the chat template for models that have none."""
_PLAIN_TEMPLATE = """\
{%- for message in messages -%}
{%- if message['role'] == 'assistant' -%}
{{ '### Assistant:\\n' + message['content'] + eos_token + '\\n\\n' }}
{%- else -%}
{{ '### ' + message['role'] | capitalize + ':\\n' + message['content'] + '\\n\\n' }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '### Assistant:\\n' }}
{%- endif -%}
"""
"""Words in place of special tokens, so that any tokenizer renders it; an answer ends with the end token."""
_TEMPLATE_HINT = f" Or upload it with `--chat-template {PLAIN}`."
_ARCHITECTURE_CHECK = "ratoon.engine.architecture"
_CONVERSION = "ratoon.neural.conversion"
_OF_LANGUAGE_MODELS = frozenset({"NOT_CAUSAL_LM", "CHAT_TEMPLATE_MISSING"})
"""Problems of a base model that writes text; an encoder is the base of small neural models alone."""
_PICKLED = (".bin", ".pt", ".pth")
_GGUF = ".gguf"
_ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
"""Variables that a conversion gets: no keys, no addresses."""
_TIMEOUT_S = 600.0


class UnfitModel(RatoonError):
    """The directory does not contain a usable model; the message lists the reasons."""


@dataclass(frozen=True)
class ModelFolderFiles:
    """Files of a directory: those of the model, and those that are skipped."""

    model: tuple[str, ...]
    left_out: tuple[str, ...]
    is_encoder: bool = False
    """True for the base of small neural models (METHOD_NEURAL), which writes no text."""


def checked_model(folder: Path) -> ModelFolderFiles:
    """Check a model or adapter directory; raise UnfitModel with all reasons if it cannot be used."""
    files = FolderFiles(folder)
    inspection = inspect_model_tree(files)
    encoder = is_encoder(inspection.config) and not inspection.is_adapter
    reasons = [
        problem.message + (_TEMPLATE_HINT if problem.reason == "CHAT_TEMPLATE_MISSING" else "")
        for problem in inspection.problems
        if not (encoder and problem.reason in _OF_LANGUAGE_MODELS)
    ]
    if inspection.is_adapter and not _names_base(folder / _RECIPE):
        reasons.append(
            "The adapter does not name its base model. Upload the base model first, and add its digest to "
            f'{_RECIPE} as {{"base_artifact_digest": "…"}}.'
        )
    _refuse(folder, reasons)
    model, left_out = partition_files(files.sizes())
    return ModelFolderFiles(tuple(model), tuple(left_out), encoder)


def check_architecture(folder: Path) -> bool:
    """Compare the tensors of a whole model with its architecture; UnfitModel names those that do not fit.

    Returns False if this machine cannot compare them, as transformers is not installed.
    """
    if (folder / ADAPTER_CONFIG).exists():
        return True
    if not all(map(find_spec, ("torch", "transformers", "ratoon.engine"))):
        return False
    checked = _completed(folder, _ARCHITECTURE_CHECK, str(folder))
    if checked.returncode:
        last = (checked.stderr.strip().splitlines() or [f"exit status {checked.returncode}"])[-1]
        raise UnfitModel(
            f"The weights in {folder.resolve().name} could not be compared with their architecture: {last}"
        )
    _refuse(folder, [problem["message"] for problem in json.loads(checked.stdout)])
    return True


@contextmanager
def with_template(folder: Path, template: str) -> Iterator[Path]:
    """Give a directory with the same model files and this chat template: `plain`, or a Jinja file. Empty: as it is."""
    if not template:
        yield folder
        return
    text = _PLAIN_TEMPLATE if template == PLAIN else _template_file(Path(template))
    with tempfile.TemporaryDirectory(prefix="ratoon-model-") as temporary:
        copy = Path(temporary) / folder.resolve().name
        copy.mkdir()
        for path in folder.iterdir():
            (copy / path.name).symlink_to(path.resolve())
        (copy / TEMPLATE).unlink(missing_ok=True)
        (copy / TEMPLATE).write_text(text, encoding="utf-8")
        yield copy


@contextmanager
def as_safetensors(source: Path) -> Iterator[Path]:
    """Give a directory with safetensors: the same one, or one in which they take the place of pickles or a GGUF file.

    UnfitModel with the reason if they cannot be converted. Conversion is a process of its own, with a time limit.
    """
    if not needs_conversion(source):
        yield source
        return
    if not all(map(find_spec, ("torch", "safetensors", "transformers", "ratoon.neural"))):
        raise UnfitModel(
            f"{source.name} has to be converted to safetensors, which needs torch and transformers: run the command "
            "where Ratoon's workers are installed."
        )
    with tempfile.TemporaryDirectory(prefix="ratoon-model-") as temporary:
        target = Path(temporary) / source.resolve().name.removesuffix(_GGUF)
        target.mkdir()
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment["HF_HUB_OFFLINE"] = "1"
        done = _completed(source, _CONVERSION, str(source.resolve()), str(target), environment=environment)
        answer = json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {}
        if "files" not in answer:
            raise UnfitModel(
                answer.get("error")
                or f"{source.name} could not be converted to safetensors: the converter ended with status "
                f"{done.returncode}. The file may be damaged, or larger than the memory."
            )
        if source.is_dir():
            for path in source.iterdir():
                if path.suffix not in _PICKLED and not path.name.endswith(".bin.index.json"):
                    (target / path.name).symlink_to(path.resolve())
        yield target


def _completed(
    source: Path, module: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Return the end of a module that reads a model; UnfitModel if it takes too long."""
    try:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise UnfitModel(
            f"{source.resolve().name} was not read within {_TIMEOUT_S / 60:.0f} minutes. Upload it from a machine with "
            "more memory or a faster disk."
        ) from None


def needs_conversion(source: Path) -> bool:
    """Return whether a model has no safetensors, but weights that can be converted."""
    if source.is_file():
        return source.suffix == _GGUF
    names = [path.name for path in source.iterdir()]
    return not any(name.endswith(".safetensors") for name in names) and any(
        name.endswith(_PICKLED) for name in names
    )


def _template_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UnfitModel(
            f"The chat template {path} is no text file: name a Jinja file in UTF-8, or `{PLAIN}`."
        ) from None


def _refuse(folder: Path, reasons: Sequence[str]) -> None:
    if reasons:
        listed = "".join(f"\n- {reason}" for reason in reasons)
        raise UnfitModel(
            f"{folder.resolve().name} does not contain a model that can be trained or served:{listed}"
        )


def _names_base(recipe: Path) -> bool:
    try:
        return bool(json.loads(recipe.read_text(encoding="utf-8")).get("base_artifact_digest"))
    except (OSError, ValueError, AttributeError, RecursionError):
        return False
