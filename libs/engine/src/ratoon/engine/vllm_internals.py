"""Calls into vLLM outside its public API, and what each needs of the pinned version.

vLLM promises none of these names. `USED` lists them; a test looks each of them up in the source of the installed
version, so that an upgrade fails there and not in a running engine. Imports of vLLM are local: the platform imports
no module of it.
"""

import logging
import multiprocessing
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

PRELOAD = (
    "vllm.entrypoints.launchers.api_server.entry",
    "vllm.entrypoints.launchers.cli_args",
    "vllm.v1.engine.core",
    "vllm.v1.executor.uniproc_executor",
    "vllm.v1.worker.cpu_worker",
    "vllm.v1.attention.backends.cpu_attn",
    "vllm.model_executor.models.llama",
)
"""Modules of vLLM that an engine on a CPU imports, by far the longest part of its start."""

USED = {
    "vllm.entrypoints.launchers.api_server.entry": ("main",),
    "vllm.entrypoints.launchers.api_server.app_state": (
        "init_app_state(engine_client)",
        "OpenAIServingModels",
    ),
    "vllm.entrypoints.openai.models.serving": (
        "OpenAIServingModels.load_lora_adapter(request)",
        "OpenAIServingModels.unload_lora_adapter(request)",
        "OpenAIServingModels.lora_requests",
        "OpenAIServingModels.base_model_paths",
        "OpenAIServingModels.registry",
        "OpenAIModelRegistry.base_model_paths",
    ),
    "vllm.entrypoints.serve.lora.protocol": (
        "LoadLoRAAdapterRequest.lora_name",
        "LoadLoRAAdapterRequest.lora_path",
        "UnloadLoRAAdapterRequest.lora_name",
    ),
    "vllm.lora.request": ("LoRARequest.lora_int_id",),
    "vllm.model_executor.model_loader": ("register_model_loader",),
    "vllm.model_executor.model_loader.default_loader": (
        "DefaultModelLoader.counter_before_loading_weights",
        "DefaultModelLoader.download_model(model_config)",
        "DefaultModelLoader.get_all_weights(model_config)",
    ),
    "vllm.model_executor.models.registry": ("_run_in_subprocess",),
    "vllm.envs": ("VLLM_BATCH_INVARIANT",),
    "vllm.platforms": ("current_platform",),
    "vllm.v1.engine.async_llm": (
        "AsyncLLM.collective_rpc(method)",
        "AsyncLLM.collective_rpc(timeout)",
        "AsyncLLM.collective_rpc(kwargs)",
        "AsyncLLM.errored",
        "AsyncLLM.remove_lora(lora_id)",
        "AsyncLLM.reset_prefix_cache",
    ),
    "vllm.v1.engine.utils": ("get_mp_context",),
    "vllm.v1.structured_output": ("logger",),
    "vllm.v1.worker.gpu_model_runner": ("GPUModelRunner.reload_weights(weights_path)",),
    "vllm.v1.worker.gpu_worker": ("Worker.reload_weights",),
}
"""Names by module, as `ratoon.testkit.sources` writes them."""


class AdapterNotLoaded(Exception):
    """vLLM refused to load an adapter; the message is its reason."""


@cache
def runtime() -> str:
    """Return vLLM's name with its version, whichever build of it is installed; empty if there is none."""
    builds = packages_distributions().get("vllm", ())
    return f"vllm {version(builds[0])}" if builds else ""


def serve(arguments: Sequence[str]) -> None:
    """Run vLLM's API server in this process until it is terminated."""
    from vllm.entrypoints.launchers.api_server import entry

    # It would write each grammar that a caller got wrong into the log, whole.
    logging.getLogger("vllm.v1.structured_output").setLevel(logging.ERROR)
    sys.argv = ["ratoon-engine", *arguments]
    entry.main()


def runs_on_cpu() -> bool:
    """Return whether vLLM computes on the CPU here."""
    from vllm.platforms import current_platform

    return bool(current_platform.is_cpu())


def batch_invariance() -> dict[str, str]:
    """Return the environment of vLLM's batch-invariant kernels; RuntimeError on a CPU, for which there are none."""
    if runs_on_cpu():
        raise RuntimeError(
            "vLLM has batch-invariant kernels for NVIDIA GPUs only: leave RATOON_ENGINE_BATCH_INVARIANT out."
        )
    return {"VLLM_BATCH_INVARIANT": "1"}


def fork_engine_core() -> None:
    """Let vLLM fork its engine core from this process, where it would start another one that imports all again."""
    import vllm.v1.engine.utils as engine_utils
    from vllm.model_executor.models import registry

    engine_utils.get_mp_context = lambda: multiprocessing.get_context("fork")
    # Models are inspected in this process: on a CPU no device can be started too early.
    registry._run_in_subprocess = lambda function: function()


async def load_adapter(models: Any, name: str, folder: Path) -> None:
    """Load the adapter of a directory under this name; AdapterNotLoaded when vLLM refuses."""
    from vllm.entrypoints.serve.lora.protocol import LoadLoRAAdapterRequest

    answer = await models.load_lora_adapter(LoadLoRAAdapterRequest(lora_name=name, lora_path=str(folder)))
    if not isinstance(answer, str):
        raise AdapterNotLoaded(str(answer.error.message))


async def unload_adapter(models: Any, name: str) -> int:
    """Remove an adapter for new requests; returns the number by which the engine core knows it."""
    from vllm.entrypoints.serve.lora.protocol import UnloadLoRAAdapterRequest

    number = int(models.lora_requests[name].lora_int_id)
    await models.unload_lora_adapter(UnloadLoRAAdapterRequest(lora_name=name))
    return number


def rename_model(models: Any, names: Sequence[str]) -> None:
    """Set the names by which requests may ask for the model; without any, they stay."""
    paths = models.base_model_paths
    renamed = [replace(paths[0], name=name) for name in names] or paths
    models.base_model_paths = models.registry.base_model_paths = renamed
