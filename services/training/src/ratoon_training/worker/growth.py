"""More experts for a model that has some: copies or noise, rows of the routers, and all other weights as they were."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ratoon_training.domain.architectures import ExpertGrowth, GrowthSource
from ratoon_training.domain.errors import BadBaseModel
from ratoon_training.domain.initialisation import LINEAR_DEVIATION
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.decoders import initialise_experts

_ATTRIBUTE = "ratoon_growth"
_SAMPLES = 64
"""Samples of the training part whose tokens decide which experts are copied."""
_AT_ONCE = 8
_NOISE = 0.01
"""Noise on a copy, as a share of the deviation of what is copied: equal experts with equal rows would never differ."""
_STACKED = ("gate_up_proj", "down_proj")


@dataclass(frozen=True)
class Growth:
    """New experts of a model: parameters whose first rows are the old ones, with the number of these."""

    parameters: tuple[tuple[nn.Parameter, int], ...]

    def mask(self) -> None:
        """Set the gradients of old experts to 0: an optimizer with no decay then leaves them bit by bit."""
        for parameter, old in self.parameters:
            if parameter.grad is not None:
                parameter.grad[:old] = 0.0


def of(model: Any) -> Growth | None:
    """Return the growth of a model; None if it has none."""
    value: Growth | None = getattr(model, _ATTRIBUTE, None)
    return value


def grow(model: Any, growth: ExpertGrowth, train: Corpus) -> None:
    """Add experts to each layer that has some; only they and their rows of the routers train afterwards.

    BadBaseModel if the model has no experts that are stacked matrices behind a router.
    """
    layers = _layers(model)
    if not layers:
        raise BadBaseModel(
            f"The base model ({model.config.model_type}) has no experts to add to: leave recipe.expert_growth out, or "
            "name a model with experts (mixtral, qwen3_moe, olmoe).",
            "NO_EXPERTS",
        )
    loads = _loads(model, layers, train) if growth.source is GrowthSource.COPY else None
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    grown: list[tuple[nn.Parameter, int]] = []
    for place, (router, experts) in enumerate(layers):
        best = None if loads is None else loads[place].topk(min(growth.experts, router.num_experts)).indices
        grown += _grow_layer(router, experts, growth.experts, best)
    config = model.config
    for name in ("num_local_experts", "num_experts"):
        if hasattr(config, name):
            setattr(config, name, layers[0][0].num_experts)
    for module in model.modules():
        if hasattr(module, "num_experts") and isinstance(module.num_experts, int):
            module.num_experts = layers[0][0].num_experts
    setattr(model, _ATTRIBUTE, Growth(tuple(grown)))


def routers(model: Any) -> list[Any]:
    """Return the routers of the layers with experts."""
    return [router for router, _ in _layers(model)]


def _layers(model: Any) -> list[tuple[Any, Any]]:
    """Return router and stacked experts of each layer that has them."""
    pairs = []
    for module in model.modules():
        router, experts = getattr(module, "gate", None), getattr(module, "experts", None)
        stacked = all(isinstance(getattr(experts, name, None), nn.Parameter) for name in _STACKED)
        if stacked and isinstance(getattr(router, "weight", None), nn.Parameter):
            pairs.append((router, experts))
    return pairs


@torch.no_grad()
def _loads(model: Any, layers: list[tuple[Any, Any]], train: Corpus) -> list[Tensor]:
    """Return how many tokens of some samples each expert of each layer gets."""
    loads = [torch.zeros(router.num_experts) for router, _ in layers]

    def counted(place: int) -> Any:
        def count(_: Any, __: Any, output: tuple[Tensor, ...]) -> None:
            chosen = output[-1].flatten()
            loads[place] += torch.bincount(chosen, minlength=len(loads[place]))[: len(loads[place])]

        return count

    hooks = [router.register_forward_hook(counted(place)) for place, (router, _) in enumerate(layers)]
    model.eval()
    step = max(1, len(train) // _SAMPLES)
    chosen = list(range(0, len(train), step))[:_SAMPLES]
    for at in range(0, len(chosen), _AT_ONCE):
        batch = train.batch(chosen[at : at + _AT_ONCE])
        model(input_ids=batch.ids, use_cache=False)
    model.train()
    for hook in hooks:
        hook.remove()
    return loads


def _grow_layer(router: Any, experts: Any, more: int, best: Tensor | None) -> list[tuple[nn.Parameter, int]]:
    """Append experts to a layer: copies of the `best` ones in turn, or noise. Return what trains."""
    old = router.weight.shape[0]
    fresh = {
        name: getattr(experts, name).new_empty(more, *getattr(experts, name).shape[1:]) for name in _STACKED
    }
    row = router.weight.new_empty(more, router.weight.shape[1])
    with torch.no_grad():
        if best is None:
            drawn = nn.Module()
            for name, tensor in fresh.items():
                setattr(drawn, name, nn.Parameter(tensor))
            initialise_experts(drawn)
            fresh = {name: getattr(drawn, name).data for name in _STACKED}
            row.normal_(std=LINEAR_DEVIATION)
        else:
            copied = best[torch.arange(more) % len(best)]
            for name in _STACKED:
                source = getattr(experts, name)
                fresh[name] = source[copied] + _NOISE * source.std() * torch.randn_like(fresh[name])
            row = router.weight[copied] + _NOISE * router.weight.std() * torch.randn_like(row)
        for name in _STACKED:
            whole = torch.cat([getattr(experts, name), fresh[name]])
            setattr(experts, name, nn.Parameter(whole))
        router.weight = nn.Parameter(torch.cat([router.weight, row]))
    router.num_experts = old + more
    return [(router.weight, old), *((getattr(experts, name), old) for name in _STACKED)]
