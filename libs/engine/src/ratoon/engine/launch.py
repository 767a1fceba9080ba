"""Start vLLM in this process for one engine: verify its files first, then become the API server.

On a CPU, vLLM spawns an engine core and a worker that each import everything again. Here the core is forked
from the process that has imported it all, and holds the worker itself: two processes instead of three,
imported once.
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

from ratoon.chassis.artifacts import file_digest
from ratoon.chassis.model_tree import FolderFiles, model_positions
from ratoon.engine import vllm_internals
from ratoon.engine.manifest import FileMismatch, SignedManifest
from ratoon.engine.settings import SETTINGS_VARIABLE, EngineSettings
from ratoon.engine.sockets import PREFIX, SOCKETS_NOTE, forget_sockets

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
"""What a process that imports vLLM for an engine is started with; who starts it adds `OMP_NUM_THREADS`.

Without `TORCHDYNAMO_DISABLE` the first request for log-probabilities waits 20 s for a compiler.
"""

TRACES = {
    "OTEL_SERVICE_NAME": "engine",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    "OTEL_TRACES_SAMPLER": "parentbased_always_off",
}
"""How vLLM tells its spans: of requests whose trace the gateway keeps, and of no others."""

PRELOAD = (*vllm_internals.PRELOAD, "ratoon.engine.middleware", "ratoon.engine.loader")
"""Modules that take the time of a cold start: imported before the fork, once for every engine of the machine."""

STRUCTURED_OUTPUTS = json.dumps({"backend": "guidance", "disable_any_whitespace": True})
"""Grammars are followed token by token, with a bound on each step: no schema of a caller holds the engine up.

With white space allowed anywhere a small model writes nothing else up to the end of its answer.
"""

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
    """Tokens that a sequence may have: what was set, or fewer where the model has fewer positions."""
    held = model_positions(FolderFiles(Path(settings.model)))
    return min(settings.max_model_len, held) if held else settings.max_model_len


def _lora_arguments(settings: EngineSettings) -> list[str]:
    slots = ("--max-loras", str(settings.lora_slots), "--max-cpu-loras", str(settings.lora_slots))
    return ["--enable-lora", "--max-lora-rank", str(settings.lora_rank), *slots]


def launch(settings_file: Path) -> None:
    """Verify the model's files, then serve until told to end; AttestationError when they are not right."""
    settings = EngineSettings.read(settings_file)
    verify(settings)
    os.environ.update({**ENVIRONMENT, **TRACES})
    os.environ[SETTINGS_VARIABLE] = str(settings_file)
    with private_sockets(settings_file.parent if settings.socket else None) as sockets:
        os.environ["VLLM_RPC_BASE_PATH"] = str(sockets)
        _serve(settings)


@contextmanager
def private_sockets(noted_in: Path | None) -> Iterator[Path]:
    """A directory that only this user enters, for the sockets between the engine's processes; removed at the end.

    Its name is noted in the engine's own directory, so that what a killed engine leaves is removed as well. It lies in
    the system's temporary directory: a socket's path has at most 107 bytes.
    """
    sockets = tempfile.mkdtemp(prefix=PREFIX)
    if noted_in is not None:
        forget_sockets(noted_in)
        (noted_in / SOCKETS_NOTE).write_text(sockets)
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

    If the child kept them, callers of a server that was killed would wait in the child's queue instead of being refused.
    vLLM binds before it forks and listens after. The descriptor stays in use, because the child may close it later.
    """
    with open(os.devnull) as nothing:
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError), socket.socket(fileno=os.dup(int(name))) as inherited:
                bound = inherited.getsockname()
                if (bound if isinstance(bound, str) else bound[1]) == at:
                    os.dup2(nothing.fileno(), int(name))


def verify(settings: EngineSettings) -> None:
    """Check every file of the model folder, and the adapters' template, before anything of vLLM reads one."""
    folder, key = Path(settings.model), Path(settings.public_key)
    if settings.chat_template:
        template = Path(settings.chat_template)
        SignedManifest.beside(template.parent, key).check(template.name, file_digest(template))
    found = SignedManifest.beside(folder, key).check_folder(folder)
    if found != settings.artifact_digest:
        raise FileMismatch(
            f"The directory's artifact digest is {found}, but {settings.artifact_digest} was named."
        )


def _fork_on_cpu() -> None:
    """Import all, then let the engine core be forked, where vLLM computes on the CPU; elsewhere vLLM decides."""
    if vllm_internals.runs_on_cpu():
        preload()
        vllm_internals.fork_engine_core()
