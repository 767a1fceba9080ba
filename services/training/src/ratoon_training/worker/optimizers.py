"""Optimizers by name, and their state as tensors of a checkpoint: a run that resumes ends with the same bits."""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ratoon_training.domain.optimization import Optimizer
from ratoon_training.domain.recipes import Recipe

Betas: TypeAlias = tuple[float, float]
_BETAS = (0.9, 0.95)
STATES = {
    "exp_avg": "mean",
    "exp_avg_sq": "square",
    "momentum_buffer": "momentum",
    "square_avg": "square_average",
    "sum": "sum",
}
"""Tensors that optimizers hold for a parameter, with their names in checkpoints."""
_FUSED = ("cpu", "cuda")
_COUNTED = (torch.optim.Adam, torch.optim.RMSprop, torch.optim.Adagrad)
"""Optimizers that count the steps of each parameter; AdamW is an Adam."""


class Pair:
    """Two optimizers of different parameters, which step together."""

    def __init__(self, first: torch.optim.Optimizer, second: torch.optim.Optimizer) -> None:
        self.members = (first, second)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups of parameters of both."""
        return [group for member in self.members for group in member.param_groups]

    @property
    def state(self) -> Mapping[Any, Any]:
        """State of the parameters of both."""
        return {**self.members[0].state, **self.members[1].state}

    def step(self) -> None:
        """Change the weights."""
        for member in self.members:
            member.step()

    def zero_grad(self, *, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for member in self.members:
            member.zero_grad(set_to_none=set_to_none)


AnyOptimizer: TypeAlias = torch.optim.Optimizer | Pair


def build(
    trainable: Mapping[str, nn.Parameter], recipe: Recipe, embeddings: set[int], betas: Betas = _BETAS
) -> AnyOptimizer:
    """Return the optimizer of a recipe; matrices decay, vectors (norm scales, biases) do not.

    `embeddings` are the ids of the parameters of embeddings and output layer, which Muon leaves to AdamW; `betas` the
    decays of the moments of Adam and AdamW.
    """
    named = list(trainable.values())
    kind, rate, decay = recipe.optimization.optimizer, recipe.learning_rate, recipe.weight_decay
    momentum = kind.momentum(recipe.optimization.momentum)
    if kind is Optimizer.MUON:
        matrices = [each for each in named if each.ndim == 2 and id(each) not in embeddings]
        chosen = set(map(id, matrices))
        others = [each for each in named if id(each) not in chosen]
        if not matrices:
            return _adamw(_groups(others, decay), rate, betas)
        muon = torch.optim.Muon(
            matrices, lr=rate, weight_decay=decay, momentum=momentum, adjust_lr_fn="match_rms_adamw"
        )
        return Pair(muon, _adamw(_groups(others, decay), rate, betas)) if others else muon
    groups = _groups(named, decay)
    match kind:
        case Optimizer.ADAM:
            return torch.optim.Adam(groups, lr=rate, betas=betas, fused=_is_fused(groups))
        case Optimizer.SGD:
            return torch.optim.SGD(groups, lr=rate, momentum=momentum)
        case Optimizer.RMSPROP:
            return torch.optim.RMSprop(groups, lr=rate, momentum=momentum)
        case Optimizer.ADAGRAD:
            return torch.optim.Adagrad(groups, lr=rate)
    return _adamw(groups, rate, betas)


def _adamw(groups: list[dict[str, Any]], rate: float, betas: Betas) -> torch.optim.AdamW:
    return torch.optim.AdamW(groups, lr=rate, betas=betas, fused=_is_fused(groups))


def _is_fused(groups: list[dict[str, Any]]) -> bool:
    """Return True if the device of the parameters has one operation for a whole step."""
    return groups[0]["params"][0].device.type in _FUSED


def _groups(parameters: list[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = [
        {"params": [each for each in parameters if each.ndim > 1], "weight_decay": decay},
        {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def tensors(optimizer: AnyOptimizer, trainable: Mapping[str, nn.Parameter]) -> Iterator[tuple[str, Tensor]]:
    """Yield what the optimizer holds of each parameter, by its name in a checkpoint."""
    for name, parameter in trainable.items():
        state = optimizer.state.get(parameter) or {}
        for key, short in STATES.items():
            if isinstance(state.get(key), Tensor):
                yield f"{short}.{name}", state[key]


def forget(optimizer: AnyOptimizer) -> None:
    """Discard what the optimizer holds of each parameter: the next step is its first one."""
    for member in optimizer.members if isinstance(optimizer, Pair) else (optimizer,):
        member.state.clear()


def restore(
    optimizer: AnyOptimizer, trainable: Mapping[str, nn.Parameter], stored: Mapping[str, Tensor], step: int
) -> None:
    """Give the optimizer what `tensors` stored after this many steps."""
    for member in optimizer.members if isinstance(optimizer, Pair) else (optimizer,):
        own = {id(each) for group in member.param_groups for each in group["params"]}
        for name, parameter in trainable.items():
            if id(parameter) in own:
                _restore(member, name, parameter, stored, step)


def _restore(
    member: torch.optim.Optimizer, name: str, parameter: nn.Parameter, stored: Mapping[str, Tensor], step: int
) -> None:
    held = {key: stored[f"{short}.{name}"] for key, short in STATES.items() if f"{short}.{name}" in stored}
    if not held:
        return
    state: MutableMapping[str, Any] = {key: each.to(parameter.device) for key, each in held.items()}
    if isinstance(member, _COUNTED):
        state["step"] = torch.tensor(float(step), device=parameter.device)
    member.state[parameter] = state


def penalise(trainable: Mapping[str, nn.Parameter], weight: float) -> None:
    """Add the gradient of the sum of the magnitudes of all matrices, times a weight."""
    with torch.no_grad():
        for parameter in trainable.values():
            if parameter.ndim > 1 and parameter.grad is not None:
                parameter.grad.add_(parameter.sign(), alpha=weight)
