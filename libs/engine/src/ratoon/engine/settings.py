"""What one engine is told, as a file that only its owner reads. It knows no vLLM.

How engines run at a place (a pool of pods) may be said by variables as well, which win over the file.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PREFIX = "RATOON_ENGINE_"
SETTINGS_VARIABLE = f"{PREFIX}SETTINGS"
"""Names the settings file to the processes that vLLM starts itself."""
_OF_THE_PLACE = (
    "folder",
    "public_key",
    "artifacts_url",
    "host",
    "port",
    "dtype",
    "kv_cache_mib",
    "max_model_len",
    "max_num_seqs",
    "drain_s",
    "otlp",
    "arguments",
)
"""What variables may say."""


@dataclass(frozen=True)
class EngineSettings:
    """One engine: who it is, what it loads, where it listens and how it runs."""

    engine: str
    """Resource name of the engine."""
    version: str
    """Resource name of the model version that it is to serve; empty: only adapters are served."""
    artifact_digest: str
    """Digest of the version's artifact tree, in hex."""
    model: str
    """Folder of the model, perhaps relative to `models`; its signature lies beside it as `<folder>.sig`."""
    served_names: tuple[str, ...]
    """The names by which requests may ask for the model."""
    socket: str
    """Path of the Unix socket to listen on; empty: it listens on `port`."""
    secret: str
    """What each request must bring in the header `x-ratoon-engine-secret`."""
    public_key: str
    """PEM file of the registry's public signing key."""
    folder: str = ""
    """Where it keeps models and private copies; empty: beside its settings, with models where they are named."""
    artifacts_url: str = ""
    """fsspec URL of the artifact store that it fetches from; empty: what it needs is there already."""
    trees: Mapping[str, str] = field(default_factory=dict)
    """What it fetches before it starts: digests of signatures by digests of the artifacts that they sign."""
    host: str = "0.0.0.0"
    """Where it listens when it does on a port: a pod's address is its own."""
    port: int = 8000
    starts_closed: bool = False
    """Whether it takes callers' requests only once it was told to, for this very start."""
    max_model_len: int = 2048
    dtype: str = "float32"
    kv_cache_mib: int = 512
    """Memory of the key-value cache; 0: vLLM decides."""
    max_num_seqs: int = 64
    drain_s: int = 600
    """How long open streams may go on after the process was asked to end, in seconds."""
    chat_template: str = ""
    """File of the template that requests are rendered with, in a signed folder; empty: the model's own."""
    process: str = ""
    """Name of the process, after its first engine."""
    lora: bool = False
    """Whether adapters can be loaded while it runs."""
    lora_rank: int = 16
    """The greatest rank of an adapter: every adapter costs as much as one of this rank."""
    lora_slots: int = 3
    """How many adapters answer at once: the old, the new, and one that comes back."""
    otlp: str = ""
    """OTLP/HTTP endpoint that the engine sends its spans to; empty: nowhere."""
    arguments: tuple[str, ...] = field(default=())
    """Further arguments for vLLM, as they are."""

    def write(self, path: Path) -> None:
        """Write them where only the owner can read."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as sink:
            json.dump(asdict(self), sink)

    @property
    def models(self) -> Path:
        """Where models are, each in a folder named by its digest."""
        return Path(self.folder) / "models"

    @staticmethod
    def read(path: Path, environment: Mapping[str, str] = os.environ) -> "EngineSettings":
        """Read what `write` wrote, and what the environment says of this place."""
        values = {**json.loads(path.read_text()), **_of_the_place(environment)}
        values["folder"] = values.get("folder") or str(path.parent)
        for key in ("served_names", "arguments"):
            values[key] = tuple(values.get(key, ()))
        for key in ("model", "chat_template"):
            if values.get(key):
                values[key] = str(Path(values["folder"], "models", values[key]))
        return EngineSettings(**values)

    @staticmethod
    def of_this_process() -> "EngineSettings":
        """The settings that the starter of this process named."""
        return EngineSettings.read(Path(os.environ[SETTINGS_VARIABLE]))


def _of_the_place(environment: Mapping[str, str]) -> dict[str, Any]:
    """What variables say; numbers and lists are JSON. ValueError for one that is not."""
    said = {name: environment.get(f"{PREFIX}{name.upper()}", "") for name in _OF_THE_PLACE}
    kinds = EngineSettings.__annotations__
    return {name: text if kinds[name] is str else json.loads(text) for name, text in said.items() if text}
