"""Architectures of decoders that are trained from scratch: families, presets, limits, exact numbers of weights.

This module knows no library; `worker.decoders` makes the models by the classes of transformers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any


class Family(StrEnum):
    """Family of an architecture: a class of transformers that engines serve as well."""

    LLAMA = "LLAMA"
    QWEN3 = "QWEN3"
    MISTRAL = "MISTRAL"
    GEMMA = "GEMMA"
    MIXTRAL = "MIXTRAL"
    QWEN3_MOE = "QWEN3_MOE"
    OLMOE = "OLMOE"

    @property
    def has_experts(self) -> bool:
        """Return True if the layers have experts."""
        return self in (Family.MIXTRAL, Family.QWEN3_MOE, Family.OLMOE)

    @property
    def has_window(self) -> bool:
        """Return True if transformers and engines both read a sliding window of all layers."""
        return self in (Family.MISTRAL, Family.MIXTRAL)


class RopeScaling(StrEnum):
    """Scaling of the rotary positions that transformers and engines compute in the same way."""

    LINEAR = "LINEAR"
    YARN = "YARN"
    LLAMA3 = "LLAMA3"


class TokenizerKind(StrEnum):
    """Kind of the tokenizer of a model from scratch."""

    BYTE_BPE = "BYTE_BPE"
    """Byte-pair encoding of bytes: no text is unknown to it."""
    UNIGRAM = "UNIGRAM"
    WORDPIECE = "WORDPIECE"
    WORD = "WORD"
    """Whole words, signs and spaces."""
    CHARACTER = "CHARACTER"

    @property
    def is_closed(self) -> bool:
        """Return True if the vocabulary is that of the training texts, however small they are."""
        return self in (TokenizerKind.WORD, TokenizerKind.CHARACTER)


class GrowthSource(StrEnum):
    """What a new expert begins as."""

    COPY = "COPY"
    NOISE = "NOISE"


@dataclass(frozen=True)
class ExpertGrowth:
    """Experts that each layer with experts gets in addition; 0: none."""

    experts: int = 0
    source: GrowthSource = GrowthSource.COPY

    @staticmethod
    def parse(value: Mapping[str, Any]) -> "ExpertGrowth":
        """Return the growth in a JSON object; what it does not state has its default."""
        stated = {name: each for name, each in value.items() if each is not None}
        return ExpertGrowth(int(stated.get("experts", 0)), GrowthSource(stated.get("source", "COPY")))


@dataclass(frozen=True)
class Architecture:
    """Shape of a decoder; of a base model, only the fields up to `tied` are known."""

    vocab_size: int = 4096
    hidden_size: int = 128
    layers: int = 3
    heads: int = 4
    max_positions: int = 2048
    tied: bool = True
    family: Family = Family.LLAMA
    key_value_heads: int = 0
    """Heads of keys and values; 0: as many as of queries."""
    head_size: int = 0
    """Width of a head; 0: the hidden size divided by the heads."""
    gate_size: int = 0
    """Width of the gated layer, or of an expert; 0: 8/3 of the hidden size."""
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    rope_factor: float = 1.0
    sliding_window: int = 0
    experts: int = 0
    experts_per_token: int = 0
    tokenizer: TokenizerKind = TokenizerKind.BYTE_BPE

    @property
    def intermediate_size(self) -> int:
        """Width of the gated layer or of an expert: 8/3 of the hidden size, down to a multiple of 32, if not stated."""
        return self.gate_size or self.hidden_size * 8 // 3 // 32 * 32

    @property
    def head_width(self) -> int:
        """Width of a head."""
        return self.head_size or self.hidden_size // max(1, self.heads)

    @property
    def query_width(self) -> int:
        """Width of the queries of all heads."""
        return self.heads * self.head_width

    @property
    def key_value_width(self) -> int:
        """Width of the keys, or of the values, of all heads."""
        return (self.key_value_heads or self.heads) * self.head_width

    @property
    def unscaled_positions(self) -> int:
        """Positions before rotary positions are scaled."""
        return round(self.max_positions / self.rope_factor)

    @property
    def attention_widths(self) -> int:
        """Sum of inputs and outputs of the four linear layers of attention of a layer."""
        return 4 * self.hidden_size + 2 * self.query_width + 2 * self.key_value_width

    @property
    def parameters(self) -> int:
        """Number of weights, tied embeddings counted once."""
        hidden, copies = self.hidden_size, max(1, self.experts)
        attention = 2 * hidden * (self.query_width + self.key_value_width) + self._attention_norms
        gated = 3 * hidden * self.intermediate_size * copies + hidden * self.experts
        embeddings = self.vocab_size * hidden * (1 if self.tied else 2)
        return embeddings + self.layers * (attention + gated + 2 * hidden) + hidden

    @property
    def active_parameters(self) -> int:
        """Number of weights that one token passes through."""
        idle = self.experts - self.experts_per_token
        return self.parameters - self.layers * 3 * self.hidden_size * self.intermediate_size * idle

    @property
    def _attention_norms(self) -> int:
        """Weights of the norms of queries and keys of a layer."""
        if self.family in (Family.QWEN3, Family.QWEN3_MOE):
            return 2 * self.head_width
        return self.query_width + self.key_value_width if self.family is Family.OLMOE else 0

    def stating(self, stated: Mapping[str, Any]) -> "Architecture":
        """Return this architecture with what a request states; heads and experts follow where it states none.

        Without heads in a request that states another hidden size or family, there is one for 32 of the hidden size.
        """
        shape = replace(self, **stated)
        if "hidden_size" in stated and "heads" not in stated and "head_size" not in stated:
            shape = replace(shape, heads=max(1, shape.hidden_size // 32))
            if "key_value_heads" not in stated:
                shape = replace(shape, key_value_heads=0, head_size=0)
        if "hidden_size" in stated and "gate_size" not in stated:
            shape = replace(shape, gate_size=0)
        if shape.family.has_experts and not shape.experts_per_token:
            shape = replace(shape, experts_per_token=min(2, max(1, shape.experts)))
        return shape

    @staticmethod
    def parse(value: Mapping[str, Any]) -> "Architecture":
        """Return the architecture in a JSON object; what it does not state has its default."""
        stated = {name: each for name, each in value.items() if each is not None}
        stated["family"] = Family(stated.get("family") or Family.LLAMA)
        stated["tokenizer"] = TokenizerKind(stated.get("tokenizer") or TokenizerKind.BYTE_BPE)
        stated["rope_scaling"] = RopeScaling(stated["rope_scaling"]) if stated.get("rope_scaling") else None
        return Architecture(**stated)

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object that `parse` reads; newer fields are left out at their defaults."""
        usual, first = Architecture(), _FIRST_FIELDS
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value for name, value in values.items() if name in first or value != getattr(usual, name)
        }


_FIRST_FIELDS = ("vocab_size", "hidden_size", "layers", "heads", "max_positions", "tied")
"""Fields that every recipe states."""


class Preset(StrEnum):
    """Published architecture."""

    TINY = "TINY"
    SMOLLM2_135M = "SMOLLM2_135M"
    SMOLLM2_360M = "SMOLLM2_360M"
    QWEN3_600M = "QWEN3_600M"


def _smollm2(hidden: int, layers: int, heads: int, key_value_heads: int, gate: int) -> Architecture:
    return Architecture(
        vocab_size=49_152,
        hidden_size=hidden,
        layers=layers,
        heads=heads,
        key_value_heads=key_value_heads,
        gate_size=gate,
        max_positions=8192,
        rope_theta=100_000.0,
    )


PRESETS = {
    Preset.TINY: Architecture(),
    Preset.SMOLLM2_135M: _smollm2(576, 30, 9, 3, 1536),
    Preset.SMOLLM2_360M: _smollm2(960, 32, 15, 5, 2560),
    Preset.QWEN3_600M: Architecture(
        family=Family.QWEN3,
        vocab_size=151_936,
        hidden_size=1024,
        layers=28,
        heads=16,
        key_value_heads=8,
        head_size=128,
        gate_size=3072,
        max_positions=40_960,
        rope_theta=1_000_000.0,
    ),
}
"""Shapes as the config.json files of the published models state them."""


Limit = tuple[str, bool, str]
"""A field of the API, whether it is out of its limits, and what they are."""


def limits(shape: Architecture) -> list[Limit]:
    """Return the limits of an architecture from scratch."""
    return [(f"architecture.{name}", wrong, says) for name, wrong, says in _limits(shape)]


def _limits(shape: Architecture) -> Iterator[Limit]:
    smallest = 16 if shape.tokenizer.is_closed else 300
    yield (
        "vocab_size",
        not smallest <= shape.vocab_size <= 262_144,
        f"must be {smallest} to 262,144",
    )
    yield "hidden_size", not 8 <= shape.hidden_size <= 65_536, "must be 8 to 65,536"
    yield "layers", not 1 <= shape.layers <= 128, "must be 1 to 128"
    yield "max_positions", not 128 <= shape.max_positions <= 131_072, "must be 128 to 131,072"
    yield from _attention_limits(shape)
    yield "intermediate_size", not 32 <= shape.intermediate_size <= 262_144, "must be 32 to 262,144"
    yield from _position_limits(shape)
    yield from _expert_limits(shape)


def _attention_limits(shape: Architecture) -> Iterator[Limit]:
    head = shape.head_width
    divides = shape.heads > 0 and (bool(shape.head_size) or head * shape.heads == shape.hidden_size)
    yield (
        "heads",
        not divides or (not shape.head_size and (head < 32 or head % 32 != 0)),
        "must divide hidden_size into heads of 32, 64, 96 … (engines take no others), or head_size must state their "
        "width",
    )
    yield (
        "head_size",
        shape.head_size != 0 and not (32 <= shape.head_size <= 256 and shape.head_size % 32 == 0),
        "must be 32, 64, 96 … 256: engines take no others",
    )
    yield (
        "head_size",
        bool(shape.head_size) and shape.family is Family.OLMOE and shape.query_width != shape.hidden_size,
        "must be the hidden size divided by the heads with OLMOE, whose configuration states none",
    )
    groups = shape.key_value_heads or shape.heads
    yield (
        "key_value_heads",
        groups < 1 or (shape.heads > 0 and shape.heads % groups != 0),
        f"must divide the {shape.heads} heads of queries",
    )


def _position_limits(shape: Architecture) -> Iterator[Limit]:
    scaled = shape.rope_scaling is not None
    yield "rope_theta", not 1 <= shape.rope_theta <= 1e9, "must be 1 to 10^9"
    yield (
        "rope_factor",
        scaled and not 1 < shape.rope_factor <= 1024,
        "must be above 1 and at most 1,024 with rope_scaling",
    )
    yield "rope_factor", not scaled and shape.rope_factor != 1, "needs rope_scaling"
    yield (
        "rope_factor",
        scaled and shape.unscaled_positions < 64,
        f"must leave 64 of the {shape.max_positions:,} positions before they are scaled",
    )
    yield (
        "sliding_window",
        shape.sliding_window != 0 and not 16 <= shape.sliding_window <= 131_072,
        "must be 0 (all tokens before) or 16 to 131,072",
    )
    yield (
        "sliding_window",
        bool(shape.sliding_window) and not shape.family.has_window,
        f"needs the family MISTRAL or MIXTRAL: {shape.family} attends to all tokens before",
    )


def _expert_limits(shape: Architecture) -> Iterator[Limit]:
    has_experts = shape.family.has_experts
    yield "experts", has_experts and not 2 <= shape.experts <= 256, f"must be 2 to 256 with {shape.family}"
    yield (
        "experts",
        not has_experts and shape.experts != 0,
        f"need the family MIXTRAL, QWEN3_MOE or OLMOE, not {shape.family}",
    )
    yield (
        "experts_per_token",
        has_experts and not 1 <= shape.experts_per_token <= max(1, shape.experts),
        f"must be 1 to the {shape.experts} experts",
    )
    yield (
        "experts_per_token",
        not has_experts and shape.experts_per_token != 0,
        f"needs a family with experts, not {shape.family}",
    )
