"""Compiled passes of a decoder by `torch.compile`, for any number of rows and places.

Parts of the decoder become one operation each, which saves what it costs to start them: on a GPU most of the time of a
small model. What is compiled depends on the shapes that come first, so a run compiles on the same samples in each of
its attempts, and resumes with the same operations.
"""

import importlib.util
import os
import shutil
from typing import Any

import torch

from ratoon_training.domain.errors import BadRecipe

FIELD = "recipe.optimization.compile"
_COMPILERS = ("c++", "g++", "clang++")


def decoder_of(model: Any, device: torch.device) -> Any:
    """Return the compiled decoder of a model; it computes with the same weights. BadRecipe if nothing can compile it.

    Benchmarks do not choose between operations: each attempt has the same ones.
    """
    check_compiler(device)
    return torch.compile(model.get_decoder(), dynamic=True, options={"deterministic": True})


def check_compiler(device: torch.device) -> None:
    """BadRecipe if this machine has no compiler for the device."""
    names = (os.environ["CXX"],) if "CXX" in os.environ else _COMPILERS
    if not any(map(shutil.which, names)):
        raise BadRecipe(
            f"{FIELD} needs a C++ compiler, and the worker has none of {', '.join(names)}: install g++ in the "
            "environment of the workers, or leave compile out.",
            FIELD,
        )
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        raise BadRecipe(
            f"{FIELD} needs the package triton on a GPU, which the environment of the workers lacks: install it there, "
            "or leave compile out.",
            FIELD,
        )
