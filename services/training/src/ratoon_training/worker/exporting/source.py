"""A model to export: loaded in float32, with an adapter merged, and its greedy answers as the reference."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ratoon.neural.parity.forms import Form
from ratoon.neural.parity.numbers import record
from ratoon.storage.model_tree import ADAPTER_WEIGHTS, INDEX, TEMPLATE, WEIGHTS, partition_files
from ratoon.storage.models import ADAPTER_CONFIG, ModelFolder
from ratoon.tasks.parity import Recorded, Scored
from ratoon_training.worker import models

CHATS = (
    "The meeting moves to Monday at ten; please bring the notes of the last review.",
    "Does the invoice of 2024-03-31 say 1,249.50 or 1,294.50?",
    "Übermäßig viele Gäste kamen, 人很多, и все довольны.",
    "I can't open the file; it's damaged.\n\nWhat do I do now?",
    "Write one sentence about rain.",
    "    def f(x):\n        return x + 1",
)
"""Messages of users that are rendered by the chat template."""
_PLAIN = "The new release fixes a leak in the parser and updates the documentation of the"
ANSWER_TOKENS = 16
"""Tokens of each greedy answer."""
_GENERATION = "generation_config.json"
_OWN = frozenset({"recipe.json", "ratoon.json", "training.json", "README.md"})
"""Files for Ratoon alone."""


@dataclass
class Source:
    """Directory of a model, and of its base if it is an adapter."""

    folder: ModelFolder
    work: Path

    @cached_property
    def model(self) -> Any:
        """Return the whole model in float32, with the generation defaults of its own files."""
        from transformers import GenerationConfig

        model = models.whole(self.folder.path, self.folder.base).eval()
        if self.is_adapter and (self.folder.path / _GENERATION).exists():
            model.generation_config = GenerationConfig.from_pretrained(self.folder.path)
        return model

    @cached_property
    def directory(self) -> Path:
        """Return a Hugging Face directory of the whole model, made once."""
        folder = self.work / "hugging-face"
        folder.mkdir(parents=True)
        write_directory(self, folder)
        return folder

    @property
    def is_adapter(self) -> bool:
        """Return whether it is an adapter."""
        return self.folder.base is not None

    @cached_property
    def tokenizer(self) -> Any:
        """Return the tokenizer of the model's own files, with its chat template."""
        tokenizer = load_tokenizer(self.spoken)
        template = self.folder.path / TEMPLATE
        if template.exists():
            tokenizer.chat_template = template.read_text(encoding="utf-8")
        return tokenizer

    @property
    def spoken(self) -> Path:
        """Return the directory with the tokenizer: an adapter may have its own."""
        own = self.folder.path
        return own if (own / "tokenizer.json").exists() else self.folder.whole

    @property
    def end_ids(self) -> list[int]:
        """Return the tokens that end an answer."""
        return end_ids(self.directory, self.tokenizer)

    @cached_property
    def texts(self) -> list[str]:
        """Return the texts of the prompts: chats as the template renders them, and one that breaks off."""
        return [*(rendered(self.tokenizer, chat) for chat in CHATS), _PLAIN]

    @cached_property
    def prompts(self) -> list[list[int]]:
        """Return the prompts as tokens, those that the positions of the model hold; the first one always."""
        ids = [encoded(self.tokenizer, text) for text in self.texts]
        limit = self.positions - ANSWER_TOKENS
        fitting = [each for each in ids if len(each) <= limit] if self.positions else ids
        return fitting or [ids[0][: max(1, limit)]]

    @property
    def positions(self) -> int:
        """Return the number of positions; 0: not stated."""
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", 0) or 0)

    @cached_property
    def form(self) -> Form:
        """Return the model with its tokenizer, as comparisons take it."""
        return Form(self.folder, self.model, self.tokenizer)

    @cached_property
    def reference(self) -> Sequence[Recorded]:
        """Return greedy answers of the model in float32 with their log-probabilities."""
        return record(self.model, self.prompts, ANSWER_TOKENS)


def write_directory(source: Source, folder: Path) -> None:
    """Write the whole model as a Hugging Face directory that its readers need nothing else for."""
    whole = source.folder.whole
    if source.is_adapter:
        source.model.save_pretrained(folder, safe_serialization=True)
        _copy(source.spoken, folder, without_weights=True)
    else:
        _copy(whole, folder, without_weights=False)
    write_defaults(source, folder)


def write_defaults(source: Source, folder: Path) -> None:
    """Write generation defaults and chat template: those of an adapter, else those of its base.

    The defaults name the end tokens, which some readers take from nowhere else.
    """
    for name in (_GENERATION, TEMPLATE):
        for place in (source.folder.path, source.folder.whole):
            if (place / name).exists():
                shutil.copyfile(place / name, folder / name)
                break
    path = folder / _GENERATION
    stated = json.loads(path.read_text()) if path.exists() else {}
    ends = [source.model.config.get_text_config().eos_token_id, source.tokenizer.eos_token_id]
    known = [end for end in ends if end is not None]
    if stated.get("eos_token_id") is None and known:
        path.write_text(json.dumps({**stated, "eos_token_id": known[0]}, indent=2, sort_keys=True) + "\n")


def _copy(place: Path, folder: Path, *, without_weights: bool) -> None:
    names, _ = partition_files(
        path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()
    )
    for name in names:
        is_weight = WEIGHTS.fullmatch(name) or name in (INDEX, ADAPTER_WEIGHTS)
        if (
            name in _OWN
            or name == ADAPTER_CONFIG
            or (without_weights and (is_weight or name == "config.json"))
        ):
            continue
        shutil.copyfile(place / name, folder / name)


def end_ids(folder: Path, tokenizer: Any) -> list[int]:
    """Return the tokens that end an answer, by the generation defaults of a directory."""
    path = folder / _GENERATION
    stated = json.loads(path.read_text()).get("eos_token_id") if path.exists() else None
    stated = tokenizer.eos_token_id if stated is None else stated
    if stated is None:
        return []
    return list(stated) if isinstance(stated, list) else [int(stated)]


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of a directory."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def rendered(tokenizer: Any, chat: str) -> str:
    """Return a chat as the template of the tokenizer renders it; the chat itself if it has none."""
    if not tokenizer.chat_template:
        return chat
    messages = [{"role": "user", "content": chat}]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def encoded(tokenizer: Any, text: str) -> list[int]:
    """Return the tokens of a text that holds its special tokens already."""
    return list(tokenizer.encode(text, add_special_tokens=False))


Logits = Callable[[list[int]], Any]
"""Returns the logits (tokens, vocabulary) of a list of tokens as an array."""


def scored(reference: Sequence[Recorded], logits_of: Logits) -> list[Scored]:
    """Return how another form of the model scores the recorded tokens."""
    rows = []
    for each in reference:
        logits = torch.as_tensor(logits_of([*each.prompt, *each.tokens[:-1]])).float()
        own = logits[len(each.prompt) - 1 :].log_softmax(-1)
        rows.append(
            Scored(
                tuple(own.argmax(-1).tolist()),
                tuple(own[range(len(each.tokens)), list(each.tokens)].tolist()),
            )
        )
    return rows
