"""Models whose weights are divided among workers: FSDP2, tensor parts by DTensor, and stages of a pipeline.

The optimizer, checkpoints and averages see `Piece.local`, a plain tensor that shares its memory with the parameter of
the module: their steps are by element, so that a piece ends with the bits that the whole would have there.
"""

import copy
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from ratoon_training.domain.errors import BadRecipe
from ratoon_training.domain.parallelism import stage_layers
from ratoon_training.worker.mesh import Mesh

_ATTRIBUTE = "ratoon_shards"
_SUMMED = "replicated_with_grad_allreduce"
"""Style of transformers' plans for a weight of which each tensor part computes a part of the gradient."""
_COMPUTE = "ratoon_compute"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Piece:
    """Part of a weight that this worker holds."""

    parameter: nn.Parameter
    local: nn.Parameter
    """The numbers of the part as a plain tensor; without division the parameter itself."""
    offsets: tuple[int, ...]
    """First index of the part in the whole, for each dimension."""
    shape: tuple[int, ...]
    """Shape of the whole."""
    copies: int
    """Number of workers that hold this same part."""
    is_stored: bool
    """True if this worker writes the part into checkpoints."""
    groups: tuple[Any, ...] = ()
    """Process groups over which the gradients of the part are summed."""


@dataclass(frozen=True)
class Shards:
    """Parts of a model's trained weights, by their names in the whole model."""

    mesh: Mesh
    pieces: dict[str, Piece]
    core: Any
    """The language model: with FSDP it gathers its weights while it computes."""

    @property
    def trainable(self) -> dict[str, nn.Parameter]:
        """Return the local parts that are not empty."""
        return {name: piece.local for name, piece in self.pieces.items() if piece.local.numel()}

    def compute(self, computed: Callable[[], Result]) -> Result:
        """Return the result of a computation with the weights of the model."""
        compute = getattr(self.core, _COMPUTE, None)
        result: Result = computed() if compute is None else compute(computed)
        return result

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Give this worker all weights inside the context: it computes without the others. All workers enter it."""
        from torch.distributed.fsdp import FSDPModule

        parts = [module for module in self.core.modules() if isinstance(module, FSDPModule)]
        for module in parts:
            module.set_reshard_after_forward(False, recurse=False)
            module.unshard()
        try:
            yield
        finally:
            for module in parts:
                module.set_reshard_after_forward(True, recurse=False)
                module.reshard()

    def collect(self) -> None:
        """Take the gradients of the modules over to the local parts, after a backward pass."""
        for piece in self.pieces.values():
            grad = piece.parameter.grad
            plain = torch.zeros_like(piece.local) if grad is None else _plain(grad)
            for group in piece.groups:
                dist.all_reduce(plain, group=group)
            piece.local.grad = plain
            if piece.local is not piece.parameter:
                piece.parameter.grad = None

    def squared_norm(self) -> Tensor:
        """Return this worker's part of the squared norm of the gradient; the sum over all workers is the whole."""
        return torch.stack(
            [
                torch.linalg.vector_norm(piece.local.grad) ** 2 / piece.copies
                for piece in self.pieces.values()
                if piece.local.grad is not None
            ]
        ).sum()

    def stored(self) -> dict[str, tuple[int, ...]]:
        """Return the first index of each part that this worker writes into checkpoints, by name."""
        return {
            name: piece.offsets
            for name, piece in self.pieces.items()
            if piece.is_stored and piece.local.numel()
        }


def of(model: Any) -> Shards | None:
    """Return the parts of a divided model; None of a whole one."""
    value: Shards | None = getattr(model, _ATTRIBUTE, None)
    return value


def divide(model: Any, core: Any, mesh: Mesh) -> None:
    """Divide a model among the workers of a grid; `core` is the language model in it. Every worker calls this."""
    whole = {id(parameter): name for name, parameter in model.named_parameters()}
    names = _cut(model, core, mesh, whole) if mesh.layout.pipeline > 1 else {}
    local_names = {name: names.get(name, name) for name, _ in model.named_parameters()}
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    summed = _divide_layers(core, mesh) if mesh.layout.tensor > 1 else set()
    parts = {name: _tensor_part(parameter, mesh) for name, parameter in model.named_parameters()}
    if mesh.layout.is_fully_sharded:
        _shard_fully(core, mesh)
    tied = _tied_across(core, mesh)
    pieces = {
        local_names[name]: _piece(name, parameter, mesh, shapes[name], parts[name], summed, tied)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    setattr(model, _ATTRIBUTE, Shards(mesh, pieces, core))


def _piece(
    name: str,
    parameter: nn.Parameter,
    mesh: Mesh,
    shape: tuple[int, ...],
    part: "_TensorPart",
    summed: set[str],
    tied: str,
) -> Piece:
    layout, first = mesh.layout, part.offsets
    local = parameter if not isinstance(parameter, DTensor) else nn.Parameter(_plain(parameter.detach()))
    copies = 1 if part.is_divided else layout.tensor
    if layout.is_fully_sharded:
        at = min(part.rows, -(-part.rows // layout.data) * mesh.share)
        first = (first[0] + at, *first[1:])
    else:
        copies *= layout.data
    is_tied = bool(tied) and name.endswith(tied)
    groups = [mesh.axes.get_group("tensor")] if any(name.endswith(each) for each in summed) else []
    if is_tied:
        groups.append(mesh.ends)
    return Piece(
        parameter,
        local,
        first,
        shape,
        copies * (2 if is_tied else 1),
        is_stored=(part.is_divided or mesh.part == 0)
        and (layout.is_fully_sharded or mesh.share == 0)
        and (mesh.is_first or not is_tied),
        groups=tuple(groups),
    )


def _plain(tensor: Tensor) -> Tensor:
    """Return the numbers that this worker holds of a tensor; they share its memory."""
    if not isinstance(tensor, DTensor):
        return tensor
    plain: Tensor = tensor.to_local()
    return plain


@dataclass(frozen=True)
class _TensorPart:
    """Tensor part of a weight: its first index in the whole, its rows, and whether others hold other parts."""

    offsets: tuple[int, ...]
    rows: int
    is_divided: bool


def _tensor_part(parameter: nn.Parameter, mesh: Mesh) -> _TensorPart:
    local = _plain(parameter)
    sizes = zip(local.shape, parameter.shape, strict=True)
    offsets = tuple(own * mesh.part if own < whole else 0 for own, whole in sizes)
    return _TensorPart(
        offsets, local.shape[0] if local.ndim else 1, tuple(local.shape) != tuple(parameter.shape)
    )


def _tied_across(core: Any, mesh: Mesh) -> str:
    """Return the end of the name of the weight that both ends of a pipeline hold; empty: none."""
    if mesh.layout.pipeline == 1 or not core.config.get_text_config().tie_word_embeddings:
        return ""
    return "embed_tokens.weight" if mesh.is_first else "lm_head.weight"


def _cut(model: Any, core: Any, mesh: Mesh, whole: dict[int, str]) -> dict[str, str]:
    """Leave this worker's stage of a model; return the names of its weights in the whole model."""
    decoder, field = core.get_decoder(), "resources.parallelism.pipeline"
    if not all(hasattr(decoder, name) for name in ("embed_tokens", "layers", "norm")):
        raise BadRecipe(
            f"The architecture {core.config.model_type} cannot be cut into stages: leave {field} out.", field
        )
    count = len(decoder.layers)
    if count < mesh.layout.pipeline:
        raise BadRecipe(
            f"The model has {count} layers, too few for {mesh.layout.pipeline} stages: lower {field}.",
            field,
        )
    own = stage_layers(count, mesh.layout.pipeline, mesh.stage)
    decoder.layers = nn.ModuleList([decoder.layers[number] for number in own])
    config = copy.deepcopy(decoder.config)
    config.num_hidden_layers = len(own)
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[number] for number in own]
    decoder.config = config
    if not mesh.is_last:
        decoder.norm, core.lm_head = nn.Identity(), None
    if not mesh.is_first:
        decoder.embed_tokens = None
    return {name: whole[id(parameter)] for name, parameter in model.named_parameters()}


def _divide_layers(core: Any, mesh: Mesh) -> set[str]:
    """Divide the linear layers by transformers' own plan; return ends of names whose gradients are parts."""
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    decoder, size = core.get_decoder(), mesh.layout.tensor
    config = core.config.get_text_config()
    known: dict[str, str] = getattr(config, "base_model_tp_plan", None) or {}
    kinds = {"colwise": ColwiseParallel, "rowwise": RowwiseParallel}
    patterns = {re.compile(_expression(pattern)): style for pattern, style in known.items()}
    modules = {
        name: kinds[style]()
        for name, module in decoder.named_modules()
        for pattern, style in patterns.items()
        if isinstance(module, nn.Linear) and style in kinds and pattern.fullmatch(name)
    }
    _check_divisible(core, modules, size)
    parallelize_module(decoder, mesh.axis("tensor"), modules, src_data_rank=None)
    return {
        f"{name}.weight"
        for name, _ in decoder.named_modules()
        for pattern, style in patterns.items()
        if style == _SUMMED and pattern.fullmatch(name)
    }


def _expression(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*", r"\d+")


def _check_divisible(core: Any, modules: dict[str, Any], size: int) -> None:
    """BadRecipe unless attention and gated layers can be divided into this number of parts."""
    config, field = core.config.get_text_config(), "resources.parallelism.tensor"
    attention = any(name.endswith("q_proj") for name in modules)
    if not attention:
        raise BadRecipe(
            f"The architecture {config.model_type} has no plan of tensor parts: leave {field} out, or choose FSDP.",
            field,
        )
    heads = config.num_attention_heads, getattr(config, "num_key_value_heads", config.num_attention_heads)
    widths = [config.intermediate_size] if any(".mlp." in name for name in modules) else []
    if any(number % size for number in (*heads, *widths)):
        raise BadRecipe(
            f"{field} must divide the {heads[0]} heads, the {heads[1]} heads of keys and the width of the gated layers "
            f"of the model, and {size} does not.",
            field,
        )


def _shard_fully(core: Any, mesh: Mesh) -> None:
    """Shard the weights over the data shares; gradients are summed, as the losses of the shares are parts of a sum."""
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    axis = mesh.axis("data")
    for layer in core.get_decoder().layers:
        fully_shard(layer, mesh=axis, reshard_after_forward=True)
    fully_shard(core, mesh=axis, reshard_after_forward=True)
    for module in core.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(enable=True)
    setattr(core, _COMPUTE, _computed)
    register_fsdp_forward_method(core, _COMPUTE)


def _computed(computed: Callable[[], Result]) -> Result:
    return computed()
