"""What the platform may do to a running engine: ask what it serves, close, open, swap its weights.

Every answer of a swap is the new status, read from the process that holds the weights. It knows vLLM's engine
client only by the few calls that it makes; that a swap is wanted, and when, is decided outside.
"""

import asyncio
import json
import math
import shutil
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratoon.chassis.errors import RatoonError
from ratoon.engine import vllm_internals
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

JSON = dict[str, Any]
Call = tuple[str, str]

_RPC_TIMEOUT_S = 60.0
_ADAPTER_FILES = frozenset({"adapter_config.json", "adapter_model.safetensors"})
_SPEECH = ("tokenizer.json", "chat_template.jinja")
"""What an engine reads once, and keeps: how text becomes tokens."""


@dataclass
class Door:
    """What is behind one name: whether new requests come in, how many are inside, which version answers."""

    version: str = ""
    artifact_digest: str = ""
    open: bool = True
    in_flight: int = 0
    error_rate: float = 0.0
    """Share of completions that fail on purpose, from 0 to 1 (a drill)."""
    drill_ends: float = 0.0
    """When the drill is over, on the monotonic clock."""
    load_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Names this load of these weights: a process that starts anew has another one."""
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
        self._started = time.time()
        self._swap = asyncio.Lock()
        self._broken = ""
        self._ends = False
        self._adapters: dict[str, Door] = {}
        self._door = self._new_door(settings.version, settings.artifact_digest)
        self.routes: dict[Call, Callable[[Any, JSON], Awaitable[JSON]]] = {
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
    def has_many_doors(self) -> bool:
        """Whether it is the asked model that says which door a request goes to."""
        return self._settings.lora

    def ready(self, state: Any) -> bool:
        """Whether it has weights and can answer with them."""
        return not state.engine_client.errored and not self._broken

    def door(self, model: str = "") -> Door:
        """The door of an adapter, by the model that a request asks for; every other name is the process's own."""
        return self._adapters.get(model, self._door)

    async def call(self, call: Call, state: Any, body: bytes) -> tuple[int, JSON]:
        """Answer one control route: HTTP status and JSON."""
        try:
            return 200, await self.routes[call](state, json.loads(body or b"{}"))
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
            **_told(self._door),
            "artifact_digest": digests.pop() if len(digests) == 1 else "",
            "expected_digest": self._door.artifact_digest,
            "loaded": loaded,
            "adapters": {name: _told(door) for name, door in self._adapters.items()},
            "ready": self.ready(state),
            "broken": self._broken,
            "uptime_s": time.time() - self._started,
        }

    async def _close(self, state: Any, body: JSON) -> JSON:
        self._named(body).open = False
        return await self._status(state, {})

    async def _open(self, state: Any, body: JSON) -> JSON:
        if self._broken:
            raise AttestationError(f"The engine stays closed: {self._broken}")
        if self._ends:
            raise AttestationError("The engine stays closed: it is about to end.")
        door = self._named(body)
        if body.get("load_id", door.load_id) != door.load_id:
            raise AttestationError(
                "The engine stays closed: these weights were loaded again and have not passed attestation."
            )
        door.open = True
        return await self._status(state, {})

    async def _drain(self, state: Any, _body: JSON) -> JSON:
        """Close every door for good: the process is about to be told to end."""
        self._ends = True
        for door in (self._door, *self._adapters.values()):
            door.open = False
        return await self._status(state, {})

    def _new_door(self, version: str, digest: str) -> Door:
        return Door(version, digest, open=not self._settings.starts_closed and not self._ends)

    async def _inject(self, state: Any, body: JSON) -> JSON:
        door, seconds = self._named(body), float(body.get("seconds", 0.0))
        door.error_rate = min(1.0, max(0.0, float(body["error_rate"])))
        door.drill_ends = time.monotonic() + seconds if seconds else math.inf
        return await self._status(state, {})

    def _named(self, body: JSON) -> Door:
        """The door that a control request names; without a name the process's own. KeyError for an unknown one."""
        name = str(body.get("name") or "")
        return self._adapters[name] if name else self._door

    async def _reset_prefix_cache(self, state: Any, _body: JSON) -> JSON:
        await state.engine_client.reset_prefix_cache()
        return await self._status(state, {})

    async def _reload(self, state: Any, body: JSON) -> JSON:
        """Load another version's weights in place; the engine must be closed and empty."""
        version, digest = str(body["version"]), str(body["artifact_digest"])
        async with self._swap:
            if self._door.open or self._door.in_flight or self._adapters:
                raise AttestationError("Close the engine and let its requests end before its weights change.")
            folder = await self._folder(body, "model")
            await asyncio.to_thread(self._check_interchangeable, folder, digest)
            await self._load_in_place(state.engine_client, folder)
            self._door.version, self._door.artifact_digest, self._model = version, digest, folder
            self._door.load_id = uuid.uuid4().hex
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
        """The new folder is signed, is the one named, and differs from the present one in weights alone."""
        key = Path(self._settings.public_key)
        new = SignedManifest.beside(folder, key)
        if (found := new.check_folder(folder)) != digest:
            raise FileMismatch(f"The directory's artifact digest is {found}, but {digest} was named.")
        old = SignedManifest.beside(self._model, key)
        for path in ("config.json", *_SPEECH):
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
            self._adapters[name] = self._new_door(version, digest)
            return await self._status(state, {})

    async def _unload_adapter(self, state: Any, body: JSON) -> JSON:
        """Forget an adapter; answers that it still writes go on, from its private copy."""
        name = str(body["name"])
        async with self._swap:
            if (door := self._adapters.pop(name, None)) is not None:
                number = await vllm_internals.unload_adapter(state.openai_serving_models, name)
                if not door.in_flight:
                    await state.engine_client.remove_lora(number)
                    shutil.rmtree(self._private(name), ignore_errors=True)
            return await self._status(state, {})

    async def _folder(self, body: JSON, key: str) -> Path:
        """The folder that a request names; where it names digests alone, it is fetched first."""
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
        """Copy what an adapter needs; the digest of the whole signed artifact that it belongs to."""
        key = Path(self._settings.public_key)
        manifest, spoken = SignedManifest.beside(source, key), self._spoken(key)
        artifact_digest = manifest.check_folder(source)
        for path in _SPEECH:
            if manifest.digests.get(path, spoken.get(path)) != spoken.get(path):
                raise FileMismatch(f"{path} differs from what this engine renders with: use a second engine.")
        shutil.rmtree(private, ignore_errors=True)
        private.mkdir(parents=True, mode=0o700)
        for path, file in files_of(source).items():
            if path in _ADAPTER_FILES:
                shutil.copyfile(file, private / path)
        named = {path: digest for path, digest in manifest.digests.items() if path in _ADAPTER_FILES}
        SignedManifest(named).check_folder(private)
        return artifact_digest

    def _spoken(self, key: Path) -> dict[str, str]:
        """Digests of the files by which this process turns text into tokens: the base's, or its first adapter's."""
        digests = SignedManifest.beside(self._model, key).digests
        if not self._settings.chat_template:
            return digests
        template = Path(self._settings.chat_template)
        return {**digests, template.name: SignedManifest.beside(template.parent, key).digests[template.name]}


def _told(door: Door) -> JSON:
    """What the status says of a door."""
    return {
        "version": door.version,
        "artifact_digest": door.artifact_digest,
        "accepting": door.open,
        "in_flight": door.in_flight,
        "error_rate": door.error_rate,
        "load_id": door.load_id,
    }


def _error(reason: str, message: str) -> JSON:
    return {"error": {"message": message, "type": reason, "param": None, "code": reason}}
