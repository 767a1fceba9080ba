"""`python -m ratoon.engine.fetch`: fetch the files of an engine by digest and verify them before it starts.

It is the init container of an engine's pod; a running engine fetches in the same way before a swap. Existing files are
hashed, not fetched again.
"""

import logging
import sys
from pathlib import Path

from ratoon.engine.contract import UNTRUSTED_FILES_STATUS
from ratoon.engine.launch import verify
from ratoon.engine.manifest import AttestationError
from ratoon.engine.settings import EngineSettings
from ratoon.process.errors import RatoonError
from ratoon.storage.artifacts import ArtifactStore

_LOG = logging.getLogger(__name__)


def fetch(settings: EngineSettings, artifact_digest: str, signature_digest: str) -> Path:
    """Fetch an artifact, each file checked by its digest, and its signature; returns the artifact's directory."""
    store = ArtifactStore(settings.artifacts_url)
    folder = store.fetch_tree(artifact_digest, settings.models / artifact_digest)
    store.fetch(signature_digest, settings.models / f"{artifact_digest}.sig")
    return folder


def main() -> int:
    """Fetch and verify the files that this engine starts with; returns the exit status."""
    settings = EngineSettings.of_this_process()
    try:
        for artifact_digest, signature_digest in settings.trees.items():
            _LOG.info("fetching %s", artifact_digest)
            fetch(settings, artifact_digest, signature_digest)
        verify(settings)
    except (AttestationError, RatoonError, OSError) as error:
        _LOG.error("%s cannot start, its files were not fetched and verified: %s", settings.engine, error)
        return UNTRUSTED_FILES_STATUS if isinstance(error, AttestationError) else 1
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main())
