"""Some of the layers of a base model: where a smaller student starts from, as DistilBERT does (Sanh et al. 2019)."""

from typing import Any

import torch
from torch import nn

from ratoon_training.domain.errors import BadRecipe

_FIELD = "recipe.base_layers"


def chosen(count: int, layers: int) -> list[int]:
    """Return `count` of the numbers of layers, evenly spaced, the first and the last among them."""
    if count == 1:
        return [0]
    return [round(at * (layers - 1) / (count - 1)) for at in range(count)]


def shorten(model: Any, count: int, kind: Any) -> None:
    """Leave this many layers of a model and of its configuration; the other weights stay as they are.

    `kind` is the class that loads such models. BadRecipe if the model has fewer layers, or would not be the same
    model again when it is loaded.
    """
    config = model.config.get_text_config()
    known = int(config.num_hidden_layers)
    if count > known:
        raise BadRecipe(
            f"{_FIELD} is {count:,}, and the base model has {known:,} layers: name fewer, or 0 for all.",
            _FIELD,
        )
    numbers = chosen(count, known)
    places = [
        (module, name)
        for module in model.get_decoder().modules()
        for name, child in module.named_children()
        if isinstance(child, nn.ModuleList) and len(child) == known
    ]
    for name, value in config.to_dict().items():
        if "layer" in name and isinstance(value, list) and len(value) == known:
            setattr(config, name, [value[number] for number in numbers])
    config.num_hidden_layers = count
    for module, name in places[:1]:
        stack = nn.ModuleList([getattr(module, name)[number] for number in numbers])
        for at, layer in enumerate(stack):
            _number(layer, at)
        setattr(module, name, stack)
    if not places or not _loads_again(model, kind):
        raise BadRecipe(
            f"The layers of {model.config.model_type} differ from each other, so that some of them are no model: leave "
            f"{_FIELD} out, or choose another base model.",
            _FIELD,
        )


def _number(layer: nn.Module, at: int) -> None:
    """Let attention know its new place, by which it names its keys and values."""
    for module in layer.modules():
        if isinstance(getattr(module, "layer_idx", None), int):
            module.layer_idx = at


def _loads_again(model: Any, kind: Any) -> bool:
    """Return True if a model of the configuration has the same weights, by name and shape."""
    with torch.device("meta"):
        other = kind.from_config(model.config) if hasattr(kind, "from_config") else kind(model.config)
    shapes, others = (
        {name: each.shape for name, each in which.state_dict().items()} for which in (model, other)
    )
    return shapes == others
