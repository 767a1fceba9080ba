"""Model loader that reads signed files only: this process hashes every byte that becomes a weight.

vLLM finds it by the entry point `vllm.general_plugins` (`register`) and the load format `ratoon`, for the first load
and for a reload in place. `AttestedWorker.ratoon_loaded` reports the last load from the process that holds the weights.
"""

import hashlib
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn
from vllm.config import ModelConfig
from vllm.model_executor.model_loader import register_model_loader
from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

from ratoon.engine.manifest import AttestationError, SignedManifest, files_of, tree_digest
from ratoon.engine.settings import EngineSettings
from ratoon.storage.artifacts import TreeFile

LOAD_FORMAT = "ratoon"


@dataclass(frozen=True)
class Loaded:
    """Source of the weights in this process."""

    artifact_digest: str
    tensors: int
    bytes: int
    seconds: float


_loaded: list[Loaded] = []


class VerifiedLoader(DefaultModelLoader):
    """Reads safetensors file by file and checks the hash of the bytes before the model gets them."""

    def download_model(self, model_config: ModelConfig) -> None:
        """Fetch nothing: the directory exists before the engine starts."""

    def get_all_weights(
        self, model_config: ModelConfig, _model: nn.Module
    ) -> Generator[tuple[str, torch.Tensor], None, None]:
        """Yield each tensor of the configured directory; AttestationError before any unsigned one."""
        started = self.counter_before_loading_weights = time.perf_counter()
        _loaded.clear()
        folder = Path(model_config.model)
        manifest = SignedManifest.next_to(folder, Path(EngineSettings.of_this_process().public_key))
        files, rows, tensors = files_of(folder), [], 0
        manifest.check_complete(set(files))
        for path, file in files.items():
            data = _read_checked(manifest, path, file)
            rows.append(TreeFile(path, manifest.digests[path], len(data)))
            if path.endswith(".safetensors"):
                weights = safetensors.torch.load(data)
                tensors += len(weights)
                yield from weights.items()
        size = sum(row.size for row in rows)
        _loaded.append(Loaded(tree_digest(rows), tensors, size, time.perf_counter() - started))


class AttestedWorker:
    """Methods added to vLLM's worker (`--worker-extension-cls`)."""

    def ratoon_loaded(self) -> dict[str, Any]:
        """Report the source of the weights; empty while a load runs or after it failed."""
        return asdict(_loaded[-1]) if _loaded else {}


def register() -> None:
    """Register the load format with vLLM; called in each of its processes."""
    register_model_loader(LOAD_FORMAT)(VerifiedLoader)


def _read_checked(manifest: SignedManifest, path: str, file: Path) -> bytes:
    if path.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt")):
        raise AttestationError(f"{path!r} would have to be unpickled: only safetensors are loaded.")
    data = file.read_bytes()
    manifest.check(path, hashlib.sha256(data).hexdigest())
    return data
