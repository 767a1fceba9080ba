"""Conversion of pickled checkpoints and GGUF files into safetensors, in a process that may do little else.

`python -m ratoon.neural.conversion SOURCE DIRECTORY` prints a JSON object: `files`, or `error`. A pickle is a program:
`torch.load(weights_only=True)` reads it, which builds tensors alone. The process has limits of memory, time and file
size; it starts no other one, opens no socket, and leaves the network where the kernel lets it. The caller passes a
minimal environment.
"""

import ctypes
import json
import os
import re
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PICKLED = (".bin", ".pt", ".pth")
"""Endings of checkpoints that torch has pickled."""
STATES = re.compile(r"(optimizer|scheduler|scaler|rng_state\w*|training_args|trainer_state)\.(bin|pt|pth)")
"""Files of a training run beside its weights."""
_SHARD = re.compile(r"(?:pytorch_|adapter_)?model-(\d{5}-of-\d{5})\.(?:bin|pt|pth)")
_INDEX = "pytorch_model.bin.index.json"
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_DEPTH = 3
CPU_S = 3600
MEMORY_FACTOR, MEMORY_BASE = 4, 12 << 30
"""Address space: what torch maps, and the tensors of the largest file in several copies."""
_CLONE_NEWUSER, _CLONE_NEWNET, _PR_SET_NO_NEW_PRIVS = 0x10000000, 0x40000000, 38
_REFUSED = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.chmod",
    "os.chown",
    "os.kill",
    "pty.",
    "shutil.rmtree",
)
"""Events of the interpreter that a conversion has no use for."""


class BadCheckpoint(ValueError):
    """The file holds no weights that can be converted."""


def pickled_weights(folder: Path) -> list[Path]:
    """Return the pickled weights of a directory; BadCheckpoint if they are several checkpoints."""
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix in PICKLED and path.is_file() and not STATES.fullmatch(path.name)
    ]
    shards = [path for path in files if _SHARD.fullmatch(path.name)]
    if shards and len(shards) == len(files):
        return shards
    if len(files) > 1:
        raise BadCheckpoint(
            f"The directory holds several checkpoints ({', '.join(path.name for path in files[:5])}): leave one."
        )
    return files


def safe_name(path: Path, adapter: bool = False) -> str:
    """Return the name of the safetensors file that takes the place of a pickled one."""
    match = _SHARD.fullmatch(path.name)
    middle = f"-{match.group(1)}" if match else ""
    return f"{'adapter_' if adapter else ''}model{middle}.safetensors"


def convert(folder: Path, target: Path) -> list[str]:
    """Write the pickled weights of a directory as safetensors into another one; return the names of the files."""
    from safetensors.torch import save_file

    adapter = (folder / "adapter_config.json").exists()
    names, places = [], {}
    for path in pickled_weights(folder):
        tensors = read(path)
        name = safe_name(path, adapter)
        save_file(tensors, target / name, {"format": "pt"})
        names.append(name)
        places.update(dict.fromkeys(tensors, name))
    if len(names) > 1:
        index = json.dumps({"metadata": {}, "weight_map": places}, indent=2, sort_keys=True)
        (target / "model.safetensors.index.json").write_text(index)
        names.append("model.safetensors.index.json")
    return names


def read(path: Path) -> dict[str, Any]:
    """Return the tensors of a checkpoint by name, each with memory of its own; BadCheckpoint if it holds others."""
    import torch

    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:
        raise BadCheckpoint(
            f"{path.name} is damaged, or holds more than tensors, which could run code: it was not loaded. Save the "
            "weights again, with `model.save_pretrained(folder, safe_serialization=True)`."
        ) from error
    tensors = _state(stored)
    if not tensors:
        raise BadCheckpoint(f"{path.name} holds no tensors by name: it is no checkpoint of a model.")
    return {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}


def _state(stored: Any, depth: int = 0) -> dict[str, Any]:
    """Return the tensors by name, out of the mappings that trainers wrap around them."""
    import torch

    if not isinstance(stored, Mapping) or depth > _DEPTH:
        return {}
    own = {str(name): each for name, each in stored.items() if isinstance(each, torch.Tensor)}
    if own and len(own) == len(stored):
        prefix = "module."
        wrapped = all(name.startswith(prefix) for name in own)
        return {name.removeprefix(prefix) if wrapped else name: each for name, each in own.items()}
    for wrapper in _WRAPPERS:
        if inner := _state(stored.get(wrapper), depth + 1):
            return inner
    return {}


def convert_gguf(file: Path, target: Path) -> list[str]:
    """Write a GGUF file as a Hugging Face directory in float32; return the names of its files."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **options)
        model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **options)
    except MemoryError:
        raise
    except Exception as error:
        raise BadCheckpoint(
            f"{file.name} cannot be read by transformers, which knows the common architectures of GGUF files alone: "
            f"{str(error).splitlines()[0][:200] if str(error) else type(error).__name__}"
        ) from error
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(target, safe_serialization=True)
    tokenizer.save_pretrained(target)
    return sorted(path.name for path in target.iterdir())


def confine(source_bytes: int) -> None:
    """Take from this process what a conversion does not need. It cannot be undone."""
    os.umask(0o077)
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: CPU_S,
        resource.RLIMIT_AS: MEMORY_BASE + MEMORY_FACTOR * source_bytes,
        resource.RLIMIT_FSIZE: (1 << 20) + 10 * source_bytes,
    }
    for kind, limit in limits.items():
        _, hard = resource.getrlimit(kind)
        maximum = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (maximum, maximum))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    sys.addaudithook(_refuse)


def leave_network() -> None:
    """Enter a network without interfaces, where the kernel allows it, and give up gaining rights.

    A process with threads cannot: call it before libraries are loaded.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        libc.unshare(_CLONE_NEWNET)  # without user namespaces, root still leaves


def _refuse(event: str, _arguments: object) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(f"{event} is not allowed while a checkpoint is converted")


def main(source: Path, target: Path) -> dict[str, Any]:
    """Convert, and return what to print."""
    leave_network()
    # Libraries start threads and look at the machine when they are loaded: that comes before the limits.
    import safetensors.torch  # noqa: F401
    import torch

    torch.set_num_threads(1)
    is_file = source.is_file()
    if is_file:
        import gguf  # noqa: F401
        import transformers

        _ = transformers.AutoModelForCausalLM, transformers.AutoTokenizer
    try:
        files = [source] if is_file else pickled_weights(source)
        confine(sum(path.stat().st_size for path in files))
        return {"files": convert_gguf(source, target) if is_file else convert(source, target)}
    except BadCheckpoint as error:
        return {"error": str(error)}
    except MemoryError:
        return {
            "error": f"{source.name} takes more memory than a checkpoint of its size needs: it was not loaded."
        }
    except OSError as error:
        return {"error": f"{source.name} could not be converted: {error.strerror or error}."}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]))) + "\n")
