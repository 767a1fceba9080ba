"""Networks from tokens to outputs, by config: encoders of transformers, CNN, recurrent networks, bag of embeddings.

A network reads `ids`, (texts, tokens), padded on the right, and `lengths`, (texts), and returns (texts, outputs). The
outputs of a text do not depend on how far it is padded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ratoon.classical.errors import BadArtifact


class Network(StrEnum):
    """Architecture of a model."""

    ENCODER = "ENCODER"
    CNN = "CNN"
    RNN = "RNN"
    LSTM = "LSTM"
    GRU = "GRU"
    MLP = "MLP"


ENCODERS = ("bert", "distilbert", "modernbert")
"""Kinds of encoders of transformers that are loaded: none of them runs code of a model's directory."""
_MAX_SIZE = 1 << 20


@dataclass(frozen=True)
class Shape:
    """Sizes of a network, and what it reads."""

    network: Network = Network.CNN
    vocab_size: int = 8192
    hidden_size: int = 128
    layers: int = 1
    max_tokens: int = 256
    widths: tuple[int, ...] = (3, 4, 5)
    bidirectional: bool = True
    activation: str = "relu"
    dropout: float = 0.3
    pad: int = 0
    """Id of the token that fills rows."""
    encoder: Mapping[str, Any] = field(default_factory=dict)
    """Configuration of an encoder, as transformers writes it."""

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object that `parse` reads."""
        return {**asdict(self), "widths": list(self.widths), "encoder": dict(self.encoder)}

    @staticmethod
    def parse(value: Mapping[str, Any]) -> Shape:
        """Return the shape in a JSON object; BadArtifact if it describes no network."""
        try:
            shape = Shape(
                **{
                    **value,
                    "network": Network(value["network"]),
                    "widths": tuple(int(width) for width in value["widths"]),
                }
            )
            sizes = (shape.vocab_size, shape.hidden_size, shape.layers, shape.max_tokens, *shape.widths)
            known = all(type(size) is int and 0 < size <= _MAX_SIZE for size in sizes)
            known = known and shape.activation in _ACTIVATIONS and 0 <= shape.dropout < 1
            known = known and 0 <= shape.pad < shape.vocab_size and isinstance(shape.encoder, Mapping)
        except (KeyError, TypeError, ValueError) as error:
            raise BadArtifact(
                f"The shape of the network is damaged: {error}. Train the model again."
            ) from None
        if not known:
            raise BadArtifact(
                "The shape of the network has sizes that no network has. Train the model again."
            )
        return shape


_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}
_RECURRENT: dict[Network, type[nn.RNN | nn.LSTM | nn.GRU]] = {
    Network.RNN: nn.RNN,
    Network.LSTM: nn.LSTM,
    Network.GRU: nn.GRU,
}


def build(shape: Shape, outputs: int) -> nn.Module:
    """Return a network with as many outputs; its weights are those of torch, or of transformers, by default."""
    if shape.network is Network.ENCODER:
        return Encoder(shape, outputs)
    if shape.network is Network.CNN:
        return Convolutions(shape, outputs)
    if shape.network is Network.MLP:
        return BagOfEmbeddings(shape, outputs)
    return Recurrent(shape, outputs)


class Convolutions(nn.Module):  # type: ignore[misc]
    """Convolutions over tokens, their maxima over the text, and a linear head (Kim 2014, arXiv:1408.5882)."""

    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        size = shape.hidden_size
        self.embedding = nn.Embedding(shape.vocab_size, size, padding_idx=shape.pad)
        self.convolutions = nn.ModuleList(nn.Conv1d(size, size, width) for width in shape.widths)
        self.activation = _ACTIVATIONS[shape.activation]()
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(size * len(shape.widths), outputs)
        self._widths, self._pad = shape.widths, shape.pad

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the outputs; windows that begin behind a text are left out."""
        lacking = max(self._widths) - ids.shape[1]
        if lacking > 0:
            ids = nn.functional.pad(ids, (0, lacking), value=self._pad)
        vectors = self.dropout(self.embedding(ids)).transpose(1, 2)
        pooled = []
        for width, convolution in zip(self._widths, self.convolutions, strict=True):
            values = self.activation(convolution(vectors))
            windows = (lengths - width + 1).clamp(min=1)
            pooled.append(_maxima(values.transpose(1, 2), windows))
        outputs: Tensor = self.head(self.dropout(torch.cat(pooled, dim=1)))
        return outputs


class Recurrent(nn.Module):  # type: ignore[misc]
    """A recurrent network, the maxima of its states over the text, and a linear head."""

    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        size = shape.hidden_size
        self.embedding = nn.Embedding(shape.vocab_size, size, padding_idx=shape.pad)
        self.cells = _RECURRENT[shape.network](
            size,
            size,
            shape.layers,
            batch_first=True,
            bidirectional=shape.bidirectional,
            dropout=shape.dropout if shape.layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(size * (2 if shape.bidirectional else 1), outputs)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the outputs; the backward direction begins at the last token of each text."""
        vectors = self.dropout(self.embedding(ids))
        packed = pack_padded_sequence(vectors, lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.cells(packed)[0], batch_first=True)
        outputs: Tensor = self.head(self.dropout(_maxima(states, lengths)))
        return outputs


class BagOfEmbeddings(nn.Module):  # type: ignore[misc]
    """Hidden layers over the mean of the vectors of tokens, and a linear head."""

    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        size = shape.hidden_size
        self.embedding = nn.Embedding(shape.vocab_size, size, padding_idx=shape.pad)
        self.hidden = nn.ModuleList(nn.Linear(size, size) for _ in range(shape.layers))
        self.activation = _ACTIVATIONS[shape.activation]()
        self.dropout = nn.Dropout(shape.dropout)
        self.head = nn.Linear(size, outputs)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the outputs; padding is left out of the mean."""
        vectors = self.embedding(ids) * _mask(ids.shape[1], lengths)[:, :, None]
        values = self.dropout(vectors.sum(dim=1) / lengths[:, None])
        for layer in self.hidden:
            values = self.dropout(self.activation(layer(values)))
        outputs: Tensor = self.head(values)
        return outputs


class Encoder(nn.Module):  # type: ignore[misc]
    """An encoder of transformers with its head for sequences."""

    def __init__(self, shape: Shape, outputs: int) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModelForSequenceClassification

        stated = {name: value for name, value in shape.encoder.items() if name not in _NOT_STATED}
        kind = stated.pop("model_type", "")
        if kind not in ENCODERS:
            raise BadArtifact(
                f"{kind!r} is none of the encoders {', '.join(ENCODERS)}: train on one of them."
            )
        config = AutoConfig.for_model(kind, **stated, num_labels=outputs)
        if kind == "modernbert":
            config.reference_compile = False
        self.model = AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa")

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the outputs; attention leaves padding out."""
        mask = _mask(ids.shape[1], lengths).to(torch.long)
        outputs: Tensor = self.model(input_ids=ids, attention_mask=mask).logits
        return outputs


_NOT_STATED = frozenset(
    {
        *("id2label", "label2id", "num_labels", "problem_type", "dtype", "torch_dtype"),
        *("auto_map", "architectures", "transformers_version", "_name_or_path", "quantization_config"),
    }
)
"""Fields of a configuration that the task decides, or that could name code."""


def head_names(module: nn.Module) -> tuple[str, ...]:
    """Return the names of the weights and the biases whose rows are outputs."""
    if isinstance(module, Encoder):
        names = [name for name, _ in module.named_parameters() if name.startswith("model.classifier.")]
        return tuple(names)
    return ("head.weight", "head.bias")


def _mask(width: int, lengths: Tensor) -> Tensor:
    """Return 1 where a row has a token of its text, (texts, tokens)."""
    return (torch.arange(width, device=lengths.device)[None, :] < lengths[:, None]).to(torch.float32)


def _maxima(values: Tensor, counts: Tensor) -> Tensor:
    """Return the maxima over the first `counts` places of values (texts, places, columns)."""
    outside = torch.arange(values.shape[1], device=counts.device)[None, :] >= counts[:, None]
    return values.masked_fill(outside[:, :, None], float("-inf")).amax(dim=1)
