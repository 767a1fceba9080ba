"""Formats whose package is part of no environment of Ratoon: written where it is installed, refused elsewhere."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ratoon_training.worker.exporting.exporter import Written, missing
from ratoon_training.worker.exporting.onnx_graph import FILE, OnnxExporter
from ratoon_training.worker.exporting.source import Source

_TOKENS = 64
"""Tokens of a text in formats with fixed shapes."""


class _Logits(nn.Module):
    """A model that returns logits alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=input_ids, use_cache=False).logits
        return logits


class TensorRtExporter:
    """Builds an engine of TensorRT from the ONNX graph; it runs on the kind of GPU on which it was built."""

    def export(self, source: Source, folder: Path) -> Written:
        """Build the engine beside the graph."""
        if find_spec("tensorrt") is None or not torch.cuda.is_available():
            raise missing("tensorrt with an NVIDIA GPU", "TensorRT", "export on a machine that has both.")
        import tensorrt

        graph = OnnxExporter().export(source, folder)
        logger = tensorrt.Logger(tensorrt.Logger.WARNING)
        builder = tensorrt.Builder(logger)
        network = builder.create_network(0)
        parser = tensorrt.OnnxParser(network, logger)
        if not parser.parse_from_file(str(folder / FILE)):
            raise missing("an ONNX parser for this graph", "TensorRT", str(parser.get_error(0)))
        profile, config = builder.create_optimization_profile(), builder.create_builder_config()
        for number in range(network.num_inputs):
            tensor = network.get_input(number)
            low, best, high = (
                [size if size > 0 else each for size in tensor.shape] for each in (1, _TOKENS, 512)
            )
            profile.set_shape(tensor.name, low, best, high)
        config.add_optimization_profile(profile)
        (folder / "model.plan").write_bytes(builder.build_serialized_network(network, config))
        graph.notes.append(
            f"The engine is of TensorRT {version('tensorrt')}. Its answers were not compared; those of the graph from "
            "which it was built were."
        )
        return graph


class CoreMlExporter:
    """Writes a Core ML program with a fixed number of tokens."""

    def export(self, source: Source, folder: Path) -> Written:
        """Convert the traced model."""
        if find_spec("coremltools") is None:
            raise missing(
                "coremltools", "Core ML", "install it, and export again; macOS compares the answers."
            )
        import coremltools
        import numpy as np

        ids = torch.ones(1, _TOKENS, dtype=torch.int32)
        traced = torch.jit.trace(_Logits(source.model), ids)
        written = coremltools.convert(
            traced,
            inputs=[coremltools.TensorType("input_ids", ids.shape, dtype=np.int32)],
            convert_to="mlprogram",
        )
        written.save(str(folder / "model.mlpackage"))
        note = f"Texts have {_TOKENS} tokens. The answers were not compared: Core ML runs on macOS alone."
        return Written("float16", "", notes=[note])


class TfliteExporter:
    """Writes a TensorFlow Lite file with a fixed number of tokens."""

    def export(self, source: Source, folder: Path) -> Written:
        """Convert the model by LiteRT."""
        if find_spec("litert_torch") is None:
            raise missing("litert-torch", "TensorFlow Lite", "install it, and export again.")
        import litert_torch

        converted = litert_torch.convert(_Logits(source.model), (torch.ones(1, _TOKENS, dtype=torch.int64),))
        converted.export(str(folder / "model.tflite"))
        return Written("float32", "", notes=[f"Texts have {_TOKENS} tokens. The answers were not compared."])
