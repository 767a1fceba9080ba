"""Parity certificates in the artifact store: DSSE envelopes around in-toto statements, signed by the registry."""

import json
from base64 import b64decode
from collections.abc import Sequence

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.parity import Link, links_of, statement
from ratoon_registry.adapters.seals import Sealer

_PAYLOAD_TYPE = "application/vnd.in-toto+json"


class StoredCertificates:
    """Certificates by digest."""

    def __init__(self, artifacts: ArtifactStore, sealer: Sealer) -> None:
        self._artifacts, self._sealer = artifacts, sealer

    def links(self, digest: str) -> tuple[Link, ...]:
        """Return the links of a certificate; none of an empty digest."""
        if not digest:
            return ()
        envelope = json.loads(self._artifacts.read(digest))
        return links_of(json.loads(b64decode(envelope["payload"])))

    def sealed(self, artifact_digest: str, links: Sequence[Link]) -> str:
        """Sign and store the certificate of an artifact, and return its digest."""
        payload = statement(artifact_digest, links)
        return self._artifacts.put_bytes(self._sealer.envelope(payload, _PAYLOAD_TYPE))
