"""Parity of a form of a model with its reference: what renders prompts, configuration, tensors, then numbers.

Files and tensors are compared before numbers, since they determine the name of a cause; a difference of numbers alone
has the layer where it begins. Workers of registry, training and evaluation use it. Programs that hold no torch module
(engines, llama.cpp, ONNX Runtime) score the recorded tokens themselves and use `ratoon.tasks.parity`.
"""

from ratoon.neural.parity.forms import Form, dense, load
from ratoon.neural.parity.inputs import Rendered, compare_inputs, compare_rendered, inputs_of, rendered
from ratoon.neural.parity.links import compare_forms, first_finding, runtime, train_link
from ratoon.neural.parity.numbers import first_layer, read, record, score

__all__ = [
    "Form",
    "Rendered",
    "compare_forms",
    "compare_inputs",
    "compare_rendered",
    "dense",
    "first_finding",
    "first_layer",
    "inputs_of",
    "load",
    "read",
    "record",
    "rendered",
    "runtime",
    "score",
    "train_link",
]
