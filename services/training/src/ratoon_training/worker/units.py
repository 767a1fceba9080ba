"""Dead units of a network: those whose activation is 0 for every token of the validation part."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ratoon_training.worker.forward import hidden_states

if TYPE_CHECKING:
    from ratoon_training.worker.session import Session

_FLAT = {"ReLU", "ReLU6", "ReLUSquaredActivation"}
"""Classes of activations that are 0 below zero, so that a unit may have no gradient at all."""
_MAX_SAMPLES = 64


def dead_share(session: "Session") -> float:
    """Return the share of units that have the activation 0 on the first validation samples; 0 without such units.

    Units are the last dimension of the output of each activation that is flat below zero.
    """
    flat = [each for each in session.model.modules() if type(each).__name__ in _FLAT]
    if not flat:
        return 0.0
    alive: dict[int, Tensor] = {}

    def record(module: Any, _inputs: Any, output: Tensor) -> None:
        fired = (output.detach() > 0).reshape(-1, output.shape[-1]).any(dim=0)
        known = alive.get(id(module))
        alive[id(module)] = fired if known is None else fired | known

    hooks = [each.register_forward_hook(record) for each in flat]
    was_training = session.model.training
    session.model.eval()
    part = session.data.validation
    try:
        with torch.no_grad():
            for at in range(0, min(len(part), _MAX_SAMPLES), 8):
                batch = part.batch(list(range(at, min(at + 8, len(part))))).to(session.context.device)
                hidden_states(session.core, {"input_ids": batch.ids})
    finally:
        session.model.train(was_training)
        for hook in hooks:
            hook.remove()
    units = sum(len(each) for each in alive.values())
    return sum(int((~each).sum()) for each in alive.values()) / units if units else 0.0
