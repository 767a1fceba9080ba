"""What one engine is told, as a file that only its owner reads. It knows no vLLM."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

SETTINGS_VARIABLE = "RATOON_ENGINE_SETTINGS"
"""Names the settings file to the processes that vLLM starts itself."""


@dataclass(frozen=True)
class EngineSettings:
    """One engine: who it is, what it loads, where it listens and how it runs."""

    engine: str
    """Resource name of the engine."""
    version: str
    """Resource name of the model version that it is to serve."""
    artifact_digest: str
    """Digest of the version's artifact tree, in hex."""
    model: str
    """Folder of the model; its signature lies beside it as `<folder>.sig`."""
    served_names: tuple[str, ...]
    """The names by which requests may ask for the model."""
    socket: str
    """Path of the Unix socket to listen on."""
    secret: str
    """What each request must bring in the header `x-ratoon-engine-secret`."""
    public_key: str
    """PEM file of the registry's public signing key."""
    max_model_len: int = 2048
    dtype: str = "float32"
    kv_cache_mib: int = 512
    max_num_seqs: int = 64
    drain_s: int = 600
    """How long open streams may go on after the process was asked to end, in seconds."""
    lora: bool = False
    """Whether adapters can be loaded while it runs."""
    arguments: tuple[str, ...] = field(default=())
    """Further arguments for vLLM, as they are."""

    def write(self, path: Path) -> None:
        """Write them where only the owner can read."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as sink:
            json.dump(asdict(self), sink)

    @staticmethod
    def read(path: Path) -> "EngineSettings":
        """Read what `write` wrote."""
        values = json.loads(path.read_text())
        lists = {key: tuple(values.get(key, ())) for key in ("served_names", "arguments")}
        return EngineSettings(**{**values, **lists})

    @staticmethod
    def of_this_process() -> "EngineSettings":
        """The settings that the starter of this process named."""
        return EngineSettings.read(Path(os.environ[SETTINGS_VARIABLE]))
