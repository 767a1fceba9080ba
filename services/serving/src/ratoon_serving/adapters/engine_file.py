"""What an engine is told: `engine.json`, all that both sides share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ratoon.chassis.files import OWNER_ONLY, write_json
from ratoon_serving.domain.engine import Engine


class Given(Protocol):
    """What the machine's engines have in common."""

    @property
    def public_key(self) -> Path: ...
    @property
    def kv_cache_mib(self) -> int: ...
    @property
    def max_model_len(self) -> int: ...
    @property
    def otlp(self) -> str: ...


@dataclass(frozen=True)
class EngineFile:
    """The content of an engine's settings file."""

    values: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write it where only the owner can read, whole or not at all."""
        write_json(path, self.values, mode=OWNER_ONLY, durable=False)


def engine_file(
    engine: Engine, model: Path, socket: Path, given: Given, adapter: Path | None = None
) -> EngineFile:
    """What the engine's process is to hold: its version, or the base model of its adapter and of others.

    The template of the folder `adapter` is that of all adapters which the process will hold.
    """
    template = adapter / "chat_template.jinja" if adapter else None
    return EngineFile(
        {
            **identity(engine),
            "model": str(model),
            "chat_template": str(template) if template and template.exists() else "",
            "socket": str(socket),
            "public_key": str(given.public_key),
            "kv_cache_mib": given.kv_cache_mib,
            "max_model_len": given.max_model_len,
            "otlp": given.otlp,
        }
    )


def identity(engine: Engine) -> dict[str, Any]:
    """What an engine's process is told of who it is, wherever it runs."""
    return {
        "engine": engine.name,
        "process": engine.process,
        "version": "" if engine.is_adapter else engine.version,
        "artifact_digest": engine.base_digest or engine.artifact_digest,
        "served_names": served_names(engine),
        "lora": engine.is_adapter,
        "lora_rank": engine.most_rank,
        "secret": engine.secret,
    }


def served_names(engine: Engine) -> list[str]:
    """The names by which the process knows the model that it holds: for an adapter, the base that nobody asks for."""
    if engine.is_adapter:
        return [f"{engine.served_name.partition('@')[0]}@base"]
    return [engine.served_name, f"{engine.served_name}@{engine.version.rsplit('/', 1)[-1]}"]
