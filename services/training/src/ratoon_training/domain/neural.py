"""Recipe of a small neural model: its network, and how it is trained."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ratoon_training.domain.architectures import TokenizerKind

MAX_VOCABULARY = 65_536
MAX_HIDDEN = 2_048
MAX_LAYERS = 24
MAX_READ_TOKENS = 8_192
MAX_WIDTH = 16
MAX_WIDTHS = 8
USUAL_WIDTHS = (3, 4, 5)
SAMPLES_SHOWN = 20_000
"""Samples that a run without a number of epochs shows at most."""
FINE_TUNING_RATE = 5e-5
"""Learning rate of an encoder that was trained before on other texts."""
VOCABULARY = "recipe.neural.vocab_size"
"""Field that limits the tokenizer of a small neural model."""
ENCODER_DROPOUT = 0.1
"""Share of values that a step of an encoder leaves out, where a request states none."""
USUAL_DECAY, EPOCHS_WITHOUT_GAIN = 0.01, 3
"""Decoupled weight decay, and epochs without a gain after which a run ends, where a request states none."""
_RATE, _ENCODER_RATE = 1e-3, 5e-4


class Network(StrEnum):
    """Architecture of a small neural model."""

    ENCODER = "ENCODER"
    CNN = "CNN"
    RNN = "RNN"
    LSTM = "LSTM"
    GRU = "GRU"
    MLP = "MLP"

    @property
    def is_recurrent(self) -> bool:
        """Return True if it reads one token after the other."""
        return self in (Network.RNN, Network.LSTM, Network.GRU)


class EncoderKind(StrEnum):
    """Kind of an encoder of transformers."""

    BERT = "BERT"
    DISTILBERT = "DISTILBERT"
    MODERNBERT = "MODERNBERT"


class Activation(StrEnum):
    """Function after hidden layers."""

    RELU = "RELU"
    GELU = "GELU"
    TANH = "TANH"


class ClassWeights(StrEnum):
    """Weights of labels in the loss."""

    NONE = "NONE"
    BALANCED = "BALANCED"


@dataclass(frozen=True)
class Neural:
    """Network of a small neural model. Zeros and None take the default of the network."""

    network: Network = Network.CNN
    encoder: EncoderKind = EncoderKind.BERT
    vocab_size: int = 0
    hidden_size: int = 0
    layers: int = 0
    heads: int = 0
    max_tokens: int = 0
    widths: tuple[int, ...] = ()
    bidirectional: bool | None = None
    activation: Activation = Activation.RELU
    class_weights: ClassWeights = ClassWeights.NONE
    tokenizer: TokenizerKind = TokenizerKind.BYTE_BPE
    any_base: bool = False
    """True: begin from scratch if the base is neither a neural model of the task nor an encoder."""

    @property
    def usual_rate(self) -> float:
        """Return the learning rate of a model from scratch."""
        return _ENCODER_RATE if self.network is Network.ENCODER else _RATE

    @property
    def usual_dropout(self) -> float:
        """Return the share of values that a step of a model from scratch leaves out."""
        return ENCODER_DROPOUT if self.network is Network.ENCODER else 0.3

    def complete(self) -> "Neural":
        """Return these settings with the defaults of the network in place of zeros and None."""
        is_encoder = self.network is Network.ENCODER
        return replace(
            self,
            vocab_size=self.vocab_size or 8192,
            hidden_size=self.hidden_size or (64 if self.network is Network.CNN else 128),
            layers=self.layers or (2 if is_encoder else 1),
            heads=self.heads or 4,
            max_tokens=self.max_tokens or 256,
            widths=self.widths or USUAL_WIDTHS,
            bidirectional=True if self.bidirectional is None else self.bidirectional,
        )

    @property
    def parameters(self) -> int:
        """Return about how many weights a model from scratch has."""
        positions = self.max_tokens if self.network is Network.ENCODER else 0
        return (self.vocab_size + positions) * self.hidden_size + self.computed_parameters

    @property
    def computed_parameters(self) -> int:
        """Return about how many weights each token is multiplied with: all but the vectors of tokens and positions."""
        square = self.hidden_size**2
        match self.network:
            case Network.CNN:
                return sum(self.widths) * square
            case Network.MLP:
                return self.layers * square
            case Network.ENCODER:
                return self.layers * 12 * square
        gates = {Network.LSTM: 4, Network.GRU: 3}.get(self.network, 1)
        return self.layers * gates * 2 * square * (3 if self.bidirectional else 1)

    def activation_floats(self, batch_size: int) -> int:
        """Return about how many numbers a step keeps for its backward pass."""
        width = {Network.CNN: 2 * len(self.widths), Network.ENCODER: 20 * self.layers, Network.MLP: 2}
        each = width.get(self.network, 12 * self.layers)
        attention = self.layers * self.heads * self.max_tokens if self.network is Network.ENCODER else 0
        return batch_size * self.max_tokens * (each * self.hidden_size + attention)

    @staticmethod
    def parse(value: dict[str, Any]) -> "Neural":
        """Return the settings in a JSON object."""
        known = {name: each for name, each in value.items() if each not in (None, "")}
        kinds: dict[str, Any] = {
            "network": Network,
            "encoder": EncoderKind,
            "activation": Activation,
            "class_weights": ClassWeights,
            "tokenizer": TokenizerKind,
            "widths": tuple,
        }
        return Neural(**{name: kinds.get(name, lambda own: own)(each) for name, each in known.items()})

    def faults(self) -> list[tuple[str, bool, str]]:
        """Return each limit of complete settings: the field, whether it is broken, and what it is."""
        is_encoder = self.network is Network.ENCODER
        return [
            (
                "vocab_size",
                not 300 <= self.vocab_size <= MAX_VOCABULARY,
                f"must be 300 to {MAX_VOCABULARY:,}",
            ),
            ("hidden_size", not 8 <= self.hidden_size <= MAX_HIDDEN, f"must be 8 to {MAX_HIDDEN:,}"),
            ("layers", not 1 <= self.layers <= MAX_LAYERS, f"must be 1 to {MAX_LAYERS}"),
            (
                "heads",
                is_encoder and (self.heads < 1 or self.hidden_size % max(1, 2 * self.heads) != 0),
                "must divide hidden_size into heads of an even length",
            ),
            ("max_tokens", not 8 <= self.max_tokens <= MAX_READ_TOKENS, f"must be 8 to {MAX_READ_TOKENS:,}"),
            (
                "widths",
                len(self.widths) > MAX_WIDTHS or not all(1 <= width <= MAX_WIDTH for width in self.widths),
                f"must be at most {MAX_WIDTHS} widths of 1 to {MAX_WIDTH} tokens",
            ),
        ]
