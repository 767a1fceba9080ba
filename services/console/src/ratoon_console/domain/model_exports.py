"""Exports of models: formats by name, and the export that a form describes."""

from collections.abc import Mapping

from ratoon_console.domain.errors import BadForm
from ratoon_console.domain.words import JSON

FORMATS = {
    "FORMAT_HUGGING_FACE": "Hugging Face directory",
    "FORMAT_ADAPTER": "adapter alone",
    "GGUF_TYPE_F16": "GGUF, 16 bits",
    "GGUF_TYPE_Q8_0": "GGUF, Q8_0",
    "GGUF_TYPE_Q4_K_M": "GGUF, Q4_K_M",
    "FORMAT_ONNX": "ONNX",
    "FORMAT_TENSORRT": "TensorRT",
    "FORMAT_CORE_ML": "Core ML",
    "FORMAT_TFLITE": "TensorFlow Lite",
}
"""Formats of exports, those of GGUF by the number format of the weights, as pages name them."""


def export_of(fields: Mapping[str, str]) -> JSON:
    """Return the export of a form; BadForm without a format that is known."""
    format_ = fields.get("format", "")
    if format_ not in FORMATS:
        raise BadForm(f"The format {format_!r} is none of {', '.join(FORMATS)}. Go back and choose one.")
    export: JSON = {"sourceDigest": fields.get("digest", ""), "sourceVersion": fields.get("name", "")}
    if format_.startswith("GGUF_TYPE_"):
        return export | {"format": "FORMAT_GGUF", "ggufType": format_}
    return export | {"format": format_}


def named_format(export: JSON) -> str:
    """Return the format of an export as pages name it."""
    format_ = str(export.get("format", ""))
    return FORMATS.get(str(export.get("ggufType", "")), FORMATS.get(format_, format_))
