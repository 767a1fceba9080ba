"""`python -m ratoon.engine.fetch`: get by digest what an engine is to load, and verify it before it starts.

The first thing that runs in an engine's pod, and what a running one does before it swaps. What is there already is
hashed, not fetched again.
"""

import logging
import sys
from pathlib import Path

from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.errors import RatoonError
from ratoon.engine.contract import UNTRUSTED_FILES_STATUS
from ratoon.engine.launch import verify
from ratoon.engine.manifest import AttestationError
from ratoon.engine.settings import EngineSettings

_LOG = logging.getLogger(__name__)


def fetch(settings: EngineSettings, artifact_digest: str, signature_digest: str) -> Path:
    """The folder of an artifact, every file checked by its digest, with its signature beside it."""
    store = ArtifactStore(settings.artifacts_url)
    folder = store.fetch_tree(artifact_digest, settings.models / artifact_digest)
    store.fetch(signature_digest, settings.models / f"{artifact_digest}.sig")
    return folder


def main() -> int:
    """Fetch and verify all that this engine starts with; the exit status."""
    settings = EngineSettings.of_this_process()
    try:
        for artifact_digest, signature_digest in settings.trees.items():
            _LOG.info("fetching %s", artifact_digest)
            fetch(settings, artifact_digest, signature_digest)
        verify(settings)
    except (AttestationError, RatoonError, OSError) as error:
        _LOG.error("%s has nothing to start with: %s", settings.engine, error)
        return UNTRUSTED_FILES_STATUS if isinstance(error, AttestationError) else 1
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main())
