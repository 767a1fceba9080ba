"""An ONNX graph with the cache as inputs and outputs, scored token by token and as a whole by ONNX Runtime."""

import logging
import warnings
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ratoon.tasks.parity import Finding, Reason
from ratoon_training.domain.errors import ExportFailed
from ratoon_training.worker.exporting.exporter import Written, missing
from ratoon_training.worker.exporting.source import Source, scored

FILE = "model.onnx"
_BATCH, _TOKENS, _PAST = 2, 3, 5
"""Sizes of the example that is traced: none of them 0 or 1, which tracing takes for constants."""
_LENGTHS = (1, 7, 33)
"""Lengths of the texts that are decoded token by token."""
_BATCHES = (1, 3)
_TOLERANCE = 1e-3
"""Largest difference of logits that the order of sums makes, as a share of the largest logit."""
_SPOKEN = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)


class OnnxExporter:
    """Writes `model.onnx` with its weights in `model.onnx.data`."""

    def export(self, source: Source, folder: Path) -> Written:
        """Trace the model, and compare the graph with it at several lengths and batch sizes."""
        try:
            import onnx
            import onnxruntime
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise missing(
                str(error.name), "ONNX", "install the packages onnx, onnxscript and onnxruntime."
            ) from error
        for name in _SPOKEN:
            if (source.directory / name).exists():
                (folder / name).write_bytes((source.directory / name).read_bytes())
        names = write_graph(source.model, folder / FILE)
        stored = onnx.load(folder / FILE, load_external_data=False)
        counts = Counter(
            onnx.TensorProto.DataType.Name(each.data_type)
            for each in stored.graph.initializer
            if len(each.dims) > 1
        )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        graph = Graph(
            onnxruntime.InferenceSession(str(folder / FILE), options, providers=["CPUExecutionProvider"]),
            names,
        )
        return Written(
            "onnx",
            f"onnxruntime {onnxruntime.__version__}",
            scored(source.reference, graph.logits),
            graph.difference(source),
            dict(sorted(counts.items())),
            [
                "Inputs are input_ids, attention_mask and past_key_values.{layer}.key and .value, which may have the "
                "length 0; outputs are logits and present.{layer}.key and .value."
            ],
        )


class _WithCache(nn.Module):
    """A model whose cache is a list of tensors."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, past: list[Tensor]) -> tuple[Tensor, ...]:
        from transformers import DynamicCache

        pairs = list(zip(past[::2], past[1::2], strict=True))
        cache = DynamicCache(pairs)
        output = self.model(
            input_ids=input_ids, attention_mask=attention_mask, past_key_values=cache, use_cache=True
        )
        present = [each for layer in cache.layers for each in (layer.keys, layer.values)]
        return (output.logits, *present)


def write_graph(model: Any, path: Path) -> list[str]:
    """Write the graph of a model with its cache; return the names of the cache's tensors."""
    from torch.export import Dim

    config = model.config.get_text_config()
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        raise ExportFailed(
            "The model attends to a sliding window, whose cache ONNX exports do not have yet: export it as GGUF or as "
            "a Hugging Face directory.",
            "ARCHITECTURE_UNSUPPORTED",
        )
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    layers = config.num_hidden_layers
    names = [f"{layer}.{kind}" for layer in range(layers) for kind in ("key", "value")]
    past = [torch.zeros(_BATCH, heads, _PAST, width) for _ in names]
    ids = torch.ones(_BATCH, _TOKENS, dtype=torch.int64)
    mask = torch.ones(_BATCH, _PAST + _TOKENS, dtype=torch.int64)
    batch, tokens, before = Dim("batch"), Dim("tokens"), Dim("past")
    with _eager(model), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            torch.onnx.export(
                _WithCache(model),
                (ids, mask, past),
                str(path),
                dynamo=True,
                external_data=True,
                verbose=False,
                input_names=["input_ids", "attention_mask", *(f"past_key_values.{name}" for name in names)],
                output_names=["logits", *(f"present.{name}" for name in names)],
                dynamic_shapes=(
                    {0: batch, 1: tokens},
                    {0: batch, 1: Dim.AUTO},
                    [{0: batch, 2: before} for _ in names],
                ),
            )
        except Exception as error:
            raise ExportFailed(
                f"torch cannot write {config.model_type} as an ONNX graph: {_first_line(error)}",
                "ARCHITECTURE_UNSUPPORTED",
            ) from error
    return names


@contextmanager
def _eager(model: Any) -> Any:
    """Compute attention by plain products for a while: the graph then holds no kernel of torch."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


class Graph:
    """A graph in ONNX Runtime."""

    def __init__(self, session: Any, names: list[str]) -> None:
        self._session, self._names = session, names
        shapes = {each.name: each.shape for each in session.get_inputs()}
        self._shape = [shapes[f"past_key_values.{name}"] for name in names]

    def logits(self, tokens: list[int]) -> np.ndarray[Any, Any]:
        """Return the logits (tokens, vocabulary) of a text, computed at once with an empty cache."""
        values: np.ndarray[Any, Any] = self.step(np.array([tokens]), self.empty(1))[0][0]
        return values

    def empty(self, batch: int) -> list[np.ndarray[Any, Any]]:
        """Return an empty cache."""
        return [np.zeros((batch, shape[1], 0, shape[3]), np.float32) for shape in self._shape]

    def step(
        self, ids: np.ndarray[Any, Any], past: list[np.ndarray[Any, Any]]
    ) -> tuple[np.ndarray[Any, Any], list[np.ndarray[Any, Any]]]:
        """Return the logits of tokens after a cache, and the cache with them."""
        mask = np.ones((ids.shape[0], past[0].shape[2] + ids.shape[1]), np.int64)
        feed = {"input_ids": ids.astype(np.int64), "attention_mask": mask}
        feed |= {f"past_key_values.{name}": each for name, each in zip(self._names, past, strict=True)}
        inputs = {each.name for each in self._session.get_inputs()}
        answer = self._session.run(None, {name: each for name, each in feed.items() if name in inputs})
        return answer[0], list(answer[1:])

    def difference(self, source: Source) -> Finding | None:
        """Return a difference of token-by-token decoding from the model's own forward pass."""
        rows = int(source.model.get_input_embeddings().weight.shape[0])
        limit = source.positions or max(_LENGTHS)
        for length in (each for each in _LENGTHS if each <= limit):
            for batch in _BATCHES:
                ids = (np.arange(batch * length).reshape(batch, length) * 7 + 3) % rows
                with torch.inference_mode():
                    expected = source.model(input_ids=torch.from_numpy(ids), use_cache=False).logits.numpy()
                past, worst = self.empty(batch), 0.0
                for place in range(length):
                    answer, past = self.step(ids[:, place : place + 1], past)
                    worst = max(worst, float(np.abs(answer[:, 0] - expected[:, place]).max()))
                if not worst <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
                    return Finding(
                        Reason.LOGPROBS_DIFFER,
                        f"Decoded token by token, {batch} texts of {length} tokens have logits that differ by "
                        f"{worst:.2e}.",
                    )
        return None


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:200]
