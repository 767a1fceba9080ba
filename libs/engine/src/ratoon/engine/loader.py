"""The model loader that reads nothing unsigned: every byte that becomes a weight was hashed in this process.

vLLM finds it by the entry point `vllm.general_plugins` (`register`) and the load format `ratoon`, for the
first load and for a reload in place alike. What was loaded last is told by `AttestedWorker.ratoon_loaded`, in
the very process that holds the weights.
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

from ratoon.chassis.artifacts import TreeFile
from ratoon.engine.manifest import AttestationError, SignedManifest, files_of, tree_digest
from ratoon.engine.settings import EngineSettings

LOAD_FORMAT = "ratoon"


@dataclass(frozen=True)
class Loaded:
    """What the weights of this process were read from."""

    artifact_digest: str
    tensors: int
    bytes: int
    seconds: float


_loaded: list[Loaded] = []


class VerifiedLoader(DefaultModelLoader):
    """Reads safetensors file by file and hashes the bytes that it read before the model has them."""

    def download_model(self, model_config: ModelConfig) -> None:
        """Nothing is fetched here: the folder is there before the engine starts."""

    def get_all_weights(
        self, model_config: ModelConfig, _model: nn.Module
    ) -> Generator[tuple[str, torch.Tensor], None, None]:
        """Each tensor of the configured folder; AttestationError before any unsigned one."""
        started = self.counter_before_loading_weights = time.perf_counter()
        _loaded.clear()
        folder = Path(model_config.model)
        manifest = SignedManifest.beside(folder, Path(EngineSettings.of_this_process().public_key))
        found, rows, tensors = files_of(folder), [], 0
        manifest.check_complete(set(found))
        for path, file in found.items():
            data = _read_checked(manifest, path, file)
            rows.append(TreeFile(path, manifest.digests[path], len(data)))
            if path.endswith(".safetensors"):
                weights = safetensors.torch.load(data)
                tensors += len(weights)
                yield from weights.items()
        size = sum(row.size for row in rows)
        _loaded.append(Loaded(tree_digest(rows), tensors, size, time.perf_counter() - started))


class AttestedWorker:
    """What vLLM's worker learns beside its own methods (`--worker-extension-cls`)."""

    def ratoon_loaded(self) -> dict[str, Any]:
        """What this process read its weights from; empty while a load is under way or has failed."""
        return asdict(_loaded[-1]) if _loaded else {}


def register() -> None:
    """Make the load format known to vLLM; called in each of its processes."""
    register_model_loader(LOAD_FORMAT)(VerifiedLoader)


def _read_checked(manifest: SignedManifest, path: str, file: Path) -> bytes:
    if path.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt")):
        raise AttestationError(f"{path!r} would have to be unpickled: a model is safetensors only.")
    data = file.read_bytes()
    manifest.check(path, hashlib.sha256(data).hexdigest())
    return data
