"""What the platform may do to a running engine: ask what it serves, close, open, swap its weights.

Every answer of a swap is the new status, read from the process that holds the weights. It knows vLLM's engine
client only by the few calls that it makes; that a swap is wanted, and when, is decided outside.
"""

import asyncio
import json
import math
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratoon_serving.engine.manifest import AttestationError, FileMismatch, SignedManifest, files_of
from ratoon_serving.engine.settings import SETTINGS_VARIABLE, EngineSettings

JSON = dict[str, Any]
Call = tuple[str, str]

_RPC_TIMEOUT_S = 60.0
_ADAPTER_FILES = frozenset({"adapter_config.json", "adapter_model.safetensors"})


@dataclass
class Door:
    """Whether new requests come in, and how many are inside."""

    open: bool = True
    in_flight: int = 0
    error_rate: float = 0.0
    """Share of completions that fail on purpose, from 0 to 1 (a drill)."""
    drill_ends: float = 0.0
    """When the drill is over, on the monotonic clock."""
    _debt: float = 0.0

    def fails_next(self) -> bool:
        """Whether the next completion is one that fails on purpose; spread evenly, not drawn by chance."""
        if self.error_rate and time.monotonic() > self.drill_ends:
            self.error_rate = 0.0
        self._debt += self.error_rate
        if self._debt < 1:
            return False
        self._debt -= 1
        return True


class Control:
    """The routes below `/ratoon/` of one engine."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._model = Path(settings.model)
        self._artifact_digest = settings.artifact_digest
        self._started = time.time()
        self._swap = asyncio.Lock()
        self._broken = ""
        self._adapters: dict[str, str] = {}
        self.version = settings.version
        self.door = Door()
        self.routes: dict[Call, Callable[[Any, JSON], Awaitable[JSON]]] = {
            ("GET", "/ratoon/status"): self._status,
            ("POST", "/ratoon/close"): self._close,
            ("POST", "/ratoon/open"): self._open,
            ("POST", "/ratoon/reload"): self._reload,
            ("POST", "/ratoon/reset-prefix-cache"): self._reset_prefix_cache,
            ("POST", "/ratoon/adapters"): self._load_adapter,
            ("POST", "/ratoon/faults"): self._inject,
        }

    async def call(self, call: Call, state: Any, body: bytes) -> tuple[int, JSON]:
        """Answer one control route: HTTP status and JSON."""
        try:
            return 200, await self.routes[call](state, json.loads(body or b"{}"))
        except AttestationError as error:
            return 409, _error(error.reason, str(error))
        except (KeyError, TypeError, ValueError) as error:
            return 400, _error("INVALID_ARGUMENT", f"The control request is not understood: {error!r}.")

    async def _status(self, state: Any, _body: JSON) -> JSON:
        client = state.engine_client
        loaded = await client.collective_rpc("ratoon_loaded", timeout=_RPC_TIMEOUT_S)
        digests = {report.get("artifact_digest", "") for report in loaded}
        return {
            "engine": self._settings.engine,
            "version": self.version,
            "artifact_digest": digests.pop() if len(digests) == 1 else "",
            "expected_digest": self._artifact_digest,
            "loaded": loaded,
            "adapters": self._adapters,
            "accepting": self.door.open,
            "in_flight": self.door.in_flight,
            "error_rate": self.door.error_rate,
            "ready": not client.errored and not self._broken,
            "broken": self._broken,
            "uptime_s": time.time() - self._started,
        }

    async def _close(self, state: Any, _body: JSON) -> JSON:
        self.door.open = False
        return await self._status(state, {})

    async def _open(self, state: Any, _body: JSON) -> JSON:
        if self._broken:
            raise AttestationError(f"The engine stays closed: {self._broken}")
        self.door.open = True
        return await self._status(state, {})

    async def _inject(self, state: Any, body: JSON) -> JSON:
        seconds = float(body.get("seconds", 0.0))
        self.door.error_rate = min(1.0, max(0.0, float(body["error_rate"])))
        self.door.drill_ends = time.monotonic() + seconds if seconds else math.inf
        return await self._status(state, {})

    async def _reset_prefix_cache(self, state: Any, _body: JSON) -> JSON:
        await state.engine_client.reset_prefix_cache()
        return await self._status(state, {})

    async def _reload(self, state: Any, body: JSON) -> JSON:
        """Load another version's weights in place; the engine must be closed and empty."""
        folder, version, digest = Path(body["model"]), str(body["version"]), str(body["artifact_digest"])
        async with self._swap:
            if self.door.open or self.door.in_flight:
                raise AttestationError("Close the engine and let its requests end before its weights change.")
            await asyncio.to_thread(self._check_interchangeable, folder, digest)
            await self._load_in_place(state.engine_client, folder)
            self.version, self._artifact_digest, self._model = version, digest, folder
            return await self._status(state, {})

    async def _load_in_place(self, client: Any, folder: Path) -> None:
        self._broken = "a reload of its weights did not end"
        try:
            await client.collective_rpc("reload_weights", kwargs={"weights_path": str(folder)})
            await client.reset_prefix_cache()
        except Exception as error:
            self._broken = f"a reload of its weights failed: {error}"
            raise AttestationError(self._broken) from error
        self._broken = ""

    def _check_interchangeable(self, folder: Path, digest: str) -> None:
        """The new folder is signed, is the one named, and differs from the present one in weights alone."""
        key = Path(self._settings.public_key)
        new = SignedManifest.beside(folder, key)
        if (found := new.check_folder(folder)) != digest:
            raise FileMismatch(f"The folder's artifact digest is {found}, but {digest} was named.")
        old = SignedManifest.beside(self._model, key)
        for path in ("config.json", "tokenizer.json", "chat_template.jinja"):
            if new.digests.get(path) != old.digests.get(path):
                raise FileMismatch(f"{path} differs between the versions: use a second engine.")

    async def _load_adapter(self, state: Any, body: JSON) -> JSON:
        """Load a LoRA version under a new name from a private, verified copy."""
        from vllm.entrypoints.serve.lora.protocol import LoadLoRAAdapterRequest

        name, source = str(body["name"]), Path(body["adapter"])
        if name in self._adapters:
            raise AttestationError(f"An adapter named {name!r} is loaded already: a version is a new name.")
        private = Path(os.environ[SETTINGS_VARIABLE]).parent / "adapters" / name.replace("/", "_")
        digest = await asyncio.to_thread(self._copy_verified, source, private)
        request = LoadLoRAAdapterRequest(lora_name=name, lora_path=str(private))
        answer = await state.openai_serving_models.load_lora_adapter(request)
        if not isinstance(answer, str):
            raise AttestationError(f"The adapter was not loaded: {answer.error.message}")
        self._adapters[name] = digest
        return await self._status(state, {})

    def _copy_verified(self, source: Path, private: Path) -> str:
        manifest = SignedManifest.beside(source, Path(self._settings.public_key))
        shutil.rmtree(private, ignore_errors=True)
        private.mkdir(parents=True, mode=0o700)
        for path, file in files_of(source).items():
            if path in _ADAPTER_FILES:
                shutil.copyfile(file, private / path)
        named = {path: digest for path, digest in manifest.digests.items() if path in _ADAPTER_FILES}
        return SignedManifest(named).check_folder(private)


def _error(reason: str, message: str) -> JSON:
    return {"error": {"message": message, "type": reason, "param": None, "code": reason}}
