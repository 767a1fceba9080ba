"""Loss that keeps the experts of a model equally busy (Fedus et al. 2021, equation 4), as transformers computes it."""

from typing import Any

import torch
from torch import Tensor

from ratoon_training.worker import growth
from ratoon_training.worker.corpus import Batch, Packed


class Balance:
    """Scores of the routers in the last forward pass, and their loss; its weight is that of the model's config."""

    def __init__(self, model: Any) -> None:
        self._weight = float(getattr(model.config, "router_aux_loss_coef", 0.0) or 0.0)
        routers = growth.routers(model)
        self._top = [router.top_k for router in routers]
        self._logits: list[Tensor | None] = [None] * len(routers)
        for place, router in enumerate(routers):
            router.register_forward_hook(self._stored(place))

    def _stored(self, place: int) -> Any:
        def store(_: Any, __: Any, output: tuple[Tensor, ...]) -> None:
            # Where activations are recomputed, the pass backward comes by again, after the loss.
            self._logits[place] = output[0]

        return store

    def loss(self, batch: Batch | Packed) -> Tensor:
        """Return the weighted loss of the last pass, in which places of padding do not count."""
        from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

        logits = tuple(each for each in self._logits if each is not None)
        mask = None
        if isinstance(batch, Batch):
            columns = logits[0].shape[0] // len(batch.lengths)
            places = torch.arange(columns, device=batch.lengths.device)
            mask = (places < batch.lengths.unsqueeze(1)).long()
        loss = load_balancing_loss_func(logits, logits[0].shape[1], self._top[0], mask)
        return self._weight * torch.as_tensor(loss)


def of(model: Any) -> Balance | None:
    """Return the balance of a model with experts whose config weighs it; None for others."""
    is_weighed = bool(getattr(model.config, "router_aux_loss_coef", 0.0))
    return Balance(model) if is_weighed and growth.routers(model) else None
