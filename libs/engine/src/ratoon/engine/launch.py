"""Start an engine in this process: verify its files, then run the API server of vLLM, or that of small models.

On a CPU, vLLM spawns an engine core and a worker, and each imports all modules again. Here the core is forked from the
process that has imported them, and contains the worker: two processes instead of three, and one import.
"""

import importlib
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from ratoon.engine import vllm_internals
from ratoon.engine.manifest import FileMismatch, SignedManifest
from ratoon.engine.settings import SETTINGS_VARIABLE, EngineSettings
from ratoon.engine.sockets import PREFIX, SOCKETS_FILE, remove_sockets
from ratoon.storage.artifacts import file_digest
from ratoon.storage.model_tree import FolderFiles, model_positions, weight_format
from ratoon.storage.models import is_small
from ratoon.tasks.compute import Accelerator, Compute, Dtype, cpu_flags, weights_misfit

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_PLUGINS": "ratoon",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_MAX_N_SEQUENCES": "128",
    "VLLM_MAX_COMPLETION_PROMPTS": "1024",
    "OPENBLAS_NUM_THREADS": "1",
    "LLGUIDANCE_LOG_LEVEL": "0",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TORCHDYNAMO_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Environment of a process that imports vLLM for an engine; its starter adds `OMP_NUM_THREADS`.

Without `TORCHDYNAMO_DISABLE` the first request for log-probabilities waits 20 s for a compiler.
"""

TRACES = {
    "OTEL_SERVICE_NAME": "engine",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    "OTEL_TRACES_SAMPLER": "parentbased_always_off",
}
"""Environment by which vLLM exports spans only of requests whose trace the gateway keeps."""

PRELOAD = (*vllm_internals.PRELOAD, "ratoon.engine.middleware", "ratoon.engine.loader")
"""Modules that take the time of a cold start: imported before the fork, once for every engine of the machine."""

STRUCTURED_OUTPUTS = json.dumps({"backend": "guidance", "disable_any_whitespace": True})
"""Grammars are followed token by token, with a bound on each step, so that no schema blocks the engine.

White space between values is off: where it is allowed, a small model fills its answer with it.
"""

_UNNEEDED = ("sklearn", "pandas", "scipy", "networkx")
"""Packages that vLLM imports if they are installed and that engines do not use: a fifth of the import time."""


def preload() -> None:
    """Import the modules that every engine needs, without `_UNNEEDED`; later imports find those again."""
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
    """Return the command line of `vllm serve` for this engine."""
    return [
        *("--model", settings.model, "--served-model-name", *settings.served_names),
        *(
            ("--uds", settings.socket)
            if settings.socket
            else ("--host", settings.host, "--port", str(settings.port))
        ),
        *("--middleware", "ratoon.engine.middleware.EngineMiddleware"),
        *("--worker-extension-cls", "ratoon.engine.loader.AttestedWorker"),
        *("--load-format", "ratoon", "--dtype", settings.dtype, "--enforce-eager"),
        *("--max-model-len", str(context_tokens(settings)), "--max-num-seqs", str(settings.max_num_seqs)),
        *("--scheduling-policy", "priority"),
        *("--distributed-executor-backend", "uni", "--structured-outputs-config", STRUCTURED_OUTPUTS),
        *("--shutdown-timeout", str(settings.drain_s), "--generation-config", "vllm"),
        *(("--kv-cache-memory-bytes", str(settings.kv_cache_mib << 20)) if settings.kv_cache_mib else ()),
        *("--disable-uvicorn-access-log", "--disable-fastapi-docs"),
        *(_lora_arguments(settings) if settings.lora else ()),
        *(("--chat-template", settings.chat_template) if settings.chat_template else ()),
        *(("--otlp-traces-endpoint", f"{settings.otlp}/v1/traces") if settings.otlp else ()),
        *settings.arguments,
    ]


def context_tokens(settings: EngineSettings) -> int:
    """Return the maximum length of a sequence: the setting, or the model's number of positions if that is lower."""
    positions = model_positions(FolderFiles(Path(settings.model)))
    return min(settings.max_model_len, positions) if positions else settings.max_model_len


def _lora_arguments(settings: EngineSettings) -> list[str]:
    slots = ("--max-loras", str(settings.lora_slots), "--max-cpu-loras", str(settings.lora_slots))
    return ["--enable-lora", "--max-lora-rank", str(settings.lora_rank), *slots]


def launch(settings_file: Path) -> None:
    """Verify the model's files, then serve until the process is terminated; AttestationError for unsigned files."""
    settings = EngineSettings.read(settings_file)
    verify(settings)
    os.environ.update({**ENVIRONMENT, **TRACES})
    os.environ[SETTINGS_VARIABLE] = str(settings_file)
    if is_small(Path(settings.model)):
        from ratoon.engine import classical

        classical.serve(settings)
        return
    check_hardware(settings)
    if settings.batch_invariant:
        os.environ |= vllm_internals.batch_invariance()
    with private_sockets(settings_file.parent if settings.socket else None) as sockets:
        os.environ["VLLM_RPC_BASE_PATH"] = str(sockets)
        _serve(settings)


@contextmanager
def private_sockets(engine_directory: Path | None) -> Iterator[Path]:
    """Create a directory that only this user can enter, for the sockets between the engine's processes; remove it last.

    A file in the engine's own directory names it, so that the sockets of a killed engine are removed as well. It is in
    the system's temporary directory: a socket's path has at most 107 bytes.
    """
    sockets = tempfile.mkdtemp(prefix=PREFIX)
    if engine_directory is not None:
        remove_sockets(engine_directory)
        (engine_directory / SOCKETS_FILE).write_text(sockets)
    owner = os.getpid()
    try:
        yield Path(sockets)
    finally:
        if os.getpid() == owner:
            shutil.rmtree(sockets, ignore_errors=True)


def _serve(settings: EngineSettings) -> None:
    _fork_on_cpu()
    os.register_at_fork(after_in_child=partial(release_listener, settings.socket or settings.port))
    if settings.socket:
        Path(settings.socket).unlink(missing_ok=True)
    vllm_internals.serve(vllm_arguments(settings))


def release_listener(at: str | int) -> None:
    """Close the sockets bound to this path or port, in a forked child that does not serve them.

    If the child kept them, callers of a killed server would wait in the child's queue instead of being refused. vLLM
    binds before it forks and listens after. The descriptor stays in use, because the child may close it later.
    """
    with open(os.devnull) as nothing:
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError), socket.socket(fileno=os.dup(int(name))) as inherited:
                bound = inherited.getsockname()
                if (bound if isinstance(bound, str) else bound[1]) == at:
                    os.dup2(nothing.fileno(), int(name))


def verify(settings: EngineSettings) -> None:
    """Check every file of the model, and the adapters' chat template, before vLLM reads any of them."""
    folder, key = Path(settings.model), Path(settings.public_key)
    if settings.chat_template:
        template = Path(settings.chat_template)
        SignedManifest.next_to(template.parent, key).check(template.name, file_digest(template))
    actual = SignedManifest.next_to(folder, key).check_folder(folder)
    if actual != settings.artifact_digest:
        raise FileMismatch(
            f"The directory's artifact digest is {actual}, but {settings.artifact_digest} was named."
        )


class HardwareMismatch(Exception):
    """This machine cannot compute the weights of the model."""


def check_hardware(settings: EngineSettings) -> None:
    """Raise HardwareMismatch if vLLM would start, and fail at the first request."""
    config = Path(settings.model) / "config.json"
    weights = weight_format(json.loads(config.read_text())) if config.exists() else ""
    if not weights or settings.dtype.upper() not in Dtype.__members__:
        return
    on_cpu = vllm_internals.runs_on_cpu()
    compute = Compute(Accelerator.CPU if on_cpu else Accelerator.CUDA, Dtype[settings.dtype.upper()])
    flags = cpu_flags(Path("/proc/cpuinfo").read_text()) if on_cpu else None
    if misfit := weights_misfit(weights, compute, flags):
        raise HardwareMismatch(f"The engine cannot serve {settings.version or settings.model}: {misfit}")


def _fork_on_cpu() -> None:
    """Import all, then let the engine core be forked, where vLLM computes on the CPU; elsewhere vLLM decides."""
    if vllm_internals.runs_on_cpu():
        preload()
        vllm_internals.fork_engine_core()
