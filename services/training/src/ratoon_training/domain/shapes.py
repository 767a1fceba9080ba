"""Shape of a model as far as the memory of its training depends on it."""

from dataclasses import dataclass, replace

from ratoon_training.domain.architectures import Architecture


@dataclass(frozen=True)
class ModelShape:
    """Widths and number of weights of a decoder, of whatever architecture. Tied embeddings count once."""

    parameters: int
    vocab_size: int
    hidden_size: int
    layers: int
    heads: int
    intermediate_size: int
    query_width: int
    """Heads times the width of a head, which differs from the hidden size in some architectures."""
    key_value_width: int
    """The same for keys and values; less than `query_width` with grouped-query attention."""
    linear_widths: int
    """Sum of inputs and outputs of all linear layers of the decoder: an adapter has rank times as many weights."""
    gated: bool = True
    """True if the intermediate layer is gated (SwiGLU, GeGLU): it then keeps twice as many activations."""
    experts: int = 0
    """Number of experts of each layer that has some."""
    expert_parameters: int = 0
    """Weights of one expert of each of these layers, with its rows of the routers."""

    @staticmethod
    def of(architecture: Architecture) -> "ModelShape":
        """Return the shape of a model from scratch. Experts that a token uses lie next to each other."""
        hidden, intermediate = architecture.hidden_size, architecture.intermediate_size
        return ModelShape(
            parameters=architecture.parameters,
            vocab_size=architecture.vocab_size,
            hidden_size=hidden,
            layers=architecture.layers,
            heads=architecture.heads,
            intermediate_size=intermediate * max(1, architecture.experts_per_token),
            query_width=architecture.query_width,
            key_value_width=architecture.key_value_width,
            linear_widths=architecture.layers
            * (architecture.attention_widths + (0 if architecture.experts else 3 * (hidden + intermediate))),
        )

    def grown(self, experts: int) -> "ModelShape":
        """Return the shape with this many more experts in each layer that has some."""
        if not self.expert_parameters:
            return self
        parameters = self.parameters + experts * self.expert_parameters
        return replace(self, parameters=parameters, experts=self.experts + experts)

    def with_layers(self, layers: int, matrices: int) -> "ModelShape":
        """Return the shape with this number of its layers; `matrices` of embeddings (2: untied) stay as they are."""
        ends = matrices * self.vocab_size * self.hidden_size
        return replace(
            self,
            layers=layers,
            parameters=ends + (self.parameters - ends) * layers // self.layers,
            linear_widths=self.linear_widths * layers // self.layers,
            expert_parameters=self.expert_parameters * layers // self.layers,
        )

    @property
    def stacked_parameters(self) -> int | None:
        """Return the weights of all experts, which have gradients while new ones are trained; None: there are none."""
        return self.experts * self.expert_parameters or None

    def adapter_parameters(self, rank: int) -> int:
        """Return the number of weights of an adapter of this rank on all linear layers."""
        return rank * self.linear_widths
