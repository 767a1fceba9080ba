"""What an engine of this machine is told: `engine.json`, all that both sides share."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ratoon_serving.domain.engine import Engine


class Given(Protocol):
    """What the machine's engines have in common."""

    @property
    def public_key(self) -> Path: ...
    @property
    def kv_cache_mib(self) -> int: ...
    @property
    def max_model_len(self) -> int: ...


@dataclass(frozen=True)
class EngineFile:
    """The content of an engine's settings file."""

    values: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write it where only the owner can read, whole or not at all."""
        temporary = path.with_name(f".{path.name}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as sink:
            json.dump(self.values, sink)
        temporary.replace(path)


def engine_file(engine: Engine, model: Path, socket: Path, given: Given) -> EngineFile:
    """The settings of this engine."""
    version_id = engine.version.rsplit("/", 1)[-1]
    return EngineFile(
        {
            "engine": engine.name,
            "version": engine.version,
            "artifact_digest": engine.artifact_digest,
            "model": str(model),
            "served_names": [engine.served_name, f"{engine.served_name}@{version_id}"],
            "socket": str(socket),
            "secret": engine.secret,
            "public_key": str(given.public_key),
            "kv_cache_mib": given.kv_cache_mib,
            "max_model_len": given.max_model_len,
        }
    )
