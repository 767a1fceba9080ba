"""Control API of a running engine: report its status, close, open and drain it, swap its weights.

Each request that changes the engine returns the new status, read from the process that holds the weights. The platform
decides that weights are swapped, and when.
"""

import asyncio
import json
import math
import shutil
import time
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from ratoon.engine import vllm_internals
from ratoon.engine.admission import AdmissionGate
from ratoon.engine.contract import ControlPath
from ratoon.engine.fetch import fetch
from ratoon.engine.manifest import (
    AdapterRefused,
    AttestationError,
    FileMismatch,
    SignedManifest,
    files_of,
)
from ratoon.engine.settings import EngineSettings
from ratoon.process.errors import RatoonError

JSON = dict[str, Any]
Call = tuple[str, str]

_RPC_TIMEOUT_S = 60.0
_CORE_CHECK_S = 0.5
_ADAPTER_FILES = frozenset({"adapter_config.json", "adapter_model.safetensors"})
_TEXT_FILES = ("tokenizer.json", "chat_template.jinja")
"""Files that turn text into tokens: an engine reads them once, at its start."""


class EngineCoreEnded(Exception):
    """The process that computes has ended, so no call into it is answered."""

    def __init__(self) -> None:
        super().__init__(
            "The engine core has ended, for example because memory ran out: see the engine's log."
        )


class Control:
    """Routes of the control API, and the admission gates of the engine and its adapters."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._model = Path(settings.model)
        self._started = time.time()
        self._swap = asyncio.Lock()
        self._broken = ""
        self._draining = False
        self._adapters: dict[str, AdmissionGate] = {}
        self._gate = self._new_gate(settings.version, settings.artifact_digest)
        self.routes: dict[Call, Callable[[Any, JSON], Coroutine[Any, Any, JSON]]] = {
            ("GET", ControlPath.STATUS): self._status,
            ("POST", ControlPath.CLOSE): self._close,
            ("POST", ControlPath.OPEN): self._open,
            ("POST", ControlPath.DRAIN): self._drain,
            ("POST", ControlPath.RELOAD): self._reload,
            ("POST", ControlPath.RESET_PREFIX_CACHE): self._reset_prefix_cache,
            ("POST", ControlPath.LOAD_ADAPTER): self._load_adapter,
            ("POST", ControlPath.UNLOAD_ADAPTER): self._unload_adapter,
            ("POST", ControlPath.INJECT_FAULT): self._inject,
        }

    @property
    def has_gates_by_model(self) -> bool:
        """Whether the model that a request names decides which gate admits it."""
        return self._settings.lora

    def ready(self, state: Any) -> bool:
        """Return whether the engine has weights and can serve requests with them."""
        return not state.engine_client.errored and not self._broken

    def gate(self, model: str = "") -> AdmissionGate:
        """Return the gate of the adapter that a request names; the engine's own for every other name."""
        return self._adapters.get(model, self._gate)

    async def call(self, call: Call, state: Any, body: bytes) -> tuple[int, JSON]:
        """Answer one control request: HTTP status and JSON; 503 once the engine core has ended."""
        try:
            handler = self.routes[call]
            return 200, await _while_alive(state.engine_client, handler(state, json.loads(body or b"{}")))
        except EngineCoreEnded as error:
            return 503, _error("ENGINE_CORE_ENDED", str(error))
        except AttestationError as error:
            return 409, _error(error.reason, str(error))
        except (KeyError, TypeError, ValueError) as error:
            return 400, _error("INVALID_ARGUMENT", f"The control request is not valid: {error!r}.")

    async def _status(self, state: Any, _body: JSON) -> JSON:
        client = state.engine_client
        loaded = await client.collective_rpc("ratoon_loaded", timeout=_RPC_TIMEOUT_S)
        digests = {report.get("artifact_digest", "") for report in loaded}
        return {
            "engine": self._settings.engine,
            **self._gate.status(),
            "artifact_digest": digests.pop() if len(digests) == 1 else "",
            "expected_digest": self._gate.artifact_digest,
            "loaded": loaded,
            "adapters": {name: gate.status() for name, gate in self._adapters.items()},
            "dtype": self._settings.dtype,
            "runtime": vllm_internals.runtime(),
            "ready": self.ready(state),
            "broken": self._broken,
            "uptime_s": time.time() - self._started,
        }

    async def _close(self, state: Any, body: JSON) -> JSON:
        self._named(body).accepting = False
        return await self._status(state, {})

    async def _open(self, state: Any, body: JSON) -> JSON:
        if self._broken:
            raise AttestationError(f"The engine stays closed: {self._broken}")
        if self._draining:
            raise AttestationError("The engine stays closed: it is draining.")
        gate = self._named(body)
        if body.get("load_id", gate.load_id) != gate.load_id:
            raise AttestationError(
                "The engine stays closed: these weights were loaded again and have not passed attestation."
            )
        gate.accepting = True
        return await self._status(state, {})

    async def _drain(self, state: Any, _body: JSON) -> JSON:
        """Accept no new requests for the rest of the process's life."""
        self._draining = True
        for gate in (self._gate, *self._adapters.values()):
            gate.accepting = False
        return await self._status(state, {})

    def _new_gate(self, version: str, digest: str) -> AdmissionGate:
        return AdmissionGate(
            version, digest, accepting=not self._settings.starts_closed and not self._draining
        )

    async def _inject(self, state: Any, body: JSON) -> JSON:
        gate, seconds = self._named(body), float(body.get("seconds", 0.0))
        gate.error_rate = min(1.0, max(0.0, float(body["error_rate"])))
        gate.drill_ends = time.monotonic() + seconds if seconds else math.inf
        return await self._status(state, {})

    def _named(self, body: JSON) -> AdmissionGate:
        """Return the gate that a control request names, without a name the engine's own; KeyError when unknown."""
        name = str(body.get("name") or "")
        return self._adapters[name] if name else self._gate

    async def _reset_prefix_cache(self, state: Any, _body: JSON) -> JSON:
        await state.engine_client.reset_prefix_cache()
        return await self._status(state, {})

    async def _reload(self, state: Any, body: JSON) -> JSON:
        """Load the weights of another version in place; the engine must be closed and empty."""
        version, digest = str(body["version"]), str(body["artifact_digest"])
        async with self._swap:
            if self._gate.accepting or self._gate.in_flight or self._adapters:
                raise AttestationError("Close the engine and let its requests end before its weights change.")
            folder = await self._folder(body, "model")
            await asyncio.to_thread(self._check_interchangeable, folder, digest)
            await self._load_in_place(state.engine_client, folder)
            self._gate.version, self._gate.artifact_digest, self._model = version, digest, folder
            self._gate.load_id = uuid.uuid4().hex
            vllm_internals.rename_model(state.openai_serving_models, body.get("served_names", ()))
            return await self._status(state, {})

    async def _load_in_place(self, client: Any, folder: Path) -> None:
        self._broken = "a reload of its weights did not finish"
        try:
            await client.collective_rpc("reload_weights", kwargs={"weights_path": str(folder)})
            await client.reset_prefix_cache()
        except Exception as error:
            self._broken = f"a reload of its weights failed: {error}"
            raise AttestationError(self._broken) from error
        self._broken = ""

    def _check_interchangeable(self, folder: Path, digest: str) -> None:
        """Check that the directory is signed, has this digest, and differs from the present one in weights only."""
        key = Path(self._settings.public_key)
        new = SignedManifest.next_to(folder, key)
        if (actual := new.check_folder(folder)) != digest:
            raise FileMismatch(f"The directory's artifact digest is {actual}, but {digest} was named.")
        old = SignedManifest.next_to(self._model, key)
        for path in ("config.json", *_TEXT_FILES):
            if new.digests.get(path) != old.digests.get(path):
                raise FileMismatch(f"{path} differs between the versions: use a second engine.")

    async def _load_adapter(self, state: Any, body: JSON) -> JSON:
        """Load a LoRA version under a new name from a private, verified copy."""
        name, version = str(body["name"]), str(body["version"])
        async with self._swap:
            if name in self._adapters:
                raise AttestationError(
                    f"An adapter named {name!r} is already loaded: use a new name for each version."
                )
            private, source = self._private(name), await self._folder(body, "adapter")
            digest = await asyncio.to_thread(self._copy_verified, source, private)
            try:
                await vllm_internals.load_adapter(state.openai_serving_models, name, private)
            except vllm_internals.AdapterNotLoaded as error:
                await asyncio.to_thread(shutil.rmtree, private, ignore_errors=True)
                if not self.ready(state):
                    raise AttestationError("The engine failed while it loaded the adapter.") from error
                raise AdapterRefused(str(error)) from error
            self._adapters[name] = self._new_gate(version, digest)
            return await self._status(state, {})

    async def _unload_adapter(self, state: Any, body: JSON) -> JSON:
        """Remove an adapter; its open requests continue, from its private copy."""
        name = str(body["name"])
        async with self._swap:
            if (gate := self._adapters.pop(name, None)) is not None:
                number = await vllm_internals.unload_adapter(state.openai_serving_models, name)
                if not gate.in_flight:
                    await state.engine_client.remove_lora(number)
                    shutil.rmtree(self._private(name), ignore_errors=True)
            return await self._status(state, {})

    async def _folder(self, body: JSON, key: str) -> Path:
        """Return the directory that a request names; if it names digests only, fetch them first."""
        if key in body:
            return Path(body[key])
        digests = str(body["artifact_digest"]), str(body["signature_digest"])
        try:
            return await asyncio.to_thread(fetch, self._settings, *digests)
        except (RatoonError, OSError) as error:
            raise AttestationError(f"Artifact {digests[0]} could not be fetched: {error}") from error

    def _private(self, name: str) -> Path:
        return Path(self._settings.folder) / "adapters" / name.replace("/", "_")

    def _copy_verified(self, source: Path, private: Path) -> str:
        """Copy the files of an adapter; returns the digest of the whole signed artifact that it belongs to."""
        key = Path(self._settings.public_key)
        manifest, present = SignedManifest.next_to(source, key), self._text_digests(key)
        artifact_digest = manifest.check_folder(source)
        for path in _TEXT_FILES:
            if manifest.digests.get(path, present.get(path)) != present.get(path):
                raise FileMismatch(f"{path} differs from the file of this engine: use a second engine.")
        shutil.rmtree(private, ignore_errors=True)
        private.mkdir(parents=True, mode=0o700)
        for path, file in files_of(source).items():
            if path in _ADAPTER_FILES:
                shutil.copyfile(file, private / path)
        named = {path: digest for path, digest in manifest.digests.items() if path in _ADAPTER_FILES}
        SignedManifest(named).check_folder(private)
        return artifact_digest

    def _text_digests(self, key: Path) -> dict[str, str]:
        """Return digests of the files that turn text into tokens here: the base's, or those of its first adapter."""
        digests = SignedManifest.next_to(self._model, key).digests
        if not self._settings.chat_template:
            return digests
        template = Path(self._settings.chat_template)
        return {**digests, template.name: SignedManifest.next_to(template.parent, key).digests[template.name]}


async def _while_alive(client: Any, handling: Coroutine[Any, Any, JSON]) -> JSON:
    """Return the result of a handler; EngineCoreEnded if the engine core ends first.

    vLLM leaves a call into a core that ends without an answer, and its server does not exit before all requests are
    answered.
    """
    task = asyncio.ensure_future(handling)
    try:
        while not (await asyncio.wait({task}, timeout=_CORE_CHECK_S))[0]:
            if client.errored:
                raise EngineCoreEnded
        return task.result()
    except Exception as error:
        if client.errored and not isinstance(error, (AttestationError, EngineCoreEnded)):
            raise EngineCoreEnded from error
        raise
    finally:
        task.cancel()


def _error(reason: str, message: str) -> JSON:
    return {"error": {"message": message, "type": reason, "param": None, "code": reason}}
