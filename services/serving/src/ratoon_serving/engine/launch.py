"""Start vLLM in this process for one engine: verify its files first, then become the API server.

On a CPU, vLLM spawns an engine core and a worker that each import everything again. Here the core is forked
from the process that has imported it all, and holds the worker itself: two processes instead of three,
imported once.
"""

import importlib
import multiprocessing
import os
import sys
from pathlib import Path

from ratoon_serving.engine.manifest import FileMismatch, SignedManifest
from ratoon_serving.engine.settings import SETTINGS_VARIABLE, EngineSettings

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_PLUGINS": "ratoon",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TORCHDYNAMO_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""What a process that imports vLLM for an engine is started with; who starts it adds `OMP_NUM_THREADS`.

Without `TORCHDYNAMO_DISABLE` the first request for log-probabilities waits 20 s for a compiler.
"""

PRELOAD = (
    "vllm.entrypoints.launchers.api_server.entry",
    "vllm.entrypoints.launchers.cli_args",
    "vllm.v1.engine.core",
    "vllm.v1.executor.uniproc_executor",
    "vllm.v1.worker.cpu_worker",
    "vllm.v1.attention.backends.cpu_attn",
    "vllm.model_executor.models.llama",
    "ratoon_serving.engine.middleware",
    "ratoon_serving.engine.loader",
)
"""What takes the time of a cold start: imported before the fork, once for every engine of the machine."""

_UNNEEDED = ("sklearn", "pandas", "scipy", "networkx")
"""Imported on the way because they are installed, and used by nothing that an engine does: a fifth of the time."""


def preload() -> None:
    """Import what every engine needs, and nothing that only happens to be there; later imports find all again."""
    hidden = [name for name in _UNNEEDED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        for module in PRELOAD:
            importlib.import_module(module)
    finally:
        for name in hidden:
            del sys.modules[name]


def vllm_arguments(settings: EngineSettings) -> list[str]:
    """The command line of `vllm serve` for this engine."""
    return [
        *("--model", settings.model, "--uds", settings.socket, "--served-model-name", *settings.served_names),
        *("--middleware", "ratoon_serving.engine.middleware.EngineGate"),
        *("--worker-extension-cls", "ratoon_serving.engine.loader.AttestedWorker"),
        *("--load-format", "ratoon", "--dtype", settings.dtype, "--enforce-eager"),
        *("--max-model-len", str(settings.max_model_len), "--max-num-seqs", str(settings.max_num_seqs)),
        *("--distributed-executor-backend", "uni", "--return-tokens-as-token-ids"),
        *("--shutdown-timeout", str(settings.drain_s), "--generation-config", "vllm"),
        *("--disable-uvicorn-access-log", "--disable-fastapi-docs"),
        *(("--enable-lora",) if settings.lora else ()),
        *settings.arguments,
    ]


def launch(settings_file: Path) -> None:
    """Verify the model's files, then serve until told to end; AttestationError when they are not right."""
    settings = EngineSettings.read(settings_file)
    verify(settings)
    os.environ.update(ENVIRONMENT)
    os.environ[SETTINGS_VARIABLE] = str(settings_file)
    preload()
    _fork_on_cpu()
    from vllm.entrypoints.launchers.api_server import entry

    Path(settings.socket).unlink(missing_ok=True)
    cache = ["--kv-cache-memory-bytes", str(settings.kv_cache_mib << 20)]
    sys.argv = ["ratoon-engine", *vllm_arguments(settings), *cache]
    entry.main()


def verify(settings: EngineSettings) -> None:
    """Check every file of the model folder before anything of vLLM reads one."""
    folder = Path(settings.model)
    found = SignedManifest.beside(folder, Path(settings.public_key)).check_folder(folder)
    if found != settings.artifact_digest:
        raise FileMismatch(
            f"The folder's artifact digest is {found}, but {settings.artifact_digest} was named."
        )


def _fork_on_cpu() -> None:
    """Let the engine core be forked where the platform is the CPU; elsewhere vLLM decides."""
    import vllm.v1.engine.utils as engine_utils
    from vllm.model_executor.models import registry
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return
    engine_utils.get_mp_context = lambda: multiprocessing.get_context("fork")
    registry._run_in_subprocess = lambda function: (
        function()
    )  # nothing of a device can be started too early here
