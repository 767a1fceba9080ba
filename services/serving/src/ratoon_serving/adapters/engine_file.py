"""Settings file of an engine: `engine.json`, the contract between serving and the engine's process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ratoon.process.files import OWNER_ONLY, write_json
from ratoon_serving.domain.engine import Engine

_SWAP_SLOTS = 2
"""Slots for the new version of a rollout and for one of a rollback, next to an adapter of each deployment."""


class EngineDefaults(Protocol):
    """Common settings of the engines of a machine."""

    @property
    def public_key(self) -> Path: ...
    @property
    def kv_cache_mib(self) -> int: ...
    @property
    def max_model_len(self) -> int: ...
    @property
    def otlp(self) -> str: ...
    @property
    def shared_adapters(self) -> int: ...


@dataclass(frozen=True)
class EngineFile:
    """Content of an engine's settings file."""

    values: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write it atomically, readable by the owner only."""
        write_json(path, self.values, mode=OWNER_ONLY, durable=False)


def engine_file(
    engine: Engine, model: Path, socket: Path, defaults: EngineDefaults, adapter: Path | None = None
) -> EngineFile:
    """Return the settings of an engine's process: it holds a version, or the base model of adapters.

    All adapters of the process use the chat template of the directory `adapter`.
    """
    template = adapter / "chat_template.jinja" if adapter else None
    return EngineFile(
        {
            **identity(engine),
            "model": str(model),
            "chat_template": str(template) if template and template.exists() else "",
            "socket": str(socket),
            "public_key": str(defaults.public_key),
            "kv_cache_mib": defaults.kv_cache_mib,
            "max_model_len": defaults.max_model_len,
            "otlp": defaults.otlp,
            **(
                {"lora_slots": defaults.shared_adapters + _SWAP_SLOTS} if defaults.shared_adapters > 1 else {}
            ),
        }
    )


def identity(engine: Engine) -> dict[str, Any]:
    """Return the settings that identify an engine's process, on a machine or in a pod."""
    return {
        "engine": engine.name,
        "process": engine.process,
        "version": "" if engine.is_adapter else engine.version,
        "artifact_digest": engine.base_digest or engine.artifact_digest,
        "served_names": served_names(engine),
        "lora": engine.is_adapter,
        "lora_rank": engine.max_rank,
        "secret": engine.secret,
        **({"dtype": engine.compute.dtype.lower()} if engine.compute else {}),
    }


def served_names(engine: Engine) -> list[str]:
    """Return the served names of the process's model; for an adapter, a name of the base model that no request uses."""
    if engine.is_adapter:
        return [f"{engine.served_name.partition('@')[0]}@base"]
    return [engine.served_name, f"{engine.served_name}@{engine.version.rsplit('/', 1)[-1]}"]
