"""Settings of one engine, in a file that only its owner can read.

The environment overrides the settings in `_OVERRIDABLE`: they describe the place where an engine runs, such as a pool.
The number format of the environment is a default: one that the file names comes first.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PREFIX = "RATOON_ENGINE_"
SETTINGS_VARIABLE = f"{PREFIX}SETTINGS"
"""Variable with the path of the settings file, for the processes that vLLM starts."""
_OVERRIDABLE = (
    "folder",
    "public_key",
    "artifacts_url",
    "host",
    "port",
    "dtype",
    "batch_invariant",
    "kv_cache_mib",
    "max_model_len",
    "max_num_seqs",
    "drain_s",
    "otlp",
    "arguments",
)
"""Settings that variables override, as `RATOON_ENGINE_<NAME>`."""


@dataclass(frozen=True)
class EngineSettings:
    """Settings of one engine: identity, files, address, limits."""

    engine: str
    """Resource name of the engine."""
    version: str
    """Resource name of the model version to serve; empty: only adapters are served."""
    artifact_digest: str
    """Digest of the version's artifact tree, in hex."""
    model: str
    """Directory of the model, absolute or relative to `models`; its signature is `<directory>.sig`."""
    served_names: tuple[str, ...]
    """Names by which requests may ask for the model."""
    socket: str
    """Path of the Unix socket to listen on; empty: it listens on `port`."""
    secret: str
    """Secret that each request must have in the header `x-ratoon-engine-secret`."""
    public_key: str
    """PEM file of the registry's public signing key."""
    folder: str = ""
    """Directory of models and private copies; empty: that of the settings file."""
    artifacts_url: str = ""
    """fsspec URL of the artifact store to fetch from; empty: the files exist already."""
    trees: Mapping[str, str] = field(default_factory=dict)
    """Artifacts to fetch before the start: digest of the signature by digest of the artifact."""
    host: str = "0.0.0.0"
    """Address to listen on when `socket` is empty."""
    port: int = 8000
    """Port to listen on when `socket` is empty."""
    starts_closed: bool = False
    """Whether requests are accepted only after `open` was called for this start."""
    max_model_len: int = 2048
    """Maximum length of a sequence, in tokens; a model with fewer positions is served with its own."""
    dtype: str = "float32"
    """Number format of the weights and of the computation."""
    batch_invariant: bool = False
    """Whether an answer has the same bits whatever else is computed with it; on an NVIDIA GPU only."""
    kv_cache_mib: int = 512
    """Memory of the key-value cache, in MiB; 0: vLLM decides."""
    max_num_seqs: int = 64
    """Maximum number of sequences that are computed at once."""
    drain_s: int = 600
    """Maximum time of open streams after the process was asked to end, in seconds."""
    chat_template: str = ""
    """Chat template file in a signed directory; empty: the model's own."""
    process: str = ""
    """Name of the process, after its first engine."""
    lora: bool = False
    """Whether adapters can be loaded while it runs."""
    lora_rank: int = 16
    """Maximum rank of an adapter; every adapter takes as much memory as one of this rank."""
    lora_slots: int = 3
    """Number of adapters that are loaded at once: the old, the new, and one of a rollback."""
    otlp: str = ""
    """OTLP/HTTP endpoint of the engine's spans; empty: none are exported."""
    arguments: tuple[str, ...] = field(default=())
    """Additional arguments for vLLM, unchanged."""

    def write(self, path: Path) -> None:
        """Write the settings to a file that only the owner can read."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as sink:
            json.dump(asdict(self), sink)

    @property
    def models(self) -> Path:
        """Directory of models, each in a directory named by its digest."""
        return Path(self.folder) / "models"

    @staticmethod
    def read(path: Path, environment: Mapping[str, str] = os.environ) -> "EngineSettings":
        """Read a settings file and apply the overrides of the environment."""
        written = json.loads(path.read_text())
        values = {**written, **_overrides(environment)}
        values |= {"dtype": written["dtype"]} if written.get("dtype") else {}
        values["folder"] = values.get("folder") or str(path.parent)
        for key in ("served_names", "arguments"):
            values[key] = tuple(values.get(key, ()))
        for key in ("model", "chat_template"):
            if values.get(key):
                values[key] = str(Path(values["folder"], "models", values[key]))
        return EngineSettings(**values)

    @staticmethod
    def of_this_process() -> "EngineSettings":
        """Read the settings file that the environment of this process names."""
        return EngineSettings.read(Path(os.environ[SETTINGS_VARIABLE]))


def _overrides(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the overrides of the environment; numbers and lists are JSON. ValueError for an invalid one."""
    texts = {name: environment.get(f"{PREFIX}{name.upper()}", "") for name in _OVERRIDABLE}
    kinds = EngineSettings.__annotations__
    return {name: text if kinds[name] is str else json.loads(text) for name, text in texts.items() if text}
