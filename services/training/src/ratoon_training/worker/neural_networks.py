"""Networks of small neural models before their first step: from scratch, on from another one, or on top of an encoder.

Every weight is a function of recipe, seed and base. A layer before a ReLU-like function starts as He proposed, one
before tanh or sigmoid as Xavier did, biases at 0; constant weights are refused.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn

from ratoon.classical.errors import BadArtifact
from ratoon.classical.model import Task
from ratoon.neural.model import About, NeuralModel, labels_by_id, with_task
from ratoon.neural.networks import ENCODERS, Encoder, Network, Recurrent, Shape, build, head_names
from ratoon.storage.models import NEURAL_CONFIG
from ratoon.tasks import regress
from ratoon.tasks.classify import Classify
from ratoon_training.domain.errors import BadBaseModel
from ratoon_training.domain.initialisation import refuse_constant, standard_deviation
from ratoon_training.domain.neural import ENCODER_DROPOUT, VOCABULARY, EncoderKind, Neural
from ratoon_training.worker.text import BOS, PAD, train_tokenizer

EMBEDDING_DEVIATION = 0.1
"""Standard deviation of the initial vectors of tokens in networks of our own."""
_BEFORE: Mapping[str, str] = {
    "intermediate.dense": "gelu",
    "ffn.lin1": "gelu",
    "mlp.Wi": "gelu",
    "pre_classifier": "relu",
    "pooler.dense": "tanh",
    "head.dense": "gelu",
    "classifier": "linear",
}
"""Activation after the layers of encoders, by the ends of their names. All others start as Xavier proposed: with the
deviation of large encoders, 0.02, attention passes too little of a text to the first token of a small one."""


def from_scratch(
    neural: Neural,
    task: Task,
    texts: Sequence[str],
    numbers: Sequence[float],
    seed: int,
    dropout: float | None = None,
) -> NeuralModel:
    """Return a new model, with a tokenizer of the training part; `dropout` None is that of the network."""
    tokenizer = train_tokenizer(texts, (), neural.vocab_size, neural.tokenizer, VOCABULARY)
    ids = tokenizer.get_vocab()
    start = ids[BOS]
    tokenizer.post_processor = TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, start)])
    shape = Shape(
        network=Network(neural.network.value),
        vocab_size=len(ids),
        hidden_size=neural.hidden_size,
        layers=neural.layers,
        max_tokens=neural.max_tokens,
        widths=neural.widths,
        bidirectional=bool(neural.bidirectional),
        activation=neural.activation.value.lower(),
        dropout=neural.usual_dropout if dropout is None else dropout,
        pad=ids[PAD],
    )
    if shape.network is Network.ENCODER:
        shape = replace(shape, encoder=_configuration(neural, shape, start))
    mean, deviation = _moments(numbers)
    about = About(task, _labelled(shape, task), mean, deviation, seed)
    return NeuralModel(about, _initialised(about, seed), tokenizer)


def continued(
    folder: Path,
    neural: Neural,
    task: Task,
    numbers: Sequence[float],
    seed: int,
    dropout: float | None = None,
) -> NeuralModel | None:
    """Return the model that training begins with from a base's directory; `dropout` None is that of the base.

    None if the base is neither a neural model of the same kind of task nor an encoder, and `any_base`; else it raises
    BadBaseModel.
    """
    try:
        if (folder / NEURAL_CONFIG).exists():
            return _resumed(folder, task, seed, dropout)
        if (folder / "config.json").exists():
            return _encoder(folder, neural, task, numbers, seed, dropout)
        raise BadArtifact("It holds no model.")
    except (BadArtifact, KeyError, OSError, RuntimeError, SafetensorError, ValueError) as error:
        if neural.any_base:
            return None
        raise BadBaseModel(
            f"The base is no model that this run can train on: {str(error).splitlines()[0]} Name a small neural model "
            f"of the same kind of task, or an encoder ({', '.join(ENCODERS)}).",
            "BASE_UNFIT",
        ) from error


def initialise(module: nn.Module, shape: Shape, only: frozenset[str] = frozenset()) -> None:
    """Draw the weights of layers from the generator of torch: of all, or of those `only`, by name."""
    layers = {name: each for name, each in module.named_modules() if not only or name in only}
    recurrent = isinstance(module, Recurrent)
    for name, layer in layers.items():
        if isinstance(layer, nn.Embedding) and not isinstance(module, Encoder):
            nn.init.normal_(layer.weight, std=EMBEDDING_DEVIATION)
            if layer.padding_idx is not None:
                nn.init.zeros_(layer.weight[layer.padding_idx])
        elif isinstance(layer, nn.Linear | nn.Conv1d):
            _draw(layer, _activation(name, module, shape))
        elif recurrent and isinstance(layer, nn.RNNBase):
            _draw_gates(layer)


def refuse_constants(module: nn.Module) -> None:
    """ConstantWeights if all weights of a matrix are the same number."""
    for name, own in module.named_parameters():
        weight = own.detach()
        refuse_constant(name, float(weight.min()), float(weight.max()), weight.shape)


@torch.no_grad()
def _draw(layer: nn.Linear | nn.Conv1d, activation: str) -> None:
    width = layer.kernel_size[0] if isinstance(layer, nn.Conv1d) else 1
    rows, columns = layer.weight.shape[0], layer.weight.shape[1]
    deviation = standard_deviation(activation, columns * width, rows * width)
    nn.init.normal_(layer.weight, std=deviation)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


@torch.no_grad()
def _draw_gates(layer: nn.RNNBase) -> None:
    """Draw the weights of recurrent cells, whose functions are tanh and sigmoid: each gate by itself."""
    for weight in layer.parameters():
        if weight.dim() == 1:
            nn.init.zeros_(weight)
        else:
            nn.init.normal_(weight, std=standard_deviation("tanh", weight.shape[1], layer.hidden_size))


def _activation(name: str, module: nn.Module, shape: Shape) -> str:
    """Return the function after a layer."""
    if isinstance(module, Encoder):
        return next((each for end, each in _BEFORE.items() if name.endswith(end)), "tanh")
    return "linear" if name == "head" else shape.activation


def _initialised(about: About, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    module = build(about.shape, about.outputs)
    initialise(module, about.shape)
    refuse_constants(module)
    return module


def _resumed(folder: Path, task: Task, seed: int, dropout: float | None) -> NeuralModel:
    """Return a neural model with a head for the task: rows of labels that it has are kept, by name."""
    base = NeuralModel.load(folder)
    about = with_task(base, task)
    about = replace(about, shape=_labelled(_with_dropout(about.shape, dropout), task), seed=seed)
    module = _initialised(about, seed)
    old, heads = base.module.state_dict(), head_names(module)
    module.load_state_dict({**module.state_dict(), **{n: v for n, v in old.items() if n not in heads}})
    own = module.state_dict()
    with torch.no_grad():
        for name in heads:
            for place, source in _places(base.task, task):
                own[name][place] = old[name][source]
    refuse_constants(module)
    return NeuralModel(about, module, base.tokenizer)


def _places(old: Task, new: Task) -> list[tuple[int, int]]:
    """Return the row of each label in the new head and in the old one; a number has one row."""
    if not isinstance(old, Classify) or not isinstance(new, Classify):
        return [(0, 0)]
    return [(place, old.labels.index(label)) for place, label in enumerate(new.labels) if label in old.labels]


def _encoder(
    folder: Path,
    neural: Neural,
    task: Task,
    numbers: Sequence[float],
    seed: int,
    dropout: float | None,
) -> NeuralModel:
    """Return an encoder of a directory of Hugging Face with a new head."""
    from transformers import AutoModelForSequenceClassification

    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    kind = config.get("model_type")
    if kind not in ENCODERS:
        raise BadArtifact(f"{kind!r} is none of the encoders {', '.join(ENCODERS)}.")
    if not (folder / "tokenizer.json").exists() or not (folder / "model.safetensors").exists():
        raise BadArtifact("It lacks tokenizer.json or model.safetensors.")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0) >= int(config["vocab_size"]):
        raise BadArtifact("Its tokenizer has tokens that its weights have no vector for.")
    positions = int(config.get("max_position_embeddings", neural.max_tokens))
    share = ENCODER_DROPOUT if dropout is None else dropout
    shape = Shape(
        network=Network.ENCODER,
        vocab_size=int(config["vocab_size"]),
        hidden_size=int(config.get("hidden_size", config.get("dim", 0))),
        layers=int(config.get("num_hidden_layers", config.get("n_layers", 0))),
        max_tokens=min(neural.max_tokens, positions),
        dropout=share,
        pad=int(config.get("pad_token_id") or 0),
        encoder={**config, **_dropouts(str(kind), share)},
    )
    mean, deviation = _moments(numbers)
    about = About(task, _labelled(shape, task), mean, deviation, seed)
    torch.manual_seed(seed)
    module = build(about.shape, about.outputs)
    assert isinstance(module, Encoder)
    read = AutoModelForSequenceClassification.from_pretrained(
        folder, config=module.model.config, use_safetensors=True, local_files_only=True, dtype=torch.float32
    )
    module.model.load_state_dict(read.state_dict())
    initialise(module, about.shape, frozenset({"model.classifier", "model.pre_classifier"}))
    refuse_constants(module)
    return NeuralModel(about, module, tokenizer)


def _configuration(neural: Neural, shape: Shape, start: int) -> dict[str, Any]:
    """Return the configuration of an encoder from scratch, as transformers writes it."""
    size, dropout = neural.hidden_size, shape.dropout
    common = {"vocab_size": shape.vocab_size, "pad_token_id": shape.pad}
    of_kind: dict[EncoderKind, dict[str, Any]] = {
        EncoderKind.BERT: {
            "hidden_size": size,
            "num_hidden_layers": neural.layers,
            "num_attention_heads": neural.heads,
            "intermediate_size": 4 * size,
            "max_position_embeddings": neural.max_tokens,
        },
        EncoderKind.DISTILBERT: {
            "dim": size,
            "n_layers": neural.layers,
            "n_heads": neural.heads,
            "hidden_dim": 4 * size,
            "max_position_embeddings": neural.max_tokens,
        },
        EncoderKind.MODERNBERT: {
            "hidden_size": size,
            "num_hidden_layers": neural.layers,
            "num_attention_heads": neural.heads,
            "intermediate_size": 2 * size,
            "max_position_embeddings": neural.max_tokens,
            "cls_token_id": start,
            "bos_token_id": start,
            "eos_token_id": start,
            "sep_token_id": start,
            "classifier_pooling": "mean",
        },
    }
    kind = neural.encoder.value.lower()
    return {"model_type": kind, **common, **of_kind[neural.encoder], **_dropouts(kind, dropout)}


def _dropouts(kind: str, dropout: float) -> dict[str, float]:
    names = {
        "bert": ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"),
        "distilbert": ("dropout", "attention_dropout", "seq_classif_dropout"),
        "modernbert": ("embedding_dropout", "mlp_dropout", "attention_dropout", "classifier_dropout"),
    }
    return dict.fromkeys(names[kind], dropout)


def _with_dropout(shape: Shape, dropout: float | None) -> Shape:
    """Return a shape that leaves out this share of values; None: its own."""
    if dropout is None:
        return shape
    encoder = shape.encoder
    if encoder:
        encoder = {**encoder, **_dropouts(str(encoder["model_type"]), dropout)}
    return replace(shape, dropout=dropout, encoder=encoder)


def _labelled(shape: Shape, task: Task) -> Shape:
    """Return the shape of an encoder with the labels in the order of its outputs."""
    if not shape.encoder or not isinstance(task, Classify):
        return shape
    return replace(shape, encoder={**shape.encoder, "id2label": labels_by_id(task)})


def _moments(numbers: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation of right numbers; 0 and 1 of labels."""
    if not numbers:
        return 0.0, 1.0
    mean = math.fsum(numbers) / len(numbers)
    variance = math.fsum((each - mean) ** 2 for each in numbers) / len(numbers)
    return mean, math.sqrt(variance) or 1.0


def targets_of(task: Task, answers: Sequence[str], about: About) -> Tensor:
    """Return the targets of records: places of labels (records), shares (records, labels), or standardised numbers."""
    if not isinstance(task, Classify):
        numbers = [regress.number(task, answer) or 0.0 for answer in answers]
        return torch.tensor([(each - about.mean) / about.deviation for each in numbers])
    place = {label: number for number, label in enumerate(task.labels)}
    if not task.multi_label:
        return torch.tensor([place[answer] for answer in answers])
    targets = torch.zeros((len(answers), len(task.labels)))
    for row, answer in enumerate(answers):
        for label in answer.split("\n"):
            targets[row, place[label]] = 1.0
    return targets
