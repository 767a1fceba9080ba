"""A small neural model: from texts to answers with probabilities, and its files.

An artifact is a directory: `neural.json` (task, shape, seed), `model.safetensors` and `tokenizer.json`. Nothing is
pickled, and no code of the directory runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from tokenizers import Tokenizer
from torch import Tensor, nn

from ratoon.classical.errors import BadArtifact
from ratoon.classical.model import Answers, Task, task_of_json
from ratoon.neural.networks import Shape, build
from ratoon.storage.models import NEURAL_CONFIG
from ratoon.tasks import regress
from ratoon.tasks.classify import Classify
from ratoon.tasks.regress import Regress

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
FORMAT = 1
"""Version of the artifact."""
CHARACTERS_A_TOKEN = 16
"""Characters of a text that are read for each token of `max_tokens`."""
MIN_SHARE = 1e-12
"""Smallest probability, so that its logarithm is finite."""
_BATCH_TOKENS = 16_384
_MAX_BYTES = 1 << 30

JSON = dict[str, Any]


@dataclass(frozen=True)
class About:
    """Facts about a model."""

    task: Task
    shape: Shape
    mean: float = 0.0
    deviation: float = 1.0
    """Numbers of the training part: an output of 0 is the mean, one of 1 is a standard deviation above it."""
    seed: int = 0
    records: int = 0
    """Records of the last training."""

    @property
    def outputs(self) -> int:
        """Number of outputs: the labels in the order of the task, or a number."""
        return len(self.task.labels) if isinstance(self.task, Classify) else 1


class TextReader:
    """Texts to ids: the same in training, evaluation and serving."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        self._tokenizer, self._max_tokens = tokenizer, max_tokens
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens, direction="right")
        # Marks such as [SEP] in a text are a text's words, not the marks themselves.
        tokenizer.encode_special_tokens = True

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, its first `max_tokens` tokens with the marks of the tokenizer; never none."""
        cut = [text[: CHARACTERS_A_TOKEN * self._max_tokens] for text in texts]
        return [each.ids or [0] for each in self._tokenizer.encode_batch(cut)]


def rows_of(ids: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Return ids as a matrix that is padded on the right, (texts, tokens), and the lengths of the texts."""
    lengths = torch.tensor([len(each) for each in ids], dtype=torch.long)
    matrix = torch.full((len(ids), int(lengths.max())), pad, dtype=torch.long)
    for row, each in enumerate(ids):
        matrix[row, : len(each)] = torch.tensor(each, dtype=torch.long)
    return matrix, lengths


class NeuralModel:
    """A model with all that it needs to answer."""

    reads_rows = False
    """It reads texts, not rows of a table."""

    def __init__(self, about: About, module: nn.Module, tokenizer: Tokenizer) -> None:
        self.about, self.module, self.tokenizer = about, module, tokenizer
        self.reader = TextReader(tokenizer, about.shape.max_tokens)

    @property
    def task(self) -> Task:
        """Return the task that it answers."""
        return self.about.task

    @property
    def parameters(self) -> int:
        """Return the number of its weights."""
        return sum(each.numel() for each in self.module.parameters())

    @property
    def library(self) -> str:
        """Return the library that its card names."""
        return "pytorch"

    def answer(self, texts: Sequence[str]) -> Answers:
        """Return the answers to texts, with the log-probabilities of labels."""
        if not texts:
            return Answers(())
        return answers_of(self.about, self.outputs(self.reader.ids(texts)))

    def outputs(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Return the outputs of texts, (texts, outputs), on the CPU; texts of similar length are computed together."""
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        device = next(self.module.parameters()).device
        result = torch.empty((len(ids), self.about.outputs))
        was_training = self.module.training
        self.module.eval()
        with torch.inference_mode():
            for batch in _batches(order, ids):
                rows, lengths = rows_of([ids[place] for place in batch], self.about.shape.pad)
                result[batch] = self.module(rows.to(device), lengths.to(device)).float().cpu()
        self.module.train(was_training)
        return result

    def files(self) -> dict[str, bytes]:
        """Return the artifact: equal models give equal bytes."""
        about = self.about
        stated = {
            "format": FORMAT,
            "task": vars(about.task),
            "network": about.shape.network.value,
            "shape": about.shape.as_json(),
            "mean": about.mean,
            "deviation": about.deviation,
            "seed": about.seed,
            "records": about.records,
        }
        weights = {name: value.cpu().contiguous() for name, value in self.module.state_dict().items()}
        self.tokenizer.no_truncation()
        tokenizer = self.tokenizer.to_str(pretty=False)
        self.reader = TextReader(self.tokenizer, about.shape.max_tokens)
        return {
            NEURAL_CONFIG: (json.dumps(stated, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode(),
            WEIGHTS: save_tensors(weights),
            TOKENIZER: tokenizer.encode(),
        }

    def save(self, folder: Path) -> None:
        """Write the artifact into a directory."""
        for name, data in self.files().items():
            (folder / name).write_bytes(data)

    @staticmethod
    def load(folder: Path) -> NeuralModel:
        """Return the model of a directory; BadArtifact if it is none."""
        names = (NEURAL_CONFIG, WEIGHTS, TOKENIZER)
        return NeuralModel.of_files(
            {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}
        )

    @staticmethod
    def of_files(files: Mapping[str, bytes]) -> NeuralModel:
        """Return the model of an artifact's files by name; BadArtifact if they are none."""
        about = _about(_object(files))
        try:
            weights = load_tensors(_file(files, WEIGHTS))
            with torch.device("meta"):  # sizes are compared before memory is taken for them
                expected = build(about.shape, about.outputs).state_dict()
            _check_sizes(expected, weights)
            module = build(about.shape, about.outputs)
            module.load_state_dict(weights, strict=True)
        except BadArtifact:
            raise
        except Exception as error:  # a configuration of transformers may fail anywhere
            raise BadArtifact(
                f"{WEIGHTS} does not go with {NEURAL_CONFIG}: {_first_line(error)}. Train the model again."
            ) from None
        if not all(
            torch.isfinite(each).all() for each in module.state_dict().values() if each.is_floating_point()
        ):
            raise BadArtifact(f"{WEIGHTS} holds numbers that are not finite. Train the model again.")
        model = NeuralModel(about, module.eval(), _tokenizer(files, about.shape))
        _check_fit(model)
        return model


def answers_of(about: About, outputs: Tensor) -> Answers:
    """Return the answers of outputs, (texts, outputs)."""
    task = about.task
    if isinstance(task, Regress):
        low = task.min if task.min is not None else -math.inf
        high = task.max if task.max is not None else math.inf
        values = outputs[:, 0].double().numpy() * about.deviation + about.mean
        return Answers(
            tuple(regress.format_number(float(f"{value:.6g}")) for value in np.clip(values, low, high))
        )
    if task.multi_label:
        shares = outputs.double().sigmoid().clamp(MIN_SHARE, 1.0).numpy()
        # A record has a label: where none is likelier than not, the likeliest one.
        own = shares > np.minimum(0.5, np.nextafter(shares.max(axis=1), 0))[:, None]
        texts = [
            "\n".join(label for label, is_one in zip(task.labels, row, strict=True) if is_one) for row in own
        ]
    else:
        shares = outputs.double().softmax(dim=1).clamp(MIN_SHARE, 1.0).numpy()
        texts = [task.labels[place] for place in shares.argmax(axis=1)]
    return Answers(tuple(texts), np.log(shares))


def labels_by_id(task: Classify) -> dict[str, str]:
    """Return the labels by output, as configurations of transformers name them."""
    return {str(place): label for place, label in enumerate(task.labels)}


def with_task(model: NeuralModel, task: Task) -> About:
    """Return the description of a model for a task of the same kind; ValueError if it is of another one."""
    own = model.task
    same = type(own) is type(task) and getattr(own, "multi_label", False) == getattr(
        task, "multi_label", False
    )
    if not same:
        raise ValueError("it answers another kind of task")
    return replace(model.about, task=task)


def _check_sizes(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    """Raise BadArtifact unless the weights have the names and the sizes of the network."""
    differing = [
        name
        for name in sorted({*expected, *weights})
        if name not in expected or name not in weights or expected[name].shape != weights[name].shape
    ]
    if differing:
        raise BadArtifact(
            f"{WEIGHTS} and {NEURAL_CONFIG} differ in {differing[0]}: copy the files of one model together, or train "
            "it again."
        )


def _batches(order: Sequence[int], ids: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the texts of each computation, so that no one has more than a bound of tokens with its padding."""
    batches: list[list[int]] = []
    for place in order:
        if batches and (len(batches[-1]) + 1) * len(ids[place]) <= _BATCH_TOKENS:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches


def _about(value: JSON) -> About:
    if value.get("format") != FORMAT:
        raise BadArtifact(
            f"{NEURAL_CONFIG} is of the format {value.get('format')!r}, this release reads {FORMAT}: upgrade Ratoon, "
            "or train the model again."
        )
    try:
        about = About(
            task_of_json(value["task"]),
            Shape.parse(value["shape"]),
            float(value["mean"]),
            float(value["deviation"]),
            int(value["seed"]),
            int(value["records"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadArtifact(f"{NEURAL_CONFIG} is damaged: {error}. Train the model again.") from None
    named = about.shape.encoder.get("id2label")
    if isinstance(about.task, Classify) and named not in (None, labels_by_id(about.task)):
        raise BadArtifact(
            f"The labels of the encoder in {NEURAL_CONFIG} are not those of its task in their order: copy the file "
            "again, or train the model again."
        )
    if not math.isfinite(about.mean) or not math.isfinite(about.deviation) or about.outputs < 1:
        raise BadArtifact(f"{NEURAL_CONFIG} holds numbers that are not finite. Train the model again.")
    return about


def _tokenizer(files: Mapping[str, bytes], shape: Shape) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_str(_file(files, TOKENIZER).decode())
    except Exception as error:  # tokenizers raises Exception itself
        raise BadArtifact(f"{TOKENIZER} is damaged: {_first_line(error)}. Train the model again.") from None
    if max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0) >= shape.vocab_size:
        raise BadArtifact(
            f"{TOKENIZER} has tokens that the model has no vector for. Copy the files of one model together."
        )
    return tokenizer


def _check_fit(model: NeuralModel) -> None:
    """Raise BadArtifact unless the parts of a model belong together: it answers texts."""
    try:
        model.answer(["text", ""])
    except Exception as error:
        raise BadArtifact(
            f"The files of the model do not fit together: {_first_line(error)}. Train the model again."
        ) from error


def _object(files: Mapping[str, bytes]) -> JSON:
    try:
        value = json.loads(_file(files, NEURAL_CONFIG))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadArtifact(f"{NEURAL_CONFIG} holds no JSON object. Train the model again.")
    return value


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise BadArtifact(f"{name} is missing. Train the model again, or copy all of its files.")
    if len(files[name]) > _MAX_BYTES:
        raise BadArtifact(f"{name} has more than a gibibyte: a small model has less.")
    return files[name]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
