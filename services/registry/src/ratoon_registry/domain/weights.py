"""Weights of a model as people look at them: tensors with their shapes, and neighbours of tokens."""

import re
from dataclasses import dataclass
from math import prod

MAX_NEIGHBOURS = 100
USUAL_NEIGHBOURS = 10


@dataclass(frozen=True)
class Layer:
    """A tensor; `trained` is false for one of the base model of an adapter."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    trained: bool = True

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return prod(self.shape)


@dataclass(frozen=True)
class Summary:
    """All tensors of a model, in the order of their names, with the class of the model and the size in bytes."""

    architecture: str
    layers: tuple[Layer, ...]
    size_bytes: int

    @property
    def parameters(self) -> int:
        """Number of parameters, those of a base model included."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def trained_parameters(self) -> int:
        """Number of parameters of the version itself."""
        return sum(layer.parameters for layer in self.layers if layer.trained)


@dataclass(frozen=True)
class Neighbour:
    """A token as the vocabulary writes it, its number, and the cosine of its embedding with that of another token."""

    token: str
    token_id: int
    cosine: float


def by_name(layer: Layer) -> tuple[bool, list[tuple[int, str]]]:
    """Return the key that orders layers by name, numbers in them as numbers; those of a base model come first."""
    parts = re.split(r"(\d+)", layer.name)
    return layer.trained, [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def token_id(token: str, vocabulary: dict[str, int]) -> int | None:
    """Return the number of a token: as a whole word, else as it is written; None: there is none.

    Marks are those of byte-level tokenizers (`Ġ`), of SentencePiece (`▁`), and of WordPiece within words (`##`).
    """
    space, word = ("Ġ", "▁"), token.strip(" ")
    candidates = [*(f"{mark}{word}" for mark in space), token, word, f"##{word}"]
    return next((vocabulary[each] for each in candidates if each in vocabulary), None)
