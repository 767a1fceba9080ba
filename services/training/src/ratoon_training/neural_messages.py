"""Recipes of small neural models to protobuf and back."""

from ratoon.training.v1 import training_run_pb2 as pb
from ratoon_training.domain.architectures import TokenizerKind
from ratoon_training.domain.neural import Activation, ClassWeights, EncoderKind, Network, Neural

_Tokenizer = pb.Recipe.Architecture.Tokenizer


def message_of(value: Neural) -> pb.Recipe.Neural:
    """Return the message of settings."""
    kind = pb.Recipe.Neural
    is_encoder = value.network is Network.ENCODER
    return kind(
        network=kind.Network.Value(f"NETWORK_{value.network}"),
        encoder=kind.Encoder.Value(f"ENCODER_{value.encoder}") if is_encoder else kind.ENCODER_UNSPECIFIED,
        vocab_size=value.vocab_size,
        hidden_size=value.hidden_size,
        layers=value.layers,
        heads=value.heads if is_encoder else 0,
        max_tokens=value.max_tokens,
        widths=value.widths if value.network is Network.CNN else (),
        bidirectional=value.bidirectional if value.network.is_recurrent else None,
        activation=kind.Activation.Value(f"ACTIVATION_{value.activation}"),
        class_weights=kind.ClassWeights.Value(f"CLASS_WEIGHTS_{value.class_weights}"),
        tokenizer=_Tokenizer.Value(f"TOKENIZER_{value.tokenizer}"),
        any_base=value.any_base,
    )


def settings_of(message: pb.Recipe.Neural) -> Neural:
    """Return the settings of a request; values that are not set are left to their defaults."""
    kind, usual = pb.Recipe.Neural, Neural()
    return Neural(
        network=Network(kind.Network.Name(message.network).removeprefix("NETWORK_"))
        if message.network
        else usual.network,
        encoder=EncoderKind(kind.Encoder.Name(message.encoder).removeprefix("ENCODER_"))
        if message.encoder
        else usual.encoder,
        vocab_size=message.vocab_size,
        hidden_size=message.hidden_size,
        layers=message.layers,
        heads=message.heads,
        max_tokens=message.max_tokens,
        widths=tuple(message.widths),
        bidirectional=message.bidirectional if message.HasField("bidirectional") else None,
        activation=Activation(kind.Activation.Name(message.activation).removeprefix("ACTIVATION_"))
        if message.activation
        else usual.activation,
        class_weights=ClassWeights(
            kind.ClassWeights.Name(message.class_weights).removeprefix("CLASS_WEIGHTS_")
        )
        if message.class_weights
        else usual.class_weights,
        tokenizer=TokenizerKind(_Tokenizer.Name(message.tokenizer).removeprefix("TOKENIZER_"))
        if message.tokenizer
        else usual.tokenizer,
        any_base=message.any_base,
    )
